"""Evaluates on the workers of a Ray cluster.

The payload is put into the object store once; each worker is an actor that builds its evaluator
from it once and keeps it, compiled functions and all. Workers are replaced when they die. An actor
runs its tasks in the order they were submitted, so of several in flight the first that did not come
back is held to have killed it. A finished task whose result was still on its way is then blamed in
place of the next, which costs the two a repetition each.

Assumes that Ray is running (`nas.execution.cluster.start_ray`) and that the workers can import the
factory's module.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import RayError

from nas.errors import WorkerError
from nas.execution.base import (
    MAX_DEATHS,
    MAX_ERRORS,
    Attempt,
    Evaluator,
    EvaluatorFactory,
    Outcome,
    Task,
    attempt,
    one_line,
)
from nas.execution.cluster import worker_environment

SHORT_S = 0.05
"""Shorter evaluations are queued two to a worker, since fetching a result costs about 1 ms."""


class _Worker:
    """The actor: an evaluator and its process."""

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
        return attempt(self._evaluator, task)


@dataclass(slots=True)
class _Job:
    """A task with what has happened to it so far."""

    task: Task
    errors: int = 0
    deaths: int = 0

    @property
    def attempts(self) -> int:
        return self.errors + self.deaths


@dataclass(slots=True)
class _Place:
    """Where one worker is, and after its death the next."""

    actor: Any
    building: Any
    in_flight: deque[tuple[Any, _Job]] = field(default_factory=deque[tuple[Any, _Job]])
    deaths_in_a_row: int = 0

    @property
    def awaited(self) -> Any | None:
        """The result that comes next from here."""
        if self.building is not None:
            return self.building
        return self.in_flight[0][0] if self.in_flight else None


class RayExecutor:
    """Runs tasks on `workers` actors, which start in the background.

    Args:
        factory: Module-level function from the payload to an evaluator.
        payload: What evaluators are built from; arrays in it are shared between a node's workers
            without being copied, and are read-only there.
        workers: Number of actors.
        cpus_per_worker: Cores a worker takes of its node.
        gpus_per_worker: GPUs a worker takes of its node; 0 is evaluation on the CPU.
        worker_env: Environment variables of the workers, besides those of `worker_environment`.

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
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        _check_fit(cpus_per_worker, gpus_per_worker)
        environment = worker_environment(cpus=cpus_per_worker, gpus=gpus_per_worker)
        self._actor_class: Any = ray.remote(_Worker).options(
            num_cpus=cpus_per_worker,
            num_gpus=gpus_per_worker,
            max_restarts=0,
            runtime_env={"env_vars": {**environment, **(worker_env or {})}},
        )
        self._factory = factory
        self._payload = ray.put(payload)
        self._backlog: deque[_Job] = deque()
        self._finished: deque[Outcome] = deque()
        self._pending = 0
        self._mean_duration_s = float("inf")
        self._closed = False
        self._places = [_Place(*self._start()) for _ in range(workers)]

    @property
    def capacity(self) -> int:
        """Tasks in flight that keep every worker busy."""
        return len(self._places) * self._depth

    @property
    def pending(self) -> int:
        """Tasks submitted whose outcome has not been returned."""
        return self._pending

    def submit(self, task: Task) -> None:
        """Queues a task."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        self._pending += 1
        self._backlog.append(_Job(task))
        self._dispatch()

    def next(self, timeout_s: int | float | None = None) -> Outcome:
        """Returns a finished task's outcome, waiting for one if need be.

        Raises:
            TimeoutError: If none has finished within the time.
            RuntimeError: If nothing is pending.
            WorkerError: If workers cannot build their evaluator, or die over and over.
        """
        if self._pending == 0:
            raise RuntimeError("no task is pending")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._finished:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            awaited = {place.awaited: place for place in self._places if place.awaited is not None}
            ready, _ = ray.wait(list(awaited), num_returns=1, timeout=left)
            if not ready:
                raise TimeoutError(f"no evaluation finished within {timeout_s} s")
            ready, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
            for reference in ready:
                self._take(awaited[reference], reference)
            self._dispatch()
        self._pending -= 1
        return self._finished.popleft()

    def close(self) -> None:
        """Ends the workers; pending tasks are dropped. May be called twice."""
        if self._closed:
            return
        self._closed = True
        for place in self._places:
            ray.kill(place.actor)
        self._places.clear()
        self._backlog.clear()
        self._finished.clear()
        self._pending = 0
        del self._payload

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _depth(self) -> int:
        return 2 if self._mean_duration_s < SHORT_S else 1

    def _start(self) -> tuple[Any, Any]:
        actor = self._actor_class.remote()
        return actor, actor.build.remote(self._factory, self._payload)

    def _dispatch(self) -> None:
        for depth in range(self._depth):
            for place in self._places:
                if not self._backlog:
                    return
                if place.building is None and len(place.in_flight) == depth:
                    job = self._backlog.popleft()
                    place.in_flight.append((place.actor.evaluate.remote(job.task), job))

    def _take(self, place: _Place, reference: Any) -> None:
        try:
            result: Any = ray.get(reference)
        except RayError as problem:
            self._bury(place, one_line(problem))
            return
        if place.building is not None:
            if result is not None:
                raise WorkerError(f"a worker could not build its evaluator: {result}")
            place.building = None
            return
        _, job = place.in_flight.popleft()
        place.deaths_in_a_row = 0
        self._settle(job, result)

    def _settle(self, job: _Job, made: Attempt) -> None:
        if self._mean_duration_s == float("inf"):
            self._mean_duration_s = made.duration_s
        self._mean_duration_s += 0.1 * (made.duration_s - self._mean_duration_s)
        if made.metrics is not None:
            tries = job.attempts + 1
            self._finished.append(
                Outcome(job.task, "ok", made.metrics, made.duration_s, made.worker, None, tries)
            )
            return
        job.errors += 1
        if job.errors < MAX_ERRORS:
            self._backlog.appendleft(job)
            return
        error, tries = made.error, job.attempts
        self._finished.append(
            Outcome(job.task, "failed", {}, made.duration_s, made.worker, error, tries)
        )

    def _bury(self, place: _Place, reason: str) -> None:
        """Replaces a dead worker; its first task is held responsible, the others go back."""
        ray.kill(place.actor)
        place.deaths_in_a_row += 1
        jobs = [job for _, job in place.in_flight]
        place.in_flight.clear()
        if place.building is not None and place.deaths_in_a_row >= MAX_DEATHS:
            raise WorkerError(
                f"a worker died {place.deaths_in_a_row} times before it was ready: {reason}"
            )
        if place.building is None:
            suspect = jobs.pop(0)
            suspect.deaths += 1
            if suspect.deaths < MAX_DEATHS:
                jobs.insert(0, suspect)
            else:
                error = f"its worker died {suspect.deaths} times: {reason}"
                self._finished.append(
                    Outcome(suspect.task, "failed", {}, 0.0, "", error, suspect.attempts)
                )
        self._backlog.extendleft(reversed(jobs))
        place.actor, place.building = self._start()


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
