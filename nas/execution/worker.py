"""What runs in an actor of the Ray executor."""

from typing import Any

from nas.execution.base import Attempt, Evaluator, EvaluatorFactory, Task, attempt, one_line


class Worker:
    """An evaluator in a process of its own."""

    def __init__(self) -> None:
        self._evaluator: Evaluator | None = None

    def build(self, factory: EvaluatorFactory, payload: Any) -> str | None:
        """Builds the evaluator; returns why it could not be built."""
        try:
            self._evaluator = factory(payload)
        except Exception as problem:
            return one_line(problem)
        return None

    def evaluate(self, task: Task) -> Attempt:
        """Tries once."""
        assert self._evaluator is not None
        made = attempt(self._evaluator, task)
        # Ray keeps what a worker prints in the worker's log, which its dashboard shows.
        told = made.error if made.metrics is None else made.metrics
        print(f"{task.split} {task.genotype}: {told} in {made.duration_s:.3g} s", flush=True)
        return made
