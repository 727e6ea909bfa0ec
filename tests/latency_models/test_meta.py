"""The Bayesian correction on synthetic devices whose efficiencies are known, and its files."""

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from latency_models import (
    DEVICES,
    CostTable,
    LatencyPredictor,
    Measurements,
    MetaPredictor,
    RooflinePredictor,
    Workload,
)
from latency_models.meta import (
    BayesianPredictor,
    BayesianRoofline,
    load_predictor,
    save_predictor,
)
from latency_models.meta.bayesian import CLASS_PRIOR, workload_features
from latency_models.meta.features import FEATURES, operator_features
from latency_models.metrics import coverage, median_relative_error, spearman

SPEC = DEVICES["raspberry-pi-5"]
SAMPLES = 10


class Space:
    """Random networks of the toy space with their roofline seconds by class."""

    def __init__(self, table: CostTable) -> None:
        rng = np.random.default_rng(7)
        self.table = table
        self.genotypes = rng.integers(0, table.cardinalities, (200, len(table.cardinalities)))
        self.workloads = [table.workload(genotype) for genotype in self.genotypes]
        self.features = workload_features(self.workloads, SPEC)

    def measurements(self, latency_s: np.ndarray) -> Measurements:
        return Measurements(tuple(self.workloads[:SAMPLES]), latency_s[:SAMPLES])


@pytest.fixture(scope="module")
def space(toy_table: CostTable) -> Space:
    return Space(toy_table)


def _inverse_efficiencies(rng: np.random.Generator) -> np.ndarray:
    typical, log_std = np.array([CLASS_PRIOR[name] for name in FEATURES]).T
    return typical * np.exp(log_std * rng.standard_normal(len(FEATURES)) + 0.4 * rng.normal())


def test_features_add_up_to_the_roofline_when_fused_operators_are_left_out(space: Space) -> None:
    ops = space.table.arrays
    alone = operator_features(ops, SPEC)
    expected = RooflinePredictor(SPEC).predict(space.workloads[:5]).mean_s
    fused_arithmetic = [
        sum(op.flops for op in workload.ops if op.fused) / SPEC.peak_flops_per_s["float32"]
        for workload in space.workloads[:5]
    ]
    elementwise, constant = FEATURES.index("elementwise"), FEATURES.index("constant")
    kept = np.delete(space.features[:5], [elementwise, constant], axis=1).sum(axis=1)
    residual_reads = expected - kept - fused_arithmetic
    assert alone.shape == (len(ops.flops), len(FEATURES) - 1)
    assert (residual_reads >= -1e-12).all()
    np.testing.assert_allclose(kept, expected, rtol=0.1)


def test_ten_measurements_recover_the_efficiencies(space: Space) -> None:
    rng = np.random.default_rng(3)
    inside, depthwise, errors = [], [], []
    for _ in range(40):
        inverse = _inverse_efficiencies(rng)
        latency_s = space.features @ inverse * np.exp(0.01 * rng.standard_normal(200))
        predictor = BayesianRoofline().adapt(space.measurements(latency_s), SPEC)
        error = predictor.posterior.mean - np.log(inverse)
        inside.append(np.abs(error) < 1.645 * np.sqrt(np.diag(predictor.posterior.covariance)))
        depthwise.append(predictor.efficiencies()["depthwise_conv"] * inverse[2])
        prediction = predictor.predict(space.workloads[SAMPLES:])
        errors.append(median_relative_error(prediction.mean_s, latency_s[SAMPLES:]))
    assert 0.80 <= np.mean(inside) <= 0.98
    assert 0.8 < np.median(depthwise) < 1.25
    assert np.median(errors) < 0.02


