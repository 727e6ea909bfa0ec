"""Gaussian process regression on groups of features, for up to about a thousand observations.

The covariance of two inputs is a Matérn function of smoothness 3/2 of their weighted distance,

    k = a (1 + q) exp(-q),   q^2 = 3 sum_g w_g |x_g - y_g|^2,

with a weight for each group of features, an amplitude, and noise of the observations. These are
fitted to the observations by their posterior density (marginal likelihood times log-normal
priors), which a few observations cannot overfit. Values are expected standardised.

References: Rasmussen, Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, sections
2.2 (prediction), 4.2 (Matérn) and 5.4 (marginal likelihood and its gradient).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

PRIOR_WEIGHT, PRIOR_WEIGHT_STD = 0.1, 1.0
PRIOR_AMPLITUDE, PRIOR_AMPLITUDE_STD = 1.0, 0.7
PRIOR_NOISE, PRIOR_NOISE_STD = 0.01, 0.5
"""Medians of the hyperparameters and standard deviations of their logarithms. Chosen on CIFAR-10
and ImageNet16-120 of NAS-Bench-201; predictions change little from half to twice of them."""

_JITTER = 1e-6
_MOST_STEPS = 40
_REACH = 4.0


@dataclass(frozen=True)
class Hyperparameters:
    """What the covariance looks like; values are standardised.

    Attributes:
        weights: Of the squared distance in each group of features.
        amplitude: Variance of the function.
        noise: Variance of an observation around the function.
    """

    weights: tuple[float, ...]
    amplitude: float
    noise: float

    @staticmethod
    def prior(groups: int) -> "Hyperparameters":
        """The medians."""
        return Hyperparameters((PRIOR_WEIGHT,) * groups, PRIOR_AMPLITUDE, PRIOR_NOISE)

    @property
    def logarithms(self) -> Float[np.ndarray, " p"]:
        """All of them in order, as logarithms."""
        return np.log([*self.weights, self.amplitude, self.noise])

    @staticmethod
    def from_logarithms(values: Float[np.ndarray, " p"]) -> "Hyperparameters":
        """The inverse of `logarithms`."""
        *weights, amplitude, noise = (float(value) for value in np.exp(values))
        return Hyperparameters(tuple(weights), amplitude, noise)


def fit_hyperparameters(
    features: Float[np.ndarray, "n f"],
    widths: Sequence[int],
    values: Float[np.ndarray, " n"],
    start: Hyperparameters,
) -> tuple[Hyperparameters, float]:
    """The likeliest hyperparameters, and the logarithm of their posterior density.

    Args:
        features: One row an observation, the groups' columns beside each other.
        widths: Columns of each group.
        values: Observations, standardised.
        start: Where the search begins.
    """
    squares = _squared_distances(features.astype(np.float64), widths)
    centre = Hyperparameters.prior(len(widths)).logarithms
    spread = np.array([*(PRIOR_WEIGHT_STD,) * len(widths), PRIOR_AMPLITUDE_STD, PRIOR_NOISE_STD])
    n = len(values)

    def loss(logs: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        weights, amplitude, noise = np.exp(logs[:-2]), np.exp(logs[-2]), np.exp(logs[-1])
        root = np.sqrt(3 * np.tensordot(weights, squares, axes=1))
        decay = amplitude * np.exp(-root)
        covariance = (1 + root) * decay
        noisy = covariance.copy()
        noisy.flat[:: n + 1] += noise + _JITTER
        factor = np.linalg.cholesky(noisy)
        inverse = cho_solve((factor, True), np.eye(n))
        solved = inverse @ values
        # Gradient of the negative log likelihood by the covariance matrix.
        slope = (inverse - np.outer(solved, solved)) / 2
        # d k / d w_g = -(3/2) a exp(-q) |x_g - y_g|^2
        by_weight = np.tensordot(squares, slope * decay, axes=2) * -1.5 * weights
        gradient = np.array([*by_weight, (slope * covariance).sum(), noise * np.trace(slope)])
        off = (logs - centre) / spread
        found = values @ solved / 2 + np.log(np.diag(factor)).sum() + off @ off / 2
        return float(found), gradient + off / spread

    bounds = list(zip(centre - _REACH * spread, centre + _REACH * spread, strict=True))
    found = minimize(
        loss,
        start.logarithms,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _MOST_STEPS},
    )
    return Hyperparameters.from_logarithms(found.x), -float(found.fun)


class Candidates:
    """Inputs at which the process is predicted while observations are added.

    Keeps what each observation tells about each candidate, so that one more costs only the product
    of their numbers. That is in single precision; among observations, where differences of nearly
    equal numbers matter, it is double.

    Args:
        features: One row a candidate.
        widths: Columns of each group.
        parameters: Of the covariance.
    """

    def __init__(
        self,
        features: Float[np.ndarray, "m f"],
        widths: Sequence[int],
        parameters: Hyperparameters,
    ) -> None:
        self._parameters = parameters
        self._roots = np.repeat(np.sqrt(3 * np.array(parameters.weights)), widths)
        self._scaled = (features * self._roots).astype(np.float32)
        self._inputs = np.empty((0, features.shape[1]))
        self._factor = np.empty((0, 0))
        self._told = np.empty((0, len(features)), dtype=np.float32)
        self._variance = np.full(len(features), parameters.amplitude, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._scaled)

    @property
    def observations(self) -> int:
        """How many were added."""
        return len(self._inputs)

    @property
    def noise_std(self) -> float:
        """Standard deviation of an observation around the function."""
        return self._parameters.noise**0.5

    @property
    def std(self) -> Float[np.ndarray, " m"]:
        """Standard deviation of the function at each candidate."""
        return np.sqrt(np.maximum(self._variance, _JITTER)).astype(np.float64)

    def elsewhere(self, features: Float[np.ndarray, "k f"]) -> "Candidates":
        """Other candidates, with the same observations."""
        found = copy.copy(self)
        found._scaled = (features * self._roots).astype(np.float32)
        found._told = self._covariance(self._inputs.astype(np.float32), found._scaled)
        found._told = solve_triangular(
            self._factor.astype(np.float32),
            found._told,
            lower=True,
            check_finite=False,
            overwrite_b=True,
        )
        found._variance = self._parameters.amplitude - np.einsum(
            "nm,nm->m", found._told, found._told
        )
        return found

    def take(self, rows: Int[np.ndarray, " k"]) -> "Candidates":
        """Some of the candidates, with the same observations."""
        found = copy.copy(self)
        found._scaled = self._scaled[rows]
        found._told, found._variance = self._told[:, rows], self._variance[rows]
        return found

    def mean(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
        """The function's mean at each candidate, given the observations' standardised values."""
        solved = solve_triangular(self._factor, values, lower=True, check_finite=False)
        return (solved.astype(np.float32) @ self._told).astype(np.float64)

    def add(self, features: Float[np.ndarray, "k f"]) -> None:
        """Takes in where observations were made.

        The uncertainty depends on the places alone; what was seen there is for `mean`.
        """
        if len(features) == 0:
            return
        inputs = features * self._roots
        old, new = len(self._inputs), len(inputs)
        self._inputs = np.concatenate((self._inputs, inputs))
        among = self._covariance(inputs, self._inputs)
        among[np.arange(new), old + np.arange(new)] += self._parameters.noise + _JITTER
        left = solve_triangular(self._factor, among[:, :old].T, lower=True, check_finite=False).T
        corner = np.linalg.cholesky(among[:, old:] - left @ left.T)
        factor = np.zeros((old + new, old + new))
        factor[:old, :old], factor[old:, :old], factor[old:, old:] = self._factor, left, corner
        self._factor = factor
        across = self._covariance(inputs.astype(np.float32), self._scaled)
        across -= left.astype(np.float32) @ self._told
        rows = solve_triangular(
            corner.astype(np.float32), across, lower=True, check_finite=False, overwrite_b=True
        )
        self._told = np.concatenate((self._told, rows))
        self._variance -= np.einsum("nm,nm->m", rows, rows)

    def reduced(
        self, std: Float[np.ndarray, " m"], told: Float[np.ndarray, "r m"], candidate: int
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "s m"]]:
        """What is left of the deviations once a candidate were observed too.

        Args:
            std: Deviations so far.
            told: What the candidates observed before in this way tell, as returned then.
            candidate: Which one is observed next.
        """
        row = self._covariance(self._scaled[candidate : candidate + 1], self._scaled)[0]
        row -= self._told[:, candidate] @ self._told
        row -= told[:, candidate] @ told
        # Rounding must not make a covariance larger than the two deviations allow.
        most = (std * std[candidate]).astype(np.float32)
        row = np.clip(row, -most, most)
        row /= np.float32(np.sqrt(std[candidate] ** 2 + self._parameters.noise))
        left = np.sqrt(np.maximum(std**2 - row.astype(np.float64) ** 2, _JITTER))
        return left, np.concatenate((told, row[None]))

    def _covariance(
        self, first: Float[np.ndarray, "n f"], second: Float[np.ndarray, "m f"]
    ) -> Float[np.ndarray, "n m"]:
        """Of inputs whose columns are scaled by the roots of their weights, in their precision."""
        root = first @ second.T
        root *= -2
        root += np.einsum("nf,nf->n", first, first)[:, None]
        root += np.einsum("mf,mf->m", second, second)
        np.maximum(root, 0, out=root)
        np.sqrt(root, out=root)
        found = np.exp(-root)
        root += 1
        found *= root
        found *= self._parameters.amplitude
        return found


def _squared_distances(
    features: Float[np.ndarray, "n f"], widths: Sequence[int]
) -> Float[np.ndarray, "g n n"]:
    """Between all rows, in each group of columns."""
    found: list[Float[np.ndarray, "n n"]] = []
    for group in np.split(features, np.cumsum(widths)[:-1], axis=1):
        norms = np.einsum("nf,nf->n", group, group)
        squares = norms[:, None] + norms - 2 * group @ group.T
        found.append(np.maximum(squares, 0))
    return np.stack(found)
