"""The regression against numerical integration, finite differences and drawn coefficients."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from latency_models.meta.posterior import (
    Gaussian,
    Posterior,
    Regression,
    best_mode,
    fit,
    log_sum,
    prior_posterior,
)

# The noise's scale is log-normal between these, see the module.
NOISE_MEDIAN, NOISE_LOG_STD, NOISE_RANGE = 0.05, 1.0, (0.004, 0.4)
# A normal of this standard deviation has the same central 90 % as a t(4) of scale 1.
NORMAL_EQUIVALENT = stats.t.ppf(0.95, 4) / stats.norm.ppf(0.95)


def _one_dimensional(log_latency: list[float], *, extra: float = 0.0) -> Regression:
    """Networks with one contribution that the coefficient scales, and one that it does not."""
    k = len(log_latency)
    contributions = np.column_stack([np.linspace(1, 2, k), np.full(k, extra)])
    return Regression(contributions, np.array([[1.0], [0.0]]), np.array(log_latency))


def _integrated(data: Regression, prior: Gaussian) -> tuple[float, float, float]:
    """Log evidence up to a constant of k, mean and std of the coefficient: sums over a grid."""
    std = math.sqrt(prior.covariance[0, 0])
    b = np.linspace(prior.mean[0] - 8 * std, prior.mean[0] + 8 * std, 4001)
    log_noise = np.log(np.geomspace(*NOISE_RANGE, 61))
    expected = np.log(data.contributions @ np.exp(data.features @ b[None]))
    joint = np.empty((len(log_noise), len(b)))
    for i, s in enumerate(np.exp(log_noise)):
        joint[i] = stats.t.logpdf((data.log_latency[:, None] - expected) / s, 4).sum(axis=0)
        joint[i] -= len(data.log_latency) * math.log(s)
    joint += stats.norm.logpdf(b, prior.mean[0], std)
    joint += stats.norm.logpdf(log_noise, math.log(NOISE_MEDIAN), NOISE_LOG_STD)[:, None]
    highest = joint.max()
    weights = np.exp(joint - highest).sum(axis=0)
    mean = weights @ b / weights.sum()
    variance = weights @ (b - mean) ** 2 / weights.sum()
    volume = (b[1] - b[0]) * (log_noise[1] - log_noise[0])
    return highest + math.log(weights.sum() * volume), mean, math.sqrt(variance)


@pytest.mark.parametrize("extra", [0.0, 1.0])
@pytest.mark.parametrize(
    "residuals",
    [
        [0.01, -0.03, 0.02],
        [0.05, -0.02, 0.11, -0.07, 0.01, 0.03, -0.06, 0.02, -0.04, 0.0],
        [0.01, -0.02, 0.015, 5.0, -0.01, 0.02, 0.0, -0.03, 0.01, 0.02],
    ],
    ids=["three", "ten", "one of ten garbage"],
)
def test_fit_agrees_with_numerical_integration(residuals: list[float], extra: float) -> None:
    data = _one_dimensional(residuals, extra=extra)
    true = np.log(data.contributions @ np.exp(data.features @ [0.3]))
    data = Regression(data.contributions, data.features, true + data.log_latency)
    near = Gaussian(np.array([0.25]), np.array([[0.1**2]]))
    far = Gaussian(np.array([-1.0]), np.array([[0.6**2]]))
    fitted = [fit(data, prior) for prior in (near, far)]
    expected = [_integrated(data, prior) for prior in (near, far)]
    for found, (_, mean, std) in zip(fitted, expected, strict=True):
        assert found.mean[0] == pytest.approx(mean, abs=0.15 * std)
        assert math.sqrt(found.covariance[0, 0]) == pytest.approx(std, rel=0.15)
    odds = fitted[0].log_evidence - fitted[1].log_evidence
    assert odds == pytest.approx(expected[0][0] - expected[1][0], abs=0.02)


def test_log_sum_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    contributions, features = rng.exponential(size=(5, 7)), rng.standard_normal((7, 4))
    b, step = rng.standard_normal(4), 1e-6
    value, gradient = log_sum(contributions, features, b)
    for row in range(5):
        by_hand = sum(contributions[row, e] * math.exp(features[e] @ b) for e in range(7))
        assert value[row] == pytest.approx(math.log(by_hand))
    for i, direction in enumerate(np.eye(4)):
        above = log_sum(contributions, features, b + step * direction)[0]
        below = log_sum(contributions, features, b - step * direction)[0]
        np.testing.assert_allclose(gradient[:, i], (above - below) / (2 * step), rtol=1e-7)


def _drawn(rng: np.random.Generator, k: int, prior: Gaussian) -> tuple[np.ndarray, Regression]:
    """Coefficients, noise and measurements of the docstring's model; the last one is the scale."""
    p = len(prior.mean)
    b = prior.mean + np.sqrt(np.diag(prior.covariance)) * rng.standard_normal(p)
    contributions = rng.exponential(size=(k, 6)) + 0.05
    features = np.column_stack([rng.standard_normal((6, p - 1)), np.ones(6)])
    noise = np.clip(NOISE_MEDIAN * math.exp(rng.normal() * NOISE_LOG_STD), *NOISE_RANGE)
    exact = np.log(contributions @ np.exp(features @ b))
    return b, Regression(contributions, features, exact + noise * rng.standard_t(4, k))


