"""Bayesian regression of log latency on non-negative contributions.

    log y = log(sum_c x_c exp(w_c)) + noise,    w ~ Normal(mean, covariance),    noise ~ sigma *
    Student-t(4)

The sum keeps contributions additive and positive, the logarithm makes errors relative, and the
Student-t noise bounds what a garbage measurement can do. For each sigma of a grid the mode of w is
found by Gauss-Newton with the t's weights, and the Laplace approximation there gives both the
covariance of w and the evidence of sigma; the grid is then averaged, so the uncertainty about sigma
is in the intervals too.

Reference: Rue, Martino, Chopin, "Approximate Bayesian inference for latent Gaussian models",
JRSS B 71(2), 2009, which does the same on a larger scale.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_FREEDOM = 4.0
# What turns a Student-t(4) scale into the standard deviation of the normal with the same central 90
# % interval: 2.1318 / 1.6449, the two 95 % quantiles.
_NORMAL_EQUIVALENT = 2.1318 / 1.6449
# Expected over observed weights of the t's score, (v + 1) / (v + 3): Lange, Little, Taylor, JASA
# 84(408), 1989.
_INFORMATION = (_FREEDOM + 1) / (_FREEDOM + 3)
# Models of this kind miss unseen networks by a few percent; runtimes differ by a factor of two
# around that.
_NOISE_MEDIAN = 0.06
_NOISE_LOG_STD = 0.8
_NOISE_GRID = np.geomspace(0.6, 0.005, 21)


@dataclass(frozen=True)
class Posterior:
    """w ~ Normal(mean, covariance), and the standard deviation of the noise in log seconds."""

    mean: Float[np.ndarray, " f"]
    covariance: Float[np.ndarray, "f f"]
    noise_std: float

    def predict_log(
        self, features: Float[np.ndarray, "n f"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and standard deviation of the log latency of new networks, noise included."""
        location, shares = _log_sum(features, self.mean)
        variance = np.einsum("nf,nf->n", shares @ self.covariance, shares)
        return location, np.sqrt(variance + self.noise_std**2)


def prior_posterior(
    mean: Float[np.ndarray, " f"], covariance: Float[np.ndarray, "f f"]
) -> Posterior:
    """What is known before any measurement."""
    weights = np.exp(_log_noise_prior())
    return Posterior(mean, covariance, _noise_std(weights / weights.sum()))


def fit(
    features: Float[np.ndarray, "k f"],
    latency_s: Float[np.ndarray, " k"],
    mean: Float[np.ndarray, " f"],
    covariance: Float[np.ndarray, "f f"],
) -> Posterior:
    """Conditions the prior on measurements; with none it is `prior_posterior`."""
    if len(latency_s) == 0:
        return prior_posterior(mean, covariance)
    target = np.log(latency_s)
    precision = np.linalg.inv(covariance)
    start = mean + np.median(target - _log_sum(features, mean)[0])
    modes: list[np.ndarray] = []
    covariances: list[np.ndarray] = []
    evidence = _log_noise_prior()
    for index, noise in enumerate(_NOISE_GRID):
        start = _mode(features, target, mean, precision, noise, start)
        inverse = _curvature(features, target, precision, noise, start)
        modes.append(start)
        covariances.append(np.linalg.inv(inverse))
        evidence[index] += _log_joint(features, target, mean, precision, noise, start)
        evidence[index] -= np.linalg.slogdet(inverse)[1] / 2
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    average = weights @ np.stack(modes)
    spread = np.stack(modes) - average
    total = np.einsum("g,gij->ij", weights, np.stack(covariances))
    return Posterior(average, total + (weights * spread.T) @ spread, _noise_std(weights))


def _log_sum(features: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(sum_c x_c exp(w_c)) for each row, and its gradient: the share of each contribution."""
    parts = features * np.exp(w)
    total = parts.sum(axis=1)
    return np.log(total), parts / total[:, None]


def _mode(
    features: np.ndarray,
    target: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    noise: float,
    start: np.ndarray,
) -> np.ndarray:
    w = start
    best = _log_joint(features, target, mean, precision, noise, w)
    for _ in range(60):
        location, shares = _log_sum(features, w)
        residual = target - location
        weights = _t_weights(residual, noise) / noise**2
        gradient = shares.T @ (weights * residual) - precision @ (w - mean)
        curvature = shares.T @ (weights[:, None] * shares) + precision
        step = np.linalg.solve(curvature, gradient)
        for _ in range(30):
            value = _log_joint(features, target, mean, precision, noise, w + step)
            if value >= best:
                break
            step = step / 2
        else:
            return w
        w, gain, best = w + step, value - best, value
        if gain < 1e-10 and np.abs(step).max() < 1e-6:
            break
    return w


def _curvature(
    features: np.ndarray, target: np.ndarray, precision: np.ndarray, noise: float, w: np.ndarray
) -> np.ndarray:
    location, shares = _log_sum(features, w)
    weights = _INFORMATION * _t_weights(target - location, noise) / noise**2
    return shares.T @ (weights[:, None] * shares) + precision


def _t_weights(residual: np.ndarray, noise: float) -> np.ndarray:
    return (_FREEDOM + 1) / (_FREEDOM + (residual / noise) ** 2)


def _log_joint(
    features: np.ndarray,
    target: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    noise: float,
    w: np.ndarray,
) -> float:
    """Log density of measurements and coefficients, up to constants."""
    residual = (target - _log_sum(features, w)[0]) / noise
    likelihood = -(_FREEDOM + 1) / 2 * np.log1p(residual**2 / _FREEDOM).sum()
    likelihood -= len(target) * math.log(noise)
    return float(likelihood - (w - mean) @ precision @ (w - mean) / 2)


def _log_noise_prior() -> np.ndarray:
    return -(((np.log(_NOISE_GRID) - math.log(_NOISE_MEDIAN)) / _NOISE_LOG_STD) ** 2) / 2


def _noise_std(weights: np.ndarray) -> float:
    return _NORMAL_EQUIVALENT * math.sqrt(float(weights @ _NOISE_GRID**2))
