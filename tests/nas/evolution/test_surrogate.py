"""Powers of the error, which evaluations are used, and that errors are learned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.evolution.surrogate import MOST_EVALUATIONS, ErrorSurrogate, Warp

ERRORS = np.array([0.05, 0.07, 0.1, 0.2, 0.4, 0.9])


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0])
def test_a_warp_is_standardised_and_can_be_undone(power: float) -> None:
    warp = Warp.of(power, ERRORS)
    values = warp(ERRORS)
    assert (values.mean(), values.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert (np.diff(values) > 0).all()
    mean, _ = warp.log_error(values, np.ones(6))
    np.testing.assert_allclose(np.exp(mean), ERRORS)


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0])
def test_deviations_are_those_of_a_small_step(power: float) -> None:
    warp = Warp.of(power, ERRORS)
    values = warp(ERRORS)
    _, std = warp.log_error(values, np.full(6, 1e-3))
    moved, _ = warp.log_error(values - 1e-3, np.ones(6))
    np.testing.assert_allclose(std, np.log(ERRORS) - moved, rtol=0.05)


def test_predicted_errors_are_at_most_one() -> None:
    for power in (-1.0, 0.0, 1.0):
        mean, std = Warp.of(power, ERRORS).log_error(np.array([50.0, -50.0]), np.full(2, 99.0))
        assert (mean <= 0).all()
        assert (std <= np.log(10)).all()


def test_densities_of_powers_are_of_the_same_errors() -> None:
    """By the change of variables, checked with a numerical derivative."""
    for power in (-1.0, 0.0, 1.0):
        warp = Warp.of(power, ERRORS)
        step = 1e-6
        slopes = (warp(ERRORS * np.exp(step)) - warp(ERRORS * np.exp(-step))) / (2 * step)
        assert warp.log_density(ERRORS) == pytest.approx(np.log(slopes).sum(), rel=1e-5)


def learned(n: int, seed: int) -> tuple[ErrorSurrogate, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    error = np.exp(-1.5 + 0.4 * features[:, 0] + 0.02 * rng.normal(size=n))
    surrogate = ErrorSurrogate((2, 2))
    surrogate.learn(features, error, error)
    return surrogate, features, error


def test_errors_of_new_networks_are_predicted() -> None:
    surrogate, features, _ = learned(80, 0)
    asked = np.random.default_rng(9).normal(size=(50, 4)).astype(np.float32)
    view = surrogate.candidates(asked)
    view.add(features)
    mean, std = surrogate.log_error(view)
    truth = -1.5 + 0.4 * asked[:, 0]
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.1
    assert np.mean(np.abs(mean - truth) < 2 * std) > 0.9


def test_between_fits_only_rows_are_added() -> None:
    surrogate, features, error = learned(80, 1)
    more = np.concatenate((features, features[:3] + 0.1))
    errors = np.concatenate((error, error[:3]))
    before = surrogate.parameters
    assert not surrogate.learn(more, errors, errors)
    np.testing.assert_array_equal(surrogate.rows, np.arange(83))
    assert surrogate.parameters == before
    many = np.concatenate((features, features + 0.1))
    assert surrogate.learn(many, np.tile(error, 2), np.tile(error, 2))


@settings(max_examples=10)
@given(st.integers(0, 100))
def test_the_best_evaluations_are_always_used(seed: int) -> None:
    from nas.evolution.surrogate import _chosen

    standing = np.random.default_rng(seed).random(3 * MOST_EVALUATIONS)
    rows = _chosen(standing)
    assert len(np.unique(rows)) == MOST_EVALUATIONS
    assert (np.diff(rows) > 0).all()
    best = np.argsort(standing)[: MOST_EVALUATIONS // 2]
    assert set(best) <= set(rows)


def test_a_surrogate_goes_on_from_its_state() -> None:
    surrogate, features, error = learned(40, 2)
    other = ErrorSurrogate((2, 2))
    other.load_state(surrogate.state_dict())
    more = np.concatenate((features, features[:20] * 0.9))
    errors = np.concatenate((error, error[:20]))
    assert surrogate.learn(more, errors, errors) == other.learn(more, errors, errors)
    assert other.parameters == surrogate.parameters
    np.testing.assert_array_equal(other.rows, surrogate.rows)
