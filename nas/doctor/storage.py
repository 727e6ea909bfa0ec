"""The study directory's disk: whether it can be written, how full it is, who else sees it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nas.doctor.check import Check, gigabytes

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|beegfs|ceph|glusterfs|afs|9p|virtiofs|orangefs|pvfs2"
    r"|fuse\.(?!fuse-overlayfs)\S+"
)
"""File systems that other machines write to as well."""
LOW_BYTES = 5e9
FULL_BYTES = 2e8


def check_output(path: Path, *, joins: bool) -> Iterator[Check]:
    """Looks at where the study is, or is to be.

    Args:
        path: The study directory, which need not exist.
        joins: Whether a run would use other machines, which have to see the directory.
    """
    folder = nearest(path)
    problem = _write_problem(folder)
    if problem:
        advice = "choose another with --output DIR, or change who may write there"
        yield Check("output", "fail", f"{path} cannot be written: {problem}", advice)
        return
    free = shutil.disk_usage(folder).free
    text = f"{path}, {gigabytes(free)} free"
    advice = "checkpoints, exported networks and compiled functions need room; free some"
    state = "ok" if free >= LOW_BYTES else "warn" if free >= FULL_BYTES else "fail"
    yield Check("output", state, text, "" if state == "ok" else advice)
    yield check_file_system(file_system(folder), joins=joins)


def check_file_system(kind: str, *, joins: bool) -> Check:
    """Whether the study's SQLite database can live with a file system.

    Args:
        kind: As the system calls it; empty where it is unknown.
        joins: Whether other machines have to see it; that they do is asked of them.
    """
    if NETWORK.fullmatch(kind):
        return Check(
            "file system",
            "ok" if joins else "warn",
            f"{kind}, over the network",
            "study.db locks and maps memory: write it, and `nas watch` it, from one machine only",
        )
    return Check("file system", "ok", f"{kind or 'unknown'}, of this machine")


def nearest(path: Path) -> Path:
    """The path itself, or the closest folder above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if os.path.exists(folder))


def file_system(folder: Path, *, mounts: Path = MOUNTS) -> str:
    """The type of the file system that holds a folder; empty where it is not told.

    Reference: proc(5), /proc/PID/mountinfo: the fifth field is the mount point, the first after
    the lone hyphen the type.
    """
    folder = folder.resolve()
    best, kind = Path("/"), ""
    if not mounts.exists():
        return kind
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), before.split()[4]))
        # Of several mounts at one place the last is what is seen.
        if folder.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, after.split()[0]
    return kind


def _write_problem(folder: Path) -> str:
    """Why nothing can be written; tried, since rights are not all that can be in the way."""
    if not folder.is_dir():
        return f"{folder} is a file"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return ""
