"""A training run from its last checkpoint to its end: steps, validation, checkpoints, reports."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nas.supernet.checkpoint import Checkpoints, State, trained_weights
from nas.supernet.elastic import Weights
from nas.supernet.progress import Progress
from nas.supernet.trainer import SupernetTrainer

REPORT_EVERY_S = 1.0


def train_supernet(
    trainer: SupernetTrainer,
    checkpoints: Checkpoints,
    *,
    validate: Callable[[Weights], dict[str, float]],
    report: Callable[[Progress], None],
) -> None:
    """Trains from the last checkpoint, or the start, to the end; the final weights are saved.

    Args:
        trainer: What to train.
        checkpoints: Where to save, every `checkpoint_every` epochs and at the end.
        validate: Called after every epoch with the weights; its values are reported.
        report: Called about once a second, and after every epoch.

    Raises:
        FloatingPointError: If the loss is not finite.
    """
    start = checkpoints.restore(trainer.initial_state())
    for progress, state in _epochs(trainer, start, validate, report):
        epoch = round(progress.epoch)
        if epoch % trainer.recipe.checkpoint_every == 0 or progress.step == trainer.steps:
            checkpoints.save(state)
        report(progress)


def _epochs(
    trainer: SupernetTrainer,
    state: State,
    validate: Callable[[Weights], dict[str, float]],
    report: Callable[[Progress], None],
) -> Iterator[tuple[Progress, State]]:
    """Runs the steps; yields at each epoch's end."""
    losses: list[Array] = []
    since, since_step = time.perf_counter(), int(state["step"])

    def progress(validation: dict[str, float]) -> Progress:
        nonlocal losses, since, since_step
        step, loss = int(state["step"]), float(jnp.mean(jnp.stack(losses)))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"training diverged at step {step}: the loss is {loss}; "
                f"lower train.learning_rate ({trainer.recipe.learning_rate:g})"
            )
        elapsed = time.perf_counter() - since
        found = Progress(
            step=step,
            steps=trainer.steps,
            epoch=step / trainer.steps_per_epoch,
            loss=loss,
            images_per_s=(step - since_step) * trainer.recipe.batch_size / elapsed,
            validation=validation,
            epoch_images=trainer.steps_per_epoch * trainer.recipe.batch_size,
            epoch_steps=trainer.steps_per_epoch,
        )
        losses, since, since_step = [], time.perf_counter(), step
        return found

    while int(state["step"]) < trainer.steps:
        state, loss = trainer.train_step(state)
        losses.append(loss)
        if int(state["step"]) % trainer.steps_per_epoch == 0:
            loss.block_until_ready()
            weights = jax.tree.map(
                lambda leaf: jnp.asarray(np.asarray(leaf)), trained_weights(state)
            )
            yield progress(validate(weights)), state
            since = time.perf_counter()
        elif time.perf_counter() - since >= REPORT_EVERY_S:
            report(progress({}))
