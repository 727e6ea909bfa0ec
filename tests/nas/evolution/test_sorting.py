"""Ranks and crowding against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.evolution.sorting import (
    constrained_rank,
    crowding_distance,
    non_dominated_mask,
    non_dominated_rank,
)

# Few distinct values, so that ties and duplicates are common.
OBJECTIVES = st.integers(0, 30).flatmap(
    lambda n: st.integers(2, 4).flatmap(
        lambda m: arrays(np.float64, (n, m), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))
    )
)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


def ranks_by_definition(objectives: np.ndarray) -> np.ndarray:
    rank = np.full(len(objectives), -1)
    level = 0
    while (rank < 0).any():
        left = np.flatnonzero(rank < 0)
        front = [i for i in left if not any(dominates(objectives[j], objectives[i]) for j in left)]
        rank[front] = level
        level += 1
    return rank


@given(OBJECTIVES)
def test_ranks_are_the_fronts_of_what_is_left(objectives: np.ndarray) -> None:
    expected = ranks_by_definition(objectives)
    np.testing.assert_array_equal(non_dominated_rank(objectives), expected)
    np.testing.assert_array_equal(non_dominated_mask(objectives), expected == 0)


@given(OBJECTIVES, st.data())
def test_constrained_ranks_follow_constrained_dominance(
    objectives: np.ndarray, data: st.DataObject
) -> None:
    violation = data.draw(
        arrays(np.float64, len(objectives), elements=st.sampled_from([0.0, 0.0, 0.1, 0.5]))
    )
    rank = constrained_rank(objectives, violation)
    for i in range(len(rank)):
        for j in range(len(rank)):
            if violation[i] < violation[j]:
                assert rank[i] < rank[j]
            elif violation[i] == violation[j] > 0:
                assert rank[i] == rank[j]
    feasible = violation == 0
    np.testing.assert_array_equal(rank[feasible], ranks_by_definition(objectives[feasible]))
    assert set(rank) == set(range(len(set(rank))))


def test_crowding_is_the_relative_extent_of_the_neighbours() -> None:
    # Of the second point: (3 - 0) / 4 + (4 - 1) / 4; of the third: (4 - 1) / 4 + (3 - 0) / 4.
    objectives = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    distance = crowding_distance(objectives, np.zeros(4, dtype=np.int64))
    np.testing.assert_allclose(distance, [np.inf, 1.5, 1.5, np.inf])


def test_crowding_counts_neighbours_of_the_same_rank_only() -> None:
    front = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    both = np.concatenate((front, front[::-1] + 0.5))
    distance = crowding_distance(both, np.repeat([0, 1], 4))
    np.testing.assert_allclose(distance[:4], [np.inf, 1.5, 1.5, np.inf])
    np.testing.assert_allclose(distance[4:], [np.inf, 1.5, 1.5, np.inf])


@given(OBJECTIVES)
def test_crowding_is_never_negative_and_ends_are_infinite(objectives: np.ndarray) -> None:
    rank = non_dominated_rank(objectives)
    distance = crowding_distance(objectives, rank)
    assert (distance >= 0).all()
    for level in set(rank):
        members = rank == level
        for column in objectives[members].T:
            ends = distance[members][[column.argmin(), column.argmax()]]
            assert column.min() == column.max() or np.isinf(ends).any()


def test_nan_is_refused() -> None:
    objectives = np.array([[0.0, np.nan]])
    for function in (non_dominated_mask, non_dominated_rank):
        with pytest.raises(ValueError, match="NaN"):
            function(objectives)
    with pytest.raises(ValueError, match="NaN"):
        constrained_rank(np.zeros((1, 2)), np.array([np.nan]))
