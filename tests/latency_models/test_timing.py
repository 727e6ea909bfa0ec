"""Timing against a clock whose calls take what the test says."""

from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat

import pytest

from latency_models.measure.machine import MachineState
from latency_models.measure.timing import Reference, TimingPlan, median_interval, time_call


class Calls:
    """A clock, and a call that moves it on by the next duration."""

    def __init__(self, durations: Iterator[float]) -> None:
        self.durations = durations
        self.now = 0.0
        self.count = 0

    def __call__(self) -> None:
        self.now += next(self.durations)
        self.count += 1

    def clock(self) -> Callable[[], float]:
        return lambda: self.now


def test_warm_up_is_left_out() -> None:
    calls = Calls(chain([1.0, 0.1, 0.1, 0.05, 0.05, 0.03], repeat(0.01)))
    timing = time_call(calls, TimingPlan(), clock=calls.clock())
    assert timing.latency_s == pytest.approx(0.01)
    assert max(timing.samples_s) == pytest.approx(0.01)
    assert not timing.noisy


def test_a_call_that_never_settles_still_ends() -> None:
    calls = Calls(cycle([0.01] * 5 + [0.02] * 5))
    timing = time_call(calls, TimingPlan(), clock=calls.clock())
    assert timing.noisy
    assert "scattered" in timing.marks
    assert len(timing.samples_s) >= 20


def test_warm_up_that_never_settles_is_marked() -> None:
    durations = chain([0.01 * 1.1**i for i in range(40)], repeat(0.01))
    calls = Calls(durations)
    timing = time_call(calls, TimingPlan(max_warm_up_s=0.5, attempts=1), clock=calls.clock())
    assert "unsettled" in timing.marks


def test_call_too_slow_for_a_warm_up_is_not_unsettled() -> None:
    calls = Calls(repeat(3.0))
    timing = time_call(calls, TimingPlan(), clock=calls.clock())
    assert timing.marks == ()
    assert calls.count == 1 + 20


def test_short_calls_are_timed_several_at_once() -> None:
    calls = Calls(repeat(1e-6))
    timing = time_call(calls, TimingPlan(max_time_s=0.3), clock=calls.clock())
    assert timing.latency_s == pytest.approx(1e-6)
    assert calls.count >= 200 * len(timing.samples_s)


def test_noisy_run_is_repeated_and_the_quiet_one_kept() -> None:
    noisy = [0.01, 0.02] * 100
    calls = Calls(chain([0.01] * 10, noisy, repeat(0.01)))
    timing = time_call(calls, TimingPlan(), clock=calls.clock())
    assert not timing.noisy
    assert timing.samples_s == pytest.approx([0.01] * len(timing.samples_s))
    assert timing.attempts > 1


def _reference(*reference_s: float) -> Reference:
    """Looks in turn; the first three tell how fast the machine can be."""
    states = iter([MachineState(seconds) for seconds in reference_s])
    return Reference(lambda: next(states))


def test_run_on_a_slowed_machine_is_repeated_once_it_has_recovered() -> None:
    calls = Calls(repeat(0.01))
    reference = _reference(1e-3, 1.02e-3, 1.01e-3, 1e-3, 1.5e-3, 1e-3, 1.1e-3)
    timing = time_call(calls, TimingPlan(), clock=calls.clock(), reference=reference)
    assert timing.marks == ()
    assert timing.attempts == 2
    assert timing.states == (MachineState(1e-3), MachineState(1.1e-3))


def test_run_on_a_machine_that_stays_slowed_is_marked() -> None:
    calls = Calls(repeat(0.01))
    reference = _reference(1e-3, 1e-3, 1e-3, *[1.3e-3] * 6)
    timing = time_call(calls, TimingPlan(), clock=calls.clock(), reference=reference)
    assert timing.marks == ("slowed",)
    assert timing.noisy
    assert timing.attempts == 3


def test_lower_clock_is_throttling() -> None:
    calls = Calls(repeat(0.01))
    states = iter([MachineState(1e-3, 2e9)] * 4 + [MachineState(1e-3, 1.2e9)])
    timing = time_call(
        calls,
        TimingPlan(attempts=1),
        clock=calls.clock(),
        reference=Reference(lambda: next(states)),
    )
    assert timing.marks == ("throttled",)


def test_drifting_samples_are_noisy() -> None:
    # A clock that throttles: every call takes 0.5 % longer than the one before.
    calls = Calls(0.01 * 1.005**i for i in range(100_000))
    timing = time_call(calls, TimingPlan(), clock=calls.clock())
    assert timing.noisy
    assert "drifting" in timing.marks
    assert timing.attempts == TimingPlan.attempts


def test_imprecise_median_is_sampled_for_longer() -> None:
    steady, scattered = Calls(repeat(0.01)), Calls(cycle([0.0096, 0.0104, 0.0098, 0.0102]))
    few = time_call(steady, TimingPlan(), clock=steady.clock())
    many = time_call(scattered, TimingPlan(), clock=scattered.clock())
    assert len(many.samples_s) > len(few.samples_s)
    assert few.marks == ()


def test_wide_interval_is_marked_without_being_noise() -> None:
    calls = Calls(cycle([0.0096, 0.0104, 0.0098, 0.0102]))
    timing = time_call(calls, TimingPlan(precision=1e-4), clock=calls.clock())
    assert timing.marks == ("imprecise",)
    assert not timing.noisy


def test_interval_of_the_median_is_that_of_the_published_table() -> None:
    # Le Boudec, table A.1: for n = 100 the 40th and the 61st order statistic.
    assert median_interval([float(i) for i in range(1, 101)]) == (40.0, 61.0)


def test_interval_is_wider_at_a_higher_confidence() -> None:
    # Normal quantile 2.58 at 99 %: floor((100 - 25.8) / 2) = 37 and ceil((100 + 25.8) / 2) + 1.
    values = [float(i) for i in range(1, 101)]
    assert median_interval(values, confidence=0.99) == (37.0, 64.0)


def test_interval_of_few_samples_is_their_range() -> None:
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_plans_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="min_samples >= 5"):
        TimingPlan(min_samples=2)
    with pytest.raises(ValueError, match="min_time_s <= max_time_s"):
        TimingPlan(min_time_s=3.0)
    with pytest.raises(ValueError, match="0 < confidence < 1, got 95"):
        TimingPlan(confidence=95)
    with pytest.raises(ValueError, match="max_slowdown > 0, got 0"):
        TimingPlan(max_slowdown=0)
