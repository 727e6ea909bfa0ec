"""What a report shows, as plain frozen data.

Latencies are in seconds, accuracies in 0..1, activations in bytes; one evaluation is one network
that the search tried, in the order in which the results arrived. Everything here survives JSON, and
is checked when it is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.report.exported import ExportedNetwork
from nas.report.history import Rollback, SearchHistory, TrainingPoint
from nas.report.target import Target, check_accuracy
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
class DatasetSummary:
    """The data: its SHA-256 and the number of classes and of images in each split."""

    name: str
    digest: str
    classes: int
    train_images: int
    search_images: int
    test_images: int


@dataclass(frozen=True, slots=True)
class Energy:
    """What the whole study is estimated to have taken, and from what that follows, in words."""

    joules: float
    basis: str


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
    rollbacks: tuple[Rollback, ...] = ()
    history: SearchHistory | None = None
    energy: Energy | None = None
    exported: tuple[ExportedNetwork, ...] = ()

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
        if self.history is not None and len(self.history.elapsed_s) != len(self.evaluations):
            raise ValueError(
                "report: history: elapsed_s must hold one value an evaluation, "
                f"expected {len(self.evaluations)}, got {len(self.history.elapsed_s)}"
            )

    def _check_evaluations(self) -> None:
        cardinalities = tuple(len(decision.options) for decision in self.decisions)
        for evaluation in self.evaluations:
            where = f"report: evaluation {evaluation.id}"
            check_accuracy(f"{where}: search_accuracy", evaluation.search_accuracy)
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
        shown = {*ids, *(baseline.id for baseline in target.baselines)}
        if unknown := sorted(shown - known):
            raise ValueError(
                f"report: target {target.name!r}: members {unknown} were never evaluated"
            )
        if len(set(ids)) != len(ids):
            raise ValueError(f"report: target {target.name!r}: member ids must be unique")
