"""The simulated executor against schedules worked out by hand."""

from collections.abc import Mapping, Sequence

import pytest

from nas.execution import simulated
from nas.execution.base import Task
from nas.execution.pace import Pace
from nas.execution.simulated import SimulatedExecutor


class Half:
    def evaluate(self, task: Task) -> Mapping[str, float]:
        return {"accuracy": 0.5}


def make(
    durations_s: Sequence[float], *, workers: int, count_caller: bool = False
) -> SimulatedExecutor:
    return SimulatedExecutor(
        Half(),
        lambda task: durations_s[task.genotype[0]],
        workers=workers,
        count_caller=count_caller,
    )


def submit(executor: SimulatedExecutor, n: int) -> None:
    for i in range(n):
        executor.submit(Task((i,), "search", 0))


def test_queued_tasks_go_to_whoever_is_free_first() -> None:
    with make([3, 1, 1, 5], workers=2) as executor:
        submit(executor, 4)
        found = [(executor.next(), executor.clock()) for _ in range(4)]
        assert executor.pending == 0
    assert [(o.task.genotype[0], now, o.worker) for o, now in found] == [
        (1, 1, "simulated/1"),
        (2, 2, "simulated/1"),
        (0, 3, "simulated/0"),
        (3, 7, "simulated/1"),
    ]
    assert [o.duration_s for o, _ in found] == [1, 1, 3, 5]
    assert executor.occupied_s == 10
    assert {(o.status, o.metrics["accuracy"]) for o, _ in found} == {("ok", 0.5)}


def test_what_ends_at_once_is_there_at_once() -> None:
    with make([2, 2, 4], workers=3) as executor:
        submit(executor, 3)
        assert executor.finished == 0
        executor.next()
        assert (executor.clock(), executor.finished, executor.pending) == (2, 1, 2)


def test_waiting_too_long_takes_the_time_waited() -> None:
    with make([3], workers=1) as executor:
        submit(executor, 1)
        with pytest.raises(TimeoutError, match=r"within 0\.5 s"):
            executor.next(0.5)
        assert executor.clock() == executor.occupied_s == 0.5
        executor.next()
        assert executor.clock() == 3


def test_workers_go_on_while_the_caller_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    processor_s = [100.0]
    monkeypatch.setattr(simulated.time, "thread_time", lambda: processor_s[0])
    with make([1, 1, 1], workers=1, count_caller=True) as executor:
        submit(executor, 3)
        processor_s[0] += 2.5
        assert executor.clock() == 2.5
        assert executor.finished == 2
        executor.next()
        executor.next()
        executor.next()
        assert executor.clock() == 3


def test_nothing_pending_and_no_workers_are_refused() -> None:
    with make([], workers=1) as executor, pytest.raises(RuntimeError, match="no task is pending"):
        executor.next()
    with pytest.raises(ValueError, match="at least 1, got 0"):
        make([], workers=0)


def test_as_many_tasks_are_kept_ahead_as_end_while_the_caller_thinks() -> None:
    pace = Pace()
    pace.asked(5.0)
    assert pace.thought_s == 0
    for _ in range(200):
        pace.told(10.0)
        pace.told(11.0)
        pace.asked(13.0)
        pace.asked(19.0)
    assert pace.thought_s == pytest.approx(2)
    # Sixteen workers that take 10 s each end 3.2 evaluations in 2 s.
    assert pace.ahead(16, 10.0) == 4
    assert pace.ahead(16, 1.0) == 16
    assert pace.ahead(16, 300.0) == pace.ahead(16, float("inf")) == 0
