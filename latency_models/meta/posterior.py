"""Bayesian regression of log latency on a sum of positive contributions.

    log y = log(sum_e x_e exp(f_e . b)) + noise,   b ~ Normal(mean, covariance),   noise ~ s * t(4)

The sum keeps contributions additive and positive, the logarithm makes errors relative, and the
Student-t noise bounds what a garbage measurement can do. For each s of a grid the mode of b is
found by Gauss-Newton with the t's weights, and the Laplace approximation there gives both the
covariance of b and the evidence of s; the grid is then averaged, so the uncertainty about s is in
the intervals too. The evidence of the whole fit compares hypotheses about a target.

Reference: Rue, Martino, Chopin, "Approximate Bayesian inference for latent Gaussian models",
JRSS B 71(2), 2009, which does the same on a larger scale.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_FREEDOM = 4.0
# What turns a Student-t(4) scale into the standard deviation of the normal with the same central
# 90 % interval: 2.1318 / 1.6449, the two 95 % quantiles.
_NORMAL_EQUIVALENT = 2.1318 / 1.6449
# Expected over observed weights of the t's score, (v + 1) / (v + 3): Lange, Little, Taylor, JASA
# 84(408), 1989.
_INFORMATION = (_FREEDOM + 1) / (_FREEDOM + 3)
# Models of this kind miss unseen networks by a few percent; targets differ by a factor of three
# around that.
USUAL_NOISE_STD = 0.05
_NOISE_LOG_STD = 1.0
_NOISE_GRID = np.geomspace(0.4, 0.004, 12)
_MAX_STEPS = 40
_ENOUGH_GAIN = 1e-4


@dataclass(frozen=True)
class Gaussian:
    """A distribution of the coefficients."""

    mean: Float[np.ndarray, " p"]
    covariance: Float[np.ndarray, "p p"]


@dataclass(frozen=True)
class Posterior(Gaussian):
    """b ~ Normal(mean, covariance), and the standard deviation of the noise in log seconds."""

    noise_std: float
    log_evidence: float


@dataclass(frozen=True)
class Regression:
    """Networks' contributions `x` in seconds, their features `f`, and the log latencies."""

    contributions: Float[np.ndarray, "k e"]
    features: Float[np.ndarray, "e p"]
    log_latency: Float[np.ndarray, " k"]

    def log_sum(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The predicted log latencies at `b`, and their gradients."""
        return log_sum(self.contributions, self.features, b)


def log_sum(
    contributions: Float[np.ndarray, "n e"],
    features: Float[np.ndarray, "e p"],
    b: Float[np.ndarray, " p"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n p"]]:
    """log(sum_e x_e exp(f_e . b)) for each row, and its gradient: features by their share."""
    parts = contributions * np.exp(features @ b)
    total = parts.sum(axis=1)
    return np.log(total), (parts @ features) / total[:, None]


def prior_posterior(prior: Gaussian) -> Posterior:
    """What is known before any measurement."""
    weights = np.exp(_log_noise_prior())
    return Posterior(prior.mean, prior.covariance, _noise_std(weights / weights.sum()), 0.0)


def fit(data: Regression, prior: Gaussian) -> Posterior:
    """Conditions the prior on measurements; with none it is `prior_posterior`."""
    if len(data.log_latency) == 0:
        return prior_posterior(prior)
    precision = np.linalg.inv(prior.covariance)
    b = prior.mean + _shift_of_all(data, prior)
    modes: list[np.ndarray] = []
    covariances: list[np.ndarray] = []
    evidence = _log_noise_prior() - float(np.linalg.slogdet(prior.covariance)[1]) / 2
    for index, noise in enumerate(_NOISE_GRID):
        b, log_joint = _mode(data, prior.mean, precision, noise, b)
        curvature = _curvature(data, precision, noise, b)
        modes.append(b)
        covariances.append(np.linalg.inv(curvature))
        evidence[index] += log_joint - np.linalg.slogdet(curvature)[1] / 2
    highest = float(evidence.max())
    weights = np.exp(evidence - highest)
    log_evidence = highest + math.log(weights.sum())
    weights /= weights.sum()
    mean = weights @ np.stack(modes)
    spread = np.stack(modes) - mean
    covariance = np.einsum("g,gij->ij", weights, np.stack(covariances))
    covariance += (weights * spread.T) @ spread
    return Posterior(mean, covariance, _noise_std(weights), log_evidence)


def best_mode(data: Regression, prior: Gaussian) -> tuple[Posterior, Float[np.ndarray, "p p"]]:
    """The mode under the noise of highest evidence, and the measurements' own precision there.

    For targets with thousands of measurements, where one level of noise has all the weight.
    """
    precision = np.linalg.inv(prior.covariance)
    b = prior.mean + _shift_of_all(data, prior)
    best: tuple[Posterior, np.ndarray] | None = None
    for index, noise in enumerate(_NOISE_GRID):
        b, log_joint = _mode(data, prior.mean, precision, noise, b)
        curvature = _curvature(data, precision, noise, b)
        evidence = (
            log_joint + _log_noise_prior()[index] - float(np.linalg.slogdet(curvature)[1]) / 2
        )
        if best is None or evidence > best[0].log_evidence:
            posterior = Posterior(b, np.linalg.inv(curvature), float(noise), evidence)
            best = posterior, curvature - precision
    assert best is not None
    return best


def _shift_of_all(data: Regression, prior: Gaussian) -> np.ndarray:
    """Moves the scale, the last coefficient, to where the middle measurement is met."""
    shift = np.zeros_like(prior.mean)
    shift[-1] = np.median(data.log_latency - data.log_sum(prior.mean)[0])
    return shift


def _mode(
    data: Regression, mean: np.ndarray, precision: np.ndarray, noise: float, start: np.ndarray
) -> tuple[np.ndarray, float]:
    b = start
    best = _log_joint(data, mean, precision, noise, b)
    for _ in range(_MAX_STEPS):
        location, gradients = data.log_sum(b)
        residual = data.log_latency - location
        weights = _t_weights(residual, noise) / noise**2
        gradient = gradients.T @ (weights * residual) - precision @ (b - mean)
        curvature = gradients.T @ (weights[:, None] * gradients) + precision
        step = np.linalg.solve(curvature, gradient)
        for _ in range(12):
            value = _log_joint(data, mean, precision, noise, b + step)
            if value >= best:
                break
            step = step / 2
        else:
            break
        b, gain, best = b + step, value - best, value
        if gain < _ENOUGH_GAIN:
            break
    return b, best


def _curvature(data: Regression, precision: np.ndarray, noise: float, b: np.ndarray) -> np.ndarray:
    location, gradients = data.log_sum(b)
    weights = _INFORMATION * _t_weights(data.log_latency - location, noise) / noise**2
    return gradients.T @ (weights[:, None] * gradients) + precision


def _t_weights(residual: np.ndarray, noise: float) -> np.ndarray:
    return (_FREEDOM + 1) / (_FREEDOM + (residual / noise) ** 2)


def _log_joint(
    data: Regression, mean: np.ndarray, precision: np.ndarray, noise: float, b: np.ndarray
) -> float:
    """Log density of measurements and coefficients, up to constants."""
    parts = data.contributions @ np.exp(data.features @ b)
    residual = (data.log_latency - np.log(parts)) / noise
    likelihood = -(_FREEDOM + 1) / 2 * np.log1p(residual**2 / _FREEDOM).sum()
    likelihood -= len(residual) * math.log(noise)
    return float(likelihood - (b - mean) @ precision @ (b - mean) / 2)


def _log_noise_prior() -> np.ndarray:
    return -(((np.log(_NOISE_GRID) - math.log(USUAL_NOISE_STD)) / _NOISE_LOG_STD) ** 2) / 2


def _noise_std(weights: np.ndarray) -> float:
    return _NORMAL_EQUIVALENT * math.sqrt(float(weights @ _NOISE_GRID**2))
