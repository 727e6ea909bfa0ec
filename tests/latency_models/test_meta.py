"""Predictors on targets whose coefficients are known, drawn from the prior."""

import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from synthetic_targets import OPTIONS, BranchySpace, draw_coefficients, latencies

from latency_models import (
    DEVICES,
    CostTable,
    LatencyPredictor,
    Measurements,
    MetaPredictor,
)
from latency_models.meta import Member, MetaLatencyPredictor, MetaModel, TargetInfo
from latency_models.meta.model import SpecKnowledge, _greedy
from latency_models.meta.op_features import FEATURES, contributions
from latency_models.meta.prior import KnownTarget
from latency_models.metrics import coverage, median_relative_error, spearman
from latency_models.op_counts import FORMS

SPEC = DEVICES["raspberry-pi-5"]
SAMPLES = 10
NETWORKS = 120


class Space:
    """Networks of a space with the counts of their operators."""

    def __init__(self, table: CostTable, genotypes: np.ndarray) -> None:
        self.table = table
        self.genotypes = genotypes
        self.workloads = [table.workload(genotype) for genotype in genotypes]
        self.counts = table.count_networks(genotypes)

    def target(self, rng: np.random.Generator, form: str = "written") -> np.ndarray:
        """Latencies on a target that is drawn from the prior."""
        return latencies(self.counts, draw_coefficients(rng), SPEC, rng, form=form)

    def measurements(
        self, latency_s: np.ndarray, rows: Sequence[int] = range(SAMPLES)
    ) -> Measurements:
        rows = list(rows)
        return Measurements(tuple(self.workloads[i] for i in rows), latency_s[rows])


@pytest.fixture(scope="module")
def space(toy_table: CostTable) -> Space:
    cardinalities = toy_table.cardinalities
    rng = np.random.default_rng(7)
    return Space(toy_table, rng.integers(0, cardinalities, (NETWORKS, len(cardinalities))))


@pytest.fixture(scope="module")
def branchy() -> Space:
    toy = BranchySpace()
    table = toy.cost_table(batch_size=1, dtype="float32")
    return Space(table, toy.sample(NETWORKS, np.random.default_rng(7)))


@pytest.fixture(scope="module")
def all_branchy() -> Space:
    """With networks in which a constant cuts off what comes before it."""
    toy = BranchySpace()
    table = toy.cost_table(batch_size=1, dtype="float32")
    return Space(table, toy.sample(NETWORKS, np.random.default_rng(8), OPTIONS))


@pytest.fixture(scope="module")
def knowing() -> MetaModel:
    """A model of three targets that differ in size, runtime and form."""
    rng, p = np.random.default_rng(14), len(FEATURES)
    known = [
        KnownTarget(name, form, 50 * np.eye(p), 50 * draw_coefficients(rng), 0.03)
        for name, form in (("phone", "folded"), ("server", "written"), ("board", "needed"))
    ]
    infos = [
        TargetInfo.of(DEVICES[name], dtype="float32", batch_size=1, runtime=runtime)
        for name, runtime in (
            ("raspberry-pi-4", "tflite"),
            ("xeon-gold-6226", None),
            (SPEC.name, None),
        )
    ]
    return MetaModel(tuple(known), tuple(map(SpecKnowledge, known, infos)), 0.8, 0.9)


def test_measurements_recover_what_is_drawn_from_the_prior(space: Space) -> None:
    rng = np.random.default_rng(3)
    inside: list[np.ndarray] = []
    errors: list[float] = []
    for _ in range(20):
        b = draw_coefficients(rng)
        latency_s = latencies(space.counts, b, SPEC, rng)
        predictor = MetaModel().adapt(space.measurements(latency_s), SPEC)
        posterior = predictor.members[0].posterior
        std = np.sqrt(np.diag(posterior.covariance))
        inside.append(np.abs(b - posterior.mean) < 1.6449 * std)
        prediction = predictor.predict(space.workloads[SAMPLES:])
        errors.append(median_relative_error(prediction.mean_s, latency_s[SAMPLES:]))
    assert 0.85 <= np.mean(inside) <= 0.95
    assert np.median(errors) < 0.04


@pytest.mark.parametrize("misfit", [0.0, 0.1])
def test_ninety_percent_intervals_cover_unseen_networks(space: Space, misfit: float) -> None:
    # With a misfit every operator has an efficiency of its own beside the law of its class.
    rng = np.random.default_rng(11)
    covered: list[float] = []
    for _ in range(20):
        b = draw_coefficients(rng)
        terms = contributions(space.counts.ops, SPEC)
        own = np.exp(misfit * rng.standard_normal(len(space.counts.ops)))
        latency_s = space.counts.dense("written") @ (own * terms.seconds(b)) + terms.constant(b)
        latency_s *= np.exp(0.03 * rng.standard_normal(len(latency_s)))
        predictor = MetaModel().adapt(space.measurements(latency_s), SPEC)
        covered.append(coverage(predictor.predict(space.workloads[SAMPLES:]), latency_s[SAMPLES:]))
    assert 0.80 <= np.mean(covered) <= 0.98


