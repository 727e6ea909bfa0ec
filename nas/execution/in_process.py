"""Evaluates in the calling process: for debugging, small tables, and as the others' oracle."""

from collections import deque
from types import TracebackType
from typing import Any

from nas.errors import WorkerError
from nas.execution.base import (
    MAX_ERRORS,
    EvaluatorFactory,
    Outcome,
    Task,
    attempt,
    one_line,
)


class InProcessExecutor:
    """Runs a task when its outcome is asked for, in the order of submission.

    Args:
        factory: Module-level function from the payload to an evaluator.
        payload: What the evaluator is built from.

    Raises:
        WorkerError: If the factory raises.
    """

    workers = 1
    capacity = 1
    finished = 0

    def __init__(self, factory: EvaluatorFactory, payload: Any) -> None:
        try:
            self._evaluator = factory(payload)
        except Exception as problem:
            raise WorkerError(f"the evaluator could not be built: {one_line(problem)}") from problem
        self._tasks: deque[Task] = deque()
        self._closed = False

    @property
    def pending(self) -> int:
        """Tasks submitted whose outcome has not been returned."""
        return len(self._tasks)

    def submit(self, task: Task) -> None:
        """Queues a task."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        self._tasks.append(task)

    def next(self, timeout_s: int | float | None = None) -> Outcome:
        """Evaluates the oldest task; `timeout_s` bounds waiting for others, and here are none.

        Raises:
            RuntimeError: If nothing is pending.
        """
        if not self._tasks:
            raise RuntimeError("no task is pending")
        task = self._tasks.popleft()
        tries = 0
        while True:
            tries += 1
            made = attempt(self._evaluator, task)
            if made.metrics is not None:
                return Outcome(task, "ok", made.metrics, made.duration_s, made.worker, None, tries)
            if tries == MAX_ERRORS:
                return Outcome(task, "failed", {}, made.duration_s, made.worker, made.error, tries)

    def close(self) -> None:
        """Drops what is pending."""
        self._tasks.clear()
        self._closed = True

    def __enter__(self) -> "InProcessExecutor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
