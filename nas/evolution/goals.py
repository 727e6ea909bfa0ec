"""What a search is to find for each target: which costs count beside the error, and how much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Goal:
    """One target's.

    Attributes:
        columns: Which columns of the costs are its objectives beside the error; the first one
            orders its front.
        weight: How much its front matters beside the others'; 0 for one that only looks on.

    Raises:
        ValueError: If there is no column or the weight is negative or not finite.
    """

    columns: tuple[int, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.columns or min(self.columns) < 0:
            raise ValueError(f"a goal needs columns of the costs, from 0 on, got {self.columns}")
        if not 0 <= self.weight < np.inf:
            raise ValueError(f"a goal's weight must be at least 0 and finite, got {self.weight}")

    def objectives(
        self, error: Float[np.ndarray, " n"], costs: Float[np.ndarray, "n c"]
    ) -> Float[np.ndarray, "n m"]:
        """The error and the goal's costs beside each other."""
        return np.column_stack((error, costs[:, list(self.columns)]))


def one_cost_each(targets: int) -> tuple[Goal, ...]:
    """Goals of equal weight, each with the cost in its own column."""
    return tuple(Goal((target,)) for target in range(targets))


def weights(goals: Sequence[Goal]) -> Float[np.ndarray, " t"]:
    """The goals' weights, adding up to 1.

    Raises:
        ValueError: If all of them are 0.
    """
    found = np.array([goal.weight for goal in goals])
    if not found.sum() > 0:
        raise ValueError("at least one target needs a weight above 0")
    return found / found.sum()
