"""How many tasks to keep queued so that workers do not wait for who proposes them."""

import math

NEGLIGIBLE = 0.01
"""Share of an evaluation's time that a worker may wait for its next task."""


class Pace:
    """How long the caller takes from an outcome to the task that follows from it.

    Attributes:
        thought_s: That time, the mean of the recent ones.
    """

    def __init__(self) -> None:
        self.thought_s = 0.0
        self._told_s: float | None = None

    def told(self, now_s: float) -> None:
        """The caller was given an outcome."""
        self._told_s = now_s

    def asked(self, now_s: float) -> None:
        """The caller submitted a task; the first since an outcome counts."""
        if self._told_s is not None:
            self.thought_s += 0.2 * (now_s - self._told_s - self.thought_s)
            self._told_s = None

    def ahead(self, workers: int, mean_s: float) -> int:
        """Tasks that the workers finish meanwhile, at most one a worker.

        Proposals made early know less, so none is where workers would hardly wait.

        Args:
            workers: How many there are.
            mean_s: Mean duration of an evaluation; infinity where unknown.
        """
        if self.thought_s <= NEGLIGIBLE * mean_s:
            return 0
        return min(workers, math.ceil(workers * self.thought_s / max(mean_s, 1e-9)))
