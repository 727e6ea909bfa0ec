"""Expected gains of hypervolume against hand calculation, sampling and moocore."""

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.evolution.gain import Box, Front

UNIT = Box(np.zeros(2), np.ones(2))


def volume(points: np.ndarray, reference: np.ndarray) -> float:
    inside = points[(points < reference).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def front_of(points: np.ndarray, box: Box) -> Front:
    front = Front(box)
    front.add(points[:, 0], points[:, 1:])
    return front


def test_a_sure_improvement_gains_the_area_it_adds() -> None:
    front = front_of(np.array([[0.5, 0.4]]), UNIT)
    sure = np.full(3, 1e-9)
    error = np.log([0.2, 0.8, 0.6])
    cost = np.array([[0.6], [0.1], [0.5]])
    # 0.3 lower over 0.4 of cost; 0.2 below the reference over the 0.3 before the front; nothing.
    found = front.expected_gain(error, sure, cost)
    np.testing.assert_allclose(found, [0.3 * 0.4, 0.2 * 0.3, 0.0], atol=1e-8)


def test_gains_are_shares_of_the_box() -> None:
    box = Box(np.array([0.0, 2.0]), np.array([0.5, 12.0]))
    front = Front(box)
    found = front.expected_gain(np.log([0.1]), np.array([1e-9]), np.array([[7.0]]))
    np.testing.assert_allclose(found, [0.4 * 5 / (0.5 * 10)])


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_one_cost_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.05, 1.1, (rng.integers(0, 12), 2))
    front = front_of(points, UNIT)
    mean, std = rng.normal(-1, 0.7), rng.uniform(0.05, 0.8)
    cost = rng.uniform(0, 1)
    before = volume(points, np.ones(2))
    # Evenly spaced quantiles instead of random draws.
    quantiles = (np.arange(2000) + 0.5) / 2000
    from scipy.special import ndtri

    draws = np.exp(mean + std * ndtri(quantiles))
    gains = [volume(np.vstack((points, [[e, cost]])), np.ones(2)) - before for e in draws[::10]]
    found = front.expected_gain(np.array([mean]), np.array([std]), np.array([[cost]]))
    np.testing.assert_allclose(found[0], np.mean(gains), atol=4e-3)


def test_two_costs_come_close_to_moocore() -> None:
    rng = np.random.default_rng(1)
    box = Box(np.zeros(3), np.ones(3))
    points = rng.uniform(0.2, 1, (10, 3))
    front = front_of(points, box)
    before = volume(points, np.ones(3))
    for _ in range(10):
        new = rng.uniform(0.05, 0.7, 3)
        gain = volume(np.vstack((points, new)), np.ones(3)) - before
        found = front.expected_gain(np.log(new[:1]), np.array([1e-9]), new[None, 1:])
        assert found[0] == pytest.approx(gain, abs=0.02)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_the_level_is_the_best_error_within_the_costs(seed: int, costs: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1.2, (15, 1 + costs))
    front = front_of(points, Box(np.zeros(1 + costs), np.ones(1 + costs)))
    asked = rng.uniform(0, 1.2, (20, costs))
    for cost, found in zip(asked, front.level(asked), strict=True):
        usable = points[(points < 1).all(axis=1) & (points[:, 1:] <= cost).all(axis=1)]
        expected = usable[:, 0].min(initial=1.0) if (cost < 1).all() else 0.0
        assert found == expected


def test_a_copy_grows_on_its_own() -> None:
    front = front_of(np.array([[0.5, 0.5]]), UNIT)
    other = front.copy()
    other.add(np.array([0.1]), np.array([[0.1]]))
    assert front.level(np.array([[0.7]]))[0] == 0.5
    assert other.level(np.array([[0.7]]))[0] == 0.1


def test_a_box_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="below the reference"):
        Box(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
