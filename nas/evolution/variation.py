"""Crossover and mutation of genotypes, on arrays.

Children are valid option indices; whether they are canonical is for the space to settle.
"""

import numpy as np
from jaxtyping import Int


def uniform_crossover(
    first: Int[np.ndarray, "n d"], second: Int[np.ndarray, "n d"], rng: np.random.Generator
) -> Int[np.ndarray, "n d"]:
    """One child a pair: each decision comes from either parent with equal probability."""
    return np.where(rng.random(first.shape) < 0.5, first, second)


def mutate(
    genotypes: Int[np.ndarray, "n d"],
    cardinalities: Int[np.ndarray, " d"],
    rng: np.random.Generator,
    *,
    rate: float,
) -> Int[np.ndarray, "n d"]:
    """Each decision takes, with probability `rate`, another of its options, all equally likely.

    Args:
        genotypes: Option indices.
        cardinalities: Number of options of each decision; those with one option stay.
        rng: Source of randomness.
        rate: Probability, 0..1.
    """
    others = np.maximum(cardinalities - 1, 1)
    step = rng.integers(1, others + 1, size=genotypes.shape)
    changed = (rng.random(genotypes.shape) < rate) & (cardinalities > 1)
    return np.where(changed, (genotypes + step) % cardinalities, genotypes)
