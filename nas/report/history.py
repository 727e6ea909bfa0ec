"""How a study came about: training curves, and what the search's workers did when."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingPoint:
    """The supernet at an epoch: its loss, and accuracies (0..1) by subnet where they were taken."""

    epoch: float
    loss: float | None
    accuracies: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rollback:
    """A collapse of the training: the epoch from which it went on, and with what learning rate.

    `rate_factor` is what the recipe's rate is multiplied by from then on.
    """

    epoch: float
    rate_factor: float


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that evaluated; `busy` is its share of each of the history's bins, 0..1."""

    name: str
    evaluations: int
    busy: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Evaluations that failed for the same reason."""

    error: str
    count: int


@dataclass(frozen=True, slots=True)
class SurrogatePoint:
    """How well the accuracy surrogate knew networks before they were evaluated.

    Attributes:
        evaluations: How many had been made.
        spearman: Rank correlation of predicted with evaluated accuracy, None where undefined.
        mean_absolute_error: Of predicted accuracy, 0..1.
    """

    evaluations: int
    spearman: float | None
    mean_absolute_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHistory:
    """The search in time; seconds count from its first evaluation, pauses taken out.

    Attributes:
        elapsed_s: When each evaluation was done, in the report's order.
        paused_s: What was taken out: time in which nobody evaluated.
        bin_s: Length of a bin of the workers' shares.
        workers: In the order of their first evaluation.
        utilisation: Share of the time between its first and its last evaluation that a worker
            evaluated, all workers together; None without evaluations.
        failures: The most frequent first.
        retries: Attempts beyond the first, of all evaluations.
        surrogate: Empty where the search used none.
    """

    elapsed_s: Sequence[float]
    paused_s: float = 0.0
    bin_s: float = 1.0
    workers: tuple[Worker, ...] = ()
    utilisation: float | None = None
    failures: tuple[Failure, ...] = ()
    retries: int = 0
    surrogate: tuple[SurrogatePoint, ...] = ()

    def __post_init__(self) -> None:
        for value in self.elapsed_s:
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"report: history: elapsed_s must be finite and at least 0, got {value}"
                )
        for worker in self.workers:
            if not all(0 <= share <= 1 + 1e-9 for share in worker.busy):
                raise ValueError(f"report: worker {worker.name!r}: busy must be in 0..1")
