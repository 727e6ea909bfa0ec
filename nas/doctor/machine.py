"""This machine: processors and memory that it lets us have, and what disturbs measurements."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from latency_models.measure.machine import cpu_model, governor
from nas.config import Config
from nas.config.models import HOST
from nas.doctor.check import Check, gigabytes
from nas.doctor.fitting import check_fit

CGROUPS = Path("/sys/fs/cgroup")
SHARED_MEMORY = Path("/dev/shm")
OBJECT_STORE_PART = 0.3
"""Of the memory that is free, what Ray's object store takes by default."""
OBJECT_STORE_ENOUGH_BYTES = 1e10
"""Shared memory above which Ray makes the object store as large as that, not larger."""
PROCESS_BYTES = 1e9
"""Memory that a process with JAX and a small supernet takes, roughly."""
BUSY = 0.3
"""Load of other programs, as a part of the processors, above which latencies scatter."""


def check_machine(config: Config | None, *, joins: bool) -> Iterator[Check]:
    """Looks at processors, load, memory and shared memory.

    Args:
        config: What is to be run; None for the machine alone.
        joins: Whether a run would use a cluster that is there instead of these processors.
    """
    cores = len(os.sched_getaffinity(0))
    yield _check_cores(cores)
    if config is not None and not joins:
        yield from check_fit(config, [{"CPU": cores, "GPU": float("inf")}])
    if config is None or any(target.device == HOST for target in config.targets):
        yield from _check_noise(cores)
    processes = 1 if config is None or joins else 1 + _most_workers(config)
    yield _check_memory(processes)
    yield check_shared_memory(
        free_bytes=shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.exists() else 0,
        memory_bytes=_memory_bytes(),
    )


def check_shared_memory(*, free_bytes: float, memory_bytes: float) -> Check:
    """Whether Ray's object store fits the shared memory; if not, Ray keeps it on disk."""
    needed = min(OBJECT_STORE_PART * memory_bytes, OBJECT_STORE_ENOUGH_BYTES)
    text = f"{gigabytes(free_bytes)} free in {SHARED_MEMORY}"
    if free_bytes >= needed:
        return Check("shared memory", "ok", text)
    return Check(
        "shared memory",
        "warn",
        f"{text}, Ray's object store wants {gigabytes(needed)}",
        f"a container gets it with --shm-size={needed / 1e9:.0f}g; else Ray uses the disk, slower",
    )


def cgroup_cores(root: Path = CGROUPS, *, group: str | None = None) -> float | None:
    """Processors' worth of time that the control groups grant this process; None for no limit.

    Args:
        root: Where the control groups are mounted, version 2.
        group: This process's, as in `/proc/self/cgroup`, which is read if it is None.
    """
    granted: list[float] = []
    for folder in _groups(root, group):
        quota, _, period = _first_line(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            granted.append(int(quota) / int(period))
    return min(granted, default=None)


def cgroup_memory_bytes(root: Path = CGROUPS, *, group: str | None = None) -> int | None:
    """Memory that the control groups allow; arguments as of `cgroup_cores`."""
    limits = [_first_line(folder / "memory.max") for folder in _groups(root, group)]
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)


def _groups(root: Path, group: str | None) -> list[Path]:
    """Folders of the process's control group and those above it."""
    if group is None:
        lines = _read(Path("/proc/self/cgroup")).splitlines()
        group = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    inner = root / group.strip("/")
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root)]


def _first_line(path: Path) -> str:
    return _read(path).partition("\n")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _check_cores(cores: int) -> Check:
    text = f"{cores} of {os.cpu_count()} allowed, {cpu_model()}"
    granted = cgroup_cores()
    if granted is not None and granted < cores:
        return Check(
            "processors",
            "warn",
            f"{text}; the container may use {granted:g} at a time",
            f"raise its CPU limit to {cores}, or run under taskset with {max(1, int(granted))}",
        )
    return Check("processors", "ok", text)


def _check_noise(cores: int) -> Iterator[Check]:
    load = os.getloadavg()[0]
    if load > BUSY * cores:
        advice = "latencies measured here now would scatter: end other programs first"
        yield Check("load", "warn", f"{load:.1f} in the last minute", advice)
    else:
        yield Check("load", "ok", f"{load:.1f} in the last minute")
    policies = {name for cpu in os.sched_getaffinity(0) if (name := governor(cpu)) is not None}
    if not policies:
        yield Check("clock", "ok", "the system does not tell how it is set")
    elif policies == {"performance"}:
        yield Check("clock", "ok", "governor performance")
    else:
        advice = "for steadier latencies: cpupower frequency-set --governor performance"
        yield Check("clock", "warn", f"governor {', '.join(sorted(policies))}", advice)


def _check_memory(processes: int) -> Check:
    free, needed = _memory_bytes(), processes * PROCESS_BYTES
    text = f"{gigabytes(free)} free"
    if free >= needed:
        return Check("memory", "ok", text)
    wanted = f"{text}, {processes} processes take about {gigabytes(needed)}"
    return Check("memory", "warn", wanted, "fewer workers, or end other programs")


def _memory_bytes() -> float:
    free: int = psutil.virtual_memory().available
    allowed = cgroup_memory_bytes()
    return free if allowed is None else min(free, allowed)


def _most_workers(config: Config) -> int:
    """Worker processes at a time."""
    sections = (config.train, config.search)
    return max(section.workers if section.executor == "ray" else 0 for section in sections)
