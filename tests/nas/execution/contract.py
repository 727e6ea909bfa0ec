"""What every executor does, whatever runs behind it."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import UserError
from nas.execution.base import EvaluatorFactory, Executor, Outcome, Task
from nas.execution.in_process import InProcessExecutor
from tests.nas.execution import evaluators

MakeExecutor = Callable[[EvaluatorFactory, Any], Executor]


def tasks(*first: int, split: str = "search") -> list[Task]:
    return [Task((kind, i), split, seed=3) for i, kind in enumerate(first)]


def run(executor: Executor, todo: list[Task]) -> dict[tuple[int, ...], Outcome]:
    for task in todo:
        executor.submit(task)
    outcomes = [executor.next(60) for _ in todo]
    assert executor.pending == executor.finished == 0
    assert sorted(o.task.genotype for o in outcomes) == sorted(t.genotype for t in todo)
    return {outcome.task.genotype: outcome for outcome in outcomes}


class ExecutorContract:
    @abstractmethod
    def make(self, factory: EvaluatorFactory, payload: Any) -> Executor: ...

    def test_every_task_has_one_outcome_that_depends_on_the_task_alone(self) -> None:
        todo = [*tasks(*[0] * 20), *tasks(*[4] * 5, split="test")]
        with self.make(evaluators.Hash, {}) as executor:
            made = run(executor, todo)
        with InProcessExecutor(evaluators.Hash, {}) as reference:
            expected = run(reference, todo)
        assert {g: o.metrics["accuracy"] for g, o in made.items()} == {
            g: o.metrics["accuracy"] for g, o in expected.items()
        }
        assert {(o.status, o.error, o.attempts) for o in made.values()} == {("ok", None, 1)}
        assert all(o.duration_s > 0 and "/" in o.worker for o in made.values())

    def test_a_worker_keeps_its_evaluator(self) -> None:
        with self.make(evaluators.Hash, {}) as executor:
            made = run(executor, tasks(*[0] * 30))
            per_worker = len(made) / len({o.worker for o in made.values()})
        assert max(o.metrics["calls"] for o in made.values()) >= per_worker

    def test_an_exception_is_tried_twice_and_then_recorded_with_its_reason(self) -> None:
        with self.make(evaluators.Hash, {"faults": True}) as executor:
            made = run(executor, tasks(0, 1, 0))
        failed = made[1, 1]
        assert (failed.status, failed.metrics, failed.attempts) == ("failed", {}, 2)
        assert failed.error == "ValueError: a bad genotype"
        assert [made[g].status for g in ((0, 0), (0, 2))] == ["ok", "ok"]

    @pytest.mark.parametrize(
        ("metrics", "reason"),
        [
            ({"accuracy": float("nan")}, "metrics must be finite, got {'accuracy': nan}"),
            ({"accuracy": 0.5, "loss": float("inf")}, "metrics must be finite, got {'loss': inf}"),
            ({"loss": 0.5}, "the evaluator must return 'accuracy', got ['loss']"),
        ],
    )
    def test_unusable_metrics_fail_with_their_reason(
        self, metrics: dict[str, float], reason: str
    ) -> None:
        with self.make(evaluators.Fixed, metrics) as executor:
            (outcome,) = run(executor, tasks(0)).values()
        assert (outcome.status, outcome.error) == ("failed", f"ValueError: {reason}")

    def test_an_evaluator_that_cannot_be_built_is_one_clear_error(self) -> None:
        with (
            pytest.raises(UserError, match="OSError: no weights at /nowhere"),
            self.make(evaluators.unbuildable, "/nowhere") as executor,
        ):
            run(executor, tasks(0))

    def test_the_payload_arrives_whole(self) -> None:
        with self.make(evaluators.Shared, np.arange(100_000.0)) as executor:
            (outcome,) = run(executor, tasks(0)).values()
        assert outcome.metrics["total"] == 99_999 * 100_000 / 2

    def test_waiting_for_nothing_is_refused(self) -> None:
        with self.make(evaluators.Fixed, {"accuracy": 1.0}) as executor:
            assert executor.capacity >= 1
            assert executor.finished == 0
            with pytest.raises(RuntimeError, match="no task is pending"):
                executor.next()

    def test_closing_drops_what_is_pending_and_may_be_repeated(self, tmp_path: Path) -> None:
        executor = self.make(evaluators.Hash, {"log": str(tmp_path / "log")})
        run(executor, tasks(0))
        executor.submit(Task((0, 9), "search", 0))
        executor.close()
        executor.close()
        assert executor.pending == 0
        with pytest.raises(RuntimeError, match="closed"):
            executor.submit(Task((0, 0), "search", 0))
