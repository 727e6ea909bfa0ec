"""Learning from synthetic targets that are drawn around a mean of their own."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic_targets import BranchySpace, draw_coefficients, latencies

from latency_models import DEVICES, CostTable
from latency_models.meta import MetaModel, TargetData, TargetInfo, meta_train
from latency_models.meta.op_features import contributions
from latency_models.meta.posterior import Regression
from latency_models.meta.prior import KnownTarget, broad_prior
from latency_models.meta.training import _Known, _scale
from latency_models.metrics import coverage, median_relative_error
from latency_models.op_counts import OpCounts, count_ops
from latency_models.predictor import Prediction

NETWORKS = 80
SAMPLES = 5
# How far targets are from what they have in common, as a part of the prior's standard deviation.
SPREAD = 0.3
SPECS = [DEVICES[name] for name in ("raspberry-pi-4", "raspberry-pi-5", "pixel-3", "a100")]


@pytest.fixture(scope="module")
def counts(toy_table: CostTable) -> OpCounts:
    cardinalities = toy_table.cardinalities
    rows = np.random.default_rng(0).integers(0, cardinalities, (NETWORKS, len(cardinalities)))
    return count_ops([toy_table.workload(row).ops for row in rows])


COMMON = draw_coefficients(np.random.default_rng(1))


def _target(
    counts: OpCounts, name: str, rng: np.random.Generator, *, form: str = "written"
) -> TargetData:
    """A target near what all have in common, on hardware of its own."""
    spec = SPECS[int(rng.integers(len(SPECS)))]
    b = COMMON + SPREAD * (draw_coefficients(rng) - draw_coefficients(rng)) / math.sqrt(2)
    latency_s = latencies(counts, b, spec, rng, form=form)
    info = TargetInfo.of(spec, dtype="float32", batch_size=1, runtime=None)
    return TargetData(name, name, counts, latency_s, spec, None, info)


@pytest.fixture(scope="module")
def targets(counts: OpCounts) -> list[TargetData]:
    rng = np.random.default_rng(2)
    found = [_target(counts, f"t{i}", rng) for i in range(5)]
    # The last two are on the same hardware.
    return [*found[:-1], replace(found[-1], hardware="t3")]


@pytest.fixture(scope="module")
def model(targets: list[TargetData]) -> MetaModel:
    return meta_train(targets)


def _few_shot(model: MetaModel, target: TargetData, *, with_spec: bool) -> Prediction:
    spec, info = (target.spec, target.info) if with_spec else (None, None)
    data = (target.counts.take(np.arange(SAMPLES)), target.latency_s[:SAMPLES])
    predictor = model.adapt_counts(*data, spec, info=info)
    return Prediction.from_log(
        *predictor.predict_log(target.counts.take(np.arange(SAMPLES, NETWORKS)))
    )


@pytest.mark.parametrize("with_spec", [True, False], ids=["datasheet", "no datasheet"])
def test_known_targets_make_few_shot_predictions_better(
    counts: OpCounts, model: MetaModel, with_spec: bool
) -> None:
    rng = np.random.default_rng(3)
    errors: dict[str, list[float]] = {"knowing": [], "ignorant": []}
    widths: dict[str, list[float]] = {"knowing": [], "ignorant": []}
    covered: list[float] = []
    for i in range(8):
        target = _target(counts, f"new{i}", rng)
        for name, meta in (("knowing", model), ("ignorant", MetaModel())):
            found = _few_shot(meta, target, with_spec=with_spec)
            errors[name].append(median_relative_error(found.mean_s, target.latency_s[SAMPLES:]))
            widths[name].append(float(np.median(found.std_s / found.mean_s)))
            covered.append(coverage(found, target.latency_s[SAMPLES:]))
    assert np.mean(errors["knowing"]) < 0.75 * np.mean(errors["ignorant"])
    assert np.mean(widths["knowing"]) < np.mean(widths["ignorant"])
    assert np.mean(covered) > 0.85


def test_known_targets_make_zero_shot_predictions_better(
    counts: OpCounts, model: MetaModel
) -> None:
    rng = np.random.default_rng(4)
    errors: list[list[float]] = []
    for i in range(10):
        target = _target(counts, f"new{i}", rng)
        found = [
            meta.predict_from(target.spec, target.info).predict_log(counts)[0]
            for meta in (model, MetaModel())
        ]
        errors.append([float(np.abs(f - np.log(target.latency_s)).mean()) for f in found])
    knowing, ignorant = np.mean(errors, axis=0)
    assert knowing < 0.75 * ignorant


def test_a_targets_own_coefficients_predict_its_networks(
    targets: list[TargetData], model: MetaModel, counts: OpCounts
) -> None:
    assert [known.name for known in model.without_spec] == [target.name for target in targets]
    assert [each.target.name for each in model.with_spec] == [target.name for target in targets]
    assert [each.info for each in model.with_spec] == [target.info for target in targets]
    prior = broad_prior(scale_std=1.0)
    for target, each in zip(targets, model.with_spec, strict=True):
        # What the measurements say together with the prior that they were fitted under.
        precision = each.target.precision + np.linalg.inv(prior.covariance)
        weighted = each.target.weighted_mean + np.linalg.solve(prior.covariance, prior.mean)
        assert target.spec is not None
        terms = contributions(counts.ops, target.spec)
        data = Regression(*terms.columns(counts.dense("written")), np.log(target.latency_s))
        predicted = data.log_sum(np.linalg.solve(precision, weighted))[0]
        assert np.median(np.abs(data.log_latency - predicted)) < 0.02
        # The noise is normal of std 0.02; a t(4) with the same quartiles has the scale 0.018.
        assert each.target.noise_std == pytest.approx(0.018, rel=0.5)


def test_a_datasheet_that_says_nothing_of_the_kernels_is_outvoted(counts: OpCounts) -> None:
    """Targets that take the same seconds, whatever peak and bandwidth their datasheets claim."""
    rng = np.random.default_rng(7)
    known: list[TargetData] = []
    for i, spec in enumerate((*SPECS, DEVICES["t4"])):
        b = COMMON + 0.1 * (draw_coefficients(rng) - draw_coefficients(rng))
        info = TargetInfo.of(spec, dtype="float32", batch_size=1, runtime=None)
        seconds = latencies(counts, b, None, rng)
        known.append(TargetData(f"t{i}", f"t{i}", counts, seconds, spec, None, info))
    *others, target = known
    model = meta_train(others)
    assert target.info is not None
    beliefs = {m.reference for m in model.predict_from(target.spec, target.info).members}
    assert beliefs == {True, False}
    few = (counts.take(np.arange(SAMPLES)), target.latency_s[:SAMPLES])
    adapted = model.adapt_counts(*few, target.spec, info=target.info)
    assert sum(member.weight for member in adapted.members if member.reference) > 0.9


@pytest.mark.parametrize("form", ["written", "needed", "folded"])
def test_the_form_that_a_target_runs_is_learned(form: str) -> None:
    space = BranchySpace()
    genotypes = space.sample(60, np.random.default_rng(5))
    table = space.cost_table(batch_size=1, dtype="float32")
    target = _target(table.count_networks(genotypes), "x", np.random.default_rng(6), form=form)
    model = meta_train([target])
    assert model.without_spec[0].form == model.with_spec[0].target.form == form
    zero_shot = model.predict_from(target.spec, target.info)
    assert {member.form for member in zero_shot.members} == {form}


def test_held_out_hardware_is_never_learned_from(
    targets: list[TargetData], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, set[str]]] = []
    of_latency = {float(s): target.hardware for target in targets for s in target.latency_s}
    of_spec = {id(target.info): target.hardware for target in targets}
    hardware_of = {target.name: target.hardware for target in targets}
    adapt_counts, predict_from = MetaModel.adapt_counts, MetaModel.predict_from

    def names(model: MetaModel) -> set[str]:
        known = [*model.without_spec, *(each.target for each in model.with_spec)]
        return {hardware_of[each.name] for each in known}

    def spy_adapt(self: MetaModel, counts: OpCounts, latency_s: np.ndarray, *a: Any, **k: Any):
        seen.append((of_latency[float(latency_s[0])], names(self)))
        return adapt_counts(self, counts, latency_s, *a, **k)

    def spy_zero_shot(self: MetaModel, spec: Any, info: Any, **k: Any):
        seen.append((of_spec[id(info)], names(self)))
        return predict_from(self, spec, info, **k)

    monkeypatch.setattr(MetaModel, "adapt_counts", spy_adapt)
    monkeypatch.setattr(MetaModel, "predict_from", spy_zero_shot)
    steps: list[str] = []
    meta_train(targets, on_step=steps.append)
    assert {held_out for held_out, _ in seen} == {"t0", "t1", "t2", "t3"}
    for held_out, known in seen:
        assert known == {"t0", "t1", "t2", "t3"} - {held_out}
    held_out_twice = [f"held out t{i}" for _ in range(2) for i in range(4)]
    assert steps == [*(f"fitted t{i}" for i in range(5)), *held_out_twice]


def test_networks_that_were_folded_away_teach_nothing(
    targets: list[TargetData], model: MetaModel
) -> None:
    target = targets[0]
    more = target.counts.take(np.array([*range(NETWORKS), 0, 1]))
    spoilt = np.concatenate([target.latency_s, target.latency_s[:2] / 1000])
    (known,) = meta_train([replace(target, counts=more, latency_s=spoilt)]).with_spec
    expected = model.with_spec[0].target
    assert known.target.noise_std == expected.noise_std
    np.testing.assert_allclose(known.target.precision, expected.precision, rtol=1e-3, atol=1e-3)


def test_targets_with_fewer_networks_than_the_calibration_takes_are_learned_from(
    targets: list[TargetData],
) -> None:
    few = [
        replace(t, counts=t.counts.take(np.arange(k)), latency_s=t.latency_s[:k])
        for t, k in zip(targets, (3, 10, 15), strict=False)
    ]
    model = meta_train(few)
    assert len(model.with_spec) == 3
    assert math.isfinite(model.few_shot_scale)


def test_two_targets_of_one_name_are_refused(targets: list[TargetData]) -> None:
    with pytest.raises(ValueError, match="two targets are named 't0'"):
        meta_train([targets[0], replace(targets[1], name="t0")])


def test_without_anything_to_hold_out_intervals_are_left_as_they_are(
    targets: list[TargetData],
) -> None:
    model = meta_train(targets[:1])
    assert (model.zero_shot_scale, model.few_shot_scale) == (1.0, 1.0)
    blind = [replace(t, spec=None, info=None) for t in targets[:2]]
    model = meta_train(blind)
    assert model.with_spec == ()
    assert model.zero_shot_scale == 1.0


def test_intervals_are_scaled_to_cover_nine_tenths_of_the_targets_errors(
    targets: list[TargetData],
) -> None:
    # Targets count alike, however many errors they have: of a's and b's together, 90 % are below 3.
    errors = {"a": np.array([1.0, 1.0, 1.0, 3.0, 3.0]), "b": np.full(50, 0.5)}
    nothing = KnownTarget("x", "written", np.eye(2), np.zeros(2), 0.1)
    known = [_Known(replace(targets[0], name=n, hardware=n), nothing, None) for n in errors]

    def found(model: MetaModel, target: TargetData) -> list[np.ndarray]:
        return [errors[target.name]]

    assert _scale(known, found, [].append) == pytest.approx(3.0 / 1.6449, rel=1e-4)
    # Few held-out targets are no reason to promise more than the model does.
    errors["a"] = np.full(5, 0.2)
    assert _scale(known, found, [].append) == 1.0
