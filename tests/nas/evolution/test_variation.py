"""Crossover and mutation stay in the space and do what their rates say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nas.evolution.variation import mutate, uniform_crossover
from tests.nas.evolution.spaces import GridSpace

COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=8)
SEEDS = st.integers(0, 2**32)


@given(COUNTS, SEEDS, st.floats(0, 1))
def test_mutants_stay_in_the_space(counts: list[int], seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    space = GridSpace(*counts)
    mutants = mutate(space.sample(50, rng), space.counts, rng, rate=rate)
    assert ((mutants >= 0) & (mutants < space.counts)).all()


@given(COUNTS, SEEDS)
def test_a_mutated_decision_takes_another_option_where_there_is_one(
    counts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    space = GridSpace(*counts)
    parents = space.sample(50, rng)
    np.testing.assert_array_equal(mutate(parents, space.counts, rng, rate=0.0), parents)
    changed = mutate(parents, space.counts, rng, rate=1.0) != parents
    np.testing.assert_array_equal(changed, np.broadcast_to(space.counts > 1, changed.shape))


def test_mutation_changes_the_share_of_decisions_that_its_rate_says() -> None:
    rng = np.random.default_rng(0)
    parents = np.zeros((1000, 100), dtype=np.int64)
    mutants = mutate(parents, np.full(100, 4), rng, rate=0.1)
    # Standard error of a share of 0.1 over 100,000 draws: 0.00095.
    assert abs((mutants != 0).mean() - 0.1) < 0.004
    shares = np.bincount(mutants[mutants > 0], minlength=4)[1:] / (mutants > 0).sum()
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)


@given(COUNTS, SEEDS)
def test_every_decision_of_a_child_comes_from_a_parent(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = GridSpace(*counts)
    first, second = space.sample(20, rng), space.sample(20, rng)
    child = uniform_crossover(first, second, rng)
    assert ((child == first) | (child == second)).all()


def test_a_child_takes_after_both_parents_equally() -> None:
    zeros, ones = np.zeros((1000, 100), dtype=np.int64), np.ones((1000, 100), dtype=np.int64)
    share = uniform_crossover(zeros, ones, np.random.default_rng(0)).mean()
    assert abs(share - 0.5) < 0.007
