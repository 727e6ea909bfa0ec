"""Fronts against their definition, hypervolume by hand and by counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.evolution.archive import Archive

VALUES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])


def filled(error: np.ndarray, costs: np.ndarray, violation: np.ndarray | None = None) -> Archive:
    archive = Archive(decisions=1, targets=costs.shape[1])
    numbers = np.arange(len(error)).reshape(-1, 1)
    archive.add(numbers, error, costs, np.zeros(costs.shape) if violation is None else violation)
    return archive


@st.composite
def archives(draw: st.DrawFn) -> Archive:
    n, targets = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    violation = arrays(np.float64, (n, targets), elements=st.sampled_from([0.0, 0.0, 0.0, 0.3]))
    return filled(
        draw(arrays(np.float64, n, elements=VALUES)),
        draw(arrays(np.float64, (n, targets), elements=VALUES)),
        draw(violation),
    )


@given(archives())
def test_a_front_is_what_is_feasible_and_not_dominated(archive: Archive) -> None:
    for target in range(archive.targets):
        points = np.column_stack((archive.error, archive.costs[:, target]))
        feasible = archive.violation[:, target] == 0
        expected = {
            i
            for i in np.flatnonzero(feasible)
            if not any(
                (points[j] <= points[i]).all() and (points[j] < points[i]).any()
                for j in np.flatnonzero(feasible)
            )
        }
        front = archive.front(target)
        assert set(front) == expected
        assert len(front) == len(expected)
        assert (np.diff(archive.costs[front, target]) >= 0).all()
        assert (np.diff(archive.error[front]) <= 0).all()


def test_hypervolume_of_a_hand_worked_staircase() -> None:
    # Boxes to (1, 4): 0.5 * 3 for the first; (0.8 - 0.5 of error is new) 0.3 * 2 for the second,
    # whose error of 0.2 beats the first's from cost 2; the third has nothing left of the reference.
    archive = filled(np.array([0.5, 0.2, 0.1]), np.array([[1.0], [2.0], [5.0]]))
    assert archive.hypervolume(0, np.array([1.0, 4.0])) == pytest.approx(0.5 * 3 + 0.3 * 2)


def test_hypervolume_of_nothing_feasible_is_zero() -> None:
    archive = filled(np.array([0.5]), np.array([[1.0]]), np.array([[0.1]]))
    assert archive.hypervolume(0, np.array([1.0, 4.0])) == 0
    assert len(archive.front(0)) == 0


@given(archives())
def test_hypervolume_is_the_dominated_area(archive: Archive) -> None:
    # Every value is a multiple of 1/8, so cells of that size are dominated whole or not at all.
    corner = (np.arange(8) + 0.5) / 8
    for target in range(archive.targets):
        feasible = archive.violation[:, target] == 0
        error = archive.error[feasible, None, None] <= corner[:, None]
        cost = archive.costs[feasible, target][:, None, None] <= corner[None, :]
        expected = (error & cost).any(axis=0).sum() / 64
        assert archive.hypervolume(target, np.ones(2)) == pytest.approx(expected, abs=1e-12)


@given(archives())
def test_the_history_of_the_hypervolume_is_that_of_every_beginning(archive: Archive) -> None:
    reference = np.array([0.75, 0.9])
    for target in range(archive.targets):
        expected = [
            filled(
                archive.error[:n].copy(), archive.costs[:n].copy(), archive.violation[:n].copy()
            ).hypervolume(target, reference)
            for n in range(1, len(archive) + 1)
        ]
        history = archive.hypervolume_history(target, reference)
        np.testing.assert_allclose(history, expected, atol=1e-12)


def test_the_closest_violates_least_and_is_the_best_of_those() -> None:
    archive = filled(
        np.array([0.1, 0.4, 0.3, 0.0]),
        np.ones((4, 1)),
        np.array([[0.5], [0.2], [0.2], [0.9]]),
    )
    assert archive.closest(0) == 2
    with pytest.raises(ValueError, match="empty"):
        Archive(decisions=1, targets=1).closest(0)


def test_an_archive_keeps_all_that_is_added_however_it_grows() -> None:
    rng = np.random.default_rng(0)
    archive = Archive(decisions=2, targets=3)
    genotypes, error, costs = rng.integers(9, size=(500, 2)), rng.random(500), rng.random((500, 3))
    for part in np.split(np.arange(500), [1, 2, 70, 71, 300]):
        archive.add(genotypes[part], error[part], costs[part], 0 * costs[part])
    np.testing.assert_array_equal(archive.genotypes, genotypes)
    np.testing.assert_array_equal(archive.error, error)
    np.testing.assert_array_equal(archive.costs, costs)
    with pytest.raises(ValueError, match="read-only"):
        archive.error[0] = 0


@pytest.mark.parametrize(
    ("error", "cost", "violation"), [(np.nan, 1, 0), (0.5, np.inf, 0), (0.5, 1, np.nan)]
)
def test_what_is_not_finite_is_refused(error: float, cost: float, violation: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        filled(np.array([error]), np.array([[float(cost)]]), np.array([[float(violation)]]))
