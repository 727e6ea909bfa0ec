"""Metrics against values worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from latency_models import Prediction
from latency_models.metrics import (
    constraint_violations,
    coverage,
    fraction_within,
    kendall,
    median_relative_error,
    spearman,
)


def _f(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_kendall_counts_pairs() -> None:
    # Of six pairs one is discordant: (5 - 1) / 6.
    assert kendall(_f(1, 2, 3, 4), _f(1, 3, 2, 4)) == pytest.approx(4 / 6)


def test_spearman_equals_its_definition_and_scipy_under_ties() -> None:
    # 1 - 6 * sum(d^2) / (n (n^2 - 1)) with d = 0, 1, 1, 0.
    assert spearman(_f(1, 2, 3, 4), _f(1, 3, 2, 4)) == pytest.approx(1 - 6 * 2 / 60)
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, (2, 40)).astype(float)
    assert spearman(a, b) == pytest.approx(np.asarray(stats.spearmanr(a, b), float)[0])


def test_constant_values_have_no_rank_correlation() -> None:
    assert np.isnan(spearman(_f(1, 1), _f(1, 2)))


def test_relative_errors() -> None:
    predicted, measured = _f(1.1, 2.0, 2.0), _f(1.0, 2.0, 4.0)
    assert median_relative_error(predicted, measured) == pytest.approx(0.1)
    assert fraction_within(predicted, measured, tolerance=0.2) == pytest.approx(2 / 3)


def test_coverage_counts_the_measured_inside_the_interval() -> None:
    prediction = Prediction.from_log(np.zeros(4), np.ones(4))
    # The central 90 % interval of a standard log-normal is exp(-1.645) to exp(1.645).
    measured = np.exp(_f(-1.7, -1.6, 0.0, 1.7))
    assert coverage(prediction, measured) == 0.5


def test_violations_are_picks_that_break_the_bound() -> None:
    assert constraint_violations(_f(1, 2, 4, 2), _f(1.5, 3, 9, 1), bound_s=2.0) == 1


def test_a_single_network_has_no_rank() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        spearman(_f(1), _f(1))
