"""The log-normal prediction and what measurements must be."""

import numpy as np
import pytest
from scipy import stats

from latency_models import Measurements, Prediction, Workload, linear


def test_prediction_from_log_has_the_moments_and_quantiles_of_a_log_normal() -> None:
    reference = stats.lognorm(s=0.3, scale=np.exp(-4.0))
    prediction = Prediction.from_log(np.array([-4.0]), np.array([0.3]))
    assert prediction.mean_s[0] == pytest.approx(reference.mean())
    assert prediction.std_s[0] == pytest.approx(reference.std())
    for q in (0.05, 0.5, 0.9):
        assert prediction.quantile_s(q)[0] == pytest.approx(reference.ppf(q))


def test_quantiles_are_strictly_inside_zero_and_one() -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1, got 1"):
        Prediction(np.ones(1), np.ones(1)).quantile_s(1.0)


@pytest.mark.parametrize("latency_s", [0.0, -1.0, float("nan"), float("inf")])
def test_measurements_are_positive_and_finite(latency_s: float) -> None:
    workload = Workload((linear("l", (1, 2), out_features=2, dtype="float32"),), 1, "float32")
    with pytest.raises(ValueError, match="positive and finite"):
        Measurements((workload,), np.array([latency_s]))


def test_each_measurement_has_a_workload() -> None:
    with pytest.raises(ValueError, match="0 workloads but latencies of shape"):
        Measurements((), np.ones(2))


def test_median_is_the_middle_quantile_and_the_mean_where_nothing_is_uncertain() -> None:
    prediction = Prediction.from_log(np.log([2.0, 3.0]), np.array([1.5, 0.0]))
    np.testing.assert_allclose(prediction.median_s, [2.0, 3.0])
    assert prediction.mean_s[0] > 6.0  # 2 exp(1.5 ** 2 / 2) = 6.16
