"""The actors of a Ray executor: who has which task, and what happens when one fails.

Each actor builds its evaluator once and keeps it, compiled functions and all. An actor that dies is
replaced, and so is one whose task runs out of time. Actors run their tasks in the order they were
submitted, so of several in flight the first that did not come back is held to have killed it; the
others are given to somebody else. Actors that wait for resources keep nobody waiting: they join in
whenever a node has room for them.

Assumes that Ray is running and that one thread at a time is in here.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError

from nas.errors import WorkerError
from nas.execution.base import (
    MAX_DEATHS,
    MAX_ERRORS,
    MAX_TIMEOUTS,
    Attempt,
    EvaluatorFactory,
    Outcome,
    Task,
    one_line,
)
from nas.execution.pace import Pace
from nas.execution.worker import Worker

SHORT_S = 0.05
"""Shorter evaluations are queued two to a worker, since fetching a result costs about 1 ms."""
FIRST_TIMEOUT_S = 3600.0
"""What an evaluation may take by default while none has succeeded."""
LEAST_TIMEOUT_S = 600.0
"""The least that an evaluation may take by default."""
MEANS_TIMEOUT = 30.0
"""What an evaluation may take by default, in mean durations of those that succeeded."""


@dataclass(slots=True)
class _Job:
    """A task with what has happened to it so far."""

    task: Task
    errors: int = 0
    timeouts: int = 0
    deaths: int = 0

    @property
    def attempts(self) -> int:
        return self.errors + self.timeouts + self.deaths


@dataclass(slots=True)
class _Place:
    """Where one worker is, and after its death the next.

    Attributes:
        actor: The worker.
        ready: Whether its evaluator is built.
        in_flight: Its tasks and their answers to come, in the order they were submitted.
        since_s: When it began with the first of them, or somewhat later.
        deaths_in_a_row: How many workers died here before they were ready.
    """

    actor: Any = None
    ready: bool = False
    in_flight: deque[tuple["Future[Attempt]", _Job]] = field(
        default_factory=deque[tuple["Future[Attempt]", _Job]]
    )
    since_s: float = 0.0
    deaths_in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an actor said: that it is built, or what came of a task."""

    place: _Place
    actor: Any
    future: "Future[Any]"


