"""Predictions against the textbook's formulas in double precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.evolution.gaussian_process import Candidates, Hyperparameters, fit_hyperparameters

WIDTHS = (2, 3)
PARAMETERS = Hyperparameters((0.7, 0.2), 1.5, 0.05)


def covariance(first: np.ndarray, second: np.ndarray, parameters: Hyperparameters) -> np.ndarray:
    difference = np.square(first[:, None].astype(float) - second[None].astype(float))
    a, b = parameters.weights
    squares = a * difference[..., :2].sum(axis=2) + b * difference[..., 2:].sum(axis=2)
    root = np.sqrt(3 * squares)
    return parameters.amplitude * (1 + root) * np.exp(-root)


def textbook(
    known: np.ndarray, values: np.ndarray, asked: np.ndarray, parameters: Hyperparameters
) -> tuple[np.ndarray, np.ndarray]:
    noisy = covariance(known, known, parameters) + parameters.noise * np.eye(len(known))
    across = covariance(asked, known, parameters)
    mean = across @ np.linalg.solve(noisy, values)
    left = covariance(asked, asked, parameters) - across @ np.linalg.solve(noisy, across.T)
    return mean, np.sqrt(np.diag(left))


def rows(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, sum(WIDTHS))).astype(np.float32)


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(0, 100))
def test_predictions_are_the_textbooks(n: int, seed: int) -> None:
    known, asked = rows(n, seed), rows(12, seed + 1)
    values = np.sin(known.sum(axis=1)).astype(float)
    view = Candidates(asked, WIDTHS, PARAMETERS)
    view.add(known)
    mean, std = textbook(known, values, asked, PARAMETERS)
    np.testing.assert_allclose(view.mean(values), mean, atol=2e-4)
    np.testing.assert_allclose(view.std, std, atol=2e-4)


def test_observations_may_come_in_parts() -> None:
    known, asked = rows(20, 0), rows(8, 1)
    values = known[:, 0].astype(float)
    whole, parts = (Candidates(asked, WIDTHS, PARAMETERS) for _ in range(2))
    whole.add(known)
    for part in np.split(known, [0, 1, 7, 8]):
        parts.add(part)
    np.testing.assert_allclose(parts.mean(values), whole.mean(values), atol=1e-4)
    np.testing.assert_allclose(parts.std, whole.std, atol=1e-4)
    assert parts.observations == 20


def test_candidates_believed_to_be_observed_leave_what_observing_them_would() -> None:
    known, asked = rows(15, 0), rows(9, 1)
    view, observed = (Candidates(asked, WIDTHS, PARAMETERS) for _ in range(2))
    view.add(known)
    observed.add(np.concatenate((known, asked[[4, 2]])))
    std, told = view.reduced(view.std, np.empty((0, 9), dtype=np.float32), 4)
    std, _ = view.reduced(std, told, 2)
    np.testing.assert_allclose(std, observed.std, atol=2e-4)


def test_some_of_the_candidates_are_predicted_as_all_are() -> None:
    view = Candidates(rows(9, 1), WIDTHS, PARAMETERS)
    view.add(rows(15, 0))
    values = np.arange(15.0)
    part = view.take(np.array([7, 1]))
    np.testing.assert_allclose(part.mean(values), view.mean(values)[[7, 1]], rtol=1e-5)
    np.testing.assert_array_equal(part.std, view.std[[7, 1]])


def test_without_observations_the_prior_is_left() -> None:
    view = Candidates(rows(3, 1), WIDTHS, PARAMETERS)
    np.testing.assert_allclose(view.std, np.sqrt(1.5), rtol=1e-6)
    np.testing.assert_array_equal(view.mean(np.empty(0)), np.zeros(3))


def test_the_group_that_matters_gets_the_larger_weight() -> None:
    features = rows(60, 3)
    values = np.sin(2 * features[:, 0]).astype(float)
    found, _ = fit_hyperparameters(features, WIDTHS, values, Hyperparameters.prior(2))
    assert found.weights[0] > 5 * found.weights[1]


def test_the_density_is_that_of_the_textbook() -> None:
    """Log marginal likelihood and prior at the maximum, without the constant factors of 2 pi."""
    features, rng = rows(12, 4), np.random.default_rng(0)
    values = rng.normal(size=12)
    found, density = fit_hyperparameters(features, WIDTHS, values, PARAMETERS)
    noisy = covariance(features, features, found) + (found.noise + 1e-6) * np.eye(12)
    likelihood = -values @ np.linalg.solve(noisy, values) / 2 - np.linalg.slogdet(noisy)[1] / 2
    off = (found.logarithms - Hyperparameters.prior(2).logarithms) / [1.0, 1.0, 0.7, 0.5]
    assert density == pytest.approx(likelihood - off @ off / 2, rel=1e-6)
    for factor in (0.8, 1.25):
        for position in range(4):
            logs = found.logarithms
            logs[position] += np.log(factor)
            worse, lower = (
                _density(features, values, Hyperparameters.from_logarithms(logs)),
                density,
            )
            assert worse < lower


def _density(features: np.ndarray, values: np.ndarray, at: Hyperparameters) -> float:
    noisy = covariance(features, features, at) + (at.noise + 1e-6) * np.eye(len(values))
    likelihood = -values @ np.linalg.solve(noisy, values) / 2 - np.linalg.slogdet(noisy)[1] / 2
    off = (at.logarithms - Hyperparameters.prior(2).logarithms) / [1.0, 1.0, 0.7, 0.5]
    return float(likelihood - off @ off / 2)
