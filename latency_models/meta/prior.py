"""What is known of a target's coefficients before it is measured.

Every known target contributes its own coefficients, as far as its measurements fix them. From them
come a mean and a covariance over targets (empirical Bayes, by expectation-maximisation, with an
inverse-Wishart prior that keeps directions open in which few targets differ), and the hypotheses
that a new target is much like one of the known ones. A broad prior from general knowledge stands
beside them, so that a target unlike all known ones is not forced to resemble them; the evidence of
its measurements decides. No direction is less certain in what was learned than in the broad prior.

Reference: Gelman et al., "Bayesian Data Analysis", 3rd edition, chapters 5 (hierarchical models)
and 22 (mixtures).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from latency_models.meta.op_features import CLASSES, FEATURES
from latency_models.meta.posterior import Gaussian

# Weights, in known targets, of the broad prior in the covariance: little, and much.
_LITTLE, _MUCH = 3.0, 15.0
# Of the broad prior in the mean, relative to that in the covariance.
_MEAN_SHARE = 0.5
# How far a target is from one that it is much like, as a part of the covariance over all targets.
_LIKENESS = 0.15
_STEPS = 15


@dataclass(frozen=True)
class KnownTarget:
    """What a target's measurements say of its coefficients.

    Attributes:
        name: As in its table.
        form: The form of the networks that it runs, of `op_counts.FORMS`.
        precision: Of the coefficients from the measurements alone; may be singular.
        weighted_mean: Precision times mean, likewise.
        noise_std: Scale of the noise in log seconds.
    """

    name: str
    form: str
    precision: Float[np.ndarray, "p p"]
    weighted_mean: Float[np.ndarray, " p"]
    noise_std: float


@dataclass(frozen=True)
class Hypothesis:
    """One belief about a new target.

    Attributes:
        prior: Of its coefficients.
        like: The known target that it is like, or None.
        broad: Whether it is general knowledge alone.
    """

    prior: Gaussian
    like: KnownTarget | None = None
    broad: bool = False


def broad_prior(*, scale_std: float) -> Gaussian:
    """General knowledge: how kernels differ in efficiency, with `scale_std` for the whole device.

    Starts of element-wise operators cost little, as most runtimes fuse them; of the others, about
    a third of the datasheet's launch.
    """
    stds = dict.fromkeys(FEATURES, 0.5) | dict.fromkeys(CLASSES, 1.0)
    stds |= {f"start.{c}": 1.2 for c in CLASSES} | {"constant": 1.5, "scale": scale_std}
    stds |= dict.fromkeys(("large_depthwise", "strided_depthwise", "strided"), 0.4)
    means = dict.fromkeys(FEATURES, 0.0) | {f"start.{c}": -1.0 for c in CLASSES}
    means |= {"start.elementwise": -4.0}
    std = np.array([stds[name] for name in FEATURES])
    return Gaussian(np.array([means[name] for name in FEATURES]), np.diag(std**2))


def hypotheses(known: Sequence[KnownTarget], broad: Gaussian) -> list[Hypothesis]:
    """The broad prior, the one learned with little and with much of it, and one a known target."""
    if not known:
        return [Hypothesis(broad, broad=True)]
    learned, means = learn(known, broad, weight=_LITTLE)
    cautious, _ = learn(known, broad, weight=_MUCH)
    near = learned.covariance * _LIKENESS
    alike = [Hypothesis(Gaussian(m, near), target) for m, target in zip(means, known, strict=True)]
    return [Hypothesis(broad, broad=True), Hypothesis(learned), Hypothesis(cautious), *alike]


def learn(
    known: Sequence[KnownTarget], broad: Gaussian, *, weight: float
) -> tuple[Gaussian, Float[np.ndarray, "t p"]]:
    """Mean and covariance over targets, and each target's own coefficients under them."""
    mean, covariance = broad.mean, broad.covariance
    means = np.zeros((len(known), len(mean)))
    in_mean = weight * _MEAN_SHARE
    for _ in range(_STEPS):
        precision = np.linalg.inv(covariance)
        within = np.zeros_like(covariance)
        for i, target in enumerate(known):
            own = np.linalg.inv(target.precision + precision)
            means[i] = own @ (target.weighted_mean + precision @ mean)
            within += own
        mean = (in_mean * broad.mean + means.sum(axis=0)) / (in_mean + len(known))
        between = (means - mean).T @ (means - mean)
        covariance = (weight * broad.covariance + within + between) / (weight + len(known))
        covariance = _no_wider(covariance, broad.covariance)
    return Gaussian(mean, covariance), means


def _no_wider(
    covariance: Float[np.ndarray, "p p"], limit: Float[np.ndarray, "p p"]
) -> Float[np.ndarray, "p p"]:
    """The covariance, with the variance of every direction brought down to that of the limit.

    A known target's measurements are kept as their curvature where the limit put its coefficients;
    further out that says nothing: a start that costs nothing has a logarithm without bound.
    """
    factor = np.linalg.cholesky(limit)
    whitened = np.linalg.solve(factor, np.linalg.solve(factor, covariance).T)
    # Directions that no target says anything of have equal variances, at which numpy's eigh
    # (LAPACK's divide and conquer) can fail to converge.
    values, vectors = scipy.linalg.eigh((whitened + whitened.T) / 2)
    outer = factor @ vectors
    return (outer * np.minimum(values, 1.0)) @ outer.T
