"""Processors and memory that control groups grant, and shared memory, from files a test writes."""

import os
from pathlib import Path

import pytest

from nas.doctor import machine
from nas.doctor.machine import (
    cgroup_cores,
    cgroup_memory_bytes,
    check_machine,
    check_shared_memory,
)


def limit(folder: Path, *, cpu: str = "", memory: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if cpu:
        (folder / "cpu.max").write_text(cpu + "\n")
    if memory:
        (folder / "memory.max").write_text(memory + "\n")


def test_without_control_groups_there_is_no_limit(tmp_path: Path):
    assert cgroup_cores(tmp_path, group="/") is None
    assert cgroup_memory_bytes(tmp_path, group="/a/b") is None


def test_the_quota_is_a_number_of_processors(tmp_path: Path):
    limit(tmp_path, cpu="150000 100000", memory="2147483648")
    assert cgroup_cores(tmp_path, group="/") == 1.5
    assert cgroup_memory_bytes(tmp_path, group="/") == 2**31


def test_the_tightest_group_above_a_process_counts(tmp_path: Path):
    limit(tmp_path, cpu="max 100000", memory="max")
    limit(tmp_path / "job", cpu="200000 100000", memory="1000")
    limit(tmp_path / "job/step", cpu="400000 100000", memory="max")
    assert cgroup_cores(tmp_path, group="/job/step") == 2.0
    assert cgroup_memory_bytes(tmp_path, group="/job/step") == 1000


def test_a_container_that_grants_less_time_than_processors_is_told(monkeypatch):
    monkeypatch.setattr(machine, "cgroup_cores", lambda: 0.5)
    found = {check.name: check for check in check_machine(None, joins=False)}
    assert found["processors"].state == "warn"
    assert "may use 0.5 at a time" in found["processors"].found
    assert found["processors"].advice.endswith("run under taskset with 1")


# Ray's object store takes 30 % of the free memory; from 10 GB of shared memory on it makes do.
@pytest.mark.parametrize(
    ("free_bytes", "memory_bytes", "state"),
    [
        (64e6, 16e9, "warn"),  # what Docker gives
        (4.7e9, 16e9, "warn"),
        (4.8e9, 16e9, "ok"),
        (9.9e9, 500e9, "warn"),
        (10e9, 500e9, "ok"),
    ],
)
def test_shared_memory_has_to_hold_the_object_store(free_bytes, memory_bytes, state):
    check = check_shared_memory(free_bytes=free_bytes, memory_bytes=memory_bytes)
    assert check.state == state
    assert ("--shm-size" in check.advice) == (state == "warn")


def test_a_busy_machine_is_told(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (40.0, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    found = {check.name: check for check in check_machine(None, joins=False)}
    assert found["load"].state == "warn"
    assert "scatter" in found["load"].advice


def test_a_clock_that_follows_the_load_is_told(monkeypatch):
    monkeypatch.setattr(machine, "governor", lambda cpu: "powersave")
    found = {check.name: check for check in check_machine(None, joins=False)}
    assert (found["clock"].state, found["clock"].found) == ("warn", "governor powersave")
