"""A space for tests: decisions with ascending options, some of which have no effect."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from latency_models import CostTable, Slot, linear
from nas.evolution.proposals import CostFunction
from search_spaces.base import Architecture, BlockSlot, Decision, cardinalities


class GridSpace:
    """Where the first decision is 0, the last has no effect."""

    name: ClassVar[str] = "grid"

    def __init__(self, *counts: int) -> None:
        self.decisions = tuple(
            Decision(f"d{i}", tuple(float(o) for o in range(count)))
            for i, count in enumerate(counts)
        )

    @property
    def counts(self) -> np.ndarray:
        return cardinalities(self.decisions)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.canonical(rng.integers(self.counts, size=(n, len(self.counts))))

    def canonical(self, genotypes: np.ndarray) -> np.ndarray:
        canonical = genotypes.copy()
        canonical[genotypes[:, 0] == 0, -1] = 0
        return canonical

    def every(self) -> np.ndarray:
        grid = np.indices(tuple(self.counts)).reshape(len(self.counts), -1).T
        return np.unique(self.canonical(grid), axis=0)

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        return ()

    @property
    def smallest(self) -> np.ndarray:
        return np.zeros(len(self.counts), dtype=np.int64)

    @property
    def largest(self) -> np.ndarray:
        return self.counts - 1

    def decode(self, genotype: np.ndarray) -> Architecture:
        return Architecture("grid", (1, 1, 1), (), ())

    def encode(self, architecture: Architecture) -> np.ndarray:
        return self.smallest

    def workload(self, architecture: Architecture, *, batch_size: int, dtype: str) -> Any:
        return architecture.workload(batch_size=batch_size, dtype=dtype)

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        """A layer a decision, the wider the later its option."""
        slots = tuple(
            Slot(
                decision.name,
                (column,),
                tuple(
                    (linear(decision.name, (batch_size, 4), out_features=4 + option, dtype=dtype),)
                    for option in range(len(decision.options))
                ),
            )
            for column, decision in enumerate(self.decisions)
        )
        return CostTable(tuple(int(c) for c in self.counts), slots, batch_size, dtype)


def linear_costs(weights: Sequence[Sequence[float]], bounds: Sequence[float]) -> CostFunction:
    """Costs 1 + genotype . weights, one row of weights a target, at most `bounds`."""
    matrix = np.array(weights, dtype=np.float64).T

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cost = 1.0 + genotypes @ matrix
        return cost, np.maximum(cost / np.array(bounds) - 1, 0)

    return costs


def error_of(genotypes: np.ndarray) -> np.ndarray:
    """Falls as options rise, with interactions; a function of the genotype alone."""
    ranks = np.arange(1, genotypes.shape[1] + 1)
    return 0.9 / (1 + (genotypes * ranks).sum(axis=1)) + 0.01 * np.abs(
        np.sin(genotypes @ (ranks * 1.7))
    )
