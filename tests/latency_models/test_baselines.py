"""Baselines by hand, and the ridge regression against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from synthetic_targets import BranchySpace

from latency_models import DEVICES, RooflinePredictor
from latency_models.baselines import (
    BASELINES,
    Situation,
    flops,
    lookup_table,
    mean_of_training_devices,
    roofline,
)
from latency_models.table_targets import TableTarget
from latency_models.tables import LatencyTable

NETWORKS = 30
TARGETS = {"pi": TableTarget("raspberry-pi-4", 2, "float32", 2, None, "")}
NOTHING = np.array([], np.int64)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    rng = np.random.default_rng(0)
    genotypes = BranchySpace().sample(NETWORKS, rng)
    latency_s = {name: rng.uniform(1, 2, NETWORKS) for name in ("a", "b", "pi")}
    return LatencyTable(genotypes, latency_s, BranchySpace(), TARGETS)


def _situation(
    table: LatencyTable, device: str, rows: list[int], train: tuple[str, ...] = ("a", "b")
) -> Situation:
    return Situation(table, train, device, np.array(rows, np.int64))


def test_flops_are_scaled_to_the_median_ratio(table: LatencyTable) -> None:
    costs = BranchySpace().cost_table(batch_size=2, dtype="float32")
    expected = np.array([costs.workload(genotype).flops for genotype in table.genotypes])
    np.testing.assert_allclose(flops(_situation(table, "pi", [])), expected)
    ratios = [table.latency_s["pi"][row] / expected[row] for row in (3, 7, 1)]
    scaled = flops(_situation(table, "pi", [3, 7, 1]))
    np.testing.assert_allclose(scaled, expected * sorted(ratios)[1])


def test_training_devices_count_alike_and_only_where_they_were_measured() -> None:
    genotypes = BranchySpace().sample(4, np.random.default_rng(0))
    latency_s = {
        # In units of their means: 0.5, 1, 1.5 and 1.5, 0.5.
        "a": np.array([1.0, 2.0, 3.0, np.nan]),
        "b": np.array([300.0, 100.0, 0.0, np.nan]),
        "c": np.array([4.0, 1.0, 6.0, 5.0]),
    }
    table = LatencyTable(genotypes, latency_s, BranchySpace())
    found = mean_of_training_devices(_situation(table, "c", []))
    assert found is not None
    # What no training device has measured is taken to be average.
    assert found.tolist() == pytest.approx([1.0, 0.75, 1.5, 1.0])
    found = mean_of_training_devices(_situation(table, "c", [2]))
    assert found is not None
    assert found.tolist() == pytest.approx([4.0, 3.0, 6.0, 4.0])
    assert mean_of_training_devices(_situation(table, "c", [2], train=())) is None


def test_roofline_is_the_datasheets_scaled(table: LatencyTable) -> None:
    predictor = RooflinePredictor(DEVICES["raspberry-pi-4"], threads=2)
    costs = BranchySpace().cost_table(batch_size=2, dtype="float32")
    expected = predictor.predict([costs.workload(g) for g in table.genotypes]).mean_s
    found = roofline(_situation(table, "pi", []))
    assert found is not None
    np.testing.assert_allclose(found, expected)
    found = roofline(_situation(table, "pi", [5]))
    assert found is not None
    np.testing.assert_allclose(found, expected * table.latency_s["pi"][5] / expected[5])
    assert roofline(_situation(table, "a", [5])) is None


def test_look_up_table_is_a_ridge_regression_on_the_options(table: LatencyTable) -> None:
    rows = list(range(10))
    found = lookup_table(_situation(table, "a", rows))
    one_hot = np.concatenate(
        [np.eye(column.max() + 1)[column] for column in table.genotypes.T], axis=1
    )
    ridge = Ridge(alpha=1.0).fit(one_hot[rows], table.latency_s["a"][rows])
    assert found is not None
    np.testing.assert_allclose(found, ridge.predict(one_hot))
    assert lookup_table(_situation(table, "a", [])) is None


def test_look_up_table_predicts_positive_latencies() -> None:
    # Each cell that is left out makes the network much faster: without any, it would go below 0.
    conv, skip = ["conv3"] * 4, ["skip"] * 4
    one_left_out = [[*conv[:i], "skip", *conv[i + 1 :]] for i in range(4)]
    genotypes = BranchySpace().read(["16:" + "-".join(c) for c in (conv, *one_left_out, skip)])
    table = LatencyTable(genotypes, {"a": np.array([5.0, *[0.1] * 5])}, BranchySpace())
    found = lookup_table(_situation(table, "a", [0, 1, 2, 3, 4]))
    assert found is not None
    assert found[5] == pytest.approx(0.1 / 10)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_know_only_the_training_devices_and_the_measured_rows(
    table: LatencyTable, name: str
) -> None:
    rows = [1, 5, 8]
    spoilt = {device: seconds.copy() for device, seconds in table.latency_s.items()}
    spoilt["b"] *= np.random.default_rng(1).uniform(1, 9, NETWORKS)
    spoilt["pi"][np.setdiff1d(np.arange(NETWORKS), rows)] = 77.0
    other = LatencyTable(table.genotypes, spoilt, BranchySpace(), TARGETS)
    before, after = (
        BASELINES[name](_situation(t, "pi", rows, train=("a",))) for t in (table, other)
    )
    assert before is not None
    assert after is not None
    assert before.tolist() == after.tolist()
