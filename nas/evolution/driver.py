"""The loop of a search: ask, evaluate, record, tell.

Generations are synchronous and outcomes are told in the order they were asked for, whatever order
they finish in, so that a search depends on its seed alone. Every outcome is recorded the moment it
arrives. What the study already holds is told from there, so a killed search is simply started
again: it repeats its own steps without evaluating anything twice and ends with the same archive.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from nas.evolution.archive import Archive
from nas.execution.base import Executor, Task
from nas.study import Study


@runtime_checkable
class SearchAlgorithm(Protocol):
    """Proposes genotypes and learns from their errors."""

    archive: Archive

    def ask(self, n: int) -> Int[np.ndarray, "k d"]:
        """Up to `n` canonical genotypes, none asked for before; none from an exhausted space."""
        ...

    def tell(self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"]) -> None:
        """Takes in 1 - accuracy, NaN where the evaluation failed."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    Attributes:
        evaluations: Done so far, failed and recorded ones included.
        total: How many there will be, unless the space is exhausted before.
        evaluations_per_s: Made in this session; 0 before the first.
        failures: How many of `evaluations` failed.
        recorded: How many of `evaluations` came from the study.
        hypervolume: For each target what its front dominates of the box between (0, 0) and the
            reference point, 0..1; as of the last complete generation.
        generations: How many are complete.
    """

    evaluations: int
    total: int
    evaluations_per_s: float
    failures: int
    recorded: int
    hypervolume: tuple[float, ...]
    generations: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search ended with.

    Attributes:
        archive: All completed evaluations, in the order they were asked for.
        evaluations: Number of evaluations told, failed ones included.
        failures: How many of them failed.
        recorded: How many came from the study.
        reference: For each target the (error, cost) that hypervolumes are relative to.
        history: After each generation, the evaluations so far and each target's hypervolume (0..1).
    """

    archive: Archive
    evaluations: int
    failures: int
    recorded: int
    reference: Float[np.ndarray, "t 2"]
    history: tuple[tuple[int, tuple[float, ...]], ...]


def run_search(
    search: SearchAlgorithm,
    executor: Executor,
    study: Study,
    *,
    evaluations: int,
    generation_size: int,
    on_progress: Callable[[Progress], None] | None = None,
    seed: int = 0,
    reference: Float[np.ndarray, "t 2"] | None = None,
) -> SearchResult:
    """Searches until so many evaluations have been told, or the space is exhausted.

    Args:
        search: A fresh algorithm, seeded as it was when the study was begun.
        executor: Evaluates on the search split.
        study: Where outcomes are recorded, and taken from where they are recorded already.
        evaluations: How many, failed and recorded ones included.
        generation_size: How many are asked for at once.
        on_progress: Called after every evaluation made, and after every generation.
        seed: Of every evaluation.
        reference: The worst (error, cost) that counts for each target's hypervolume; by default
            error 1 and the largest cost of the first generation.

    Raises:
        StudyError: If an outcome cannot be recorded.
        WorkerError: If the executor cannot go on.
    """
    if evaluations < 1 or generation_size < 1:
        raise ValueError(
            "evaluations and generation_size must be at least 1, "
            f"got {evaluations} and {generation_size}"
        )
    session = _Session(search, executor, study, evaluations, seed, on_progress)
    session.reference = reference
    while session.told < evaluations:
        genotypes = search.ask(min(generation_size, evaluations - session.told))
        if len(genotypes) == 0:
            break
        session.evaluate(genotypes)
    if session.reference is None:
        session.reference = _default_reference(search.archive)
    return SearchResult(
        archive=search.archive,
        evaluations=session.told,
        failures=session.failures,
        recorded=session.recorded,
        reference=session.reference,
        history=tuple(session.history),
    )


class _Session:
    """The counters of one call of `run_search`."""

    def __init__(
        self,
        search: SearchAlgorithm,
        executor: Executor,
        study: Study,
        total: int,
        seed: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.search = search
        self.executor = executor
        self.study = study
        self.total = total
        self.seed = seed
        self.on_progress = on_progress
        self.reference: np.ndarray | None = None
        self.made = self.failures = self.recorded = 0
        self.busy_s = 0.0
        self.history: list[tuple[int, tuple[float, ...]]] = []
        self.known = {
            made.genotype: np.nan if made.accuracy is None else 1 - made.accuracy
            for made in study.evaluations("search")
        }

    @property
    def told(self) -> int:
        """Evaluations so far; between two generations, those told."""
        return self.made + self.recorded

    def evaluate(self, genotypes: Int[np.ndarray, "n d"]) -> None:
        """Evaluates what is not known, and tells all of it in order."""
        keys = [tuple(int(option) for option in genotype) for genotype in genotypes]
        missing = [key for key in keys if key not in self.known]
        self.recorded += len(keys) - len(missing)
        self.failures += sum(math.isnan(self.known[key]) for key in keys if key in self.known)
        started, before_s = time.perf_counter(), self.busy_s
        for key in missing:
            self.executor.submit(Task(key, "search", self.seed))
        for _ in missing:
            outcome = self.executor.next()
            self.study.record_evaluation(outcome)
            error = 1 - outcome.metrics.get("accuracy", np.nan)
            self.known[outcome.task.genotype] = error
            self.failures += math.isnan(error)
            self.made += 1
            self.busy_s = before_s + time.perf_counter() - started
            self._report()
        self.search.tell(genotypes, np.array([self.known[key] for key in keys]))
        if self.reference is None and len(self.search.archive):
            self.reference = _default_reference(self.search.archive)
        self.history.append((self.told, self._hypervolume()))
        self._report()

    def _hypervolume(self) -> tuple[float, ...]:
        archive, reference = self.search.archive, self.reference
        if reference is None:
            return (0.0,) * archive.targets
        return tuple(
            archive.hypervolume(target, reference[target]) / float(np.prod(reference[target]))
            for target in range(archive.targets)
        )

    def _report(self) -> None:
        if self.on_progress is None:
            return
        rate = self.made / self.busy_s if self.made else 0.0
        volume = self.history[-1][1] if self.history else (0.0,) * self.search.archive.targets
        self.on_progress(
            Progress(
                evaluations=self.told,
                total=self.total,
                evaluations_per_s=rate,
                failures=self.failures,
                recorded=self.recorded,
                hypervolume=volume,
                generations=len(self.history),
            )
        )


def _default_reference(archive: Archive) -> Float[np.ndarray, "t 2"]:
    """Error 1 and the largest cost in the archive."""
    worst = archive.costs.max(axis=0) if len(archive) else np.ones(archive.targets)
    return np.column_stack((np.ones(archive.targets), worst))
