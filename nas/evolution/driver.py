"""The loop of a search: ask, evaluate, record, tell.

Every outcome is recorded the moment it arrives, so that a killed search is simply started again.

Asynchronous: whenever workers are free as many genotypes are asked for, and outcomes are told as
they arrive; nobody waits for anybody. What the study holds is told before anything is asked for.

Synchronous: a generation is asked for when the one before is complete, and outcomes are told in the
order they were asked for, whatever order they finish in, so that a search depends on its seed
alone. One that is started again repeats its own steps, takes from the study what that holds, and
ends with the archive of an uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from nas.evolution.archive import Archive
from nas.evolution.progress import Progress, SearchResult, Stopped
from nas.execution.base import Executor, Outcome, Task
from nas.study import Study

WAKE_S = 1.0
"""Longest wait for an outcome before the asynchronous mode looks for new workers."""
REFERENCE_SIZE = 16
"""Evaluations that the reference point follows from where none is given."""


@runtime_checkable
class SearchAlgorithm(Protocol):
    """Proposes genotypes and learns from errors, in any order and while others are pending."""

    archive: Archive

    def ask(self, n: int) -> Int[np.ndarray, "k d"]:
        """Up to `n` canonical genotypes, none asked for before; none from an exhausted space."""
        ...

    def tell(self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"]) -> None:
        """Takes in 1 - accuracy, NaN where the evaluation failed."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """When a front counts as found: its hypervolume has stopped growing.

    Attributes:
        evaluations: For so many of them the front grew by at most `growth`.
        growth: Relative to its hypervolume.
    """

    evaluations: int
    growth: float = 1e-3

    def over(self, told: int, history: Sequence[tuple[int, tuple[float, ...]]]) -> tuple[bool, ...]:
        """For each target whether its front counts as found.

        A front that nothing is on yet never does.

        Args:
            told: Evaluations so far.
            history: Evaluations and each target's hypervolume wherever one has changed.
        """
        if not history:
            return ()
        latest = history[-1][1]
        before = [volumes for count, volumes in history if count <= told - self.evaluations]
        if not before:
            return (False,) * len(latest)
        return tuple(
            new > 0 and new <= old * (1 + self.growth)
            for old, new in zip(before[-1], latest, strict=True)
        )


def run_search(
    search: SearchAlgorithm,
    executor: Executor,
    study: Study,
    *,
    evaluations: int,
    generation_size: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    seed: int = 0,
    reference: Sequence[Float[np.ndarray, " _"]] | None = None,
    wall_time_s: float | None = None,
    patience: Patience | None = None,
    known: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> SearchResult:
    """Searches until so many evaluations have been told, or one of the other ends is reached.

    The others: the space is exhausted, the time is over, every target's front counts as found.
    What is under way then is waited for. Only the time is not the same when a synchronous search
    is repeated on its study.

    Args:
        search: A fresh algorithm, seeded as it was when the study was begun.
        executor: Evaluates on the search split.
        study: Where outcomes are recorded, and taken from where they are recorded already.
        evaluations: How many, failed and recorded ones included.
        generation_size: How many are asked for at once in the synchronous mode; None is the
            asynchronous one.
        on_progress: Called whenever evaluations were made, and after every generation.
        seed: Of every evaluation.
        reference: The worst error and costs that count for each target's hypervolume; by default
            error 1 and the largest costs of the first 16 in the archive.
        wall_time_s: Seconds of this call after which nothing more is asked for; None for no limit.
        patience: When a front counts as found; None for never.
        known: How many of the study's evaluations, the first ones, are told before anything is
            asked for: those made for other targets. They count as evaluations. The asynchronous
            mode does so with all.
        clock: The executor's time in seconds.

    Raises:
        StudyError: If an outcome cannot be recorded.
        WorkerError: If the executor cannot go on.
    """
    if evaluations < 1 or (generation_size is not None and generation_size < 1):
        raise ValueError(
            "evaluations and generation_size must be at least 1, "
            f"got {evaluations} and {generation_size}"
        )
    session = _Session(search, executor, study, evaluations, seed, on_progress, clock)
    session.reference = None if reference is None else tuple(reference)
    session.wall_time_s, session.patience = wall_time_s, patience
    if generation_size is None:
        session.tell_known(len(session.known))
        session.run_asynchronously()
    else:
        session.tell_known(known)
        session.run_in_generations(generation_size)
    return session.result()


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
        clock: Callable[[], float],
    ) -> None:
        self.search = search
        self.executor = executor
        self.study = study
        self.total = total
        self.seed = seed
        self.on_progress = on_progress
        self.clock = clock
        self.reference: tuple[np.ndarray, ...] | None = None
        self.wall_time_s: float | None = None
        self.patience: Patience | None = None
        self.stopped: Stopped | None = None
        self.in_generations = False
        self.made = self.failures = self.recorded = 0
        self.history: list[tuple[int, tuple[float, ...]]] = []
        self.busy_s = self.offered_s = 0.0
        self.started_s = self.seen_s = clock()
        self.workers = executor.workers
        self.known = {
            made.genotype: np.nan if made.accuracy is None else 1 - made.accuracy
            for made in study.evaluations("search")
        }

    @property
    def told(self) -> int:
        """Evaluations so far; between two generations, those told."""
        return self.made + self.recorded

    def tell_known(self, count: int) -> None:
        """Tells the first of the study's evaluations, without their being asked for."""
        keys = list(self.known)[:count]
        if keys:
            errors = np.array([self.known.pop(key) for key in keys])
            self.recorded = len(errors)
            self.failures = int(np.isnan(errors).sum())
            self._tell(np.array(keys, dtype=np.int64), errors)
            self._report()

    def run_asynchronously(self) -> None:
        """Keeps every worker busy."""
        while self.told < self.total:
            pending = self.executor.pending
            room = min(self.executor.capacity, self.total - self.told) - pending
            proposed = self.search.ask(room) if room > 0 and not self._ends() else ()
            self._submit(proposed)
            if pending == len(proposed) == 0:
                self.stopped = self.stopped or "exhausted"
                break
            outcomes = self._wait(WAKE_S)
            if outcomes:
                errors = np.array([self._record(outcome) for outcome in outcomes])
                self._tell(np.array([outcome.task.genotype for outcome in outcomes]), errors)
                self._report()

    def run_in_generations(self, size: int) -> None:
        """Completes one generation after the other, and tells each in the order of its asking."""
        self.in_generations = True
        while self.told < self.total and not self._ends():
            genotypes = self.search.ask(min(size, self.total - self.told))
            if len(genotypes) == 0:
                self.stopped = "exhausted"
                break
            keys = [tuple(genotype.tolist()) for genotype in genotypes]
            errors = {key: self.known.pop(key) for key in keys if key in self.known}
            self.recorded += len(errors)
            self.failures += sum(math.isnan(error) for error in errors.values())
            self._submit([key for key in keys if key not in errors])
            while self.executor.pending:
                for outcome in self._wait():
                    errors[outcome.task.genotype] = self._record(outcome)
                self._report()
            self._tell(genotypes, np.array([errors[key] for key in keys]))
            self._report()

    def result(self) -> SearchResult:
        """What has come of it."""
        if self.reference is None:
            self.reference = _default_reference(self.search.archive)
        if not self.history or self.history[-1][0] < self.told:
            self.history.append((self.told, self._hypervolume()))
        return SearchResult(
            archive=self.search.archive,
            evaluations=self.told,
            failures=self.failures,
            recorded=self.recorded,
            reference=self.reference,
            stopped=self.stopped or "evaluations",
            history=tuple(self.history),
            evaluations_per_s=self._rate,
            utilisation=self._utilisation,
        )

    def _ends(self) -> bool:
        """Whether nothing more is to be asked for, though not all evaluations are made."""
        if self.stopped is None:
            over = () if self.patience is None else self.patience.over(self.told, self.history)
            if self.wall_time_s is not None and self.clock() >= self.started_s + self.wall_time_s:
                self.stopped = "wall time"
            elif over and all(over):
                self.stopped = "converged"
        return self.stopped is not None

    def _submit(self, genotypes: Iterable[Sequence[int] | Int[np.ndarray, " d"]]) -> None:
        for genotype in genotypes:
            task = Task(tuple(int(option) for option in genotype), "search", self.seed)
            self.executor.submit(task)

    def _wait(self, timeout_s: float | None = None) -> list[Outcome]:
        """The next outcome and those that are there with it; none after the time."""
        try:
            outcomes = [self.executor.next(timeout_s)]
        except TimeoutError:
            outcomes = []
        outcomes += [self.executor.next() for _ in range(self.executor.finished)]
        self.busy_s += sum(outcome.duration_s for outcome in outcomes)
        self._note_time()
        return outcomes

    def _note_time(self) -> None:
        now_s = self.clock()
        self.offered_s += self.workers * (now_s - self.seen_s)
        self.seen_s, self.workers = now_s, self.executor.workers

    def _record(self, outcome: Outcome) -> float:
        """Writes an outcome down and returns its error."""
        self.study.record_evaluation(outcome)
        error = 1 - outcome.metrics.get("accuracy", np.nan)
        self.made += 1
        self.failures += math.isnan(error)
        return error

    def _tell(self, genotypes: Int[np.ndarray, "n d"], errors: Float[np.ndarray, " n"]) -> None:
        self.search.tell(genotypes, errors)
        if self.reference is None and len(self.search.archive) >= REFERENCE_SIZE:
            self.reference = _default_reference(self.search.archive)
        volumes = self._hypervolume()
        if self.in_generations or not self.history or self.history[-1][1] != volumes:
            self.history.append((self.told, volumes))

    def _hypervolume(self) -> tuple[float, ...]:
        archive, reference = self.search.archive, self.reference
        if reference is None:
            return (0.0,) * archive.targets
        return tuple(
            archive.hypervolume(target, reference[target]) / float(np.prod(reference[target]))
            for target in range(archive.targets)
        )

    @property
    def _rate(self) -> float:
        elapsed_s = self.seen_s - self.started_s
        return self.made / elapsed_s if self.made and elapsed_s > 0 else 0.0

    @property
    def _utilisation(self) -> float:
        return min(1.0, self.busy_s / self.offered_s) if self.offered_s > 0 else 0.0

    def _report(self) -> None:
        if self.on_progress is None:
            return
        self.on_progress(
            Progress(
                evaluations=self.told,
                total=self.total,
                evaluations_per_s=self._rate,
                failures=self.failures,
                recorded=self.recorded,
                hypervolume=self.history[-1][1]
                if self.history
                else (0.0,) * self.search.archive.targets,
                steps=len(self.history),
                workers=self.workers,
                utilisation=self._utilisation,
            )
        )


def _default_reference(archive: Archive) -> tuple[Float[np.ndarray, " _"], ...]:
    """Error 1 and the largest costs of the first in the archive."""
    first = archive.costs[:REFERENCE_SIZE]
    worst = first.max(axis=0) if len(first) else np.ones(archive.costs.shape[1])
    return tuple(np.array([1.0, *worst[list(goal.columns)]]) for goal in archive.goals)
