"""Everything evaluated so far, and the front of each target in it.

Accuracy does not depend on the target, so one evaluation counts for all of them; each target has
its own cost and its own constraints.
"""

import moocore
import numpy as np
from jaxtyping import Float, Int

from nas.evolution.sorting import non_dominated_mask


class Archive:
    """Completed evaluations in the order they were told.

    Args:
        decisions: Length of a genotype.
        targets: Number of targets.
    """

    def __init__(self, *, decisions: int, targets: int) -> None:
        self._size = 0
        self._genotypes = np.empty((0, decisions), dtype=np.int64)
        self._error = np.empty(0)
        self._costs = np.empty((0, targets))
        self._violation = np.empty((0, targets))

    def __len__(self) -> int:
        return self._size

    @property
    def targets(self) -> int:
        """Number of targets."""
        return self._costs.shape[1]

    @property
    def genotypes(self) -> Int[np.ndarray, "n d"]:
        """Canonical genotypes."""
        return _view(self._genotypes, self._size)

    @property
    def error(self) -> Float[np.ndarray, " n"]:
        """1 - accuracy."""
        return _view(self._error, self._size)

    @property
    def costs(self) -> Float[np.ndarray, "n t"]:
        """Cost on each target, as a rule latency_s."""
        return _view(self._costs, self._size)

    @property
    def violation(self) -> Float[np.ndarray, "n t"]:
        """Relative violation of each target's constraints; 0 is feasible."""
        return _view(self._violation, self._size)

    def add(
        self,
        genotypes: Int[np.ndarray, "k d"],
        error: Float[np.ndarray, " k"],
        costs: Float[np.ndarray, "k t"],
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
        """Indices of the feasible, non-dominated evaluations, in ascending cost; maybe none."""
        feasible = np.flatnonzero(self.violation[:, target] <= 0)
        objectives = self._objectives(target)[feasible]
        on_front = feasible[non_dominated_mask(objectives)]
        return on_front[np.lexsort((on_front, self.error[on_front], self.costs[on_front, target]))]

    def closest(self, target: int) -> int:
        """Index of the evaluation that violates the target's constraints least, of those the best.

        Raises:
            ValueError: If nothing has been evaluated.
        """
        if self._size == 0:
            raise ValueError("the archive is empty")
        return int(np.lexsort((self.error, self.violation[:, target]))[0])

    def hypervolume(self, target: int, reference: Float[np.ndarray, " 2"]) -> float:
        """Area in (error, cost) that the target's front dominates, up to the reference point.

        Args:
            target: Which front.
            reference: The worst error and the worst cost that count.
        """
        front = self._objectives(target)[self.front(target)]
        return float(moocore.hypervolume(front, ref=reference)) if len(front) else 0.0

    def hypervolume_history(
        self, target: int, reference: Float[np.ndarray, " 2"]
    ) -> Float[np.ndarray, " n"]:
        """The hypervolume after each evaluation, in the order they were told."""
        points = self._objectives(target)
        counts = (self.violation[:, target] <= 0) & (points < reference).all(axis=1)
        history = np.zeros(self._size)
        front = np.empty((0, 2))
        volume = 0.0
        for i in range(self._size):
            point = points[i]
            if counts[i] and not (front <= point).all(axis=1).any():
                kept = front[~(point <= front).all(axis=1)]
                front = np.concatenate((kept, point[None]))
                volume = float(moocore.hypervolume(front, ref=reference))
            history[i] = volume
        return history

    def _objectives(self, target: int) -> Float[np.ndarray, "n 2"]:
        return np.column_stack((self.error, self.costs[:, target]))


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    larger = np.empty((room, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def _view(array: np.ndarray, size: int) -> np.ndarray:
    view = array[:size]
    view.flags.writeable = False
    return view
