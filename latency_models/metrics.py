"""How good predicted latencies are, beside measured ones."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from latency_models.predictor import Prediction


def kendall(predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> float:
    """Kendall's tau-b; NaN if either is constant.

    Raises:
        ValueError: As all functions here, if there are fewer than two values or the lengths differ.
    """
    _check(predicted, measured, at_least=2)
    return float(np.asarray(stats.kendalltau(predicted, measured), float)[0])


def spearman(predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if either is constant."""
    _check(predicted, measured, at_least=2)
    ranks = [stats.rankdata(values) for values in (predicted, measured)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def median_relative_error(
    predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]
) -> float:
    """Median of |predicted - measured| / measured."""
    _check(predicted, measured, at_least=1)
    return float(np.median(np.abs(predicted - measured) / measured))


def fraction_within(
    predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"], *, tolerance: float
) -> float:
    """Share of the predictions whose relative error is at most `tolerance`."""
    _check(predicted, measured, at_least=1)
    return float(np.mean(np.abs(predicted - measured) / measured <= tolerance))


def coverage(
    prediction: Prediction, measured: Float[np.ndarray, " n"], *, level: float = 0.9
) -> float:
    """Share of the measured values inside the central interval of that probability."""
    _check(prediction.mean_s, measured, at_least=1)
    low, high = prediction.quantile_s((1 - level) / 2), prediction.quantile_s((1 + level) / 2)
    return float(np.mean((measured >= low) & (measured <= high)))


def constraint_violations(
    predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"], *, bound_s: float
) -> int:
    """Number of networks predicted to keep a latency bound that break it when measured."""
    _check(predicted, measured, at_least=0)
    return int(np.sum((predicted <= bound_s) & (measured > bound_s)))


def _check(predicted: np.ndarray, measured: np.ndarray, *, at_least: int) -> None:
    if len(predicted) != len(measured):
        raise ValueError(f"{len(predicted)} predicted but {len(measured)} measured latencies")
    if len(predicted) < at_least:
        raise ValueError(f"expected at least {at_least} latencies, got {len(predicted)}")
