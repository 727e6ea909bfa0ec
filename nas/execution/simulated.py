"""Evaluates in simulated time: what a search would do on workers that are not there.

Tasks take their time on a clock of the simulation's own, which jumps from one event to the next:
hours on thousands of workers pass in seconds, while algorithm, search loop and study are the real
ones. The processor time that these take passes on the simulated clock too, unless told otherwise:
workers finish, and start what is queued, while the caller is thinking.

Reference: the future-event list of discrete-event simulation; Law, "Simulation Modeling and
Analysis", section 1.3.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from nas.execution.base import Evaluator, Outcome, Task
from nas.execution.pace import Pace


class SimulatedExecutor:
    """Workers that a task takes up for as long as a function says.

    Args:
        evaluator: Gives the metrics, in no simulated time; must not raise.
        duration_s: How long a task takes its worker, in seconds.
        workers: How many there are.
        count_caller: Whether processor time of the calling thread passes on the simulated clock.

    Attributes:
        occupied_s: Time that workers have spent on tasks, finished or not, all workers together.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        duration_s: Callable[[Task], float],
        *,
        workers: int,
        count_caller: bool = True,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self._evaluator = evaluator
        self._duration_s = duration_s
        self._count_caller = count_caller
        self._workers = workers
        self._idle = list(range(workers))
        self._running: list[tuple[float, int, float, Task]] = []
        self._backlog: deque[Task] = deque()
        self._finished: deque[Outcome] = deque()
        self._pace = Pace()
        self._completed, self._completed_s = 0, 0.0
        self.occupied_s = 0.0
        self._now_s = 0.0
        self._processor_s = time.thread_time()

    @property
    def workers(self) -> int:
        """Workers that are there and can evaluate."""
        return self._workers

    @property
    def capacity(self) -> int:
        """Tasks in flight that keep every worker busy."""
        mean_s = self._completed_s / self._completed if self._completed else float("inf")
        return self._workers + self._pace.ahead(self._workers, mean_s)

    @property
    def pending(self) -> int:
        """Tasks submitted whose outcome has not been returned."""
        return len(self._running) + len(self._backlog) + len(self._finished)

    @property
    def finished(self) -> int:
        """Outcomes that `next` returns without waiting."""
        self.clock()
        return len(self._finished)

    def clock(self) -> float:
        """The simulated time in seconds, from 0."""
        if self._count_caller:
            before, self._processor_s = self._processor_s, time.thread_time()
            self._advance(self._now_s + self._processor_s - before)
        return self._now_s

    def submit(self, task: Task) -> None:
        """Queues a task; it starts at once where a worker is idle."""
        self._pace.asked(self.clock())
        self._backlog.append(task)
        self._start()

    def next(self, timeout_s: int | float | None = None) -> Outcome:
        """Returns a finished task's outcome; waiting for one takes simulated time only.

        Raises:
            TimeoutError: If none has finished within the time.
            RuntimeError: If nothing is pending.
        """
        now_s = self.clock()
        if not self._finished:
            if not self._running:
                raise RuntimeError("no task is pending")
            until_s = self._running[0][0]
            if timeout_s is not None and until_s > now_s + timeout_s:
                self._advance(now_s + timeout_s)
                raise TimeoutError(f"no evaluation finished within {timeout_s} s")
            self._advance(until_s)
        self._pace.told(self._now_s)
        return self._finished.popleft()

    def close(self) -> None:
        """Drops what is pending."""
        self._running.clear()
        self._backlog.clear()
        self._finished.clear()

    def __enter__(self) -> "SimulatedExecutor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _advance(self, to_s: float) -> None:
        """Lets time pass, and with it what ends before; workers go on with the backlog."""
        while self._running and self._running[0][0] <= to_s:
            self._pass(self._running[0][0])
            _, worker, took_s, task = heapq.heappop(self._running)
            metrics = {name: float(value) for name, value in self._evaluator.evaluate(task).items()}
            self._completed += 1
            self._completed_s += took_s
            name = f"simulated/{worker}"
            self._finished.append(Outcome(task, "ok", metrics, took_s, name))
            heapq.heappush(self._idle, worker)
            self._start()
        self._pass(to_s)

    def _pass(self, to_s: float) -> None:
        self.occupied_s += len(self._running) * (to_s - self._now_s)
        self._now_s = to_s

    def _start(self) -> None:
        while self._backlog and self._idle:
            task = self._backlog.popleft()
            took_s = self._duration_s(task)
            worker = heapq.heappop(self._idle)
            heapq.heappush(self._running, (self._now_s + took_s, worker, took_s, task))
