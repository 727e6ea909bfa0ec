"""Where a study can be written, and on what kind of file system."""

from pathlib import Path

import pytest

from nas.doctor.check import Check
from nas.doctor.storage import check_file_system, check_output, file_system

MOUNTS = r"""
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 0:45 / /shared rw,relatime shared:1 - nfs4 server:/export rw
23 22 0:46 / /shared/scratch rw - lustre mds:/lustre rw
24 21 0:47 / /my\040disk rw - xfs /dev/sdb1 rw
25 21 0:48 / /twice rw - tmpfs tmpfs rw
26 21 0:49 / /twice rw - fuse.sshfs host:/ rw
"""


def first(path: Path) -> Check:
    return next(check_output(path, joins=False))


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", "ext4"),
        ("/shared/runs", "nfs4"),
        ("/shared/scratch/runs", "lustre"),
        ("/sharedness", "ext4"),
        ("/my disk/runs", "xfs"),
        ("/twice", "fuse.sshfs"),
    ],
)
def test_the_closest_mount_says_what_a_folder_is_on(tmp_path: Path, folder: str, kind: str):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert file_system(Path(folder), mounts=mounts) == kind


def test_this_machine_tells_its_own():
    assert file_system(Path("/proc")) == "proc"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "lustre", "fuse.sshfs", "9p", "beegfs"])
def test_a_network_file_system_is_for_clusters_and_one_writer(kind: str):
    assert check_file_system(kind, joins=False).state == "warn"
    assert check_file_system(kind, joins=True).state == "ok"
    assert "one machine only" in check_file_system(kind, joins=True).advice


@pytest.mark.parametrize("kind", ["ext4", "xfs", "overlay", "tmpfs", "fuse.fuse-overlayfs", ""])
def test_a_local_file_system_is_fine(kind: str):
    expected = Check("file system", "ok", f"{kind or 'unknown'}, of this machine")
    assert check_file_system(kind, joins=False) == expected


def test_a_folder_to_be_made_is_judged_by_the_one_above(tmp_path: Path):
    found = first(tmp_path / "runs/new")
    assert found.state in ("ok", "warn")
    assert found.found.startswith(f"{tmp_path}/runs/new, ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path):
    # Rights do not stop the superuser; the kernel's own file systems do.
    found = first(Path("/proc/runs"))
    assert found.state == "fail"
    assert found.found.startswith("/proc/runs cannot be written: /proc: ")
    assert "--output DIR" in found.advice


def test_a_file_in_the_way_is_told(tmp_path: Path):
    (tmp_path / "runs").write_text("")
    found = first(tmp_path / "runs/new")
    assert found.found == f"{tmp_path}/runs/new cannot be written: {tmp_path}/runs is a file"