class Crew:
    """Gives tasks to actors and their outcomes to whoever wants them.

    Args:
        actor_options: Of Ray: resources, environment.
        factory: Module-level function from the payload to an evaluator.
        payload: A reference to what evaluators are built from.
        workers: Number of actors.
        timeout_s: What one evaluation may take; None follows from those that succeeded.
        on_answer: Called from any thread when there is an answer; has to bring it to `take`.
        on_outcome: Called from within `take` and `expire`.

    Attributes:
        pace: Of who submits; to be told when it is given an outcome.
    """

    def __init__(
        self,
        actor_options: dict[str, Any],
        factory: EvaluatorFactory,
        payload: Any,
        *,
        workers: int,
        timeout_s: float | None,
        on_answer: Callable[[Answer], None],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self._actor_class: Any = ray.remote(Worker).options(max_restarts=0, **actor_options)
        self._factory, self._payload = factory, payload
        self._timeout_s = timeout_s
        self._on_answer, self._on_outcome = on_answer, on_outcome
        self.pace = Pace()
        self._backlog: deque[_Job] = deque()
        self._recent_s = float("inf")
        self._succeeded, self._succeeded_s = 0, 0.0
        self._served = False
        self._places = [_Place() for _ in range(workers)]
        for place in self._places:
            self._start(place)

    @property
    def workers(self) -> int:
        """Workers that are there and can evaluate."""
        return sum(place.ready for place in self._places)

    @property
    def capacity(self) -> int:
        """Tasks in flight that keep every worker busy; at least 1."""
        workers = self.workers
        return max(1, workers * self._depth + self.pace.ahead(workers, self._recent_s))

    @property
    def limit_s(self) -> float:
        """What one evaluation may take."""
        if self._timeout_s is not None:
            return self._timeout_s
        if self._succeeded == 0:
            return FIRST_TIMEOUT_S
        return max(LEAST_TIMEOUT_S, MEANS_TIMEOUT * self._succeeded_s / self._succeeded)

    def submit(self, task: Task) -> None:
        """Queues a task."""
        self.pace.asked(time.monotonic())
        self._backlog.append(_Job(task))
        self._dispatch()

    def take(self, answer: Answer) -> None:
        """Takes in what an actor said, and hands out tasks.

        Raises:
            WorkerError: If workers cannot build their evaluator, or die over and over.
        """
        place = answer.place
        if answer.actor is not place.actor:
            return  # Of a worker that was replaced, whose tasks were given back.
        problem = answer.future.exception()
        if problem is not None:
            if not isinstance(problem, RayError):
                raise problem
            self._replace(place, one_line(problem))
        elif not place.ready:
            self._begin(place, answer.future.result())
        else:
            (job,) = [job for future, job in place.in_flight if future is answer.future]
            place.in_flight.remove((answer.future, job))
            place.since_s = time.monotonic()
            self._settle(job, answer.future.result())
        self._dispatch()

    def expire(self) -> None:
        """Ends the workers whose task has run out of time.

        Raises:
            WorkerError: If none is left.
        """
        limit_s = self.limit_s
        latest = time.monotonic() - limit_s
        for place in list(self._places):
            if place.in_flight and place.since_s < latest and not place.in_flight[0][0].done():
                self._replace(place, f"took longer than {limit_s:g} s", timed_out=True)
        self._dispatch()

    def close(self) -> None:
        """Ends the workers; what they had to do is dropped."""
        for place in self._places:
            ray.kill(place.actor)
        self._places.clear()
        self._backlog.clear()

    @property
    def _depth(self) -> int:
        return 2 if self._recent_s < SHORT_S else 1

    def _start(self, place: _Place) -> None:
        place.ready = False
        place.actor = self._actor_class.remote()
        self._await(place, place.actor.build.remote(self._factory, self._payload))

    def _await(self, place: _Place, reference: Any) -> "Future[Any]":
        actor = place.actor
        future: Future[Any] = reference.future()
        future.add_done_callback(lambda done: self._on_answer(Answer(place, actor, done)))
        return future

    def _begin(self, place: _Place, trouble: str | None) -> None:
        if trouble is None:
            place.ready = self._served = True
            place.deaths_in_a_row = 0
        else:
            self._retire(place, f"a worker could not build its evaluator: {trouble}")

    def _dispatch(self) -> None:
        for depth in range(self._depth):
            for place in self._places:
                if not self._backlog:
                    return
                if place.ready and len(place.in_flight) == depth:
                    job = self._backlog.popleft()
                    if depth == 0:
                        place.since_s = time.monotonic()
                    answer = self._await(place, place.actor.evaluate.remote(job.task))
                    place.in_flight.append((answer, job))

    def _settle(self, job: _Job, made: Attempt) -> None:
        if self._recent_s == float("inf"):
            self._recent_s = made.duration_s
        self._recent_s += 0.1 * (made.duration_s - self._recent_s)
        if made.metrics is not None:
            self._succeeded += 1
            self._succeeded_s += made.duration_s
            tries = job.attempts + 1
            self._on_outcome(
                Outcome(job.task, "ok", made.metrics, made.duration_s, made.worker, None, tries)
            )
            return
        job.errors += 1
        if job.errors < MAX_ERRORS:
            self._backlog.appendleft(job)
        else:
            assert made.error is not None
            self._fail(job, made.error, made)

    def _fail(self, job: _Job, error: str, made: Attempt | None = None) -> None:
        duration_s, worker = (made.duration_s, made.worker) if made else (0.0, "")
        self._on_outcome(Outcome(job.task, "failed", {}, duration_s, worker, error, job.attempts))

    def _replace(self, place: _Place, reason: str, *, timed_out: bool = False) -> None:
        """Ends a worker and starts another; its first task is blamed, the others go back."""
        ray.kill(place.actor)
        in_flight = list(place.in_flight)
        place.in_flight.clear()
        if not place.ready:
            place.deaths_in_a_row += 1
        back: list[_Job] = []
        for future, job in in_flight:
            if future.done() and future.exception() is None:
                self._settle(job, future.result())
            else:
                back.append(job)
        if back and self._blame(back[0], reason, timed_out=timed_out):
            del back[0]
        self._backlog.extendleft(reversed(back))
        if place.deaths_in_a_row == MAX_DEATHS:
            self._retire(place, f"a worker died {MAX_DEATHS} times before it was ready: {reason}")
        else:
            self._start(place)

    def _blame(self, job: _Job, reason: str, *, timed_out: bool) -> bool:
        """Holds a job responsible for the end of its worker; returns whether it has failed."""
        if timed_out:
            job.timeouts += 1
        else:
            job.deaths += 1
        if job.timeouts == MAX_TIMEOUTS:
            self._fail(job, f"it {reason}, {MAX_TIMEOUTS} times")
        elif job.deaths == MAX_DEATHS:
            self._fail(job, f"its worker died {MAX_DEATHS} times: {reason}")
        else:
            return False
        return True

    def _retire(self, place: _Place, reason: str) -> None:
        """Gives a place up, if others have shown that workers can work.

        Raises:
            WorkerError: If not, or if it was the last.
        """
        if not self._served or len(self._places) == 1:
            raise WorkerError(reason)
        ray.kill(place.actor)
        self._places.remove(place)
        logging.getLogger(__name__).warning("one worker less: %s", reason)
