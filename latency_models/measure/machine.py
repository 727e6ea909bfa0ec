"""The state of the machine's processors, seen from outside the network that is timed.

A fixed loop of arithmetic and copying takes the same time whenever the machine is at rest; beside
other programs, on a hot chip or under a lowered clock it takes longer. Clock and throttling come
from sysfs where the operating system tells them, as on bare-metal Linux; virtual machines seldom
do.
"""

import os
import platform
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_CPUINFO = Path("/proc/cpuinfo")
_MOST_CPUS = 8
_ROUNDS = 9
_ADDITIONS = 40_000
_COPIED_BYTES = 4 << 20


@dataclass(frozen=True)
class MachineState:
    """The processors at one moment; the worst of them counts.

    Attributes:
        reference_s: Time of the reference loop.
        frequency_hz: Clock; None where it is not told.
        throttle_count: How often the chip has been slowed for heat since it started; None likewise.
    """

    reference_s: float
    frequency_hz: float | None = None
    throttle_count: int | None = None


def machine_state(cpus: Sequence[int], *, root: Path = _CPUS) -> MachineState:
    """Times the reference loop and reads clock and throttling, some 10 ms a processor.

    Args:
        cpus: Processors that this process runs on; of many, some spread among them are looked at.
        root: Where sysfs has them.
    """
    cpus = cpus[:: -(-len(cpus) // _MOST_CPUS)]
    reference_s = max(_reference_s(cpu) for cpu in cpus)
    frequencies_khz = _numbers(root, cpus, "cpufreq/scaling_cur_freq")
    throttles = _numbers(root, cpus, "thermal_throttle/core_throttle_count")
    return MachineState(
        reference_s=reference_s,
        frequency_hz=min(frequencies_khz) * 1e3 if frequencies_khz else None,
        throttle_count=sum(throttles) if throttles else None,
    )


def disturbances(
    before: MachineState, after: MachineState, *, fastest_s: float, max_slowdown: float
) -> tuple[str, ...]:
    """What disturbed the time between two states: `slowed`, `throttled`, or nothing.

    Args:
        before: The state at its beginning.
        after: The state at its end.
        fastest_s: The shortest time that the reference loop has taken so far.
        max_slowdown: The part by which the loop may be slower, and the clock lower, than that.
    """
    marks: list[str] = []
    if max(before.reference_s, after.reference_s) > (1 + max_slowdown) * fastest_s:
        marks.append("slowed")
    lower = (
        before.frequency_hz is not None
        and after.frequency_hz is not None
        and after.frequency_hz < (1 - max_slowdown) * before.frequency_hz
    )
    if lower or (after.throttle_count or 0) > (before.throttle_count or 0):
        marks.append("throttled")
    return tuple(marks)


def cpu_model() -> str:
    """The processor's name."""
    text = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def governor(cpu: int, *, root: Path = _CPUS) -> str | None:
    """Which policy sets the clock; None where it is not told."""
    path = root / f"cpu{cpu}/cpufreq/scaling_governor"
    return path.read_text().strip() if path.exists() else None


def _reference_s(cpu: int) -> float:
    """Median time of the loop on one processor; the calling thread returns to where it was."""
    if not hasattr(os, "sched_setaffinity"):
        return _loop_s()
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        return _loop_s()
    finally:
        os.sched_setaffinity(0, allowed)


def _loop_s() -> float:
    source, target = _buffers()
    durations: list[float] = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        sum(range(_ADDITIONS))
        target[:] = source
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


@cache
def _buffers() -> tuple[bytearray, bytearray]:
    """What is copied, and where to; written once, so that both have pages of their own."""
    return bytearray(b"\1" * _COPIED_BYTES), bytearray(b"\2" * _COPIED_BYTES)


def _numbers(root: Path, cpus: Sequence[int], name: str) -> list[int]:
    """A figure of each processor that has it."""
    found: list[int] = []
    for cpu in cpus:
        path = root / f"cpu{cpu}" / name
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):
            continue  # not told, or told as `<unknown>`
    return found