@pytest.mark.parametrize("misfit", [0.0, 0.3])
def test_ninety_percent_intervals_cover_unseen_networks_of_unseen_devices(
    space: Space, misfit: float
) -> None:
    # With a misfit every operator has an efficiency of its own, which no class can express.
    rng = np.random.default_rng(11)
    table, covered, errors = space.table, [], []
    for _ in range(40):
        own = np.exp(misfit * rng.standard_normal((len(table.arrays.flops), 1)))
        by_row = table.sum_ops(operator_features(table.arrays, SPEC) * own)
        features = np.hstack([table.sum_rows(by_row, space.genotypes), space.features[:, -1:]])
        latency_s = features @ _inverse_efficiencies(rng)
        latency_s = latency_s * np.exp(0.03 * rng.standard_normal(len(latency_s)))
        predictor = BayesianRoofline().adapt(space.measurements(latency_s), SPEC)
        prediction = predictor.predict_population(table, space.genotypes[SAMPLES:])
        covered.append(coverage(prediction, latency_s[SAMPLES:]))
        errors.append(median_relative_error(prediction.mean_s, latency_s[SAMPLES:]))
    assert 0.80 <= np.mean(covered) <= 0.98
    assert np.median(errors) < (0.04 if misfit == 0 else 0.12)


def test_zero_shot_intervals_cover_devices_drawn_from_the_prior(space: Space) -> None:
    rng = np.random.default_rng(5)
    prediction = BayesianRoofline().for_device(SPEC).predict(space.workloads)
    covered = [
        coverage(prediction, space.features @ _inverse_efficiencies(rng)) for _ in range(100)
    ]
    assert 0.80 <= np.mean(covered) <= 0.98


def test_adapting_to_nothing_is_the_zero_shot_prediction(space: Space) -> None:
    nothing = Measurements((), np.zeros(0))
    adapted = BayesianRoofline().adapt(nothing, SPEC, threads=2).predict(space.workloads)
    zero_shot = BayesianRoofline().for_device(SPEC, threads=2).predict(space.workloads)
    assert adapted.mean_s.tolist() == zero_shot.mean_s.tolist()
    assert adapted.std_s.tolist() == zero_shot.std_s.tolist()


def test_measurements_narrow_the_interval(space: Space) -> None:
    latency_s = space.features @ _inverse_efficiencies(np.random.default_rng(2))
    zero_shot = BayesianRoofline().for_device(SPEC).predict(space.workloads)
    adapted = BayesianRoofline().adapt(space.measurements(latency_s), SPEC).predict(space.workloads)
    assert (adapted.std_s / adapted.mean_s < zero_shot.std_s / zero_shot.mean_s).all()


def test_garbage_measurement_is_outvoted(space: Space) -> None:
    rng = np.random.default_rng(4)
    latency_s = space.features @ _inverse_efficiencies(rng)
    spoilt = latency_s.copy()
    spoilt[3] /= 1000
    predictor = BayesianRoofline().adapt(space.measurements(spoilt), SPEC)
    prediction = predictor.predict(space.workloads[SAMPLES:])
    assert median_relative_error(prediction.mean_s, latency_s[SAMPLES:]) < 0.08


def test_without_a_datasheet_ten_measurements_still_rank_networks(space: Space) -> None:
    latency_s = 40 * space.features @ _inverse_efficiencies(np.random.default_rng(6))
    predictor = BayesianRoofline().adapt(space.measurements(latency_s))
    prediction = predictor.predict(space.workloads[SAMPLES:])
    assert spearman(prediction.mean_s, latency_s[SAMPLES:]) > 0.97
    assert median_relative_error(prediction.mean_s, latency_s[SAMPLES:]) < 0.1


def test_population_prediction_equals_that_of_each_workload(space: Space) -> None:
    latency_s = space.features @ _inverse_efficiencies(np.random.default_rng(8))
    predictor = BayesianRoofline().adapt(space.measurements(latency_s), SPEC, threads=2)
    population = predictor.predict_population(space.table, space.genotypes)
    single = predictor.predict(space.workloads)
    np.testing.assert_allclose(population.mean_s, single.mean_s, rtol=1e-10)
    np.testing.assert_allclose(population.std_s, single.std_s, rtol=1e-8)


def test_empty_population_has_an_empty_prediction(space: Space) -> None:
    predictor = BayesianRoofline().for_device(SPEC)
    empty = predictor.predict_population(space.table, space.genotypes[:0])
    assert empty.mean_s.shape == (0,)
    assert predictor.predict([]).mean_s.shape == (0,)


