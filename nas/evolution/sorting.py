"""Non-dominated sorting under constraints, and crowding.

Objectives are minimised. Constrained dominance: what is feasible dominates what is not; of two
infeasible ones, the one with the smaller violation dominates.

References: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm:
NSGA-II", IEEE TEVC 6(2), 2002. Non-dominated sets and ranks by moocore (López-Ibáñez et al.).
"""

import moocore
import numpy as np
from jaxtyping import Bool, Float, Int


def non_dominated_mask(objectives: Float[np.ndarray, "n m"]) -> Bool[np.ndarray, " n"]:
    """Marks the rows that no other row dominates.

    Args:
        objectives: One row a candidate, one minimised objective a column.

    Returns:
        True where the candidate is on the front; of equal rows all are.

    Raises:
        ValueError: If an objective is NaN.
    """
    _refuse_nan(objectives)
    if len(objectives) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(objectives, keep_weakly=True), dtype=bool)


def non_dominated_rank(objectives: Float[np.ndarray, "n m"]) -> Int[np.ndarray, " n"]:
    """Rank 0 is the front; rank r is the front of what is left without the ranks before.

    Raises:
        ValueError: If an objective is NaN.
    """
    _refuse_nan(objectives)
    if len(objectives) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(moocore.pareto_rank(objectives), dtype=np.int64)


def constrained_rank(
    objectives: Float[np.ndarray, "n m"], violation: Float[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Ranks by constrained dominance: fronts of the feasible, then ascending violations."""
    feasible = violation <= 0
    rank = np.empty(len(objectives), dtype=np.int64)
    rank[feasible] = non_dominated_rank(objectives[feasible])
    fronts = rank[feasible].max() + 1 if feasible.any() else 0
    _refuse_nan(violation)
    rank[~feasible] = fronts + np.unique(violation[~feasible], return_inverse=True)[1]
    return rank


def crowding_distance(
    objectives: Float[np.ndarray, "n m"], rank: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """How far each candidate's neighbours of the same rank are apart, summed over the objectives.

    Distances are relative to the rank's extent in the objective; its ends have infinite distance.
    """
    distance = np.zeros(len(objectives))
    if len(objectives) == 0:
        return distance
    for column in objectives.T:
        order = np.lexsort((column, rank))
        value, group = column[order], rank[order]
        starts = np.concatenate(([True], group[1:] != group[:-1]))
        ends = np.concatenate((starts[1:], [True]))
        first, last = np.flatnonzero(starts), np.flatnonzero(ends)
        extent = np.repeat(value[last] - value[first], last - first + 1)
        gap = np.zeros(len(value))
        gap[1:-1] = value[2:] - value[:-2]
        relative = np.divide(gap, extent, out=np.zeros(len(value)), where=extent > 0)
        relative[starts | ends] = np.inf
        distance[order] += relative
    return distance


def _refuse_nan(values: Float[np.ndarray, "..."]) -> None:
    if np.isnan(values).any():
        raise ValueError("objectives and violations must not be NaN")
