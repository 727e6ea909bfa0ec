"""How the study came about, from the times that its rows carry: curves, workers, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from nas.records import Evaluation, TrainingStep
from nas.report import (
    Failure,
    Rollback,
    SearchHistory,
    SurrogatePoint,
    TrainingPoint,
    Worker,
)
from nas.supernet.validation import SAMPLED

SURROGATE = "surrogate"
"""The study's metadata key under which a search notes how good its accuracy surrogate was."""

PAUSE_S = 60.0
"""Longer than this without any evaluation running, the search is taken to have been interrupted."""
BINS = 120
LOSS_POINTS = 400


def search_history(
    evaluations: Sequence[Evaluation], surrogate: Sequence[SurrogatePoint] = ()
) -> SearchHistory:
    """The search in time.

    Args:
        evaluations: All of the search split, failed ones included, in the order of recording.
        surrogate: What the search noted of its accuracy surrogate under the study's metadata key
            `SURROGATE`.
    """
    points = tuple(surrogate)
    if not evaluations:
        return SearchHistory(elapsed_s=(), surrogate=points)
    ends = np.array([datetime.fromisoformat(one.created_at).timestamp() for one in evaluations])
    starts = ends - [one.duration_s for one in evaluations]
    clock = _Clock(starts, ends)
    begun, done = clock.seconds(starts), clock.seconds(ends)
    bin_s = max(float(done.max()) / BINS, 1e-3)
    names = np.array([one.worker for one in evaluations])
    workers: list[Worker] = []
    worked = present = 0.0
    for name in dict.fromkeys(one.worker for one in evaluations if one.worker):
        of_worker = names == name
        first, last = begun[of_worker], done[of_worker]
        busy = np.minimum(_busy(first, last, bin_s), 1.0)
        workers.append(Worker(name, int(of_worker.sum()), tuple(busy.round(3).tolist())))
        span = float(last.max() - first.min())
        present += span
        worked += min(float((last - first).sum()), span)
    reasons = Counter(one.error or "unknown" for one in evaluations if one.status == "failed")
    return SearchHistory(
        elapsed_s=tuple(
            done[[one.accuracy is not None for one in evaluations]].round(3).tolist(),
        ),
        paused_s=clock.paused_s,
        bin_s=bin_s,
        workers=tuple(workers),
        utilisation=worked / present if present > 0 else None,
        failures=tuple(Failure(error, count) for error, count in reasons.most_common()),
        retries=sum(one.attempts - 1 for one in evaluations),
        surrogate=points,
    )


def training_curve(steps: Sequence[TrainingStep]) -> tuple[TrainingPoint, ...]:
    """Every point with accuracies, and the loss as means over at most `LOSS_POINTS` stretches."""
    points: list[TrainingPoint] = []
    size = -(-len(steps) // LOSS_POINTS) or 1
    for begin in range(0, len(steps), size):
        stretch = steps[begin : begin + size]
        losses = [step.metrics["loss"] for step in stretch if "loss" in step.metrics]
        points.append(
            TrainingPoint(
                epoch=float(stretch[-1].epoch),
                loss=float(np.mean(losses)) if losses else None,
                accuracies={},
            )
        )
    for step in steps:
        accuracies = {
            name: value
            for name, value in step.metrics.items()
            if name in ("largest", "smallest") or name.startswith(SAMPLED)
        }
        if accuracies:
            points.append(TrainingPoint(float(step.epoch), None, accuracies))
    return tuple(sorted(points, key=lambda point: point.epoch))


def training_rollbacks(steps: Sequence[TrainingStep]) -> tuple[Rollback, ...]:
    """Where the training went on after a collapse: the curve itself has only what was kept."""
    found: list[Rollback] = []
    before, epoch = 0.0, 0.0
    for step in steps:
        count = step.metrics.get("rollbacks", 0.0)
        if count > before:
            found.append(Rollback(epoch, step.metrics.get("rate_factor", 1.0)))
        before, epoch = count, float(step.epoch)
    return tuple(found)


class _Clock:
    """Seconds since the first start, with the gaps between sessions taken out."""

    def __init__(self, starts: np.ndarray, ends: np.ndarray) -> None:
        order = np.argsort(starts)
        latest = np.maximum.accumulate(ends[order])
        gaps = starts[order][1:] - latest[:-1]
        self._after = latest[:-1][gaps > PAUSE_S]
        self._gaps = gaps[gaps > PAUSE_S]
        self._zero = float(starts.min())

    @property
    def paused_s(self) -> float:
        return float(self._gaps.sum())

    def seconds(self, times: np.ndarray) -> np.ndarray:
        passed = (times[:, None] > self._after[None]) @ self._gaps
        return np.maximum(times - self._zero - passed, 0.0)


def _busy(starts: np.ndarray, ends: np.ndarray, bin_s: float) -> np.ndarray:
    """Share of each bin that lies in some interval; intervals do not overlap."""
    edges = np.arange(BINS + 1) * bin_s
    inside = np.minimum(ends[:, None], edges[1:]) - np.maximum(starts[:, None], edges[:-1])
    return np.maximum(inside, 0.0).sum(axis=0) / bin_s
