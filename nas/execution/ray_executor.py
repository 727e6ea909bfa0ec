"""Evaluates on the workers of a Ray cluster.

The payload is put into the object store once, and a crew of actors works off the tasks. A thread
listens to them and hands out what is queued, so that workers go on while the caller is busy with
something else; outcomes wait until they are asked for.

Assumes that Ray is running (`nas.execution.cluster.start_ray`) and that the workers can import the
factory's module.
"""

import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import ray

from nas.errors import WorkerError
from nas.execution.base import EvaluatorFactory, Outcome, Task
from nas.execution.cluster import worker_environment
from nas.execution.crew import Answer, Crew

CHECK_S = 1.0
"""Longest time between two looks for evaluations that have run out of time."""


class RayExecutor:
    """Runs tasks on at most `workers` actors, which start in the background.

    Actors for which no node has room wait for one; those that run go on without them.

    Args:
        factory: Module-level function from the payload to an evaluator.
        payload: What evaluators are built from; arrays in it are shared between a node's workers
            without being copied, and are read-only there.
        workers: Number of actors.
        cpus_per_worker: Cores a worker takes of its node.
        gpus_per_worker: GPUs a worker takes of its node; 0 is evaluation on the CPU.
        worker_env: Environment variables of the workers, besides those of `worker_environment`.
        timeout_s: What one evaluation may take before its worker is ended. None is 30 times the
            mean of those that succeeded but at least ten minutes, and an hour before the first.

    Raises:
        WorkerError: If the cluster has no node that could ever run such a worker.
    """

    def __init__(
        self,
        factory: EvaluatorFactory,
        payload: Any,
        *,
        workers: int,
        cpus_per_worker: int | float = 1,
        gpus_per_worker: int | float = 0,
        worker_env: Mapping[str, str] | None = None,
        timeout_s: int | float | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        if timeout_s is not None and not timeout_s > 0:
            raise ValueError(f"timeout_s must be positive, got {timeout_s}")
        _check_fit(cpus_per_worker, gpus_per_worker)
        environment = worker_environment(cpus=cpus_per_worker, gpus=gpus_per_worker)
        self._pending = 0
        self._closed = False
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome | BaseException] = SimpleQueue()
        self._lock = threading.Lock()
        self._crew = Crew(
            {
                "num_cpus": cpus_per_worker,
                "num_gpus": gpus_per_worker,
                "runtime_env": {"env_vars": {**environment, **(worker_env or {})}},
            },
            factory,
            ray.put(payload),
            workers=workers,
            timeout_s=timeout_s,
            on_answer=self._answers.put,
            on_outcome=self._outcomes.put,
        )
        self._check_s = CHECK_S if timeout_s is None else min(CHECK_S, timeout_s / 4)
        self._listener = threading.Thread(target=self._listen, name="ray-executor", daemon=True)
        self._listener.start()

    @property
    def workers(self) -> int:
        """Workers that are there and can evaluate."""
        with self._lock:
            return self._crew.workers

    @property
    def capacity(self) -> int:
        """Tasks in flight that keep every worker busy; at least 1."""
        with self._lock:
            return self._crew.capacity

    @property
    def pending(self) -> int:
        """Tasks submitted whose outcome has not been returned."""
        return self._pending

    @property
    def finished(self) -> int:
        """Outcomes that `next` returns without waiting."""
        return self._outcomes.qsize()

    def submit(self, task: Task) -> None:
        """Queues a task."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        self._pending += 1
        with self._lock:
            self._crew.submit(task)

    def next(self, timeout_s: int | float | None = None) -> Outcome:
        """Returns a finished task's outcome, waiting for one if need be.

        Raises:
            TimeoutError: If none has finished within the time.
            RuntimeError: If nothing is pending.
            WorkerError: If workers cannot build their evaluator, or die over and over.
        """
        if self._pending == 0:
            raise RuntimeError("no task is pending")
        try:
            outcome = self._outcomes.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError(f"no evaluation finished within {timeout_s} s") from None
        if isinstance(outcome, BaseException):
            self._outcomes.put(outcome)
            raise outcome
        self._pending -= 1
        self._crew.pace.told(time.monotonic())
        return outcome

    def close(self) -> None:
        """Ends the workers; pending tasks are dropped. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._answers.put(None)
        self._listener.join()
        self._crew.close()
        self._pending = 0

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _listen(self) -> None:
        """Brings answers to the crew until the end, or until the crew cannot go on."""
        checked_s = time.monotonic()
        try:
            while True:
                answer = None
                try:
                    answer = self._answers.get(timeout=self._check_s)
                    if answer is None:
                        return
                except Empty:
                    pass
                with self._lock:
                    if answer is not None:
                        self._crew.take(answer)
                    if time.monotonic() - checked_s >= self._check_s:
                        self._crew.expire()
                        checked_s = time.monotonic()
        except BaseException as problem:
            self._outcomes.put(problem)


def _check_fit(cpus: int | float, gpus: int | float) -> None:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        return
    offered = "; ".join(
        f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes
    )
    raise WorkerError(
        f"no node of the cluster can run a worker of {cpus:g} CPUs and {gpus:g} GPUs; "
        f"nodes have: {offered or 'none'}"
    )
