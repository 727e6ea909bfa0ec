"""What the machine's state says: its own clock, and what sysfs tells."""

import os
from pathlib import Path

import pytest

from latency_models.measure.machine import (
    MachineState,
    cpu_model,
    disturbances,
    governor,
    machine_state,
)

AT_REST = MachineState(1e-3, 3e9, 7)


def _sysfs(root: Path, **values: str) -> Path:
    """Files of processor 0 and 1, by name."""
    for cpu in (0, 1):
        for name, value in values.items():
            path = root / f"cpu{cpu}" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value)
    return root


def test_state_has_the_slowest_clock_and_every_throttling(tmp_path: Path) -> None:
    root = _sysfs(
        tmp_path,
        cpufreq__scaling_cur_freq="3000000\n",
        thermal_throttle__core_throttle_count="2\n",
    )
    (root / "cpu1/cpufreq/scaling_cur_freq").write_text("1800000\n")
    cpus = sorted(os.sched_getaffinity(0))[:1] * 2
    state = machine_state(cpus, root=root)
    assert state.reference_s > 0
    if cpus[0] == 0:
        assert state.frequency_hz == 3e9
        assert state.throttle_count == 4


def test_state_without_sysfs_has_the_reference_loop_alone(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    state = machine_state(sorted(before), root=_sysfs(tmp_path, cpufreq__scaling_cur_freq="<unk>"))
    assert state.frequency_hz is None
    assert state.throttle_count is None
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (MachineState(1.1e-3, 2.9e9, 7), ()),
        (MachineState(1.2e-3, 3e9, 7), ("slowed",)),
        (MachineState(1e-3, 2e9, 7), ("throttled",)),
        (MachineState(1e-3, 3e9, 8), ("throttled",)),
        (MachineState(2e-3, 1e9, 9), ("slowed", "throttled")),
        (MachineState(1e-3), ()),
    ],
)
def test_disturbance_is_a_slower_loop_a_lower_clock_or_a_throttling(
    after: MachineState, expected: tuple[str, ...]
) -> None:
    assert disturbances(AT_REST, after, fastest_s=1e-3, max_slowdown=0.15) == expected


def test_machine_slow_from_the_beginning_is_slower_than_at_its_fastest() -> None:
    slow = MachineState(1.3e-3)
    assert disturbances(slow, slow, fastest_s=1e-3, max_slowdown=0.15) == ("slowed",)


def test_governor_is_read_where_it_is_told(tmp_path: Path) -> None:
    assert governor(0, root=tmp_path) is None
    assert governor(0, root=_sysfs(tmp_path, cpufreq__scaling_governor="powersave\n")) == (
        "powersave"
    )


def test_processor_has_a_name() -> None:
    assert cpu_model()
