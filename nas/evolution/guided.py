"""Predictor-guided search: every evaluation is chosen for what it is expected to add to the fronts.

Accuracy is predicted by a surrogate that learns from the evaluations so far (`surrogate`), costs
are predicted beforehand. Tens of thousands of networks are looked at in this way for every proposal
(`pool`), and those are proposed that improve all targets' hypervolume most together (`selection`).

Evaluations may be under way when more is asked for, and told one by one or many in any order: there
are no generations. The calls and the seed decide everything.

The scheme is that of NSGANetV2 (Lu et al., ECCV 2020) and of Bayesian optimisation with known costs
(Abdolshah et al., "Cost-aware multi-objective Bayesian optimisation", 2019), for many targets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nas.evolution.archive import Archive
from nas.evolution.features import SpaceFeatures
from nas.evolution.gain import Box, Front
from nas.evolution.gaussian_process import Candidates
from nas.evolution.goals import Goal, one_cost_each, weights
from nas.evolution.pool import CANDIDATES, Pool, Pools
from nas.evolution.predictions import Predictions
from nas.evolution.proposals import (
    CostFunction,
    Seen,
    propose_unseen,
    sample_over_cost,
)
from nas.evolution.selection import Outlook, choose
from nas.evolution.surrogate import ErrorSurrogate
from search_spaces import SearchSpace

_LEAST_TOLD = 4
"""Evaluations without which there is nothing to learn from."""


_BRED_ANEW = 1.05
"""Growth of the evaluations after which candidates are bred anew; until then those of the last time
are predicted again, from what has come since.

