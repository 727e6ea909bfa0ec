"""Scores by hand on tiny cases, and what an evaluation is allowed to see."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic_targets import OPTIONS, BranchySpace, draw_coefficients, latencies

from latency_models import DEVICES
from latency_models.baselines import BASELINES
from latency_models.evaluation import (
    METHOD,
    METRICS,
    Score,
    _score,
    evaluate,
    propose_rows,
    summary,
    train_on_split,
)
from latency_models.meta import MetaModel
from latency_models.meta.prior import broad_prior
from latency_models.op_counts import OpCounts
from latency_models.predictor import Prediction
from latency_models.table_targets import TableTarget
from latency_models.tables import LatencyTable, Split

NETWORKS = 60
BATCH = 32
DEVICES_OF = {
    "phone": "pixel-3",
    "board": "raspberry-pi-4",
    "server": "xeon-gold-6226",
    "new": "raspberry-pi-5",
}
TARGETS = {
    name: TableTarget(device, BATCH, "float32", None, None, "")
    for name, device in DEVICES_OF.items()
}
SPLIT = Split("s", "branchy", ("phone", "board", "server"), ("new", "unlisted"))


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    """Targets near the mean of the prior; on one of them ten networks were not measured."""
    rng, space = np.random.default_rng(0), BranchySpace()
    table = space.cost_table(batch_size=BATCH, dtype="float32")
    genotypes = space.sample(NETWORKS, rng, OPTIONS[:3])
    counts = table.count_networks(genotypes)
    common = broad_prior(scale_std=1.0).mean
    latency_s: dict[str, np.ndarray] = {}
    for name in (*DEVICES_OF, "unlisted"):
        b = common + 0.2 * (draw_coefficients(rng) - common)
        spec = DEVICES[DEVICES_OF.get(name, "raspberry-pi-5")]
        latency_s[name] = latencies(counts, b, spec, rng)
    latency_s["new"][:10] = np.nan
    return LatencyTable(genotypes, latency_s, space, TARGETS)


@pytest.fixture(scope="module")
def model(table: LatencyTable) -> MetaModel:
    return train_on_split(table, SPLIT)


@pytest.fixture(scope="module")
def scores(table: LatencyTable, model: MetaModel) -> list[Score]:
    return list(evaluate(table, SPLIT, model, samples=5, seeds=2))


class _Watched(dict[str, np.ndarray]):
    """Latencies that know which devices have been looked at."""

    def __init__(self, latency_s: dict[str, np.ndarray]) -> None:
        super().__init__(latency_s)
        self.seen: set[str] = set()

    def __getitem__(self, device: str) -> np.ndarray:
        self.seen.add(device)
        return super().__getitem__(device)


def test_training_on_a_split_never_sees_its_test_devices(table: LatencyTable) -> None:
    watched = _Watched(table.latency_s)
    steps: list[str] = []
    learned = train_on_split(replace(table, latency_s=watched), SPLIT, on_step=steps.append)
    assert watched.seen == set(SPLIT.train)
    assert tuple(known.name for known in learned.without_spec) == SPLIT.train
    assert steps[:3] == ["fitted phone", "fitted board", "fitted server"]


def test_adaptation_sees_the_sampled_networks_of_the_tested_device_only(
    table: LatencyTable, model: MetaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[np.ndarray] = []
    adapt_counts = MetaModel.adapt_counts

    def spy(self: MetaModel, counts: OpCounts, latency_s: np.ndarray, *a: Any, **k: Any):
        given.append(latency_s)
        return adapt_counts(self, counts, latency_s, *a, **k)

    monkeypatch.setattr(MetaModel, "adapt_counts", spy)
    watched = _Watched(table.latency_s)
    split = replace(SPLIT, test=("new",))
    list(evaluate(replace(table, latency_s=watched), split, model, samples=5, seeds=1))
    assert watched.seen == {"new", *SPLIT.train}
    rows = np.random.default_rng(0).permutation(np.arange(10, NETWORKS))[:5]
    # With datasheet, without it, and without meta-learning.
    assert [latency_s.tolist() for latency_s in given] == [
        table.latency_s["new"][rows].tolist()
    ] * 3


def test_proposals_depend_on_what_they_measured_and_on_nothing_else(
    table: LatencyTable, model: MetaModel
) -> None:
    pool = np.arange(10, NETWORKS)
    rows = propose_rows(table, model, "new", pool, 6, np.random.default_rng(1))
    assert len(set(rows.tolist())) == 6
    assert set(rows.tolist()) <= set(pool.tolist())
    hidden = np.setdiff1d(np.arange(NETWORKS), rows[:3])
    spoilt = table.latency_s["new"].copy()
    spoilt[hidden] = 55.0
    other = replace(table, latency_s={**table.latency_s, "new": spoilt})
    again = propose_rows(other, model, "new", pool, 6, np.random.default_rng(1))
    assert again.tolist() == rows.tolist()


def test_every_method_is_scored_on_every_device_and_seed(scores: list[Score]) -> None:
    methods: dict[str, set[str]] = {"new": set(), "unlisted": set()}
    for score in scores:
        methods[score.device].add(score.method)
    learned = {METHOD, "without datasheet", "without meta-learning"}
    assert methods["new"] == {*learned, *BASELINES}
    # No datasheet is known of the other.
    assert methods["unlisted"] == {*learned, *BASELINES} - {"without datasheet", "roofline alone"}
    assert len(scores) == 2 * sum(map(len, methods.values()))
    assert {score.seed for score in scores} == {0, 1}


def test_the_method_is_better_than_flops_and_says_how_sure_it_is(scores: list[Score]) -> None:
    def mean(method: str, metric: str) -> float:
        return float(
            np.mean([getattr(s, metric) for s in scores if (s.device, s.method) == ("new", method)])
        )

    assert mean(METHOD, "median_error") < 0.5 * mean("flops", "median_error")
    assert mean(METHOD, "spearman") > 0.97
    assert mean(METHOD, "coverage") > 0.8
    assert math.isnan(mean("flops", "coverage"))
    assert all(score.adapt_s > 0 for score in scores)


def test_the_same_evaluation_has_the_same_scores(
    table: LatencyTable, model: MetaModel, scores: list[Score]
) -> None:
    again = evaluate(table, SPLIT, model, samples=5, seeds=2, ablation=False)
    methods = {METHOD, *BASELINES}
    expected = [replace(s, adapt_s=0.0) for s in scores if s.method in methods]
    assert repr([replace(score, adapt_s=0.0) for score in again]) == repr(expected)


@pytest.mark.parametrize("sampler", ["random", "proposed"])
def test_without_measurements_baselines_only_rank(
    table: LatencyTable, model: MetaModel, sampler: str
) -> None:
    found = evaluate(table, SPLIT, model, samples=0, seeds=3, sampler=sampler, ablation=False)
    by_method = {score.method: score for score in found if score.device == "new"}
    assert set(by_method) == {METHOD, "flops", "mean of training devices", "roofline alone"}
    for name, score in by_method.items():
        assert score.seed == 0
        assert math.isfinite(score.kendall + score.spearman)
        for metric in ("within_5", "within_10", "median_error", "violations"):
            assert math.isnan(getattr(score, metric)) == (name != METHOD)


def test_proposed_measurements_are_scored_too(table: LatencyTable, model: MetaModel) -> None:
    split = replace(SPLIT, test=("new",))
    proposed = evaluate(table, split, model, samples=4, seeds=1, sampler="proposed", ablation=False)
    (score,) = [score for score in proposed if score.method == METHOD]
    assert score.spearman > 0.95


def test_wrong_settings_are_refused(table: LatencyTable, model: MetaModel) -> None:
    with pytest.raises(ValueError, match="unknown sampler 'best', valid: random, proposed"):
        next(evaluate(table, SPLIT, model, samples=3, seeds=1, sampler="best"))
    with pytest.raises(ValueError, match="new: expected fewer than 50 samples, got 50"):
        next(evaluate(table, SPLIT, model, samples=50, seeds=1))


def _tiny(
    true: Sequence[float], predicted: Sequence[float], log_std: float = 0.0, *, timed: bool = True
) -> Score:
    """Scores of networks of which each has more convolutions, and MACs, than the one before."""
    networks = ["16:" + "-".join(["conv3"] * k + ["skip"] * (4 - k)) for k in range(5)]
    space = BranchySpace()
    table = LatencyTable(space.read(networks), {"x": np.array(true, float)}, space)
    std = np.full(5, log_std)
    prediction = Prediction.from_log(np.log(predicted), std)
    return _score(table, "x", "m", 0, np.arange(5), prediction, 0.5, timed=timed)


def test_scores_by_hand() -> None:
    score = _tiny([1, 2, 3, 4, 5], [1.04, 2.18, 2.5, 4.38, 4.3])
    # Relative errors 4, 9, 16.7, 9.5 and 14 %; one of ten pairs is the wrong way round.
    assert (score.within_5, score.within_10) == (0.2, 0.6)
    assert score.median_error == pytest.approx(0.095)
    assert score.kendall == pytest.approx((9 - 1) / 10)
    assert score.spearman == pytest.approx(1 - 6 * 2 / (5 * 24))
    assert math.isnan(score.coverage)
    assert score.adapt_s == 0.5


def test_violations_are_of_the_largest_network_believed_to_keep_a_limit() -> None:
    # The limits, quantiles 10 to 90 % of 1..5, are 1.4, 1.8, 2.2, 2.6, 3.0, 3.4, 3.8, 4.2 and 4.6.
    # From 2.6 on the last network is believed in, which takes 5: it breaks six limits of nine.
    assert _tiny([1, 2, 3, 4, 5], [1, 2, 3, 4, 2.5]).violations == pytest.approx(6 / 9)
    # Sure to 90 % at twice the time: nothing is picked below 2, the first network up to 4, the
    # second above; the last one, at 5, never.
    log_std = math.log(2) / 1.2816
    assert _tiny([1, 2, 3, 4, 5], [1, 2, 3, 4, 2.5], log_std).violations == 0
    # The first network is always picked, and its 3 break the four limits below that.
    score = _tiny([3, 2, 1, 4, 5], [0.5, 2.5, 2.6, 2.7, 2.8], log_std)
    assert score.violations == pytest.approx(4 / 9)
    assert math.isnan(_tiny([1, 2, 3, 4, 5], [9] * 5).violations)
    assert math.isnan(_tiny([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], timed=False).violations)


def test_coverage_is_the_share_inside_the_interval() -> None:
    # Half and twice the prediction are the ends of the 90 % interval.
    log_std = math.log(2) / 1.6449
    score = _tiny([0.51, 3.9, 1.4, 8.1, 2.6], [1, 2, 3, 4, 5], log_std)
    assert score.coverage == pytest.approx(3 / 5)


def _row(device: str, method: str, seed: int, value: float) -> Score:
    return Score(device, method, seed, **dict.fromkeys(METRICS, value))


def test_summary_is_the_mean_over_seeds_and_the_spread_between_them() -> None:
    found = summary(
        [
            _row("a", "m", 0, 1.0),
            _row("a", "m", 1, 3.0),
            _row("b", "m", 0, 5.0),
            _row("b", "m", 1, 11.0),
            _row("a", "only a", 0, 2.0),
        ]
    )
    assert set(found) == {"a", "b", "mean"}
    assert found["a"]["m"]["kendall"] == {"mean": 2.0, "std": 1.0}
    assert found["b"]["m"]["kendall"] == {"mean": 8.0, "std": 3.0}
    assert found["a"]["only a"]["adapt_s"] == {"mean": 2.0, "std": 0.0}
    assert "only a" not in found["b"]
    # Over devices first: 3 for seed 0, 7 for seed 1. What is not on all devices has no mean.
    assert found["mean"] == {"m": {metric: {"mean": 5.0, "std": 2.0} for metric in METRICS}}
