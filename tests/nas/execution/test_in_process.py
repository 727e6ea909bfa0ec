"""The in-process executor."""

from typing import Any

from nas.execution.base import EvaluatorFactory, Executor, Task
from nas.execution.in_process import InProcessExecutor
from tests.nas.execution import evaluators
from tests.nas.execution.contract import ExecutorContract


class TestInProcess(ExecutorContract):
    def make(self, factory: EvaluatorFactory, payload: Any) -> Executor:
        return InProcessExecutor(factory, payload)


def test_outcomes_come_in_the_order_of_submission() -> None:
    with InProcessExecutor(evaluators.Fixed, {"accuracy": 1.0}) as executor:
        for i in range(5):
            executor.submit(Task((i,), "search", 0))
        assert [executor.next().task.genotype for _ in range(5)] == [(i,) for i in range(5)]
