"""Genotypes nobody has asked for yet, screened by what they are predicted to cost.

Costs are predicted, so a network that breaks the constraints of every target is known before
anything is evaluated, and is proposed only where nothing better is found in a bounded search.
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from search_spaces import SearchSpace

CostFunction: TypeAlias = Callable[
    [Int[np.ndarray, "n d"]], tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "n t"]]
]
"""From canonical genotypes to costs, as a rule one for each target, and the violation of each
target's constraints."""

TRIES = 8
"""Batches of candidates that are made before the best of the rejected are taken."""

REMEMBERED = 1 << 14
"""Genotypes whose costs are remembered: more than are proposed while an evaluation is under way."""

ENUMERABLE = 1 << 17
"""Spaces of at most so many genotypes are searched exhaustively where sampling fails."""


class Seen:
    """Canonical genotypes that were asked for or told."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, genotypes: Int[np.ndarray, "n d"]) -> None:
        """Marks genotypes as seen."""
        self._keys.update(genotype_keys(genotypes))

    def remove(self, genotypes: Int[np.ndarray, "n d"]) -> None:
        """Marks genotypes as not seen; those that were not stay so."""
        self._keys.difference_update(genotype_keys(genotypes))

    def unseen(self, genotypes: Int[np.ndarray, "n d"]) -> Int[np.ndarray, "k d"]:
        """The genotypes not seen yet, each once, in their order."""
        fresh: dict[bytes, int] = {}
        for i, key in enumerate(genotype_keys(genotypes)):
            if key not in self._keys:
                fresh.setdefault(key, i)
        return genotypes[np.fromiter(fresh.values(), dtype=np.int64, count=len(fresh))]

    def genotypes(self, decisions: int) -> Int[np.ndarray, "n d"]:
        """All of them, in lexicographic order of their bytes."""
        joined = b"".join(sorted(self._keys))
        return np.frombuffer(joined, dtype=np.int64).reshape(-1, decisions).copy()


class RecentCosts:
    """Predicts costs and remembers the last of them.

    What is told was predicted when it was proposed, and need not be predicted once more.

    Args:
        costs: Predicts; large batches are left to it.
    """

    def __init__(self, costs: CostFunction) -> None:
        self._costs = costs
        self._kept: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(
        self, genotypes: Int[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "n t"]]:
        """Costs and violations, as the function gives them."""
        if not 0 < len(genotypes) <= REMEMBERED // 4:
            return self._costs(genotypes)
        keys = genotype_keys(genotypes)
        new = [i for i, key in enumerate(keys) if key not in self._kept]
        if new:
            cost, violation = self._costs(genotypes[new])
            for row, i in enumerate(new):
                self._kept[keys[i]] = (cost[row], violation[row])
        found = [self._kept[key] for key in keys]
        for key in list(islice(self._kept, max(0, len(self._kept) - REMEMBERED))):
            del self._kept[key]
        return np.stack([cost for cost, _ in found]), np.stack([bad for _, bad in found])


def propose_unseen(
    n: int,
    make: Callable[[int, int], Int[np.ndarray, "m d"]],
    *,
    space: SearchSpace,
    costs: CostFunction,
    seen: Seen,
    rng: np.random.Generator,
) -> Int[np.ndarray, "k d"]:
    """Up to `n` canonical genotypes that are not seen and feasible for at least one target.

    Where too few feasible ones turn up, those that violate their nearest target's constraints least
    fill up; fewer than `n` come back only from an exhausted space.

    Args:
        n: How many.
        make: Makes candidates, given how many and the number of the try.
        space: Makes them canonical.
        costs: Predicts them.
        seen: Not proposed again; not changed here.
        rng: For the order in which an exhausted neighbourhood is left.
    """
    decisions = len(space.decisions)
    chosen = np.empty((0, decisions), dtype=np.int64)
    spare = np.empty((0, decisions), dtype=np.int64)
    for number in range(TRIES):
        batch = seen.unseen(space.canonical(make(2 * n, number)))
        if len(batch):
            feasible = (costs(batch)[1] <= 0).any(axis=1)
            chosen = _distinct(np.concatenate((chosen, batch[feasible])))
            spare = np.concatenate((spare, batch[~feasible]))
        if len(chosen) >= n:
            return chosen[:n]
    every = seen.unseen(space.canonical(every_genotype(space)))
    if len(every):
        every = every[rng.permutation(len(every))]
        feasible = (costs(every)[1] <= 0).any(axis=1)
        chosen = _distinct(np.concatenate((chosen, every[feasible])))
        spare = np.concatenate((spare, every[~feasible]))
    if len(chosen) < n:
        spare = _distinct(spare)
        least = np.argsort(costs(spare)[1].min(axis=1), kind="stable") if len(spare) else []
        chosen = np.concatenate((chosen, spare[least]))
    return chosen[:n]


def spread_over_cost(
    n: int,
    *,
    space: SearchSpace,
    costs: CostFunction,
    rng: np.random.Generator,
    columns: Sequence[int] | None = None,
) -> Int[np.ndarray, "k d"]:
    """The smallest network, the largest unless no target allows it, and others between them.

    Candidates lie between the two in every decision, whose options ascend in cost; targets take
    turns choosing the feasible one nearest to the next of their levels, which are even in log cost
    from the cheapest to the dearest feasible candidate.

    Args:
        n: How many.
        space: Where.
        costs: Predicts them.
        rng: Source of randomness.
        columns: Of the costs, the one that each target is spread over; by default its own.

    Returns:
        Canonical and distinct; fewer than `n` where the space or what is feasible is small.
    """
    ends = np.stack((space.smallest, space.largest))
    position = rng.random((64 * n, 1)) + rng.normal(0, 0.15, (64 * n, len(space.decisions)))
    between = ends[0] + np.rint(np.clip(position, 0, 1) * (ends[1] - ends[0])).astype(np.int64)
    pool = _distinct(np.concatenate((ends, space.canonical(between))))
    cost, violation = costs(pool)
    cost = cost if columns is None else cost[:, list(columns)]
    log_cost = np.log(np.maximum(cost, np.finfo(float).tiny))
    feasible = violation <= 0
    taken = [0] if n else []
    if n > 1 and len(pool) > 1 and feasible[1].any():
        taken.append(1)
    free = np.ones(len(pool), dtype=bool)
    free[taken] = False
    for level in np.linspace(0, 1, max(2, -(-n // cost.shape[1]))):
        for target in np.flatnonzero(feasible.any(axis=0)):
            usable = free & feasible[:, target]
            if len(taken) >= n or not usable.any():
                continue
            column = log_cost[:, target]
            wanted = np.quantile(column[feasible[:, target]], [0, 1]) @ [1 - level, level]
            best = int(np.argmin(np.where(usable, np.abs(column - wanted), np.inf)))
            taken.append(best)
            free[best] = False
    return pool[taken]


def sample_over_cost(
    n: int,
    *,
    space: SearchSpace,
    costs: CostFunction,
    columns: Sequence[int],
    rng: np.random.Generator,
) -> Int[np.ndarray, "k d"]:
    """The smallest network, the largest unless no target allows it, and samples of all costs.

    Targets take turns: each has its feasible samples ordered by cost and cut into as many equal
    parts as it has turns, and takes the middle one of the next part.

    Args:
        n: How many.
        space: Where.
        costs: Predicts them.
        columns: Of the costs, the one that orders each target's samples.
        rng: Source of randomness.

    Returns:
        Canonical and distinct; fewer than `n` where the space or what is feasible is small.
    """
    ends = space.canonical(np.stack((space.smallest, space.largest)))
    pool = _distinct(np.concatenate((ends, space.sample(64 * n, rng))))
    cost, violation = costs(pool)
    feasible = violation <= 0
    taken = [0]
    if len(pool) > 1 and feasible[1].any():
        taken.append(1)
    free = np.ones(len(pool), dtype=bool)
    free[taken] = False
    turns = -(-max(n - len(taken), 0) // len(columns))
    for turn in rng.permutation(turns):
        for target, column in enumerate(columns):
            usable = np.flatnonzero(feasible[:, target] & free)
            if len(taken) >= n or len(usable) == 0:
                continue
            order = usable[np.argsort(cost[usable, column], kind="stable")]
            best = int(order[int(len(order) * (turn + 0.5) / turns)])
            taken.append(best)
            free[best] = False
    return pool[taken[:n]]


def genotype_keys(genotypes: Int[np.ndarray, "n d"]) -> list[bytes]:
    """Each genotype as bytes, equal where the genotypes are."""
    return [row.tobytes() for row in np.ascontiguousarray(genotypes, dtype=np.int64)]


def _distinct(genotypes: Int[np.ndarray, "n d"]) -> Int[np.ndarray, "k d"]:
    return Seen().unseen(genotypes)


def every_genotype(space: SearchSpace) -> Int[np.ndarray, "n d"]:
    """All of a space of at most `ENUMERABLE`, canonical or not; none of a larger one."""
    shape = [len(decision.options) for decision in space.decisions]
    if math.prod(shape) > ENUMERABLE:
        return np.empty((0, len(shape)), dtype=np.int64)
    return np.indices(shape).reshape(len(shape), -1).T.astype(np.int64)
