"""How well the meta-learned predictor does on devices that it has not seen, beside baselines.

The model learns from a split's training devices only. Each test device is adapted to with a few of
its measurements, all of which are counted, and scored on all networks that were not measured.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from latency_models import metrics
from latency_models.baselines import BASELINES, Situation
from latency_models.meta.model import MetaModel
from latency_models.meta.training import meta_train
from latency_models.predictor import Prediction
from latency_models.tables import LatencyTable, Split

METHOD = "meta-learned"
SAMPLERS = ("random", "proposed")
_CONFIDENCE = 0.9
# Latency limits at which networks are picked, as quantiles of the device's latencies.
_LIMITS = np.linspace(0.1, 0.9, 9)
# Networks that measurements are proposed from.
_POOL = 1000


@dataclass(frozen=True)
class Score:
    """One method on one device with one choice of measurements; NaN where a figure has no sense.

    Attributes:
        device, method, seed: What was scored.
        spearman, kendall: Rank correlations.
        within_5, within_10: Share of networks with at most 5 or 10 % of relative error.
        median_error: Of the relative errors.
        coverage: Share inside the 90 % interval.
        violations: Of picks of the largest network believed, with 90 % confidence, to keep a limit,
            the share that breaks it; for methods without an uncertainty, believed to keep it.
        adapt_s: Seconds of adaptation.
    """

    device: str
    method: str
    seed: int
    spearman: float
    kendall: float
    within_5: float
    within_10: float
    median_error: float
    coverage: float
    violations: float
    adapt_s: float


METRICS = tuple(name for name in Score.__dataclass_fields__ if name not in Score.__match_args__[:3])


def train_on_split(
    table: LatencyTable, split: Split, *, on_step: Callable[[str], None] = lambda text: None
) -> MetaModel:
    """The model of a split's training devices."""
    return meta_train((table.target(device) for device in split.train), on_step=on_step)


def evaluate(
    table: LatencyTable,
    split: Split,
    model: MetaModel,
    *,
    samples: int,
    seeds: int,
    sampler: str = "random",
    ablation: bool = True,
) -> Iterator[Score]:
    """Scores of all methods on the test devices of a split.

    Args:
        table: The latencies.
        split: Devices to test; the training devices serve the baselines.
        model: Trained without the test devices.
        samples: Measurements of each test device.
        seeds: Choices of the measurements: the seeds 0, 1, ... of the generator.
        sampler: How the measurements are chosen, of `SAMPLERS`.
        ablation: Whether to score the method without datasheet and without meta-learning too.

    Raises:
        ValueError: If the sampler is unknown, or there are fewer networks than samples.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}, valid: {', '.join(SAMPLERS)}")
    for device in split.test:
        usable = table.measured(device)
        if samples >= len(usable):
            raise ValueError(f"{device}: expected fewer than {len(usable)} samples, got {samples}")
        for seed in range(seeds if samples else 1):
            rng = np.random.default_rng(seed)
            pool = rng.permutation(usable)
            rows = pool[:samples]
            if sampler == "proposed" and samples:
                rows = propose_rows(table, model, device, pool[: max(_POOL, samples)], samples, rng)
            yield from _scores(table, split, model, device, rows, seed, ablation=ablation)


def propose_rows(
    table: LatencyTable,
    model: MetaModel,
    device: str,
    pool: Int[np.ndarray, " n"],
    samples: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " k"]:
    """The rows of a pool most worth measuring, in two rounds: the second knows the first's."""
    first = (samples + 1) // 2
    target = table.target(device, pool)
    propose = partial(
        model.propose_counts,
        target.counts,
        spec=target.spec,
        threads=target.threads,
        info=target.info,
        rng=rng,
    )
    rows = propose(k=first)
    known = (target.counts.take(np.array(rows)), target.latency_s[rows])
    more = propose(k=samples - first, measured=known, chosen=rows)
    return pool[[*rows, *more]]


