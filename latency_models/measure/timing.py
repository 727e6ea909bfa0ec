"""Times a call until its median is known well enough, and says when it cannot be.

Calls are repeated until two consecutive windows agree (warm-up), then sampled until the confidence
interval of the median is narrow. Samples that scatter or drift, and those taken while the machine
was slower than it can be, are taken again; what is kept in the end carries marks that say what was
wrong with it.

Reference: Le Boudec, "Performance Evaluation of Computer and Communication Systems", 2010, section
2.2: the interval comes from order statistics and assumes nothing about the distribution.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from latency_models.measure.machine import MachineState, disturbances

_WINDOW = 5
_WARM_AGREEMENT = 0.05
_HARMLESS = frozenset({"imprecise"})


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
        confidence: Of the median's interval, 0.95 for 95 %.
        precision: Half that interval over the median, at which sampling may end.
        max_spread: Interquartile range over the median above which a run is noisy.
        max_drift: Difference between the medians of both halves over the median, likewise.
        max_slowdown: The part by which the machine may be slower than at its fastest, likewise.
        attempts: Runs made before a noisy one is accepted as such.

    Raises:
        ValueError: If a number is out of its range.
    """

    min_samples: int = 20
    min_time_s: float = 0.2
    max_time_s: float = 2.0
    min_sample_s: float = 2e-4
    max_warm_up_s: float = 2.0
    confidence: float = 0.95
    precision: float = 0.01
    max_spread: float = 0.1
    max_drift: float = 0.05
    max_slowdown: float = 0.15
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
        if not 0 < self.confidence < 1:
            raise ValueError(f"timing: expected 0 < confidence < 1, got {self.confidence}")
        for name in ("precision", "max_spread", "max_drift", "max_slowdown"):
            if not getattr(self, name) > 0:
                raise ValueError(f"timing: expected {name} > 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class Timing:
    """Samples of one network, and what is wrong with them.

    Attributes:
        samples_s: Seconds a call.
        marks: `scattered` and `drifting` samples, a machine `slowed` by others or `throttled`, a
            warm-up that ended `unsettled`, an `imprecise` median whose interval stayed wide.
        attempts: Runs made.
        states: The machine before and after the samples, where it was looked at.
        confidence: Of the interval.
    """

    samples_s: tuple[float, ...]
    marks: tuple[str, ...]
    attempts: int = 1
    states: tuple[MachineState, MachineState] | None = None
    confidence: float = 0.95

    @property
    def noisy(self) -> bool:
        """Whether the samples cannot be trusted; a wide interval alone speaks for itself."""
        return not _HARMLESS.issuperset(self.marks)

    @property
    def latency_s(self) -> float:
        """Median of the samples."""
        return statistics.median(self.samples_s)

    @property
    def confidence_interval_s(self) -> tuple[float, float]:
        """Of the median."""
        return median_interval(self.samples_s, confidence=self.confidence)


class Reference:
    """Looks at the machine, and remembers how fast it was at its fastest."""

    def __init__(self, look: Callable[[], MachineState]) -> None:
        self._look = look
        self.fastest_s = min(look().reference_s for _ in range(3))

    def __call__(self) -> MachineState:
        """The present state."""
        state = self._look()
        self.fastest_s = min(self.fastest_s, state.reference_s)
        return state


def time_call(
    call: Callable[[], object],
    plan: TimingPlan,
    *,
    clock: Clock,
    reference: Reference | None = None,
) -> Timing:
    """Warms up and samples a call; of several noisy runs the least scattered is kept.

    Args:
        call: Runs the network once, to the end.
        plan: How long to time it.
        clock: What tells the time.
        reference: Looks at the machine before and after each run; None looks at the samples alone.
    """
    expected_s, settled = _warm_up(call, plan, clock)
    calls = max(1, math.ceil(plan.min_sample_s / max(expected_s, 1e-9)))
    best: Timing | None = None
    for attempt in range(1, plan.attempts + 1):
        before = reference() if reference else None
        samples = _sample(call, calls, plan, clock)
        timing = judge(samples, plan)
        if reference and before:
            after = reference()
            found = disturbances(
                before, after, fastest_s=reference.fastest_s, max_slowdown=plan.max_slowdown
            )
            timing = replace(timing, marks=timing.marks + found, states=(before, after))
        if not settled and attempt == 1:
            timing = replace(timing, marks=(*timing.marks, "unsettled"))
        timing = replace(timing, attempts=attempt)
        if not timing.noisy:
            return timing
        if best is None or _badness(timing) < _badness(best):
            best = timing
    assert best is not None
    return replace(best, attempts=plan.attempts)


def judge(samples: Sequence[float], plan: TimingPlan) -> Timing:
    """What the samples alone say of their quality."""
    marks: list[str] = []
    middle = statistics.median(samples)
    if len(samples) >= 2 * _WINDOW:
        half = len(samples) // 2
        drift = abs(statistics.median(samples[:half]) - statistics.median(samples[half:]))
        if _spread(samples) > plan.max_spread:
            marks.append("scattered")
        if drift > plan.max_drift * middle:
            marks.append("drifting")
    if len(samples) < plan.min_samples or not _is_precise(samples, plan):
        marks.append("imprecise")
    return Timing(tuple(samples), tuple(marks), confidence=plan.confidence)


def median_interval(samples: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float]:
    """Order statistics that enclose the median with at least the stated probability.

    Too few samples for that give their range.
    """
    ordered = sorted(samples)
    n = len(ordered)
    reach = round(statistics.NormalDist().inv_cdf((1 + confidence) / 2), 2) * math.sqrt(n)
    low = max(math.floor((n - reach) / 2), 1)
    high = min(math.ceil((n + reach) / 2) + 1, n)
    return ordered[low - 1], ordered[high - 1]


def _warm_up(call: Callable[[], object], plan: TimingPlan, clock: Clock) -> tuple[float, bool]:
    """Calls until two windows of calls agree; the median of the last one, and whether they did."""
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
                return recent, True
        if now - started > plan.max_warm_up_s:
            # Of a call so slow the warm-up is a few calls, which tell nothing of stability.
            return recent, len(durations) < 2 * _WINDOW


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
    low, high = median_interval(samples, confidence=plan.confidence)
    return (high - low) / 2 <= plan.precision * statistics.median(samples)


def _badness(timing: Timing) -> tuple[bool, float]:
    """Orders noisy runs: those on a slowed machine last, then by their spread."""
    disturbed = not {"slowed", "throttled"}.isdisjoint(timing.marks)
    return disturbed, _spread(timing.samples_s)


def _spread(samples: Sequence[float]) -> float:
    """Interquartile range over the median."""
    low, middle, high = statistics.quantiles(samples, n=4)
    return (high - low) / middle
