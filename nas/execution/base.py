"""What an executor is: tasks go in, outcomes come out in the order they finish.

Back ends differ only in where an evaluator runs. An evaluator is built once a worker, from a
module-level factory and a payload, and then turns tasks into metrics; it has to be a function of
the task alone, so that a retried task and another back end give the same metrics.

An evaluation that raises, or whose metrics are not finite, is repeated once; so is one that runs
out of time, where the back end can end it; one whose worker process dies is repeated twice. After
that its outcome is "failed", with the reason.
"""

import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

MAX_ERRORS = 2
"""Attempts that may end in an exception before a task counts as failed."""
MAX_TIMEOUTS = 2
"""Attempts that may run out of time before a task counts as failed."""
MAX_DEATHS = 3
"""Attempts that may end with the death of the worker process before a task counts as failed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation to make.

    Attributes:
        genotype: Canonical option indices, one a decision.
        split: What to evaluate on, "search" or "test".
        seed: All the randomness the evaluation may use.
    """

    genotype: tuple[int, ...]
    split: str
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        task: What was asked.
        status: "ok" with metrics, or "failed" with an error.
        metrics: Finite figures, `accuracy` in 0..1 among them; empty where failed.
        duration_s: Time of the last attempt.
        worker: Host and process that made the last attempt.
        error: Why it failed, one line; None where it did not.
        attempts: How often it was tried.
    """

    task: Task
    status: Literal["ok", "failed"]
    metrics: dict[str, float]
    duration_s: float
    worker: str
    error: str | None = None
    attempts: int = 1


@runtime_checkable
class Evaluator(Protocol):
    """Turns a task into metrics; lives in one worker."""

    def evaluate(self, task: Task) -> Mapping[str, float]:
        """Returns finite metrics; `accuracy` (0..1) has to be among them."""
        ...


EvaluatorFactory: TypeAlias = Callable[[Any], Evaluator]
"""A module-level function from the payload to an evaluator."""


@runtime_checkable
class Executor(Protocol):
    """Runs tasks somewhere. Submitting never blocks; outcomes arrive in the order they finish.

    Workers may come and go: `workers` and `capacity` are of the moment. A task that is submitted
    before there is a worker waits for one.
    """

    @property
    def workers(self) -> int:
        """Workers that are there and can evaluate."""
        ...

    @property
    def capacity(self) -> int:
        """Tasks in flight that keep every worker busy; at least 1."""
        ...

    @property
    def finished(self) -> int:
        """Outcomes that `next` returns without waiting."""
        ...

    @property
    def pending(self) -> int:
        """Tasks submitted whose outcome has not been returned."""
        ...

    def submit(self, task: Task) -> None:
        """Queues a task."""
        ...

    def next(self, timeout_s: int | float | None = None) -> Outcome:
        """Returns a finished task's outcome, waiting for one if need be.

        Raises:
            TimeoutError: If none has finished within the time.
            RuntimeError: If nothing is pending.
            WorkerError: If the workers cannot be started.
        """
        ...

    def close(self) -> None:
        """Ends the workers; pending tasks are dropped. May be called twice."""
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a task, made where the evaluator is: metrics, or the error without them."""

    metrics: dict[str, float] | None
    error: str | None
    duration_s: float
    worker: str


def attempt(evaluator: Evaluator, task: Task) -> Attempt:
    """Evaluates once; an exception or a metric that is not finite becomes the attempt's error."""
    started = time.perf_counter()
    metrics: dict[str, float] | None = None
    error: str | None = None
    try:
        metrics = _checked({name: float(v) for name, v in evaluator.evaluate(task).items()})
    except Exception as problem:
        error = one_line(problem)
    return Attempt(metrics, error, time.perf_counter() - started, worker_name())


def one_line(problem: BaseException) -> str:
    """Names an exception and its message in one line of bounded length."""
    message = " ".join(str(problem).split())
    text = f"{type(problem).__name__}: {message}" if message else type(problem).__name__
    return text if len(text) <= 500 else text[:497] + "..."


def worker_name() -> str:
    """Host and process id of the caller."""
    return f"{platform.node()}/{os.getpid()}"


def _checked(metrics: dict[str, float]) -> dict[str, float]:
    if "accuracy" not in metrics:
        raise ValueError(f"the evaluator must return 'accuracy', got {sorted(metrics)}")
    broken = {name: value for name, value in metrics.items() if not math.isfinite(value)}
    if broken:
        raise ValueError(f"metrics must be finite, got {broken}")
    return metrics
