"""By how much an evaluation is expected to improve a target's front.

Costs are known beforehand, only the error is not. The hypervolume that a network adds is then a sum
over cells of cost space, each with the error that the front reaches there: the network gains where
its own is lower, as far as its costs allow. Its error being log-normal, the expectation has the
closed form of a European put (Black, Scholes, "The pricing of options and corporate liabilities",
Journal of Political Economy 81(3), 1973).

With one cost the cells are the steps of the front, and the figure is exact (Emmerich, Deutz,
Klinkenberg, "Hypervolume-based expected improvement", CEC 2011, for one objective without
uncertainty). With more they are points of a Sobol sequence.
"""

import copy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr
from scipy.stats import qmc

_POINTS = 9
_ROWS = 1024


@dataclass(frozen=True)
class Box:
    """What counts for a target's hypervolume.

    Attributes:
        ideal: Error and costs that nothing is better than.
        reference: Error and costs from which on nothing counts.
    """

    ideal: Float[np.ndarray, " m"]
    reference: Float[np.ndarray, " m"]

    def __post_init__(self) -> None:
        if not (self.ideal < self.reference).all():
            raise ValueError(
                f"the ideal point must be below the reference in every objective, got {self.ideal} "
                f"and {self.reference}"
            )


class Front:
    """The best errors reached so far, by what they cost.

    Args:
        box: What counts.
    """

    def __init__(self, box: Box) -> None:
        self._ideal, self._reference = box.ideal, box.reference
        costs = len(box.ideal) - 1
        self._error = np.empty(0)
        self._costs = np.empty((0, costs))
        sobol = qmc.Sobol(costs, scramble=False).random_base2(_POINTS) if costs > 1 else None
        span = box.reference[1:] - box.ideal[1:]
        self._points = None if sobol is None else box.ideal[1:] + span * sobol

    def add(self, error: Float[np.ndarray, " n"], costs: Float[np.ndarray, "n c"]) -> None:
        """Takes in feasible networks, evaluated or taken to be."""
        counts = error < self.level(costs)
        if not counts.any():
            return
        error = np.concatenate((self._error, error[counts]))
        costs = np.concatenate((self._costs, costs[counts]))
        order = np.lexsort((*costs.T[::-1], error))
        kept: list[int] = []
        for i in order:
            if not (costs[kept] <= costs[i]).all(axis=1).any():
                kept.append(int(i))
        self._error, self._costs = error[kept], costs[kept]

    def copy(self) -> "Front":
        """One that grows on its own."""
        return copy.copy(self)

    def level(self, costs: Float[np.ndarray, "n c"]) -> Float[np.ndarray, " n"]:
        """The error that the front reaches within costs; the reference's where it reaches none.

        0 where the costs are beyond the reference, so that nothing can be gained there.
        """
        if costs.shape[1] == 1:
            steps = np.searchsorted(self._costs[::-1, 0], costs[:, 0], side="right")
            found = np.concatenate(([self._reference[0]], self._error[::-1]))[steps]
        else:
            found = np.full(len(costs), self._reference[0])
            # From the worst to the best: the last one that fits stands.
            for error, own in zip(self._error[::-1], self._costs[::-1], strict=True):
                found[(own <= costs).all(axis=1)] = error
        found[(costs >= self._reference[1:]).any(axis=1)] = 0.0
        return found

    def expected_gain(
        self,
        mean: Float[np.ndarray, " n"],
        std: Float[np.ndarray, " n"],
        costs: Float[np.ndarray, "n c"],
    ) -> Float[np.ndarray, " n"]:
        """Expected share of the box that each network adds to what the front dominates.

        Args:
            mean: Of the error's logarithm.
            std: Its standard deviation, above 0.
            costs: Of each network.
        """
        found = np.empty(len(mean))
        levels = self._cell_levels()
        logs = np.log(levels)
        for start in range(0, len(mean), _ROWS):
            rows = slice(start, start + _ROWS)
            centre, spread = mean[rows, None], std[rows, None]
            distance = (logs - centre) / spread
            put = levels * ndtr(distance)
            put -= np.exp(centre + spread**2 / 2) * ndtr(distance - spread)
            found[rows] = (self._cell_shares(costs[rows]) * put).sum(axis=1)
        return np.maximum(found, 0.0) / (self._reference[0] - self._ideal[0])

    def _cell_levels(self) -> Float[np.ndarray, " k"]:
        if self._points is None:
            return np.concatenate(([self._reference[0]], self._error[::-1]))
        return self.level(self._points)

    def _cell_shares(self, costs: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n k"]:
        """How much of the box's extent in costs each network can take of each cell."""
        if self._points is not None:
            inside = (costs[:, None] <= self._points).all(axis=2)
            return np.where(inside, 1 / len(self._points), 0.0)
        steps = self._costs[::-1, 0]
        starts = np.concatenate(([self._ideal[1]], steps))
        ends = np.concatenate((steps, [self._reference[1]]))
        widths = np.maximum(ends - np.maximum(starts, costs), 0.0)
        return widths / (self._reference[1] - self._ideal[1])