On CIFAR-10's fronts of NAS-Bench-201, bred as if it were large, that takes two fifths of the time
and finds as much."""


class GuidedEvolution:
    """Keeps the fronts of all targets, from evaluations chosen by what they are expected to add.

    Args:
        space: Where to search.
        costs: Predicts costs and constraint violations of canonical genotypes.
        goals: What counts for each target; by default one cost each, in its own column.
        boxes: What counts for each target's hypervolume; by default errors from 0 to 1 and costs
            from the smallest to the largest network's, at the least.
        initial: How many genotypes are evaluated before any is chosen by prediction: `first`, then
            the smallest and the largest network and samples of all costs.
        features: What the surrogate sees of a genotype; read off the space unless given.
        first: Canonical genotypes to begin with, such as another study's fronts.
        mutation_rate: Probability that a decision of a bred candidate takes another option.
        candidates: How many are bred for each proposal, where the space is not looked at as a
            whole.
        seed: What all randomness comes from.

    Attributes:
        archive: All evaluations, with costs and constraint violations.
        predictions: Those that wait for their evaluation, and how good the others were.
    """

    def __init__(
        self,
        space: SearchSpace,
        costs: CostFunction,
        *,
        goals: Sequence[Goal] | None = None,
        boxes: Sequence[Box] | None = None,
        initial: int = 10,
        features: SpaceFeatures | None = None,
        first: Int[np.ndarray, "k d"] | None = None,
        mutation_rate: float = 0.1,
        candidates: int = CANDIDATES,
        seed: int,
    ) -> None:
        if initial < 2:
            raise ValueError(f"initial must be at least 2, got {initial}")
        self._space, self._costs = space, costs
        self._rate, self._candidates = mutation_rate, candidates
        self._rng = np.random.default_rng(seed)
        ends, violation = costs(np.stack((space.smallest, space.largest)))
        targets = violation.shape[1]
        goals = tuple(goals or one_cost_each(targets))
        weights(goals)
        self.archive = Archive(decisions=len(space.decisions), targets=targets, goals=goals)
        self._boxes = tuple(boxes or (_box(goal, ends) for goal in goals))
        self._fronts = [Front(box) for box in self._boxes]
        features = features or SpaceFeatures(space)
        self._surrogate = ErrorSurrogate(features.widths)
        self._pools = Pools(space, costs, features, goals)
        self._view: Candidates | None = None
        self._additions: list[int] = []
        self._kept: Pool | None = None
        self._bred_at = 0
        self.predictions = Predictions()
        self._seen = Seen()
        self._pending = Seen()
        self._told = np.empty((0, sum(features.widths)), dtype=np.float32)
        if first is None:
            first = np.empty((0, len(space.decisions)), dtype=np.int64)
        spread = sample_over_cost(
            max(initial - len(first), 2),
            space=space,
            costs=costs,
            columns=[goal.columns[0] for goal in goals],
            rng=self._rng,
        )
        self._initial = np.concatenate((first, spread))

    def ask(self, n: int) -> Int[np.ndarray, "k d"]:
        """Up to `n` canonical genotypes never asked for before; fewer from an exhausted space."""
        genotypes = self._seen.unseen(self._initial)[:n]
        self._mark(genotypes)
        if len(genotypes) < n and len(self.archive) >= _LEAST_TOLD:
            chosen = self._choose(n - len(genotypes))
            self._mark(chosen)
            genotypes = np.concatenate((genotypes, chosen))
        if len(genotypes) < n:
            # Nothing is known yet, or nothing is expected of anything: explore.
            more = propose_unseen(
                n - len(genotypes),
                lambda m, number: self._space.sample(m << number, self._rng),
                space=self._space,
                costs=self._costs,
                seen=self._seen,
                rng=self._rng,
            )
            self._mark(more)
            genotypes = np.concatenate((genotypes, more))
        return genotypes

    def tell(self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"]) -> None:
        """Takes in evaluations, one or many, in any order.

        Args:
            genotypes: Canonical; asked for here, or known from elsewhere.
            error: 1 - accuracy, one a genotype; NaN where the evaluation failed, which keeps the
                genotype from being asked for again.
        """
        self._seen.add(genotypes)
        self._pending.remove(genotypes)
        done = np.isfinite(error)
        if not done.any():
            return
        told = self._pools.of(genotypes[done])
        self.archive.add(genotypes[done], error[done], told.costs, told.violation)
        self._told = np.concatenate((self._told, told.features))
        self.predictions.check(genotypes[done], error[done], len(self.archive))
        for target, (front, goal) in enumerate(zip(self._fronts, self.archive.goals, strict=True)):
            feasible = told.violation[:, target] <= 0
            front.add(error[done][feasible], told.costs[feasible][:, list(goal.columns)])

    def state_dict(self) -> dict[str, Any]:
        """All that the next proposals depend on, as arrays and plain data."""
        decisions = len(self._space.decisions)
        return {
            "rng": self._rng.bit_generator.state,
            "seen": self._seen.genotypes(decisions),
            "pending": self._pending.genotypes(decisions),
            "genotypes": self.archive.genotypes.copy(),
            "error": self.archive.error.copy(),
            "initial": self._initial.copy(),
            "mutation_rate": self._rate,
            "candidates": self._candidates,
            "goals": self.archive.goals,
            "boxes": self._boxes,
            "surrogate": self._surrogate.state_dict(),
            "additions": list(self._additions),
            "kept": None if self._kept is None else self._kept.genotypes.copy(),
            "bred_at": self._bred_at,
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], space: SearchSpace, costs: CostFunction
    ) -> "GuidedEvolution":
        """Goes on exactly where `state_dict` was called."""
        search = cls(
            space,
            costs,
            goals=state["goals"],
            boxes=state["boxes"],
            mutation_rate=state["mutation_rate"],
            candidates=state["candidates"],
            seed=0,
        )
        search._initial = state["initial"].copy()
        if len(state["error"]):
            search.tell(state["genotypes"], state["error"])
        search._mark(state["pending"])
        search._seen.add(state["seen"])
        search._surrogate.load_state(state["surrogate"])
        search._rng.bit_generator.state = state["rng"]
        search._kept = None if state["kept"] is None else search._pools.of(state["kept"])
        search._bred_at = state["bred_at"]
        if search._pools.small and state["additions"]:
            # Added in the same parts, so that sums round alike.
            view = search._surrogate.candidates(search._pools.whole.features)
            search._view = view
            rows = search._surrogate.rows[: sum(state["additions"])]
            for part in np.split(rows, np.cumsum(state["additions"])[:-1]):
                view.add(search._told[part])
            search._additions = list(state["additions"])
        return search

    def _mark(self, genotypes: Int[np.ndarray, "k d"]) -> None:
        self._seen.add(genotypes)
        self._pending.add(genotypes)

    def _choose(self, n: int) -> Int[np.ndarray, "k d"]:
        """Unseen genotypes of which most is expected; fewer than `n` where nothing is."""
        changed = self._surrogate.learn(self._told, self.archive.error, self._standing())
        pending = self._pending.genotypes(len(self._space.decisions))
        if self._pools.small:
            return self._chosen(n, self._pools.whole, self._whole_view(anew=changed), pending)
        observed = self._told[self._surrogate.rows]
        known = self._surrogate.candidates(observed[:0])
        known.add(observed)
        found = np.empty((0, len(self._space.decisions)), dtype=np.int64)
        if self._kept is not None and len(self.archive) < _BRED_ANEW * self._bred_at:
            found = self._chosen_from(n, self._kept, known, pending)
        if len(found) < n:
            self._kept, self._bred_at = self._bred(known), len(self.archive)
            found = self._chosen_from(n, self._kept, known, pending)
        return found

    def _chosen_from(
        self, n: int, pool: Pool, known: Candidates, pending: Int[np.ndarray, "p d"]
    ) -> Int[np.ndarray, "k d"]:
        """Of a pool, and with what is pending beside it."""
        absent = pending[~np.isin(self._pools.codes(pending), pool.codes)]
        if len(absent):
            pool = pool.with_all(self._pools.of(absent))
        return self._chosen(n, pool, known.elsewhere(pool.features), pending)

    def _chosen(
        self, n: int, pool: Pool, view: Candidates, pending: Int[np.ndarray, "p d"]
    ) -> Int[np.ndarray, "k d"]:
        mean, std = self._surrogate.log_error(view)
        outlook = Outlook(view, mean, std, pool.costs, pool.violation)
        seen = self._pools.codes(self._seen.genotypes(len(self._space.decisions)))
        free = ~np.isin(pool.codes, seen)
        chosen = choose(
            n,
            outlook,
            self._fronts,
            self.archive.goals,
            free=free,
            pending=self._pools.rows(pool, pending),
        )
        chosen = np.concatenate((self._closest(pool, free), chosen))[:n]
        genotypes = pool.genotypes[chosen]
        self.predictions.expect(genotypes, np.exp(mean[chosen]))
        return genotypes

    def _closest(self, pool: Pool, free: Bool[np.ndarray, " m"]) -> Int[np.ndarray, " k"]:
        """For targets without anything feasible, who violates least, unless that was evaluated."""
        found: list[int] = []
        for target in range(self.archive.targets):
            violation = pool.violation[:, target]
            known = self.archive.violation[:, target]
            if len(violation) == 0 or violation.min() <= 0 or known.min() <= violation.min():
                continue
            best = int(np.argmin(np.where(free, violation, np.inf)))
            if free[best] and violation[best] < known.min():
                found.append(best)
        return np.array(sorted(set(found)), dtype=np.int64)

    def _whole_view(self, *, anew: bool) -> Candidates:
        """The process on all of a small space, to which only what is new is added."""
        if anew or self._view is None:
            self._view = self._surrogate.candidates(self._pools.whole.features)
            self._additions = []
        rows = self._surrogate.rows[self._view.observations :]
        if len(rows):
            self._view.add(self._told[rows])
            self._additions.append(len(rows))
        return self._view

    def _bred(self, known: Candidates) -> Pool:
        """The survivors of an inner evolution that begins at the fronts."""

        def log_error(features: Float[np.ndarray, "m f"]) -> tuple[np.ndarray, np.ndarray]:
            return self._surrogate.log_error(known.elsewhere(features))

        archive = self.archive
        fronts = [archive.front(target) for target in range(archive.targets)]
        fronts += [np.array([archive.closest(target)]) for target in range(archive.targets)]
        parents = archive.genotypes[np.unique(np.concatenate(fronts))]
        return self._pools.breed(
            parents, log_error, self._rng, rate=self._rate, candidates=self._candidates
        )

    def _standing(self) -> Float[np.ndarray, " n"]:
        """How far each evaluation's log error is above the nearest front's at the same costs."""
        archive = self.archive
        found = np.full(len(archive), np.inf)
        for target, (front, goal) in enumerate(zip(self._fronts, archive.goals, strict=True)):
            level = front.level(archive.costs[:, list(goal.columns)])
            usable = (archive.violation[:, target] <= 0) & (level > 0)
            error = np.maximum(archive.error[usable], np.finfo(float).tiny)
            gap = np.log(error / level[usable])
            found[usable] = np.minimum(found[usable], gap)
        return found


def _box(goal: Goal, ends: Float[np.ndarray, "2 c"]) -> Box:
    """Errors from 0 to 1 and the costs from the smallest to the largest network's."""
    columns = list(goal.columns)
    low, high = ends[:, columns].min(axis=0), ends[:, columns].max(axis=0)
    high = np.where(high > low, high, low + 1.0)
    return Box(np.concatenate(([0.0], low)), np.concatenate(([1.0], high)))
