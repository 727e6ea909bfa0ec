"""What a report shows, as plain frozen data.

Latencies are in seconds, accuracies in 0..1, activations in bytes; one evaluation is one network
that the search tried, in the order in which the results arrived. Everything here survives JSON, and
is checked when it is built.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search_spaces.base import Decision


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network evaluated on the search split; `genotype` holds option indices."""

    id: int
    genotype: tuple[int, ...]
    search_accuracy: float
    params: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One network of a target's front; `id` is that of its evaluation.

    `test_accuracy`, `measured_s` and `broke_constraint` are None where verification has not said
    anything. `architecture` is the document that `Architecture.to_json` writes, parsed.
    """

    id: int
    architecture: Mapping[str, object]
    predicted_s: float
    interval_low_s: float
    interval_high_s: float
    search_accuracy: float
    params: int
    macs: int
    peak_activation_bytes: int
    test_accuracy: float | None = None
    measured_s: float | None = None
    noisy: bool = False
    broke_constraint: bool | None = None

    def __post_init__(self) -> None:
        where = f"report: member {self.id}"
        for name in ("search_accuracy", "test_accuracy"):
            _check_accuracy(f"{where}: {name}", getattr(self, name))
        for name in ("predicted_s", "interval_low_s", "interval_high_s", "measured_s"):
            _check_latency(f"{where}: {name}", getattr(self, name))
        if not self.interval_low_s <= self.interval_high_s:
            raise ValueError(
                f"{where}: interval_low_s must not exceed interval_high_s, "
                f"got {self.interval_low_s} and {self.interval_high_s}"
            )


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

    @property
    def feasible(self) -> bool:
        """Whether some evaluated network meets every constraint."""
        return self.closest is None

    def __post_init__(self) -> None:
        where = f"report: target {self.name!r}"
        for value in self.latency_s:
            _check_latency(f"{where}: latency_s", value)
        if self.violation and len(self.violation) != len(self.latency_s):
            raise ValueError(
                f"{where}: violation must hold one value an evaluation, "
                f"expected {len(self.latency_s)}, got {len(self.violation)}"
            )
        for value in self.violation:
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{where}: violation must be finite and at least 0, got {value}")
        _check_latency(f"{where}: latency_limit_s", self.latency_limit_s)
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


@dataclass(frozen=True, slots=True)
class TrainingPoint:
    """The supernet after an epoch; accuracies of its smallest and largest subnet, where taken.

    `sampled_accuracy` has those of a fixed sample, by name.
    """

    epoch: float
    loss: float
    smallest_accuracy: float | None = None
    largest_accuracy: float | None = None
    sampled_accuracy: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """The data: its SHA-256 and the number of classes and of images in each split."""

    name: str
    digest: str
    classes: int
    train_images: int
    search_images: int
    test_images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that a report shows.

    `study_path` is the study directory as the reader would type it; `created` is an ISO 8601 time;
    `config` is the resolved configuration as YAML; `stage_durations_s` keeps the order in which the
    stages ran.

    Raises:
        ValueError: If there is no target, if names or ids repeat, if a target's per-evaluation
            values do not match the evaluations, if a genotype does not fit the decisions, or if a
            member was never evaluated.
    """

    study_name: str
    study_path: str
    created: str
    dataset: DatasetSummary
    decisions: tuple[Decision, ...]
    evaluations: tuple[Evaluation, ...]
    targets: tuple[Target, ...]
    config: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict[str, int])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    stage_durations_s: Mapping[str, float] = field(default_factory=dict[str, float])
    training: tuple[TrainingPoint, ...] = ()
    failed_evaluations: int = 0

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError("report: targets must hold at least one target, got none")
        names = [target.name for target in self.targets]
        if len(set(names)) != len(names):
            raise ValueError(f"report: target names must be unique, got {', '.join(names)}")
        known = {evaluation.id for evaluation in self.evaluations}
        if len(known) != len(self.evaluations):
            raise ValueError("report: evaluation ids must be unique")
        self._check_evaluations()
        for target in self.targets:
            self._check_target(target, known)

    def _check_evaluations(self) -> None:
        cardinalities = tuple(len(decision.options) for decision in self.decisions)
        for evaluation in self.evaluations:
            where = f"report: evaluation {evaluation.id}"
            _check_accuracy(f"{where}: search_accuracy", evaluation.search_accuracy)
            genotype = evaluation.genotype
            if len(genotype) != len(cardinalities):
                raise ValueError(
                    f"{where}: genotype must hold one index a decision, "
                    f"expected {len(cardinalities)}, got {len(genotype)}"
                )
            if any(
                not 0 <= index < size for index, size in zip(genotype, cardinalities, strict=True)
            ):
                raise ValueError(
                    f"{where}: genotype {genotype} has an index outside {cardinalities}"
                )

    def _check_target(self, target: Target, known: set[int]) -> None:
        if len(target.latency_s) != len(self.evaluations):
            raise ValueError(
                f"report: target {target.name!r}: latency_s must hold one value an evaluation, "
                f"expected {len(self.evaluations)}, got {len(target.latency_s)}"
            )
        members = (*target.front, *([target.closest] if target.closest else []))
        ids = [member.id for member in members]
        if unknown := sorted(set(ids) - known):
            raise ValueError(
                f"report: target {target.name!r}: members {unknown} were never evaluated"
            )
        if len(set(ids)) != len(ids):
            raise ValueError(f"report: target {target.name!r}: member ids must be unique")


def _check_accuracy(where: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{where} must be in 0..1, got {value}")


def _check_latency(where: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ValueError(f"{where} must be a positive number of seconds, got {value}")