def test_zero_shot_intervals_cover_targets_drawn_from_the_prior(space: Space) -> None:
    rng = np.random.default_rng(5)
    prediction = MetaModel().for_device(SPEC).predict(space.workloads)
    covered = [coverage(prediction, space.target(rng)) for _ in range(100)]
    assert 0.80 <= np.mean(covered) <= 0.98


def test_measurements_narrow_the_interval(space: Space) -> None:
    latency_s = space.target(np.random.default_rng(2))
    zero_shot = MetaModel().for_device(SPEC).predict(space.workloads)
    few, more = (
        MetaModel().adapt(space.measurements(latency_s, range(k)), SPEC).predict(space.workloads)
        for k in (3, 30)
    )
    widths = [np.median(p.std_s / p.mean_s) for p in (zero_shot, few, more)]
    assert widths[0] > 2 * widths[1] > 2 * widths[2]


def test_garbage_measurement_is_outvoted(space: Space) -> None:
    latency_s = space.target(np.random.default_rng(4))
    spoilt = latency_s.copy()
    spoilt[3] /= 1000
    predictor = MetaModel().adapt(space.measurements(spoilt), SPEC)
    prediction = predictor.predict(space.workloads[SAMPLES:])
    assert median_relative_error(prediction.mean_s, latency_s[SAMPLES:]) < 0.1


def test_without_a_datasheet_ten_measurements_still_rank_networks(space: Space) -> None:
    latency_s = 40 * space.target(np.random.default_rng(6))
    prediction = MetaModel().adapt(space.measurements(latency_s)).predict(space.workloads[SAMPLES:])
    assert spearman(prediction.mean_s, latency_s[SAMPLES:]) > 0.95
    assert median_relative_error(prediction.mean_s, latency_s[SAMPLES:]) < 0.1


def test_adapting_to_nothing_is_the_zero_shot_prediction(space: Space, knowing: MetaModel) -> None:
    nothing = Measurements((), np.zeros(0))
    for meta in (MetaModel(), knowing):
        adapted = meta.adapt(nothing, SPEC, threads=2, runtime="tflite").predict(space.workloads)
        zero_shot = meta.for_device(SPEC, threads=2, runtime="tflite").predict(space.workloads)
        assert adapted.mean_s.tolist() == zero_shot.mean_s.tolist()
        assert adapted.std_s.tolist() == zero_shot.std_s.tolist()


@pytest.mark.parametrize("samples", [0, SAMPLES])
@pytest.mark.parametrize("form", ["written", "folded"])
def test_population_prediction_equals_that_of_each_workload(
    all_branchy: Space, form: str, samples: int
) -> None:
    space, rng = all_branchy, np.random.default_rng(8)
    latency_s = space.target(rng, form=form)
    predictor = MetaModel().adapt(space.measurements(latency_s, range(samples)), SPEC, threads=2)
    population = predictor.predict_population(space.table, space.genotypes)
    single = predictor.predict(space.workloads)
    np.testing.assert_allclose(population.quantile_s(0.5), single.quantile_s(0.5), rtol=1e-10)
    # The variance outside the leading directions is that of an average network. It is right on
    # average then, up to the error of an average over 256 random networks.
    stds = [np.sqrt(np.log1p((p.std_s / p.mean_s) ** 2)) for p in (population, single)]
    assert np.mean(stds[0] ** 2) == pytest.approx(np.mean(stds[1] ** 2), rel=0.05)
    np.testing.assert_allclose(stds[0], stds[1], rtol=0.3)


def test_empty_population_has_an_empty_prediction(space: Space) -> None:
    predictor = MetaModel().for_device(SPEC)
    assert predictor.predict_population(space.table, space.genotypes[:0]).mean_s.shape == (0,)
    assert predictor.predict([]).mean_s.shape == (0,)


