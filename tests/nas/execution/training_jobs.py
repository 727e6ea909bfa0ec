"""Training jobs for tests, in a module of their own so that workers can import them."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import jax

from nas.data import Dataset
from nas.supernet.checkpoint import State
from nas.supernet.job import TrainingJob
from nas.supernet.trainer import SupernetTrainer
from tests.nas.supernet import tiny


def job(
    checkpoints: Path,
    *,
    dies_at: int | None = None,
    collapses_at: int | None = None,
    batch_size: int = 32,
    warm_up: bool = False,
) -> TrainingJob:
    """Three epochs of two steps; a worker may be killed once, or all weights spoilt, at a step."""
    load = tiny.dataset
    if collapses_at is not None:
        load = partial(load_for_a_collapse, collapses_at)
    if dies_at is not None:
        load = partial(load_in_a_doomed_process, checkpoints.with_name("died"), dies_at)
    return TrainingJob(
        load=load,
        space=tiny.small_space(kernel_sizes=[3], depths=[1], expand_ratios=[1.0, 2.0]),
        recipe=tiny.recipe(
            epochs=3, batch_size=batch_size, sampling="macs", ema_decay=0.9, drop_connect=0.2
        ),
        seed=7,
        checkpoints=checkpoints,
        validation_images=32,
        calibration_images=32,
        validation_subnets=1,
        warm_up=warm_up,
    )


def load_for_a_collapse(step: int) -> Dataset:
    """The data; in every process the weights are spoilt after the given step, once."""
    train_step = SupernetTrainer.train_step
    left = [step]

    def train_or_spoil(self: SupernetTrainer, state: State) -> tuple[State, Any]:
        new, loss = train_step(self, state)
        if left == [new["step"]]:
            left.clear()
            new["weights"] = jax.tree.map(lambda leaf: leaf * float("nan"), new["weights"])
        return new, loss

    SupernetTrainer.train_step = train_or_spoil
    return tiny.dataset()


def load_in_a_doomed_process(marker: Path, step: int) -> Dataset:
    """The data; this process kills itself before the given step, unless one did before."""
    if not marker.exists():
        train_step = SupernetTrainer.train_step

        def die_or_train(self: SupernetTrainer, state: dict[str, object]) -> object:
            if state["step"] == step:
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return train_step(self, state)

        SupernetTrainer.train_step = die_or_train  # pyright: ignore
    return tiny.dataset()