def test_intervals_cover_coefficients_of_the_assumed_model() -> None:
    rng, prior = np.random.default_rng(1), Gaussian(np.zeros(3), np.diag([1.0, 0.25, 1.0]))
    inside: list[np.ndarray] = []
    for _ in range(100):
        b, data = _drawn(rng, 10, prior)
        found = fit(data, prior)
        inside.append(np.abs(b - found.mean) < 1.6449 * np.sqrt(np.diag(found.covariance)))
    # 300 intervals, three a target: twice the binomial standard error of 1.7 % each way.
    assert 0.86 <= np.mean(inside) <= 0.95


def test_many_measurements_recover_the_coefficients_and_the_noise() -> None:
    prior = Gaussian(np.zeros(4), np.eye(4))
    b, data = _drawn(np.random.default_rng(2), 2000, prior)
    exact = data.log_sum(b)[0]
    scale = stats.t.fit(data.log_latency - exact, fdf=4, floc=0)[2]
    for found in (fit(data, prior), best_mode(data, prior)[0]):
        np.testing.assert_allclose(found.mean, b, atol=4 * np.sqrt(np.diag(found.covariance)).max())
        assert np.sqrt(np.diag(found.covariance)).max() < 0.05
    # The grid's steps are 1.5.
    assert fit(data, prior).noise_std == pytest.approx(scale * NORMAL_EQUIVALENT, rel=0.25)
    assert best_mode(data, prior)[0].noise_std == pytest.approx(scale, rel=0.25)


def test_measurements_precision_is_the_posteriors_without_the_prior() -> None:
    prior = Gaussian(np.array([0.3, -0.2, 0.1]), np.diag([0.5, 0.2, 0.9]))
    _, data = _drawn(np.random.default_rng(3), 200, prior)
    posterior, precision = best_mode(data, prior)
    total = np.linalg.inv(posterior.covariance)
    np.testing.assert_allclose(precision + np.linalg.inv(prior.covariance), total, rtol=1e-8)
    # Expected information of a t(4) about its location: 5 / 7 of a normal's of that scale.
    gradients = data.log_sum(posterior.mean)[1]
    expected = 5 / 7 * gradients.T @ gradients / posterior.noise_std**2
    np.testing.assert_allclose(np.diag(precision), np.diag(expected), rtol=0.2)


def test_fitting_nothing_leaves_the_prior() -> None:
    prior = Gaussian(np.array([0.3, -0.2]), np.diag([0.5, 0.2]))
    nothing = Regression(np.zeros((0, 3)), np.ones((3, 2)), np.zeros(0))
    _same(fit(nothing, prior), prior_posterior(prior))
    assert prior_posterior(prior).mean.tolist() == [0.3, -0.2]
    assert prior_posterior(prior).log_evidence == 0.0


def test_noise_before_measurements_is_that_of_its_prior() -> None:
    def density(s: float) -> float:
        return float(stats.norm.pdf(math.log(s / NOISE_MEDIAN) / NOISE_LOG_STD)) / s

    mass = integrate.quad(density, *NOISE_RANGE)[0]
    square = integrate.quad(lambda s: s**2 * density(s), *NOISE_RANGE)[0] / mass
    expected = math.sqrt(square) * NORMAL_EQUIVALENT
    found = prior_posterior(Gaussian(np.zeros(1), np.eye(1))).noise_std
    assert found == pytest.approx(expected, rel=0.1)


def test_garbage_measurement_is_outvoted() -> None:
    prior = Gaussian(np.zeros(3), np.eye(3))
    _, data = _drawn(np.random.default_rng(4), 10, prior)
    spoilt = data.log_latency.copy()
    spoilt[3] += math.log(1000)
    clean = fit(data, prior)
    found = fit(Regression(data.contributions, data.features, spoilt), prior)
    deviations = (found.mean - clean.mean) / np.sqrt(np.diag(found.covariance))
    assert np.abs(deviations).max() < 1


def _same(one: Posterior, other: Posterior) -> None:
    assert one.mean.tolist() == other.mean.tolist()
    assert one.covariance.tolist() == other.covariance.tolist()
    assert (one.noise_std, one.log_evidence) == (other.noise_std, other.log_evidence)