def test_a_hundred_thousand_genotypes_take_less_than_a_second(space: Space) -> None:
    predictor = BayesianRoofline().for_device(SPEC)
    cardinalities = space.table.cardinalities
    many = np.random.default_rng(0).integers(0, cardinalities, (100_000, len(cardinalities)))
    started = time.perf_counter()
    predictor.predict_population(space.table, many)
    assert time.perf_counter() - started < 1.0


def test_proposed_networks_tell_more_than_random_ones(space: Space) -> None:
    meta, rng = BayesianRoofline(), np.random.default_rng(9)
    chosen = meta.propose(space.workloads, 3, spec=SPEC)
    assert len(set(chosen)) == 3

    def error(positions: list[int], latency_s: np.ndarray) -> float:
        picked = Measurements(tuple(space.workloads[i] for i in positions), latency_s[positions])
        prediction = meta.adapt(picked, SPEC).predict_population(space.table, space.genotypes)
        return median_relative_error(prediction.mean_s, latency_s)

    of_chosen, of_random = [], []
    for _ in range(40):
        latency_s = space.features @ _inverse_efficiencies(rng)
        latency_s = latency_s * np.exp(0.02 * rng.standard_normal(200))
        of_chosen.append(error(chosen, latency_s))
        of_random.append(error(rng.choice(200, 3, replace=False).tolist(), latency_s))
    assert np.mean(of_chosen) < np.mean(of_random)


def test_proposal_avoids_what_is_measured_already(space: Space) -> None:
    meta = BayesianRoofline()
    first = meta.propose(space.workloads, 1, spec=SPEC)
    measured = Measurements((space.workloads[first[0]],), np.array([0.01]))
    assert meta.propose(space.workloads, 1, spec=SPEC, measurements=measured) != first


def test_more_proposals_than_candidates_are_refused(space: Space) -> None:
    with pytest.raises(ValueError, match="cannot choose 3 of 2 candidates"):
        BayesianRoofline().propose(space.workloads[:2], 3)


def test_classes_keep_the_interfaces() -> None:
    assert isinstance(BayesianRoofline(), MetaPredictor)
    assert isinstance(BayesianRoofline().for_device(SPEC), LatencyPredictor)


@pytest.fixture
def adapted(space: Space) -> BayesianPredictor:
    latency_s = space.features @ _inverse_efficiencies(np.random.default_rng(1))
    return BayesianRoofline().adapt(space.measurements(latency_s), SPEC, threads=2)


def test_reloaded_predictor_predicts_identically(
    space: Space, adapted: BayesianPredictor, tmp_path: Path
) -> None:
    save_predictor(adapted, tmp_path / "pi5")
    loaded = load_predictor(tmp_path / "pi5")
    before, after = adapted.predict(space.workloads), loaded.predict(space.workloads)
    assert after.mean_s.tolist() == before.mean_s.tolist()
    assert after.std_s.tolist() == before.std_s.tolist()
    assert (loaded.samples, loaded.threads, loaded.spec) == (SAMPLES, 2, SPEC)


def test_predictor_survives_pickling(space: Space, adapted: BayesianPredictor) -> None:
    copy = pickle.loads(pickle.dumps(adapted))
    workloads: list[Workload] = space.workloads[:3]
    assert copy.predict(workloads).mean_s.tolist() == adapted.predict(workloads).mean_s.tolist()


def test_altered_or_foreign_predictors_are_refused(
    adapted: BayesianPredictor, tmp_path: Path
) -> None:
    save_predictor(adapted, tmp_path)
    description = tmp_path / "predictor.json"
    body = json.loads(description.read_text())
    description.write_text(json.dumps({**body, "version": 2}))
    with pytest.raises(ValueError, match="expected version 1, got 2"):
        load_predictor(tmp_path)
    description.write_text(json.dumps({**body, "format": "other"}))
    with pytest.raises(ValueError, match="not a predictor"):
        load_predictor(tmp_path)
    description.write_text(json.dumps(body))
    arrays = tmp_path / "predictor.safetensors"
    content = bytearray(arrays.read_bytes())
    content[-1] ^= 1
    arrays.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="altered or incomplete"):
        load_predictor(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_predictor(tmp_path / "nowhere")
