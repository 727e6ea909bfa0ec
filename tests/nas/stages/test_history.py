"""What the report says of the search in time, worked out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nas.records import Evaluation, TrainingStep
from nas.report import Failure, Rollback, SurrogatePoint
from nas.stages.history import (
    BINS,
    LOSS_POINTS,
    search_history,
    training_curve,
    training_rollbacks,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def evaluation(number: int, end_s: float, duration_s: float, **fields: Any) -> Evaluation:
    done: dict[str, Any] = {
        "id": number,
        "genotype": (number,),
        "split": "search",
        "status": "ok",
        "accuracy": 0.5,
        "loss": None,
        "metrics": {},
        "seed": 0,
        "duration_s": duration_s,
        "worker": "vm/1",
        "created_at": (BEGIN + timedelta(seconds=end_s)).isoformat(),
        "error": None,
        "attempts": 1,
    }
    return Evaluation(**{**done, **fields})


def test_time_counts_from_the_first_start_and_skips_pauses():
    made = [
        evaluation(1, 10, 10),
        evaluation(2, 20, 10),
        # A day later the study went on.
        evaluation(3, 20 + 86_400, 10),
    ]
    history = search_history(made)
    assert history.elapsed_s == pytest.approx((10, 20, 30))
    assert history.paused_s == pytest.approx(86_390)


def test_a_worker_that_waits_is_not_busy():
    # Worker 1 evaluates in 0..40 and 80..120, worker 2 in 0..120: 200 of 240 seconds.
    made = [
        evaluation(1, 40, 40),
        evaluation(2, 120, 120, worker="vm/2"),
        evaluation(3, 120, 40),
    ]
    history = search_history(made)
    assert history.utilisation == pytest.approx(200 / 240)
    assert history.bin_s * BINS == pytest.approx(120)
    assert [worker.name for worker in history.workers] == ["vm/1", "vm/2"]
    busy = history.workers[0].busy
    assert (busy[0], busy[39], busy[40], busy[79], busy[80]) == pytest.approx((1, 1, 0, 0, 1))
    assert sum(busy) * history.bin_s == pytest.approx(80)


def test_failures_are_counted_by_reason_and_have_no_time_on_the_curve():
    made = [
        evaluation(1, 1, 1, attempts=2),
        evaluation(2, 2, 1, status="failed", accuracy=None, error="NaN", attempts=2),
        evaluation(3, 3, 1, status="failed", accuracy=None, error="died", attempts=3),
        evaluation(4, 4, 1, status="failed", accuracy=None, error="died"),
    ]
    history = search_history(made)
    assert history.failures == (Failure("died", 2), Failure("NaN", 1))
    assert history.retries == 1 + 1 + 2
    assert len(history.elapsed_s) == 1


def test_a_search_without_evaluations_has_no_history():
    history = search_history([])
    assert (history.elapsed_s, history.workers, history.utilisation) == ((), (), None)


def test_what_the_search_noted_of_its_surrogate_is_taken_over():
    noted = SurrogatePoint(40, None, 0.02)
    assert search_history([], [noted]).surrogate == (noted,)


def test_a_rollback_is_where_the_training_went_on_with_a_lower_rate():
    after = {"rollbacks": 1.0, "rate_factor": 0.5}
    twice = {"rollbacks": 3.0, "rate_factor": 0.125}
    steps = [TrainingStep(i, i / 10, {"loss": 1.0}) for i in range(1, 5)]
    steps += [TrainingStep(i, i / 10, after) for i in (5, 6)] + [TrainingStep(7, 0.7, twice)]
    assert training_rollbacks(steps) == (Rollback(0.4, 0.5), Rollback(0.6, 0.125))
    assert training_rollbacks(steps[:4]) == ()


def test_the_training_curve_keeps_every_accuracy_and_thins_the_loss():
    steps = [
        TrainingStep(i, i / 1000, {"loss": float(i), "images_per_s": 0.5}) for i in range(1000)
    ]
    steps.append(TrainingStep(1000, 1.0, {"loss": 2.0, "largest": 0.9, "subnet1": 0.8}))
    points = training_curve(steps)
    losses = [point for point in points if point.loss is not None]
    assert len(losses) <= LOSS_POINTS
    # Stretches of three steps: the first is the mean of 0, 1 and 2.
    assert (losses[0].epoch, losses[0].loss) == (0.002, 1.0)
    accuracies = [(point.epoch, dict(point.accuracies)) for point in points if point.accuracies]
    assert accuracies == [(1.0, {"largest": 0.9, "subnet1": 0.8})]
