"""Networks that are looked at by prediction alone, tens of thousands at a time.

Small spaces are looked at as a whole. In others the candidates are bred: parents from every
target's front, evaluated and predicted, crossed and mutated, a generation at a time; those survive
that are on a target's front by their predicted error, or by an optimistic one, among all so far.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from nas.evolution.features import SpaceFeatures
from nas.evolution.goals import Goal
from nas.evolution.proposals import CostFunction, every_genotype
from nas.evolution.selection import OPTIMISM
from nas.evolution.sorting import non_dominated_mask
from nas.evolution.variation import mutate, uniform_crossover
from search_spaces import SearchSpace
from search_spaces.base import cardinalities

WHOLE = 1 << 15
"""Spaces of at most so many genotypes are candidates as a whole."""

GENERATIONS = 6
CANDIDATES = 50_000
"""How many generations are bred, and how many candidates in all of them together."""

_SAMPLED = 0.1
_CROSSED = 0.5
_CLOSEST = 32

LogError: TypeAlias = Callable[[Float[np.ndarray, "m f"]], tuple[np.ndarray, np.ndarray]]
"""From features to the mean and the standard deviation of the log error."""


@dataclass(frozen=True)
class Pool:
    """Candidates, each once, with what is known of them without evaluation.

    Attributes:
        genotypes: Canonical.
        codes: A number for each, see `Pools.codes`.
        features: What the surrogate sees.
        costs: In columns.
        violation: Of each target's constraints.
    """

    genotypes: Int[np.ndarray, "m d"]
    codes: Int[np.ndarray, " m"]
    features: Float[np.ndarray, "m f"]
    costs: Float[np.ndarray, "m c"]
    violation: Float[np.ndarray, "m t"]

    def __len__(self) -> int:
        return len(self.genotypes)

    def take(self, rows: Int[np.ndarray, " k"]) -> "Pool":
        """Some of them."""
        return Pool(
            self.genotypes[rows],
            self.codes[rows],
            self.features[rows],
            self.costs[rows],
            self.violation[rows],
        )

    def with_all(self, other: "Pool") -> "Pool":
        """These and those."""
        return Pool(
            np.concatenate((self.genotypes, other.genotypes)),
            np.concatenate((self.codes, other.codes)),
            np.concatenate((self.features, other.features)),
            np.concatenate((self.costs, other.costs)),
            np.concatenate((self.violation, other.violation)),
        )


class Pools:
    """Makes pools of one space.

    Args:
        space: Where to look.
        costs: Predicts costs and violations.
        features: Predicts from what.
        goals: Of each target.
    """

    def __init__(
        self,
        space: SearchSpace,
        costs: CostFunction,
        features: SpaceFeatures,
        goals: Sequence[Goal],
    ) -> None:
        self._space, self._costs, self._features = space, costs, features
        self._goals = tuple(goals)
        self._counts = cardinalities(space.decisions)
        self._codes = _codes(self._counts)

    @property
    def small(self) -> bool:
        """Whether the whole space is one pool."""
        return math.prod(int(count) for count in self._counts) <= WHOLE

    def of(self, genotypes: Int[np.ndarray, "m d"]) -> Pool:
        """A pool of canonical genotypes."""
        if self.small:
            return self.whole.take(self.rows(self.whole, genotypes))
        return self._new(genotypes)

    @cached_property
    def whole(self) -> Pool:
        """Every network of the space."""
        every = self._space.canonical(every_genotype(self._space))
        return self._new(np.unique(every, axis=0))

    def rows(self, pool: Pool, genotypes: Int[np.ndarray, "k d"]) -> Int[np.ndarray, " r"]:
        """Where the genotypes are in the pool; those that are not are left out."""
        order = np.argsort(pool.codes, kind="stable")
        wanted = self.codes(genotypes)
        at = np.searchsorted(pool.codes, wanted, sorter=order)
        found = order[np.minimum(at, len(order) - 1)]
        return found[pool.codes[found] == wanted]

    def _new(self, genotypes: Int[np.ndarray, "m d"]) -> Pool:
        codes = self.codes(genotypes)
        return Pool(genotypes, codes, self._features(genotypes), *self._costs(genotypes))

    def codes(self, genotypes: Int[np.ndarray, "k d"]) -> Int[np.ndarray, " k"]:
        """A number for each genotype, the same for equal ones alone."""
        return genotypes @ self._codes

    def breed(
        self,
        parents: Int[np.ndarray, "p d"],
        log_error: LogError,
        rng: np.random.Generator,
        *,
        rate: float,
        candidates: int,
    ) -> Pool:
        """The survivors among so many candidates, the parents' descendants.

        Args:
            parents: Canonical; what the first generation is bred from. They survive.
            log_error: Predicts.
            rng: Source of randomness.
            rate: Probability that a decision of a child takes another option.
            candidates: How many are looked at.
        """
        pool = self.of(parents)
        mean, std = log_error(pool.features)
        known = pool.codes
        for _ in range(GENERATIONS):
            children = self._children(pool.genotypes, candidates // GENERATIONS, rng, rate)
            codes, first = np.unique(self.codes(children), return_index=True)
            fresh = np.sort(first[~np.isin(codes, known, assume_unique=True)])
            born = self.of(children[fresh])
            born_mean, born_std = log_error(born.features)
            known = np.concatenate((known, born.codes))
            pool = pool.with_all(born)
            mean, std = np.concatenate((mean, born_mean)), np.concatenate((std, born_std))
            kept = self._survivors(pool, mean, std)
            pool, mean, std = pool.take(kept), mean[kept], std[kept]
        return pool

    def _children(
        self,
        parents: Int[np.ndarray, "p d"],
        n: int,
        rng: np.random.Generator,
        rate: float,
    ) -> Int[np.ndarray, "n d"]:
        """Canonical children, some of them sampled from the space instead."""
        sampled = int(_SAMPLED * n)
        first, second = rng.integers(len(parents), size=(2, n - sampled))
        alone = rng.random((n - sampled, 1)) >= _CROSSED
        crossed = uniform_crossover(parents[first], parents[second], rng)
        bred = np.where(alone, parents[first], crossed)
        bred = self._space.canonical(mutate(bred, self._counts, rng, rate=rate))
        return np.concatenate((bred, self._space.sample(sampled, rng)))

    def _survivors(
        self, pool: Pool, mean: Float[np.ndarray, " m"], std: Float[np.ndarray, " m"]
    ) -> Int[np.ndarray, " k"]:
        """Who is on some target's predicted front; who violates least where none is feasible."""
        kept: list[Int[np.ndarray, " k"]] = []
        for target, goal in enumerate(self._goals):
            violation = pool.violation[:, target]
            feasible = np.flatnonzero(violation <= 0)
            if len(feasible) == 0:
                kept.append(np.argsort(violation, kind="stable")[:_CLOSEST])
            for error in (mean, mean - OPTIMISM * std):
                points = goal.objectives(error[feasible], pool.costs[feasible])
                kept.append(feasible[non_dominated_mask(points)])
        return np.unique(np.concatenate(kept))


def _codes(counts: Int[np.ndarray, " d"]) -> Int[np.ndarray, " d"]:
    """Multipliers that give genotypes numbers: places of a number, or random where it overflows.

    Random ones make two of 50,000 genotypes equal in one of ten thousand million cases, and then
    one of them is not looked at.
    """
    if math.prod(int(count) for count in counts) < 2**62:
        return np.concatenate((np.cumprod(counts[::-1])[-2::-1], [1])).astype(np.int64)
    return np.random.default_rng(0).integers(-(2**63), 2**63 - 1, size=len(counts))
