"""NSGA-II for one target or many at once.

Every target ranks the population by its own cost and constraints. An individual survives by its
best rank over the targets, so that every target keeps its front; ties go to the larger crowding
distance. Parents win tournaments of a target drawn for each, so that all fronts are bred from.

References: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm:
NSGA-II", IEEE TEVC 6(2), 2002. One target with all costs predicted beforehand is the setting of
Lu et al., "NSGANetV2", ECCV 2020.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nas.evolution.archive import Archive
from nas.evolution.goals import Goal, weights
from nas.evolution.proposals import (
    CostFunction,
    RecentCosts,
    Seen,
    propose_unseen,
    spread_over_cost,
)
from nas.evolution.sorting import constrained_rank, crowding_distance
from nas.evolution.variation import mutate, uniform_crossover
from search_spaces import SearchSpace


class MultiTargetEvolution:
    """Keeps the accuracy-cost front of every target from one set of evaluations.

    Args:
        space: Where to search.
        costs: Predicts cost and constraint violation of canonical genotypes, a column a target.
        population_size: Survivors of a generation, and the number of genotypes in the first.
        mutation_rate: Probability that a decision of a child takes another option.
        crossover_rate: Probability that a child has two parents.
        goals: What counts for each target; by default one cost each, in its own column. Weights
            say how often a child is bred for a target.
        seed: What all randomness comes from.
    """

    def __init__(
        self,
        space: SearchSpace,
        costs: CostFunction,
        *,
        population_size: int,
        mutation_rate: float = 0.1,
        crossover_rate: float = 0.9,
        goals: Sequence[Goal] | None = None,
        seed: int,
    ) -> None:
        if population_size < 2:
            raise ValueError(f"population_size must be at least 2, got {population_size}")
        self._space = space
        self._costs = RecentCosts(costs)
        self._size = population_size
        self._mutation_rate = mutation_rate
        self._crossover_rate = crossover_rate
        self._rng = np.random.default_rng(seed)
        self._seen = Seen()
        self._cardinalities = np.array([len(d.options) for d in space.decisions], dtype=np.int64)
        targets = costs(space.smallest[None])[1].shape[1]
        self.archive = Archive(decisions=len(space.decisions), targets=targets, goals=goals)
        self._weights = weights(self.archive.goals)
        self._population = np.empty(0, dtype=np.int64)
        self._rank = np.empty((0, targets), dtype=np.int64)
        self._crowding = np.empty((0, targets))
        self._initial = spread_over_cost(
            -(-population_size // 2),
            space=space,
            costs=self._costs,
            columns=[goal.columns[0] for goal in self.archive.goals],
            rng=self._rng,
        )

    @property
    def population(self) -> Int[np.ndarray, " p"]:
        """The survivors, as indices into the archive."""
        return self._population.copy()

    def ask(self, n: int) -> Int[np.ndarray, "k d"]:
        """Up to `n` canonical genotypes never asked for before; fewer from an exhausted space.

        The first `population_size` are the initial population: half from the smallest network to
        the largest, half sampled; those that were told count among them. Children follow as soon
        as two evaluations were told.
        """
        genotypes = self._seen.unseen(self._initial)[:n]
        self._seen.add(genotypes)
        missing = n - len(genotypes)
        if missing:
            breeding = len(self._seen) >= self._size and len(self._population) > 1
            more = propose_unseen(
                missing,
                self._children if breeding else self._samples,
                space=self._space,
                costs=self._costs,
                seen=self._seen,
                rng=self._rng,
            )
            self._seen.add(more)
            genotypes = np.concatenate((genotypes, more))
        return genotypes

    def tell(self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"]) -> None:
        """Takes in evaluations and selects the survivors.

        Args:
            genotypes: Canonical; asked for here, or known from elsewhere as a warm start.
            error: 1 - accuracy, one a genotype; NaN where the evaluation failed, which keeps the
                genotype out of the population and from being asked for again.
        """
        self._seen.add(genotypes)
        done = np.isfinite(error)
        if not done.any():
            return
        first = len(self.archive)
        self.archive.add(genotypes[done], error[done], *self._costs(genotypes[done]))
        candidates = np.concatenate((self._population, np.arange(first, len(self.archive))))
        self._select(candidates)

    def state_dict(self) -> dict[str, Any]:
        """All that the next proposals depend on, as arrays and plain data."""
        return {
            "rng": self._rng.bit_generator.state,
            "seen": self._seen.genotypes(len(self._space.decisions)),
            "genotypes": self.archive.genotypes.copy(),
            "error": self.archive.error.copy(),
            "population": self._population.copy(),
            "initial": self._initial.copy(),
            "population_size": self._size,
            "mutation_rate": self._mutation_rate,
            "crossover_rate": self._crossover_rate,
            "goals": self.archive.goals,
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], space: SearchSpace, costs: CostFunction
    ) -> "MultiTargetEvolution":
        """Goes on exactly where `state_dict` was called."""
        search = cls(
            space,
            costs,
            population_size=state["population_size"],
            mutation_rate=state["mutation_rate"],
            crossover_rate=state["crossover_rate"],
            goals=state["goals"],
            seed=0,
        )
        search._seen.add(state["seen"])
        if len(state["error"]):
            search.archive.add(state["genotypes"], state["error"], *costs(state["genotypes"]))
            search._select(state["population"])
        search._initial = state["initial"].copy()
        search._rng.bit_generator.state = state["rng"]
        return search

    def _select(self, candidates: Int[np.ndarray, " c"]) -> None:
        """Keeps the best of the candidates, in the order they were told."""
        rank, crowding = self._standing(candidates)
        best = rank.min(axis=1)
        room = np.where(rank == best[:, None], crowding, 0.0).max(axis=1)
        kept = np.sort(np.lexsort((-room, best))[: self._size])
        self._population = candidates[kept]
        self._rank, self._crowding = self._standing(self._population)

    def _standing(
        self, members: Int[np.ndarray, " c"]
    ) -> tuple[Int[np.ndarray, "c t"], Float[np.ndarray, "c t"]]:
        """Rank and crowding distance among the members, for every target."""
        rank = np.empty((len(members), self.archive.targets), dtype=np.int64)
        crowding = np.empty(rank.shape)
        for target in range(self.archive.targets):
            objectives = self.archive.goals[target].objectives(
                self.archive.error[members], self.archive.costs[members]
            )
            rank[:, target] = constrained_rank(objectives, self.archive.violation[members, target])
            crowding[:, target] = crowding_distance(objectives, rank[:, target])
        return rank, crowding

    def _samples(self, n: int, number: int) -> Int[np.ndarray, "n d"]:
        return self._space.sample(n << number, self._rng)

    def _children(self, n: int, number: int) -> Int[np.ndarray, "m d"]:
        """More of them, and more mutated, the more often too few were new."""
        n <<= number
        target = self._rng.choice(self.archive.targets, size=n, p=self._weights)
        first, second = self._tournament(target), self._tournament(target)
        crossed = uniform_crossover(first, second, self._rng)
        alone = self._rng.random((n, 1)) >= self._crossover_rate
        rate = min(1.0, self._mutation_rate * (1 + number / 4))
        return mutate(np.where(alone, first, crossed), self._cardinalities, self._rng, rate=rate)

    def _tournament(self, target: Int[np.ndarray, " n"]) -> Int[np.ndarray, "n d"]:
        """The better of two drawn members, by each row's target."""
        a, b = self._rng.integers(len(self._population), size=(2, len(target)))
        rank_a, rank_b = self._rank[a, target], self._rank[b, target]
        roomier = self._crowding[b, target] > self._crowding[a, target]
        winner = np.where((rank_b < rank_a) | ((rank_b == rank_a) & roomier), b, a)
        return self.archive.genotypes[self._population[winner]]
