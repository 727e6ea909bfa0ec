"""Times a call until its median is known well enough, and says when it cannot be.

Calls are repeated until two consecutive windows agree (warm-up), then sampled until the 95 %
confidence interval of the median is narrow. Samples that scatter or drift, as beside other programs
or under a falling clock, are taken again.

Reference: Le Boudec, "Performance Evaluation of Computer and Communication Systems", 2010, section
2.2: the interval comes from order statistics and assumes nothing about the distribution.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_WINDOW = 5
_WARM_AGREEMENT = 0.05


class Clock(Protocol):
    """Seconds from some fixed moment, such as `time.perf_counter`."""

    def __call__(self) -> float:
        """The present moment."""
        ...


@dataclass(frozen=True)
class TimingPlan:
    """How long to time a network.

    Attributes:
        min_samples: Fewest samples.
        min_time_s: Least time spent on samples.
        max_time_s: Time after which sampling ends, however wide the interval.
        min_sample_s: Calls shorter than this are timed several at once.
        max_warm_up_s: Time after which the warm-up ends, stable or not.
        precision: Half the confidence interval over the median, at which sampling may end.
        max_spread: Interquartile range over the median above which a run is noisy.
        max_drift: Difference between the medians of both halves over the median, likewise.
        attempts: Runs made before a noisy one is accepted as such.

    Raises:
        ValueError: If a number is out of its range.
    """

    min_samples: int = 20
    min_time_s: float = 0.2
    max_time_s: float = 2.0
    min_sample_s: float = 2e-4
    max_warm_up_s: float = 2.0
    precision: float = 0.01
    max_spread: float = 0.1
    max_drift: float = 0.05
    attempts: int = 3

    def __post_init__(self) -> None:
        if self.min_samples < 5 or self.attempts < 1:
            raise ValueError(
                "timing: expected min_samples >= 5 and attempts >= 1,"
                f" got {self.min_samples} and {self.attempts}"
            )
        if not 0 < self.min_time_s <= self.max_time_s:
            raise ValueError(
                "timing: expected 0 < min_time_s <= max_time_s,"
                f" got {self.min_time_s} and {self.max_time_s}"
            )


@dataclass(frozen=True)
class Timing:
    """Samples of one network, and whether they are trustworthy."""

    samples_s: tuple[float, ...]
    noisy: bool

    @property
    def latency_s(self) -> float:
        """Median of the samples."""
        return statistics.median(self.samples_s)

    @property
    def confidence_interval_s(self) -> tuple[float, float]:
        """Of the median, at 95 %."""
        return median_interval(self.samples_s)


def time_call(call: Callable[[], object], plan: TimingPlan, *, clock: Clock) -> Timing:
    """Warms up and samples a call; of several noisy runs the least scattered is kept."""
    expected_s = _warm_up(call, plan, clock)
    calls = max(1, math.ceil(plan.min_sample_s / max(expected_s, 1e-9)))
    best: Sequence[float] = ()
    for _ in range(plan.attempts):
        samples = _sample(call, calls, plan, clock)
        if _is_quiet(samples, plan):
            return Timing(tuple(samples), noisy=False)
        if not best or _spread(samples) < _spread(best):
            best = samples
    return Timing(tuple(best), noisy=True)


def median_interval(samples: Sequence[float]) -> tuple[float, float]:
    """Order statistics that enclose the median with a probability of at least 95 %."""
    ordered = sorted(samples)
    n = len(ordered)
    reach = 1.96 * math.sqrt(n)
    low = max(math.floor((n - reach) / 2), 1)
    high = min(math.ceil((n + reach) / 2) + 1, n)
    return ordered[low - 1], ordered[high - 1]


def _warm_up(call: Callable[[], object], plan: TimingPlan, clock: Clock) -> float:
    """Calls until two windows of calls agree; the median of the last one."""
    started = clock()
    durations: list[float] = []
    while True:
        before = clock()
        call()
        now = clock()
        durations.append(now - before)
        recent = statistics.median(durations[-_WINDOW:])
        if len(durations) >= 2 * _WINDOW:
            earlier = statistics.median(durations[-2 * _WINDOW : -_WINDOW])
            if abs(recent - earlier) <= _WARM_AGREEMENT * recent:
                return recent
        if now - started > plan.max_warm_up_s:
            return recent


def _sample(call: Callable[[], object], calls: int, plan: TimingPlan, clock: Clock) -> list[float]:
    started = clock()
    samples: list[float] = []
    while True:
        before = clock()
        for _ in range(calls):
            call()
        now = clock()
        samples.append((now - before) / calls)
        elapsed = now - started
        if len(samples) < plan.min_samples or elapsed < plan.min_time_s:
            continue
        if elapsed >= plan.max_time_s or (len(samples) % 10 == 0 and _is_precise(samples, plan)):
            return samples


def _is_precise(samples: Sequence[float], plan: TimingPlan) -> bool:
    low, high = median_interval(samples)
    return (high - low) / 2 <= plan.precision * statistics.median(samples)


def _is_quiet(samples: Sequence[float], plan: TimingPlan) -> bool:
    half = len(samples) // 2
    drift = abs(statistics.median(samples[:half]) - statistics.median(samples[half:]))
    steady = drift <= plan.max_drift * statistics.median(samples)
    return steady and _spread(samples) <= plan.max_spread


def _spread(samples: Sequence[float]) -> float:
    """Interquartile range over the median."""
    low, middle, high = statistics.quantiles(samples, n=4)
    return (high - low) / middle
