"""Runs evaluations: in this process, or on the workers of a Ray cluster.

The modules that need Ray (`ray_executor`, `cluster`) are imported by name, so that this package
loads without it.
"""

from nas.execution.base import Evaluator, EvaluatorFactory, Executor, Outcome, Task
from nas.execution.in_process import InProcessExecutor

__all__ = ["Evaluator", "EvaluatorFactory", "Executor", "InProcessExecutor", "Outcome", "Task"]
