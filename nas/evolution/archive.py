"""Everything evaluated so far, and the front of each target in it.

Accuracy does not depend on the target, so one evaluation counts for all of them; each target has
its own cost and its own constraints.
"""

from collections.abc import Sequence

import moocore
import numpy as np
from jaxtyping import Bool, Float, Int

from nas.evolution.goals import Goal, one_cost_each
from nas.evolution.sorting import non_dominated_mask


class Archive:
    """Completed evaluations in the order they were told.

    Args:
        decisions: Length of a genotype.
        targets: Number of targets.
        goals: What counts for each; by default one cost each, in its own column.
    """

    def __init__(
        self, *, decisions: int, targets: int, goals: Sequence[Goal] | None = None
    ) -> None:
        self._goals = tuple(goals or one_cost_each(targets))
        if len(self._goals) != targets:
            raise ValueError(f"expected {targets} goals, got {len(self._goals)}")
        self._size = 0
        self._genotypes = np.empty((0, decisions), dtype=np.int64)
        self._error = np.empty(0)
        columns = 1 + max(max(goal.columns) for goal in self._goals)
        self._costs = np.empty((0, columns))
        self._violation = np.empty((0, targets))
        self._running: dict[int, _RunningFront] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def targets(self) -> int:
        """Number of targets."""
        return len(self._goals)

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What counts for each target."""
        return self._goals

    @property
    def genotypes(self) -> Int[np.ndarray, "n d"]:
        """Canonical genotypes."""
        return _view(self._genotypes, self._size)

    @property
    def error(self) -> Float[np.ndarray, " n"]:
        """1 - accuracy."""
        return _view(self._error, self._size)

    @property
    def costs(self) -> Float[np.ndarray, "n c"]:
        """All costs; which of them count for a target its goal says."""
        return _view(self._costs, self._size)

    @property
    def violation(self) -> Float[np.ndarray, "n t"]:
        """Relative violation of each target's constraints; 0 is feasible."""
        return _view(self._violation, self._size)

    def add(
        self,
        genotypes: Int[np.ndarray, "k d"],
        error: Float[np.ndarray, " k"],
        costs: Float[np.ndarray, "k c"],
        violation: Float[np.ndarray, "k t"],
    ) -> None:
        """Appends evaluations.

        Raises:
            ValueError: If an error or a cost is not finite, or a violation is NaN or negative.
        """
        if not (np.isfinite(error).all() and np.isfinite(costs).all()):
            raise ValueError("errors and costs must be finite")
        if not (violation >= 0).all():
            raise ValueError("violations must be at least 0")
        end = self._size + len(genotypes)
        if end > len(self._error):
            room = max(end, 2 * len(self._error), 64)
            self._genotypes = _grown(self._genotypes, room)
            self._error = _grown(self._error, room)
            self._costs = _grown(self._costs, room)
            self._violation = _grown(self._violation, room)
        self._genotypes[self._size : end] = genotypes
        self._error[self._size : end] = error
        self._costs[self._size : end] = costs
        self._violation[self._size : end] = violation
        self._size = end

    def front(self, target: int) -> Int[np.ndarray, " f"]:
        """Indices of the feasible, non-dominated evaluations, the first cost ascending."""
        feasible = np.flatnonzero(self.violation[:, target] <= 0)
        objectives = self._objectives(target)[feasible]
        on_front = feasible[non_dominated_mask(objectives)]
        cost = self.costs[on_front, self._goals[target].columns[0]]
        return on_front[np.lexsort((on_front, self.error[on_front], cost))]

    def closest(self, target: int) -> int:
        """Index of the evaluation that violates the target's constraints least, of those the best.

        Raises:
            ValueError: If nothing has been evaluated.
        """
        if self._size == 0:
            raise ValueError("the archive is empty")
        return int(np.lexsort((self.error, self.violation[:, target]))[0])

    def hypervolume(self, target: int, reference: Float[np.ndarray, " m"]) -> float:
        """Volume in error and costs that the target's front dominates, up to the reference point.

        Asked again with the same reference point, it takes only what is new.

        Args:
            target: Which front.
            reference: The worst error and the worst costs that count.
        """
        running = self._running.get(target)
        if running is None or not np.array_equal(running.reference, reference):
            running = self._running[target] = _RunningFront(reference)
        new = slice(running.seen, self._size)
        running.add(self._objectives(target, new), self.violation[new, target] <= 0)
        return running.volume

    def hypervolume_history(
        self, target: int, reference: Float[np.ndarray, " m"]
    ) -> Float[np.ndarray, " n"]:
        """The hypervolume after each evaluation, in the order they were told."""
        running = _RunningFront(reference)
        feasible = self.violation[:, target] <= 0
        return running.add(self._objectives(target), feasible)

    def _objectives(self, target: int, rows: slice = slice(None)) -> Float[np.ndarray, "n m"]:
        return self._goals[target].objectives(self.error[rows], self.costs[rows])


class _RunningFront:
    """The part of a front that lies within a reference point, and its hypervolume, as it grows.

    Attributes:
        reference: The reference point.
        seen: How many points were taken in.
        volume: The hypervolume of those that are feasible.
    """

    def __init__(self, reference: Float[np.ndarray, " m"]) -> None:
        self.reference = np.array(reference, dtype=np.float64)
        self.seen = 0
        self.volume = 0.0
        self._front = np.empty((0, len(self.reference)))

    def add(
        self, points: Float[np.ndarray, "n m"], feasible: Bool[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Takes in points; returns the hypervolume after each."""
        counts = feasible & (points < self.reference).all(axis=1)
        history = np.empty(len(points))
        for i, point in enumerate(points):
            if counts[i] and not (self._front <= point).all(axis=1).any():
                kept = self._front[~(point <= self._front).all(axis=1)]
                self._front = np.concatenate((kept, point[None]))
                self.volume = float(moocore.hypervolume(self._front, ref=self.reference))
            history[i] = self.volume
        self.seen += len(points)
        return history


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    larger = np.empty((room, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def _view(array: np.ndarray, size: int) -> np.ndarray:
    view = array[:size]
    view.flags.writeable = False
    return view
