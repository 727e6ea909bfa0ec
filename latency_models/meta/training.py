"""Learns from the measurements of many targets.

Each target is fitted on its own first; the model is what the fits have in common. How far its
intervals can be trusted is then measured: each piece of hardware is held out in turn, adapted to
with the others' model, and the intervals are scaled so that they cover what they say there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from latency_models.device_spec import DeviceSpec
from latency_models.meta.members import MetaLatencyPredictor
from latency_models.meta.model import MetaModel, SpecKnowledge, TargetInfo, general_knowledge
from latency_models.meta.op_features import REFERENCE_DEVICE, contributions
from latency_models.meta.posterior import Regression, best_mode
from latency_models.meta.prior import KnownTarget
from latency_models.op_counts import OpCounts

# Networks of a target that are used: more hardly move its coefficients.
_MOST_NETWORKS = 1000
# Latencies below this part of the median are of networks that the runtime has folded away.
_LEAST_OF_MEDIAN = 0.05
# Measurements that held-out targets are adapted with, and the networks that are predicted then.
_CALIBRATION_SAMPLES = (3, 10, 20)
_CALIBRATION_NETWORKS = 500
_COVERED = 0.9
_COVERED_DEVIATIONS = 1.6449


@dataclass(frozen=True)
class TargetData:
    """Networks and their latencies on one target.

    Attributes:
        name: Unique among the targets of a training.
        hardware: What it runs on; targets on the same hardware are held out together.
        counts: The networks' operators, one row a network.
        latency_s: Their latencies.
        spec: The datasheet, where there is one.
        threads: Cores in use, None for all.
        info: What else is known of it; goes with `spec`.
    """

    name: str
    hardware: str
    counts: OpCounts
    latency_s: Float[np.ndarray, " n"]
    spec: DeviceSpec | None = None
    threads: int | None = None
    info: TargetInfo | None = None


@dataclass(frozen=True)
class _Known:
    target: TargetData
    without_spec: KnownTarget
    with_spec: SpecKnowledge | None


def meta_train(
    targets: Iterable[TargetData], *, on_step: Callable[[str], None] = lambda text: None
) -> MetaModel:
    """A model that knows these targets.

    Args:
        targets: Their measurements.
        on_step: Called with what has been done, once for each target and each calibration.

    Raises:
        ValueError: If two targets have the same name.
    """
    known: list[_Known] = []
    for target in targets:
        if any(each.target.name == target.name for each in known):
            raise ValueError(f"two targets are named {target.name!r}")
        known.append(_know(target))
        on_step(f"fitted {target.name}")
    model = _model(known)
    return replace(
        model,
        zero_shot_scale=_scale(known, _zero_shot_errors, on_step),
        few_shot_scale=_scale(known, _few_shot_errors, on_step),
    )


def _model(known: Sequence[_Known]) -> MetaModel:
    return MetaModel(
        without_spec=tuple(each.without_spec for each in known),
        with_spec=tuple(each.with_spec for each in known if each.with_spec is not None),
    )


def _know(target: TargetData) -> _Known:
    without = _fit(target, None)
    if target.spec is None or target.info is None:
        return _Known(target, without, None)
    return _Known(target, without, SpecKnowledge(_fit(target, target.spec), target.info))


def _fit(target: TargetData, spec: DeviceSpec | None) -> KnownTarget:
    """What a target says relative to a datasheet, or to the middling processor."""
    prior = general_knowledge(with_spec=spec is not None)
    threads = target.threads if spec is not None else None
    terms = contributions(target.counts.ops, spec or REFERENCE_DEVICE, threads=threads)
    latency_s = target.latency_s
    usable = np.flatnonzero(latency_s > _LEAST_OF_MEDIAN * np.median(latency_s))
    chosen = np.random.default_rng(0).permutation(usable)[:_MOST_NETWORKS]
    counts = target.counts.take(chosen)
    found: list[tuple[float, KnownTarget]] = []
    for form in counts.forms:
        data = Regression(*terms.columns(counts.dense(form)), np.log(latency_s[chosen]))
        posterior, precision = best_mode(data, prior)
        weighted = np.linalg.solve(posterior.covariance, posterior.mean)
        weighted -= np.linalg.solve(prior.covariance, prior.mean)
        known = KnownTarget(target.name, form, precision, weighted, posterior.noise_std)
        found.append((posterior.log_evidence, known))
    return max(found, key=lambda pair: pair[0])[1]


def _scale(
    known: Sequence[_Known],
    errors: Callable[[MetaModel, TargetData], list[np.ndarray]],
    on_step: Callable[[str], None],
) -> float:
    """What covers the stated share of held-out errors, targets counting alike.

    At least 1: what few held-out targets say is no reason to promise more than the model does.
    """
    collected: list[np.ndarray] = []
    for hardware in dict.fromkeys(each.target.hardware for each in known):
        held_out = [each.target for each in known if each.target.hardware == hardware]
        others = [each for each in known if each.target.hardware != hardware]
        if others:
            model = _model(others)
            collected += [found for target in held_out for found in errors(model, target)]
            on_step(f"held out {hardware}")
    if not collected:
        return 1.0
    weights = np.concatenate([np.full(len(e), 1 / len(e)) for e in collected])
    values = np.concatenate(collected)
    order = values.argsort()
    covered = np.cumsum(weights[order]) / weights.sum()
    needed = float(values[order][np.searchsorted(covered, _COVERED)]) / _COVERED_DEVIATIONS
    return max(needed, 1.0)


def _zero_shot_errors(model: MetaModel, target: TargetData) -> list[np.ndarray]:
    if target.spec is None or target.info is None or not model.with_spec:
        return []
    predictor = model.predict_from(target.spec, target.info, threads=target.threads)
    return [_deviations(predictor, target, np.arange(len(target.latency_s)))]


def _few_shot_errors(model: MetaModel, target: TargetData) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    networks = len(target.latency_s)
    for k in (k for k in _CALIBRATION_SAMPLES if k < networks):
        order = np.random.default_rng(k).permutation(networks)
        data = (target.counts.take(order[:k]), target.latency_s[order[:k]])
        predictor = model.adapt_counts(*data, target.spec, threads=target.threads, info=target.info)
        found.append(_deviations(predictor, target, order[k:]))
    return found


def _deviations(
    predictor: MetaLatencyPredictor, target: TargetData, rows: np.ndarray
) -> Float[np.ndarray, " n"]:
    """Errors of log latencies in standard deviations of their predictions."""
    rows = rows[:: max(len(rows) // _CALIBRATION_NETWORKS, 1)]
    mean, std = predictor.predict_log(target.counts.take(rows))
    return np.abs(np.log(target.latency_s[rows]) - mean) / std
