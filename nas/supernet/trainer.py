"""One step of training the shared weights: subnets forward and backward, then one update.

The order of images, the augmentation and the subnets of a step are functions of the seed and the
step, so that training continues from a checkpoint as if it had not stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int
from jaxtyping import Key as KeyArray

from nas.data import Dataset, Split, augment, epoch_order, prepare
from nas.supernet.checkpoint import State, trained_weights
from nas.supernet.collapse import initial_guard
from nas.supernet.drop_connect import DropConnect, drop_rates
from nas.supernet.elastic import Weights, initial_weights
from nas.supernet.engine import BATCH_AXIS, BlockChain, distillation_loss, smooth_targets
from nas.supernet.importance import sort_channels
from nas.supernet.optimizer import averaged, build_optimizer
from nas.supernet.phases import PlannedPhase, plan_phases, widths_of
from nas.supernet.recipe import Recipe
from nas.supernet.sampling import build_sampler
from nas.supernet.strategies import build_strategy
from search_spaces.base import Architecture, SearchSpace

DROP_STREAM = 3
"""What the step's key is folded with for drop-connect; augmentation uses 0 to 2."""


class SupernetTrainer:
    """One process's part in training; with a mesh over several, each holds its share of the batch.

    Args:
        space: What can be built.
        dataset: Only `train` is used.
        recipe: How to train.
        seed: Decides initial weights, order, augmentation and subnets.
        mesh: Devices to spread the batch over, with one axis named `batch`.
        dtype: What blocks compute in, see `BlockChain`.

    Raises:
        ValueError: If the training split is smaller than a batch, or the recipe's phases do not fit
            the space.
    """

    def __init__(
        self,
        space: SearchSpace,
        dataset: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        mesh: Mesh | None = None,
        dtype: Any = None,
    ) -> None:
        self.space, self.dataset, self.recipe = space, dataset, recipe
        self.seed, self.mesh = seed, mesh
        self.chain = BlockChain(mesh, dtype=dtype)
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        if self.steps_per_epoch == 0:
            raise ValueError(
                f"train.batch_size must be at most the {len(dataset.train)} training images, "
                f"got {recipe.batch_size}"
            )
        self.phases = plan_phases(space, recipe, steps_per_epoch=self.steps_per_epoch)
        self.steps = self.phases[-1].start + self.phases[-1].steps
        self.sampler = build_sampler(space, recipe)
        self.strategy = build_strategy(space, self.sampler, self.phases, recipe, seed=seed)
        self._optimizers = [self._optimizer(phase) for phase in self.phases]
        self._updates: list[Callable[..., Any]] = [
            jax.jit(partial(_update, optimizer, recipe.ema_decay), donate_argnums=(0, 1, 2))
            for optimizer in self._optimizers
        ]
        if recipe.drop_connect and not drop_rates(space.decode(space.largest), 1.0):
            raise ValueError(
                f"train.drop_connect must be 0 for {space.name}, whose blocks do not end by adding "
                f"to their input, got {recipe.drop_connect:g}"
            )

    def initial_state(self) -> State:
        """What training starts from."""
        weights = self._replicate(initial_weights(self.space, seed=self.seed))
        state: State = {
            "weights": weights,
            "optimizer": self._replicate(self._optimizers[0].init(weights)),
            "sampler": self._replicate(self.sampler.initial_state()),
            "step": 0,
            "guard": initial_guard(),
        }
        if self.recipe.ema_decay:
            state["average"] = _copy(weights)
        if self.recipe.strategy == "progressive":
            state["teacher"] = _copy(weights)
        return state

    def train_step(self, state: State) -> tuple[State, Array]:
        """One update; the given state's buffers are consumed.

        Returns:
            The new state, and the loss of the step's first subnet on the labels.
        """
        step = int(state["step"])
        position = max(i for i, phase in enumerate(self.phases) if phase.start <= step)
        if position > 0 and step == self.phases[position].start:
            state = self.begin_phase(state, position)
        key = jax.random.fold_in(jax.random.key(self.seed), step)
        images, labels = self._batch(step, key)
        drop = DropConnect(jax.random.fold_in(key, DROP_STREAM), self.recipe.drop_connect)
        weights = state["weights"]
        gradients = _zeros_like(weights)
        lessons = self.strategy.lessons(step, state["sampler"])
        teacher = self.strategy.teacher(lessons)
        soft = None
        if teacher is not None:
            network = self.space.decode(teacher)
            logits, _ = self.chain.forward(state["teacher"], network, self._input(images, network))
            soft = jax.nn.softmax(logits)
        losses: list[Array] = []
        for lesson in lessons:
            network = self.space.decode(lesson.genotype)
            logits, tape = self.chain.forward(
                weights,
                network,
                self._input(images, network),
                drop=drop if lesson.drops and drop.rate else None,
            )
            loss, d_logits = subnet_loss(
                logits, labels, soft, lesson.labels, lesson.soft, self.recipe.label_smoothing
            )
            if soft is None and len(lessons) > 1:
                soft = jax.nn.softmax(logits)
            losses.append(loss)
            gradients = self.chain.backward(tape, d_logits, gradients)
        updates = step - self.phases[position].start
        weights, optimizer, average = self._updates[position](
            weights,
            state["optimizer"],
            state.get("average"),
            gradients,
            updates=updates,
            rate_factor=state["guard"]["rate_factor"],
        )
        genotypes = [lesson.genotype for lesson in lessons]
        new: State = {
            **state,
            "weights": weights,
            "optimizer": optimizer,
            "sampler": self.sampler.observe(state["sampler"], genotypes, losses),
            "step": step + 1,
        }
        if average is not None:
            new["average"] = average
        return new, losses[0]

    def _optimizer(self, phase: PlannedPhase) -> optax.GradientTransformation:
        return build_optimizer(
            self.recipe,
            steps=phase.steps,
            steps_per_epoch=self.steps_per_epoch,
            learning_rate=phase.phase.learning_rate,
            warmup_epochs=phase.phase.warmup_epochs,
        )

    def begin_phase(self, state: State, position: int) -> State:
        """What the phase at a position in `phases` starts from.

        The optimizer and the average start afresh. After the first phase the largest network
        becomes the teacher. Where widths open, the channels inside blocks are put in order of
        importance, those that were trained as a smaller width among themselves.
        """
        phase, weights = self.phases[position], state["weights"]
        if phase.opens_widths:
            before = widths_of(self.space, self.phases[position - 1])
            trained = [self.space.decode(genotype) for genotype in before]
            arrays = jax.tree.map(np.asarray, weights)
            found = sort_channels(self.space, arrays, trained=trained)
            weights = self._replicate(jax.tree.map(jnp.asarray, found))
        new = {
            **state,
            "weights": weights,
            "optimizer": self._replicate(self._optimizers[position].init(weights)),
        }
        if position == 1:
            new["teacher"] = _copy(trained_weights(state))
        if "average" in state:
            new["average"] = _copy(weights)
        return new

    def _batch(self, step: int, key: KeyArray[Array, ""]) -> tuple[Array, Array]:
        epoch, position = divmod(step, self.steps_per_epoch)
        order = epoch_order(len(self.dataset.train), seed=self.seed, epoch=epoch)
        size = self.recipe.batch_size
        rows = order[position * size : (position + 1) * size]
        images, labels = self._share(self.dataset.train, rows)
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
        """JAX's arrays on every device; others stay in each process's memory."""
        if self.mesh is None:
            return tree
        everywhere = NamedSharding(self.mesh, PartitionSpec())
        return jax.tree.map(
            lambda leaf: jax.device_put(leaf, everywhere) if isinstance(leaf, Array) else leaf, tree
        )


