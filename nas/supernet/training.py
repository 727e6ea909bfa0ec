"""A training run from its last checkpoint to its end: steps, validation, checkpoints, reports."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nas.supernet.checkpoint import Checkpoints, State, trained_weights
from nas.supernet.collapse import (
    CHECK_EVERY,
    MAX_ROLLBACKS,
    CollapseError,
    after_rollback,
    check_accuracy,
    check_loss,
)
from nas.supernet.elastic import Weights
from nas.supernet.progress import Progress, Report, Rollback
from nas.supernet.trainer import SupernetTrainer

REPORT_EVERY_S = 1.0


def train_supernet(
    trainer: SupernetTrainer,
    checkpoints: Checkpoints,
    *,
    validate: Callable[[Weights], dict[str, float]],
    report: Report,
    prepare: Callable[[State], None] = lambda state: None,
) -> None:
    """Trains from the last checkpoint, or the start, to the end; the final weights are saved.

    Args:
        trainer: What to train.
        checkpoints: Where to save, every `checkpoint_every` epochs and at the end.
        validate: Called after every epoch with the weights; its values are reported, and a fall of
            `largest` is a collapse.
        report: Called about once a second, after every epoch, and when a collapse is rolled back.
        prepare: Called with what training starts from, unless there is nothing left to do.

    Raises:
        FloatingPointError: If training collapses once more after `MAX_ROLLBACKS` rollbacks.
    """
    state = checkpoints.restore(trainer.initial_state())
    if int(state["step"]) < trainer.steps:
        prepare(state)
    meter = _Meter(trainer, state)
    while int(state["step"]) < trainer.steps:
        try:
            state = _train_epoch(trainer, state, meter, report)
            progress = meter.progress(state)
            weights = jax.tree.map(
                lambda leaf: jnp.asarray(np.asarray(leaf)), trained_weights(state)
            )
            validation = validate(weights)
            guard = check_accuracy(
                state["guard"],
                validation,
                classes=len(trainer.dataset.classes),
                step=int(state["step"]),
            )
        except CollapseError as collapse:
            state = _rolled_back(trainer, checkpoints, state, collapse, report)
            meter.restart(state)
            continue
        state = dict(state, guard=guard)
        epoch = int(state["step"]) // trainer.steps_per_epoch
        if epoch % trainer.recipe.checkpoint_every == 0 or int(state["step"]) == trainer.steps:
            checkpoints.save(state)
        report(replace(progress, validation=validation))
        meter.restart(state)


def _train_epoch(trainer: SupernetTrainer, state: State, meter: _Meter, report: Report) -> State:
    """The state at the end of the epoch.

    Raises:
        CollapseError: If a loss is not finite.
    """
    while True:
        state, loss = trainer.train_step(state)
        meter.add(loss)
        step = int(state["step"])
        ends = step % trainer.steps_per_epoch == 0
        if ends or step % CHECK_EVERY == 0:
            check_loss(meter.mean_loss, step)
        if ends:
            return state
        if time.perf_counter() - meter.since >= REPORT_EVERY_S and math.isfinite(meter.mean_loss):
            report(meter.progress(state))


def _rolled_back(
    trainer: SupernetTrainer,
    checkpoints: Checkpoints,
    state: State,
    collapse: CollapseError,
    report: Report,
) -> State:
    """The last good state, to go on from at a lower rate."""
    guard = state["guard"]
    if guard["rollbacks"] == MAX_ROLLBACKS:
        raise FloatingPointError(
            f"{collapse}, also at {guard['rate_factor']:g} times the learning rate; "
            f"lower train.learning_rate ({trainer.recipe.learning_rate:g})"
        ) from collapse
    restored = checkpoints.restore(trainer.initial_state())
    restored["guard"] = after_rollback(guard, restored["guard"])
    report(
        Rollback(
            step=collapse.step,
            to_step=int(restored["step"]),
            reason=collapse.reason,
            rate_factor=restored["guard"]["rate_factor"],
        )
    )
    return restored


class _Meter:
    """Loss since the epoch began, and speed since the last report."""

    def __init__(self, trainer: SupernetTrainer, state: State) -> None:
        self._trainer = trainer
        self.restart(state)

    def restart(self, state: State) -> None:
        """Begins an epoch."""
        self._known: list[float] = []
        self._computing: list[Array] = []
        self._time(state)

    def add(self, loss: Array) -> None:
        """Takes a step's loss, without waiting for it."""
        self._computing.append(loss)

    @property
    def mean_loss(self) -> float:
        """Not finite where any loss is not."""
        self._known += map(float, jax.device_get(self._computing))
        self._computing.clear()
        return float(np.mean(self._known))

    def progress(self, state: State) -> Progress:
        """Where training is; the speed is measured anew."""
        trainer, step, loss = self._trainer, int(state["step"]), self.mean_loss
        images = (step - self._since_step) * trainer.recipe.batch_size
        elapsed_s = time.perf_counter() - self.since
        self._time(state)
        return Progress(
            step=step,
            steps=trainer.steps,
            epoch=step / trainer.steps_per_epoch,
            loss=loss,
            images_per_s=images / elapsed_s,
            epoch_images=trainer.steps_per_epoch * trainer.recipe.batch_size,
            epoch_steps=trainer.steps_per_epoch,
            rollbacks=state["guard"]["rollbacks"],
            rate_factor=state["guard"]["rate_factor"],
        )

    def _time(self, state: State) -> None:
        self.since, self._since_step = time.perf_counter(), int(state["step"])