def summary(scores: Sequence[Score]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """For each device (and `mean` over devices), method and metric: mean and spread over seeds.

    Where nothing was picked at any limit there is no share of violations, and none is averaged.
    """
    devices = list(dict.fromkeys(score.device for score in scores))
    methods = list(dict.fromkeys(score.method for score in scores))
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for device in devices:
        found[device] = {}
        for method in methods:
            rows = [asdict(s) for s in scores if s.device == device and s.method == method]
            if rows:
                found[device][method] = {m: _spread([row[m] for row in rows], m) for m in METRICS}
    found["mean"] = {}
    for method in methods:
        if all(method in found[device] for device in devices):
            seeds = sorted({score.seed for score in scores})
            found["mean"][method] = {
                m: _spread(_over_devices(scores, method, m, seeds), m) for m in METRICS
            }
    return found


def _over_devices(
    scores: Sequence[Score], method: str, metric: str, seeds: Sequence[int]
) -> list[float]:
    by_seed = [
        [getattr(s, metric) for s in scores if (s.method, s.seed) == (method, seed)]
        for seed in seeds
    ]
    return [_spread(values, metric)["mean"] for values in by_seed]


def _spread(values: Sequence[float], metric: str) -> dict[str, float]:
    counted = np.array(values)
    if metric == "violations" and np.isfinite(counted).any():
        counted = counted[np.isfinite(counted)]
    return {"mean": float(counted.mean()), "std": float(counted.std())}


def _scores(
    table: LatencyTable,
    split: Split,
    model: MetaModel,
    device: str,
    rows: np.ndarray,
    seed: int,
    *,
    ablation: bool,
) -> Iterator[Score]:
    target = table.target(device, rows)
    scored = np.setdiff1d(table.measured(device), rows)
    variants = {METHOD: (model, target.spec)}
    if ablation:
        if target.spec is not None:
            variants["without datasheet"] = (model, None)
        variants["without meta-learning"] = (MetaModel(), target.spec)
    for name, (learned, spec) in variants.items():
        started = time.perf_counter()
        if len(rows):
            predictor = learned.adapt_counts(
                target.counts,
                target.latency_s,
                spec,
                threads=target.threads,
                info=target.info if spec else None,
            )
        else:
            predictor = learned.predict_from(spec, target.info, threads=target.threads)
        adapt_s = time.perf_counter() - started
        prediction = predictor.predict_population(table.costs(device)[0], table.genotypes[scored])
        yield _score(table, device, name, seed, scored, prediction, adapt_s)
    situation = Situation(table, split.train, device, rows)
    for name, baseline in BASELINES.items():
        started = time.perf_counter()
        values = baseline(situation)
        if values is not None:
            certain = Prediction(values[scored], np.zeros(len(scored)))
            took = time.perf_counter() - started
            yield _score(table, device, name, seed, scored, certain, took, timed=len(rows) > 0)


def _score(
    table: LatencyTable,
    device: str,
    method: str,
    seed: int,
    rows: np.ndarray,
    prediction: Prediction,
    adapt_s: float,
    *,
    timed: bool = True,
) -> Score:
    """`timed` says whether the predictions are seconds, and not ranks only."""
    true, predicted = table.latency_s[device][rows], prediction.median_s
    uncertain = bool(prediction.std_s.any())
    nan = float("nan")
    return Score(
        device=device,
        method=method,
        seed=seed,
        spearman=metrics.spearman(predicted, true),
        kendall=metrics.kendall(predicted, true),
        within_5=metrics.fraction_within(predicted, true, tolerance=0.05) if timed else nan,
        within_10=metrics.fraction_within(predicted, true, tolerance=0.1) if timed else nan,
        median_error=metrics.median_relative_error(predicted, true) if timed else nan,
        coverage=metrics.coverage(prediction, true) if uncertain else nan,
        violations=_violations(table, device, rows, prediction, uncertain) if timed else nan,
        adapt_s=adapt_s,
    )


def _violations(
    table: LatencyTable, device: str, rows: np.ndarray, prediction: Prediction, uncertain: bool
) -> float:
    """Picks the network of most MACs among those believed to keep a limit, at several limits."""
    true: Float[np.ndarray, " n"] = table.latency_s[device][rows]
    believed = prediction.quantile_s(_CONFIDENCE) if uncertain else prediction.median_s
    macs = table.costs(device)[0].macs(table.genotypes[rows])
    broken: list[bool] = []
    for limit in np.quantile(true, _LIMITS):
        keeps = np.flatnonzero(believed <= limit)
        if len(keeps):
            broken.append(bool(true[keeps[macs[keeps].argmax()]] > limit))
    return float(np.mean(broken)) if broken else float("nan")