@jax.jit
def subnet_loss(
    logits: Float[Array, "n classes"],
    labels: Int[Array, " n"],
    soft: Float[Array, "n classes"] | None,
    label_weight: float,
    soft_weight: float,
    smoothing: float,
) -> tuple[Float[Array, ""], Float[Array, "n classes"]]:
    """A subnet's loss on the labels, and the gradient of what it learns from.

    Args:
        logits: Of the subnet.
        labels: Smoothed by `smoothing`.
        soft: What else it learns from: chances of each class; None for nothing else.
        label_weight: Of the cross-entropy on the labels in what it learns from.
        soft_weight: Of that on `soft`.
        smoothing: See `smooth_targets`.
    """
    targets = smooth_targets(labels, logits, smoothing)
    loss = -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1))
    learned = label_weight * targets
    if soft is not None:
        learned = learned + soft_weight * soft
    return loss, distillation_loss(logits, learned)[1]


def _update(
    transformation: optax.GradientTransformation,
    ema_decay: float,
    weights: Weights,
    optimizer: Any,
    average: Weights | None,
    gradients: Weights,
    *,
    updates: int,
    rate_factor: float,
) -> tuple[Weights, Any, Weights | None]:
    changes, optimizer = transformation.update(gradients, optimizer, weights)
    slowed: Any = jax.tree.map(lambda change: rate_factor * change, changes)
    new: Any = optax.apply_updates(weights, slowed)
    if average is not None:
        average = averaged(average, new, decay=ema_decay, updates=updates)
    return new, optimizer, average


@jax.jit
def _zeros_like(weights: Weights) -> Weights:
    return jax.tree.map(jnp.zeros_like, weights)


@jax.jit
def _copy(weights: Weights) -> Weights:
    return jax.tree.map(jnp.copy, weights)