def test_operators_seconds_add_up_to_the_network(branchy: Space) -> None:
    latency_s = branchy.target(np.random.default_rng(9), form="needed")
    predictor = MetaModel().adapt(branchy.measurements(latency_s), SPEC)
    member = replace(predictor.members[0], weight=1.0)
    predictor = replace(predictor, members=(member,))
    assert member.form == "needed"
    constant = contributions(branchy.counts.ops, SPEC).constant(member.posterior.mean)
    for workload in branchy.workloads[:20]:
        seconds = predictor.operator_seconds(workload)
        total = predictor.predict([workload]).quantile_s(0.5)[0]
        assert constant + seconds.sum() == pytest.approx(total)
        dead = [op.name == "dead" for op in workload.ops]
        assert seconds[dead].sum() == 0
        assert (seconds[~np.array(dead)] > 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_evidence_finds_the_form_that_a_target_runs(branchy: Space, form: str) -> None:
    rng, weights = np.random.default_rng(10), []
    for _ in range(10):
        latency_s = branchy.target(rng, form=form)
        members = MetaModel().adapt(branchy.measurements(latency_s), SPEC).members
        weights.append(sum(member.weight for member in members if member.form == form))
    assert np.mean(weights) > 0.8


def test_forms_of_known_targets_do_not_matter_where_forms_do_not_differ(
    space: Space, knowing: MetaModel
) -> None:
    latency_s = space.target(np.random.default_rng(15))
    predicted: list[np.ndarray] = []
    members: list[Member] = []
    for form in FORMS:
        targets = [replace(known, form=form) for known in knowing.without_spec]
        meta = MetaModel(tuple(targets))
        predictor = meta.adapt(space.measurements(latency_s))
        predicted.append(predictor.predict(space.workloads).mean_s)
        members.append(predictor.members[0])
    np.testing.assert_allclose(predicted[1:], [predicted[0]] * 2, rtol=1e-10)
    # Of networks in which they do differ, the known targets' form is expected.
    assert [member.form for member in members] == [*FORMS]


def test_proposed_networks_tell_more_than_random_ones(space: Space) -> None:
    meta, rng = MetaModel(), np.random.default_rng(9)
    chosen = meta.propose(space.workloads, 3, spec=SPEC)
    assert len(set(chosen)) == 3

    def error(rows: list[int], latency_s: np.ndarray) -> float:
        prediction = meta.adapt(space.measurements(latency_s, rows), SPEC).predict(space.workloads)
        return median_relative_error(prediction.mean_s, latency_s)

    of_chosen, of_random = [], []
    for _ in range(20):
        latency_s = space.target(rng)
        of_chosen.append(error(chosen, latency_s))
        of_random.append(error(rng.choice(NETWORKS, 3, replace=False).tolist(), latency_s))
    assert np.mean(of_chosen) < 0.8 * np.mean(of_random)


def test_what_is_measured_is_not_proposed_again(space: Space, knowing: MetaModel) -> None:
    latency_s = space.target(np.random.default_rng(12))
    measured = space.measurements(latency_s, range(20))
    for meta in (MetaModel(), knowing):
        more = meta.propose(space.workloads, 10, spec=SPEC, measurements=measured)
        assert len(set(more) - set(range(20))) == 10
    with pytest.raises(ValueError, match="cannot choose 2 of 21 candidates, 20 of them measured"):
        MetaModel().propose(space.workloads[:21], 2, measurements=measured)


def test_proposals_reduce_the_variance_of_all_most(space: Space) -> None:
    """The greedy choice on a covariance, conditioned step by step in its textbook form."""
    rng = np.random.default_rng(13)
    deviations, noise = rng.standard_normal((6, 9)) * rng.exponential(size=9), 0.3
    covariance, expected = deviations.T @ deviations, []
    for _ in range(4):
        left = {
            i: np.trace(covariance - np.outer(c := covariance[i], c) / (c[i] + noise))
            for i in range(9)
            if i not in [2, *expected]
        }
        best = min(left, key=lambda i: left[i])
        c = covariance[best]
        covariance = covariance - np.outer(c, c) / (c[best] + noise)
        expected.append(best)
    assert _greedy(deviations, 4, noise, [2]) == expected


def test_a_wrong_number_of_proposals_is_refused(space: Space) -> None:
    with pytest.raises(ValueError, match="cannot choose 3 of 2 candidates"):
        MetaModel().propose(space.workloads[:2], 3)
    with pytest.raises(ValueError, match="cannot choose -1 of 2 candidates"):
        MetaModel().propose(space.workloads[:2], -1)
    assert MetaModel().propose(space.workloads[:2], 0) == []


def test_classes_keep_the_interfaces() -> None:
    assert isinstance(MetaModel(), MetaPredictor)
    assert isinstance(MetaModel().for_device(SPEC), LatencyPredictor)


def test_predictor_survives_pickling(space: Space, knowing: MetaModel) -> None:
    latency_s = space.target(np.random.default_rng(1))
    adapted = knowing.adapt(space.measurements(latency_s), SPEC)
    before = adapted.predict_population(space.table, space.genotypes)
    copy: MetaLatencyPredictor = pickle.loads(pickle.dumps(adapted))
    after = copy.predict_population(space.table, space.genotypes)
    assert after.mean_s.tolist() == before.mean_s.tolist()
    assert after.std_s.tolist() == before.std_s.tolist()
