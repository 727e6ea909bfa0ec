"""Predicts the error of networks nobody has evaluated, from those that somebody has.

A Gaussian process on a power of the error: differences between good networks are small, and their
noise too, so that a power that spreads small errors out makes both alike everywhere. The power is
the one under which the evaluations are likeliest (Box, Cox, "An analysis of transformations",
Journal of the Royal Statistical Society B 26(2), 1964). Predictions are of the error's logarithm,
to first order.

Refitting is cheap enough to happen while a search runs: hyperparameters when the evaluations have
grown by 15 %, the power when they have doubled; and a limited number of evaluations is used,
the ones near the fronts and an even choice of the others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nas.evolution.gaussian_process import Candidates, Hyperparameters, fit_hyperparameters

POWERS = (-1.0, 0.0, 1.0)
"""Of the error, 0 meaning its logarithm."""

MOST_EVALUATIONS = 500
"""Evaluations used when hyperparameters are fitted; until the next time all new ones are added."""

_GROWTH = 1.15
_LEAST_ERROR = 1e-4
_LEAST_SCALE = 1e-9
_MOST_DEVIATION = math.log(10)


@dataclass(frozen=True)
class Warp:
    """Standardised power of the error.

    Attributes:
        power: The exponent, 0 meaning the logarithm.
        centre: Mean of the powers.
        scale: Their standard deviation.
    """

    power: float
    centre: float
    scale: float

    @staticmethod
    def of(power: float, error: Float[np.ndarray, " n"]) -> "Warp":
        """Standardises these errors."""
        powers = _powers(power, error)
        return Warp(power, float(powers.mean()), max(float(powers.std()), _LEAST_SCALE))

    def __call__(self, error: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Standardised values of errors."""
        return (_powers(self.power, error) - self.centre) / self.scale

    def log_density(self, error: Float[np.ndarray, " n"]) -> float:
        """What turns the density of the values into that of the errors' logarithms, as a log."""
        logs = np.log(np.maximum(error, _LEAST_ERROR))
        return float(self.power * logs.sum()) - len(error) * math.log(self.scale)

    def log_error(
        self, mean: Float[np.ndarray, " m"], std: Float[np.ndarray, " m"]
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Mean and standard deviation of the error's logarithm, to first order.

        The mean is that of an error of at most 1, the deviation a factor of at most 10.
        """
        powers = self.centre + self.scale * mean
        if self.power == 0:
            found, deviation = powers, self.scale * std
        else:
            # w = (e^p - 1) / p, so e^p = 1 + p w and dw / d log e = e^p.
            worst = _LEAST_ERROR**self.power
            slope = np.clip(1 + self.power * powers, min(worst, 1.0), max(worst, 1.0))
            found, deviation = np.log(slope) / self.power, self.scale * std / slope
        return np.minimum(found, 0.0), np.minimum(deviation, _MOST_DEVIATION)


def _powers(power: float, error: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    logs = np.log(np.maximum(error, _LEAST_ERROR))
    return logs if power == 0 else np.expm1(power * logs) / power


class ErrorSurrogate:
    """Learns log errors from evaluations that keep coming.

    Args:
        widths: Columns of each group of features.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._widths = tuple(widths)
        self._parameters = dict.fromkeys(POWERS, Hyperparameters.prior(len(self._widths)))
        self._power = POWERS[0]
        self._fitted = self._compared = 0
        self._rows = np.empty(0, dtype=np.int64)
        self._seen = 0
        self._error = np.empty(0)

    @property
    def parameters(self) -> Hyperparameters:
        """Of the process, as last fitted."""
        return self._parameters[self._power]

    @property
    def rows(self) -> Int[np.ndarray, " k"]:
        """Which of the evaluations are used."""
        return self._rows

    def learn(
        self,
        features: Float[np.ndarray, "n f"],
        error: Float[np.ndarray, " n"],
        standing: Float[np.ndarray, " n"],
    ) -> bool:
        """Takes in all evaluations so far; those of the last time come first, in the same order.

        Args:
            features: One row an evaluation.
            error: 1 - accuracy.
            standing: The better an evaluation, the lower; decides which are used if not all are.

        Returns:
            Whether anything but the addition of rows has changed.
        """
        n = len(error)
        due = n >= _GROWTH * self._fitted
        if due:
            self._rows = _chosen(standing)
            self._fit(features[self._rows], error[self._rows], compare=n >= 2 * self._compared)
            self._fitted = n
            self._compared = n if n >= 2 * self._compared else self._compared
        else:
            self._rows = np.concatenate((self._rows, np.arange(self._seen, n)))
        self._seen = n
        self._error = error[self._rows]
        return due

    def candidates(self, features: Float[np.ndarray, "m f"]) -> Candidates:
        """A view of networks to be predicted, to which the evaluations are yet to be added."""
        return Candidates(features, self._widths, self.parameters)

    def log_error(
        self, view: Candidates
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Mean and standard deviation of what evaluations of the candidates would give, in logs.

        That is the function and the noise: an evaluation counts as it comes.

        Args:
            view: To which the features of all `rows` have been added.
        """
        warp = Warp.of(self._power, self._error)
        std = np.sqrt(view.std**2 + self.parameters.noise)
        return warp.log_error(view.mean(warp(self._error)), std)

    def state_dict(self) -> dict[str, Any]:
        """What it has become, as plain data."""
        return {
            "parameters": {power: list(p.logarithms) for power, p in self._parameters.items()},
            "power": self._power,
            "fitted": self._fitted,
            "compared": self._compared,
            "rows": self._rows.copy(),
            "seen": self._seen,
            "error": self._error.copy(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Becomes what `state_dict` was taken of."""
        for power, logarithms in state["parameters"].items():
            self._parameters[power] = Hyperparameters.from_logarithms(np.array(logarithms))
        self._power = state["power"]
        self._fitted, self._compared = state["fitted"], state["compared"]
        self._rows, self._seen = state["rows"].copy(), state["seen"]
        self._error = state["error"].copy()

    def _fit(
        self, features: Float[np.ndarray, "n f"], error: Float[np.ndarray, " n"], *, compare: bool
    ) -> None:
        densities: dict[float, float] = {}
        for power in POWERS if compare else (self._power,):
            warp = Warp.of(power, error)
            found, density = fit_hyperparameters(
                features, self._widths, warp(error), self._parameters[power]
            )
            self._parameters[power] = found
            densities[power] = density + warp.log_density(error)
        self._power = max(densities, key=lambda power: densities[power])


def _chosen(standing: Float[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
    """Half of them the best, the others evenly spread over the rest; in their order."""
    n = len(standing)
    if n <= MOST_EVALUATIONS:
        return np.arange(n)
    order = np.argsort(standing, kind="stable")
    best, rest = np.split(order, [MOST_EVALUATIONS // 2])
    spread = np.linspace(0, len(rest) - 1, MOST_EVALUATIONS - len(best)).round().astype(np.int64)
    return np.sort(np.concatenate((best, np.sort(rest)[spread])))
