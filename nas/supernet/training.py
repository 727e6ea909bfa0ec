"""Trains the shared weights: sandwich rule with in-place distillation.

Every step runs the largest subnet on the labels, and the smallest and some random ones on the
largest one's predictions (Yu and Huang, "Universally Slimmable Networks", ICCV 2019, sections 3.2
and 3.4; soft labels only for the smaller ones as in Yu et al., "BigNAS", ECCV 2020, section 3).
Gradients are averaged over the subnets.

The order of images, the augmentation and the subnets of a step are functions of the seed and the
step, so that training continues from a checkpoint as if it had not stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from nas.data import Dataset, Split, augment, epoch_order, prepare
from nas.supernet.checkpoint import Checkpoints
from nas.supernet.elastic import Weights, initial_weights
from nas.supernet.engine import BATCH_AXIS, BlockChain, distillation_loss, smooth_targets
from search_spaces.base import Architecture, SearchSpace

REPORT_EVERY_S = 1.0


@dataclass(frozen=True)
class Recipe:
    """How the weights are trained; the config's `train` section says what each means."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: float
    momentum: float
    weight_decay: float
    label_smoothing: float
    random_subnets: int
    checkpoint_every: int
    crop_padding: int
    flip: bool
    cutout: int


@dataclass(frozen=True)
class Progress:
    """Where training is.

    Attributes:
        step: Steps done, of `steps` in all.
        epoch: Epochs done, with fraction.
        loss: Mean cross-entropy of the largest subnet on the labels since the last report.
        images_per_s: Training images a second since the last report, each counted once for all
            subnets.
        validation: After an epoch, what `validate` returned; empty otherwise.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    images_per_s: float
    validation: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def eta_s(self) -> float:
        """Seconds left at the current rate."""
        images = (self.steps - self.step) * self.epoch_images / self.epoch_steps
        return images / self.images_per_s if self.images_per_s > 0 else math.inf

    epoch_images: int = 1
    epoch_steps: int = 1


class SupernetTrainer:
    """One process's part in training; with a mesh over several, each holds its share of the batch.

    Args:
        space: What can be built.
        dataset: Only `train` is used.
        recipe: How to train.
        seed: Decides initial weights, order, augmentation and subnets.
        mesh: Devices to spread the batch over, with one axis named `batch`.

    Raises:
        ValueError: If the training split is smaller than a batch.
    """

    def __init__(
        self,
        space: SearchSpace,
        dataset: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        mesh: Mesh | None = None,
    ) -> None:
        self.space, self.dataset, self.recipe = space, dataset, recipe
        self.seed, self.mesh = seed, mesh
        self.chain = BlockChain(mesh)
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        if self.steps_per_epoch == 0:
            raise ValueError(
                f"train.batch_size must be at most the {len(dataset.train)} training images, "
                f"got {recipe.batch_size}"
            )
        self.steps = recipe.epochs * self.steps_per_epoch
        self.largest = space.decode(space.largest)
        self.smallest = space.decode(space.smallest)
        self.optimizer = build_optimizer(
            recipe, steps=self.steps, steps_per_epoch=self.steps_per_epoch
        )
        self._update = jax.jit(self._apply_gradients, donate_argnums=(0, 1))

    def initial_state(self) -> dict[str, Any]:
        """Weights, optimizer state, and the number of steps done."""
        weights = self._replicate(initial_weights(self.space, seed=self.seed))
        return {"weights": weights, "optimizer": self.optimizer.init(weights), "step": 0}

    def train_step(self, state: dict[str, Any]) -> tuple[dict[str, Any], Array]:
        """One update; the given state's buffers are consumed.

        Returns:
            The new state, and the largest subnet's loss.
        """
        step = int(state["step"])
        images, labels = self._batch(step)
        weights = state["weights"]
        gradients = _zeros_like(weights)
        networks = self.subnets(step)
        targets: Array | None = None
        first_loss = jnp.zeros(())
        for network in networks:
            logits, tape = self.chain.forward(weights, network, self._input(images, network))
            if targets is None:
                loss, d_logits = distillation_loss(
                    logits, smooth_targets(labels, logits, self.recipe.label_smoothing)
                )
                targets, first_loss = jax.nn.softmax(logits), loss
            else:
                _, d_logits = distillation_loss(logits, targets)
            gradients = self.chain.backward(tape, d_logits, gradients)
        weights, optimizer = self._update(weights, state["optimizer"], gradients, len(networks))
        return {"weights": weights, "optimizer": optimizer, "step": step + 1}, first_loss

    def subnets(self, step: int) -> list[Architecture]:
        """The step's subnets: largest, smallest, random ones."""
        rng = np.random.default_rng([self.seed, 1, step])
        random = self.space.sample(self.recipe.random_subnets, rng)
        return [self.largest, self.smallest, *(self.space.decode(genotype) for genotype in random)]

    def _batch(self, step: int) -> tuple[Array, Array]:
        epoch, position = divmod(step, self.steps_per_epoch)
        order = epoch_order(len(self.dataset.train), seed=self.seed, epoch=epoch)
        size = self.recipe.batch_size
        rows = order[position * size : (position + 1) * size]
        images, labels = self._share(self.dataset.train, rows)
        key = jax.random.fold_in(jax.random.key(self.seed), step)
        images = augment(
            key,
            images,
            crop_padding=self.recipe.crop_padding,
            flip=self.recipe.flip,
            cutout=self.recipe.cutout,
        )
        return images, labels

    def _share(self, split: Split, rows: np.ndarray) -> tuple[Array, Array]:
        """The batch on the devices; of a batch over several processes, each loads its own rows."""
        if self.mesh is None:
            return jnp.asarray(split.images[rows]), jnp.asarray(split.labels[rows])
        count, index = jax.process_count(), jax.process_index()
        own = rows[index * len(rows) // count : (index + 1) * len(rows) // count]
        sharding = NamedSharding(self.mesh, PartitionSpec(BATCH_AXIS))
        images = jax.make_array_from_process_local_data(sharding, split.images[own])
        return images, jax.make_array_from_process_local_data(sharding, split.labels[own])

    def _input(self, images: Array, network: Architecture) -> Array:
        return prepare(
            images,
            mean=self.dataset.mean.astype(np.float32),
            std=self.dataset.std.astype(np.float32),
            resolution=network.input_shape[0],
        )

    def _replicate(self, tree: Any) -> Any:
        if self.mesh is None:
            return tree
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def _apply_gradients(
        self, weights: Weights, optimizer: Any, gradients: Weights, subnets: int
    ) -> tuple[Weights, Any]:
        mean = jax.tree.map(lambda gradient: gradient / subnets, gradients)
        updates, optimizer = self.optimizer.update(mean, optimizer, weights)
        return optax.apply_updates(weights, updates), optimizer  # pyright: ignore[reportReturnType]


def build_optimizer(
    recipe: Recipe, *, steps: int, steps_per_epoch: int
) -> optax.GradientTransformation:
    """SGD with Nesterov momentum, linear warm-up and cosine decay.

    Norms, biases and kernel transforms have no weight decay.
    """
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), steps - 1)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0 if warmup else recipe.learning_rate, recipe.learning_rate, warmup, steps
    )
    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay, mask=_decayed),
        optax.sgd(schedule, momentum=recipe.momentum, nesterov=True),
    )


def _decayed(weights: Weights) -> Any:
    def is_kernel(path: tuple[Any, ...], _: Any) -> bool:
        names = [entry.key for entry in path]
        return names[-1] == "kernel" and "kernel_transforms" not in names

    return jax.tree_util.tree_map_with_path(is_kernel, weights)


@jax.jit
def _zeros_like(weights: Weights) -> Weights:
    return jax.tree.map(jnp.zeros_like, weights)


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
    state: dict[str, Any],
    validate: Callable[[Weights], dict[str, float]],
    report: Callable[[Progress], None],
) -> Iterator[tuple[Progress, dict[str, Any]]]:
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
            weights = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), state["weights"])
            yield progress(validate(weights)), state
            since = time.perf_counter()
        elif time.perf_counter() - since >= REPORT_EVERY_S:
            report(progress({}))
