"""Collapses of training are noticed, rolled back with a lower learning rate, and told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.supernet.checkpoint import Checkpoints, State, load_weights
from nas.supernet.engine import BlockChain
from nas.supernet.progress import Progress, Rollback, Told
from nas.supernet.trainer import SupernetTrainer
from nas.supernet.training import train_supernet
from tests.nas.supernet import tiny

SPACE = tiny.small_space(kernel_sizes=[3], depths=[1])
CHAIN = BlockChain()


class PoisonedTrainer(SupernetTrainer):
    """Spoils the weights after a step, as often as it is told to."""

    poison_at, times = 3, 0

    def train_step(self, state: State) -> tuple[State, Any]:
        new, loss = super().train_step(state)
        if new["step"] == self.poison_at and self.times > 0:
            self.times -= 1
            weights = jax.tree.map(lambda leaf: leaf * jnp.nan, new["weights"])
            return {**new, "weights": weights}, loss
        return new, loss


def trainer(*, times: int, **changes: Any) -> PoisonedTrainer:
    """Four epochs of two steps; spoilt after the third step, so that the fourth shows it."""
    recipe = tiny.recipe(epochs=4, random_subnets=0, **changes)
    made = PoisonedTrainer(SPACE, tiny.dataset(), recipe, seed=5)
    made.chain, made.times = CHAIN, times
    return made


def run(
    made: SupernetTrainer,
    directory: Path,
    *,
    validate: Callable[[Any], dict[str, float]] = lambda weights: {},
) -> list[Progress | Rollback]:
    """What was told at ends of epochs and of collapses."""
    told: list[Told] = []
    checkpoints = Checkpoints(directory)
    try:
        train_supernet(made, checkpoints, validate=validate, report=told.append)
    finally:
        checkpoints.close()
    return [
        one
        for one in told
        if isinstance(one, Rollback) or (isinstance(one, Progress) and one.step % 2 == 0)
    ]


def leaves(directory: Path) -> list[np.ndarray]:
    return jax.tree.leaves(load_weights(directory))


def test_a_loss_that_is_not_finite_is_rolled_back_at_half_the_rate(tmp_path: Path) -> None:
    told = run(trainer(times=1), tmp_path / "poisoned")
    assert told[1] == Rollback(step=4, to_step=2, reason="the loss is nan", rate_factor=0.5)
    assert str(told[1]) == (
        "collapsed at step 4 (the loss is nan); back to step 2 with 0.5 times the learning rate"
    )
    epochs = [one for one in told if isinstance(one, Progress)]
    assert [(p.step, p.rollbacks, p.rate_factor) for p in epochs] == [
        (2, 0, 1.0),
        (4, 1, 0.5),
        (6, 1, 0.5),
        (8, 1, 0.5),
    ]
    assert all(np.isfinite(p.loss) for p in epochs)
    # As a healthy run whose rate was halved after the second step.
    healthy = trainer(times=0)
    state = healthy.initial_state()
    for step in range(8):
        if step == 2:
            state["guard"] = {**state["guard"], "rate_factor": 0.5}
        state, _ = healthy.train_step(state)
    for found, expected in zip(
        leaves(tmp_path / "poisoned"), jax.tree.leaves(state["weights"]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_without_a_checkpoint_training_starts_anew(tmp_path: Path) -> None:
    told = run(trainer(times=2, checkpoint_every=4), tmp_path)
    rollbacks = [one for one in told if isinstance(one, Rollback)]
    assert [(one.step, one.to_step, one.rate_factor) for one in rollbacks] == [
        (4, 0, 0.5),
        (4, 0, 0.25),
    ]
    assert isinstance(told[-1], Progress)
    assert (told[-1].step, told[-1].rollbacks, told[-1].rate_factor) == (8, 2, 0.25)


def test_a_killed_run_rolls_back_again_and_ends_the_same(tmp_path: Path) -> None:
    def killed(_: Any) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:  # the epoch after the rollback, before its checkpoint
            raise KeyboardInterrupt
        return {}

    calls: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run(trainer(times=1), tmp_path / "killed", validate=killed)
    again = run(trainer(times=1), tmp_path / "killed")
    assert [one.rate_factor for one in again if isinstance(one, Rollback)] == [0.5]
    run(trainer(times=1), tmp_path / "straight")
    for found, expected in zip(
        leaves(tmp_path / "killed"), leaves(tmp_path / "straight"), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert run(trainer(times=0), tmp_path / "straight") == []


def scripted(*accuracies: float) -> Callable[[Any], dict[str, float]]:
    left = list(accuracies)
    return lambda weights: {"largest": left.pop(0), "smallest": 0.1}


def test_an_accuracy_below_half_the_best_is_rolled_back(tmp_path: Path) -> None:
    told = run(trainer(times=0), tmp_path, validate=scripted(0.3, 0.5, 0.24, 0.26, 0.4))
    assert told[2] == Rollback(
        step=6,
        to_step=4,
        reason="the largest subnet's accuracy fell from 50.0% to 24.0%",
        rate_factor=0.5,
    )
    assert [one.step for one in told if isinstance(one, Progress)] == [2, 4, 6, 8]


def test_falls_of_what_was_hardly_above_chance_are_none(tmp_path: Path) -> None:
    # Ten classes: twice chance is 20 %.
    told = run(trainer(times=0), tmp_path, validate=scripted(0.19, 0.05, 0.19, 0.01))
    assert [one.step for one in told] == [2, 4, 6, 8]


def test_the_fourth_collapse_ends_training(tmp_path: Path) -> None:
    with pytest.raises(
        FloatingPointError,
        match=r"diverged at step 4: the loss is nan, also at 0\.125 times the learning rate; "
        r"lower train\.learning_rate \(0\.1\)",
    ):
        run(trainer(times=4), tmp_path)
