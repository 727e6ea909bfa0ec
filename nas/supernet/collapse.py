"""Collapses of training: how they are noticed, and what is remembered of them.

Training collapses when a loss is not finite, or when after an epoch the largest subnet's accuracy
is less than half of the best so far, had that been at least twice chance. It then goes back to the
last checkpoint, or to the start, and on with half the learning rate, at most `MAX_ROLLBACKS` times.
A run that is killed in between notices the same collapse again when it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

MAX_ROLLBACKS = 3
RATE_CUT = 0.5
"""What a rollback multiplies the learning rate by, for the rest of the training."""

CHECK_EVERY = 50
"""Steps after which losses are looked at, besides the ends of epochs: the same in all processes."""

Guard = dict[str, Any]
"""Part of a checkpoint: the largest subnet's `best` accuracy so far, the number of `rollbacks`, and
the `rate_factor` of the learning rate."""


class CollapseError(Exception):
    """Training collapsed.

    Attributes:
        step: Steps done when it was noticed.
        reason: What was seen.
    """

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"training diverged at step {step}: {reason}")
        self.step, self.reason = step, reason


def initial_guard() -> Guard:
    """Before the first step."""
    return {"best": 0.0, "rollbacks": 0, "rate_factor": 1.0}


def after_rollback(guard: Guard, restored: Guard) -> Guard:
    """The guard to go on with from a checkpoint, whose own is `restored`."""
    return {
        **restored,
        "rollbacks": guard["rollbacks"] + 1,
        "rate_factor": guard["rate_factor"] * RATE_CUT,
    }


def check_loss(loss: float, step: int) -> None:
    """Raises CollapseError if the loss is not finite."""
    if not math.isfinite(loss):
        raise CollapseError(step, f"the loss is {loss}")


def check_accuracy(
    guard: Guard, validation: Mapping[str, float], *, classes: int, step: int
) -> Guard:
    """The guard after an epoch's validation.

    Only the first of several processes validates; all take its value.

    Raises:
        CollapseError: If the largest subnet's accuracy fell too low.
    """
    accuracy = np.float32(validation.get("largest", math.nan))
    if jax.process_count() > 1:
        accuracy = np.float32(multihost_utils.broadcast_one_to_all(accuracy))
    found, best = float(accuracy), guard["best"]
    if best >= 2 / classes and found < best / 2:
        raise CollapseError(
            step, f"the largest subnet's accuracy fell from {best:.1%} to {found:.1%}"
        )
    return {**guard, "best": best if math.isnan(found) else max(best, found)}
