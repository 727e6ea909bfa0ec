"""What a report shows of one target: its front, its baselines, its audit, its operators' times.

Latencies are in seconds, accuracies in 0..1, activations in bytes. Everything is checked when it is
built.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nas.report.operators import Roofline

CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)
"""How surely a latency limit is to be kept, as the reader may ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One network of a target's front; `id` is that of its evaluation.

    `test_accuracy`, `measured_s` and `broke_constraint` are None where verification has not said
    anything. `architecture` is the document that `Architecture.to_json` writes, parsed.
    `latency_bounds_s` holds, for each of `CONFIDENCES`, what the latency stays within at that
    confidence: of the timed runs where the network was measured, else of the prediction.
    """

    id: int
    name: str
    architecture: Mapping[str, object]
    predicted_s: float
    interval_low_s: float
    interval_high_s: float
    search_accuracy: float
    params: int
    macs: int
    peak_activation_bytes: int
    latency_bounds_s: tuple[float, ...]
    test_accuracy: float | None = None
    measured_s: float | None = None
    noisy: bool = False
    broke_constraint: bool | None = None

    def __post_init__(self) -> None:
        where = f"report: member {self.id}"
        for name in ("search_accuracy", "test_accuracy"):
            check_accuracy(f"{where}: {name}", getattr(self, name))
        for name in ("predicted_s", "interval_low_s", "interval_high_s", "measured_s"):
            check_latency(f"{where}: {name}", getattr(self, name))
        if not self.interval_low_s <= self.interval_high_s:
            raise ValueError(
                f"{where}: interval_low_s must not exceed interval_high_s, "
                f"got {self.interval_low_s} and {self.interval_high_s}"
            )
        bounds = self.latency_bounds_s
        if len(bounds) != len(CONFIDENCES) or list(bounds) != sorted(bounds):
            raise ValueError(
                f"{where}: latency_bounds_s must ascend, one a confidence of {CONFIDENCES}, "
                f"got {bounds}"
            )
        for value in bounds:
            check_latency(f"{where}: latency_bounds_s", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A network that the front is to be compared with, such as the largest.

    `id` is that of its evaluation; `measured_s` and `test_accuracy` are None where nobody measured
    or tested it.
    """

    name: str
    id: int
    measured_s: float | None = None
    test_accuracy: float | None = None

    def __post_init__(self) -> None:
        check_latency(f"report: baseline {self.name!r}: measured_s", self.measured_s)
        check_accuracy(f"report: baseline {self.name!r}: test_accuracy", self.test_accuracy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How the predictions held on the members that were measured; None where a figure is undefined.

    `coverage` is the share of measurements inside the predictor's interval.
    """

    members_measured: int
    members_violating: int
    kendall: float | None = None
    spearman: float | None = None
    median_relative_error: float | None = None
    coverage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target with its front.

    `latency_s` (predicted) and `violation` (0 where every constraint is met, else how far off,
    relative) hold one value an evaluation; an empty `violation` means that the target has no
    constraints. Where nothing meets the constraints the front is empty and `closest` is the network
    that comes nearest. `hypervolume` is (evaluations so far, seconds × error dominated
    below the `reference` point (latency_s, error)), so at most the reference's product.
    `environment` says what the target was measured in: versions, processor, governor.
    """

    name: str
    device: str
    runtime: str | None
    dtype: str
    batch_size: int
    threads: int | None
    measurable: bool
    latency_s: Sequence[float]
    front: tuple[Member, ...]
    constraints: tuple[str, ...] = ()
    latency_limit_s: float | None = None
    violation: Sequence[float] = ()
    closest: Member | None = None
    adaptation_samples: int = 0
    interval_level: float = 0.9
    hypervolume: tuple[tuple[int, float], ...] = ()
    reference: tuple[float, float] | None = None
    audit: Audit | None = None
    baselines: tuple[Baseline, ...] = ()
    roofline: Roofline | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def feasible(self) -> bool:
        """Whether some evaluated network meets every constraint."""
        return self.closest is None

    def __post_init__(self) -> None:
        where = f"report: target {self.name!r}"
        for value in self.latency_s:
            check_latency(f"{where}: latency_s", value)
        if self.violation and len(self.violation) != len(self.latency_s):
            raise ValueError(
                f"{where}: violation must hold one value an evaluation, "
                f"expected {len(self.latency_s)}, got {len(self.violation)}"
            )
        for value in self.violation:
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{where}: violation must be finite and at least 0, got {value}")
        check_latency(f"{where}: latency_limit_s", self.latency_limit_s)
        if not 0 < self.interval_level < 1:
            raise ValueError(f"{where}: interval_level must be in 0..1, got {self.interval_level}")
        if self.front and self.closest is not None:
            raise ValueError(
                f"{where}: closest is for an empty front, got {len(self.front)} members"
            )
        if self.latency_s and not self.front and self.closest is None:
            raise ValueError(f"{where}: closest must be given where the front is empty")
        whole = math.inf if self.reference is None else math.prod(self.reference)
        for _, value in self.hypervolume:
            if not (math.isfinite(value) and 0 <= value <= whole * (1 + 1e-9)):
                raise ValueError(f"{where}: hypervolume must be in 0..{whole:g}, got {value}")


def check_accuracy(where: str, value: float | None) -> None:
    """Raises ValueError for an accuracy outside 0..1."""
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{where} must be in 0..1, got {value}")


def check_latency(where: str, value: float | None) -> None:
    """Raises ValueError for a latency that is not a positive number of seconds."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ValueError(f"{where} must be a positive number of seconds, got {value}")
