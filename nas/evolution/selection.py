"""Which candidates to evaluate next, so that all targets' fronts gain most together.

The candidate with the largest expected gain of hypervolume, summed over the targets by weight, is
taken; then it counts as evaluated with the error predicted for it, which lowers what like networks
can still gain, and the next one is taken (kriging believer: Ginsbourger, Le Riche, Carraro,
"Kriging is well-suited to parallelize optimization", 2010, section 4). Evaluations that are under
way are believed in the same way, so that workers which become free at any time get networks that
differ from what the others are busy with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nas.evolution.gain import Front
from nas.evolution.gaussian_process import Candidates
from nas.evolution.goals import Goal, weights

OPTIMISM = 2.0
"""Standard deviations by which a network may be better than predicted to be looked at closely."""

MOST_SCORED = 2048
"""Candidates of a target whose gain is worked out."""


@dataclass(frozen=True)
class Outlook:
    """Candidates with what is predicted for them.

    Attributes:
        view: The process at the candidates, see `Candidates`.
        mean: Of the log error.
        std: Its standard deviation, an evaluation's noise included.
        costs: In columns.
        violation: Of each target's constraints.
    """

    view: Candidates
    mean: Float[np.ndarray, " m"]
    std: Float[np.ndarray, " m"]
    costs: Float[np.ndarray, "m c"]
    violation: Float[np.ndarray, "m t"]

    def take(self, rows: Int[np.ndarray, " k"]) -> "Outlook":
        """Some of the candidates."""
        return Outlook(
            self.view.take(rows),
            self.mean[rows],
            self.std[rows],
            self.costs[rows],
            self.violation[rows],
        )


def choose(
    n: int,
    outlook: Outlook,
    fronts: Sequence[Front],
    goals: Sequence[Goal],
    *,
    free: Bool[np.ndarray, " m"],
    pending: Int[np.ndarray, " p"],
) -> Int[np.ndarray, " k"]:
    """Up to `n` candidates in the order of choice; fewer where nothing is expected of the rest.

    Args:
        n: How many.
        outlook: What is known of the candidates.
        fronts: Of each target; not changed.
        goals: Of each target.
        free: Which candidates may be chosen.
        pending: Candidates under evaluation.
    """
    promising = _promising(outlook, fronts, goals, free)
    rows = np.unique(np.concatenate((np.flatnonzero(promising.any(axis=1)), pending)))
    if len(rows) == 0:
        return np.empty(0, dtype=np.int64)
    part = outlook.take(rows)
    promising = promising[rows]
    fronts = [front.copy() for front in fronts]
    open_ = free[rows].copy()
    # Predictions of the log error are those of the process times a factor of each candidate's.
    factor = part.std / np.hypot(part.view.std, part.view.noise_std)
    deviation = part.view.std
    told = np.empty((0, len(rows)), dtype=np.float32)
    gains = np.zeros((len(rows), len(goals)))
    shares = weights(goals)

    def believe(row: int) -> None:
        error = np.exp(part.mean[row : row + 1])
        for front, goal, over in zip(fronts, goals, part.violation[row], strict=True):
            if over <= 0:
                front.add(error, part.costs[row : row + 1, list(goal.columns)])

    for row in np.searchsorted(rows, pending):
        believe(int(row))
        deviation, told = part.view.reduced(deviation, told, int(row))
    chosen: list[int] = []
    while len(chosen) < n:
        spread = np.hypot(deviation, part.view.noise_std) * factor
        for target, (front, goal) in enumerate(zip(fronts, goals, strict=True)):
            at = np.flatnonzero(promising[:, target] & open_)
            gains[:, target] = 0.0
            if len(at) and goal.weight > 0:
                gains[at, target] = front.expected_gain(
                    part.mean[at], spread[at], part.costs[at][:, list(goal.columns)]
                )
        total = gains @ shares
        best = int(np.argmax(total))
        if not total[best] > 0:
            break
        chosen.append(best)
        open_[best] = False
        if len(chosen) < n:
            believe(best)
            deviation, told = part.view.reduced(deviation, told, best)
    return rows[chosen]


def _promising(
    outlook: Outlook,
    fronts: Sequence[Front],
    goals: Sequence[Goal],
    free: Bool[np.ndarray, " m"],
) -> Bool[np.ndarray, "m t"]:
    """Marks for each target the candidates that may improve its front, the most hopeful ones."""
    found = np.zeros(outlook.violation.shape, dtype=bool)
    optimistic = outlook.mean - OPTIMISM * outlook.std
    for target, (front, goal) in enumerate(zip(fronts, goals, strict=True)):
        if goal.weight == 0:
            continue
        usable = np.flatnonzero(free & (outlook.violation[:, target] <= 0))
        level = front.level(outlook.costs[usable][:, list(goal.columns)])
        with np.errstate(divide="ignore"):
            hope = np.log(level) - optimistic[usable]
        hopeful = np.flatnonzero(hope > 0)
        if len(hopeful) > MOST_SCORED:
            hopeful = hopeful[np.argpartition(-hope[hopeful], MOST_SCORED)[:MOST_SCORED]]
        found[usable[hopeful], target] = True
    return found
