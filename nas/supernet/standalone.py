"""An architecture as a network of its own: its parameters, how it runs, how it is trained alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float

from nas.data import Dataset, Split, augment, epoch_order, prepare
from nas.supernet.blocks import Network
from nas.supernet.depthwise import Implementation
from nas.supernet.elastic import Weights, cut_network
from nas.supernet.engine import distillation_loss, smooth_targets
from nas.supernet.layers import Mode, fold
from nas.supernet.optimizer import averaged, build_optimizer
from nas.supernet.recipe import Recipe
from search_spaces.base import Architecture


@dataclass(frozen=True)
class StandaloneNetwork:
    """An architecture with weights of its own.

    Attributes:
        params: Nested pure dict by slot, as `Network(mode="stored")` has them.
        statistics: The BatchNorm statistics likewise.
    """

    architecture: Architecture
    params: Weights
    statistics: dict[str, Any]

    def function(
        self, *, implementation: Implementation | None = None, dtype: str = "float32"
    ) -> Callable[[Array], Array]:
        """The network as it is shipped, norms folded and weights inside.

        It takes normalised float32 images to float32 logits.

        Args:
            implementation: How depthwise convolutions run; None is what suits this process's
                backend.
            dtype: What is computed in.
        """
        definition = network_definition(self.architecture, "folded", implementation)[0]
        params = fold(self.params, self.statistics)
        params = jax.tree.map(lambda leaf: np.asarray(leaf).astype(jnp.dtype(dtype)), params)

        def run(images: Array) -> Array:
            logits = nnx.merge(definition, {"blocks": params})(images.astype(dtype))
            return logits.astype(jnp.float32)

        return run


def untrained(architecture: Architecture, *, seed: int) -> StandaloneNetwork:
    """The network as it is initialised: what is trained, and what may be timed instead of it."""
    fresh = Network(architecture, mode="stored", rngs=nnx.Rngs(seed))
    _, params, statistics = nnx.split(fresh, nnx.Param, nnx.BatchStat)
    arrays = (nnx.to_pure_dict(state).get("blocks", {}) for state in (params, statistics))
    return StandaloneNetwork(architecture, *(jax.tree.map(np.asarray, found) for found in arrays))


def subnet(
    weights: Weights, architecture: Architecture, statistics: dict[str, Any]
) -> StandaloneNetwork:
    """The subnet's own copy of its share of the supernet's weights."""
    params = jax.tree.map(np.asarray, cut_network(weights, architecture)["blocks"])
    return StandaloneNetwork(architecture, params, jax.tree.map(np.asarray, statistics))


def train_alone(
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    start: Weights | None = None,
    calibration_images: int,
    report: Callable[[int, int, float], None],
) -> StandaloneNetwork:
    """Trains one network on the labels, with the supernet's recipe, compiled whole.

    Args:
        architecture: What is trained.
        dataset: Only `train` is used.
        recipe: How; what is about subnets, phases, checkpoints and the largest network's
            drop-connect does not matter here.
        seed: Decides initial weights, order and augmentation.
        start: Parameters to start from (fine-tuning); None is a fresh initialisation.
        calibration_images: Training images for the final BatchNorm statistics.
        report: Called after each epoch with epochs done, epochs in all, and the epoch's mean loss.

    Raises:
        FloatingPointError: If the loss is not finite.
    """
    definition, _, zeros = network_definition(architecture, "batch", None)
    if start is None:
        start = untrained(architecture, seed=seed).params
    params = jax.tree.map(jnp.asarray, start)
    steps_per_epoch = max(len(dataset.train) // recipe.batch_size, 1)
    optimizer = build_optimizer(
        recipe, steps=recipe.epochs * steps_per_epoch, steps_per_epoch=steps_per_epoch
    )
    mean, std = dataset.mean.astype(np.float32), dataset.std.astype(np.float32)
    resolution = architecture.input_shape[0]

    def forward(params: Weights, images: Array) -> tuple[Array, Any]:
        statistics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, images.dtype), zeros)
        network = nnx.merge(definition, {"blocks": params}, {"blocks": statistics})
        logits = network(images)
        return logits, nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))["blocks"]

    @jax.jit
    def step(
        params: Weights,
        state: optax.OptState,
        average: Weights | None,
        updates: int,
        key: Array,
        images: Array,
        labels: Array,
    ) -> tuple[Weights, optax.OptState, Weights | None, Array]:
        images = augment(
            key, images, crop_padding=recipe.crop_padding, flip=recipe.flip, cutout=recipe.cutout
        )
        images = prepare(images, mean=mean, std=std, resolution=resolution)
        logits, pullback = jax.vjp(lambda params: forward(params, images)[0], params)
        loss, d_logits = distillation_loss(
            logits, smooth_targets(labels, logits, recipe.label_smoothing)
        )
        changes, state = optimizer.update(pullback(d_logits)[0], state, params)
        new: Any = optax.apply_updates(params, changes)
        if average is not None:
            average = averaged(average, new, decay=recipe.ema_decay, updates=updates)
        return new, state, average, loss

    state, average = optimizer.init(params), params if recipe.ema_decay else None
    for epoch in range(recipe.epochs):
        losses: list[Array] = []
        for position, (images, labels) in enumerate(_shuffled(dataset.train, recipe, seed, epoch)):
            done = epoch * steps_per_epoch + position
            key = jax.random.fold_in(jax.random.key(seed), done)
            params, state, average, loss = step(params, state, average, done, key, images, labels)
            losses.append(loss)
        mean_loss = float(jnp.mean(jnp.stack(losses)))
        if not np.isfinite(mean_loss):
            raise FloatingPointError(
                f"training diverged in epoch {epoch + 1}: the loss is {mean_loss}"
            )
        report(epoch + 1, recipe.epochs, mean_loss)
    if average is not None:
        params = average
    rows = np.sort(
        np.random.default_rng([seed, 2]).choice(
            len(dataset.train), min(calibration_images, len(dataset.train)), replace=False
        )
    )
    images = prepare(dataset.train.images[rows], mean=mean, std=std, resolution=resolution)
    _, statistics = jax.jit(forward)(params, images)
    return StandaloneNetwork(
        architecture, jax.tree.map(np.asarray, params), jax.tree.map(np.asarray, statistics)
    )


def classify(
    network: StandaloneNetwork, dataset: Dataset, split: Split, *, batch_size: int
) -> Float[np.ndarray, "n classes"]:
    """Logits for every image of a split."""
    resolution = network.architecture.input_shape[0]
    return logits_of(
        jax.jit(network.function()), dataset, split, resolution=resolution, batch_size=batch_size
    )


def logits_of(
    run: Callable[[Any], Any], dataset: Dataset, split: Split, *, resolution: int, batch_size: int
) -> Float[np.ndarray, "n classes"]:
    """What a function from prepared images to logits gives for every image of a split."""
    mean, std = dataset.mean.astype(np.float32), dataset.std.astype(np.float32)
    logits: list[np.ndarray] = []
    for first in range(0, len(split), batch_size):
        rows = np.minimum(np.arange(first, first + batch_size), len(split) - 1)
        images = prepare(split.images[rows], mean=mean, std=std, resolution=resolution)
        logits.append(np.asarray(run(images))[: len(split) - first])
    return np.concatenate(logits)


def _shuffled(
    split: Split, recipe: Recipe, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = epoch_order(len(split), seed=seed, epoch=epoch)
    size = min(recipe.batch_size, len(split))
    for first in range(0, len(order) - size + 1, size):
        rows = order[first : first + size]
        yield split.images[rows], split.labels[rows]


def network_definition(
    architecture: Architecture, mode: Mode, implementation: Implementation | None
) -> tuple[Any, Any, Any]:
    """Graph definition, and the shapes of parameters and statistics by slot."""
    abstract = nnx.eval_shape(
        lambda: Network(architecture, mode=mode, implementation=implementation, rngs=nnx.Rngs(0))
    )
    definition, params, statistics = nnx.split(abstract, nnx.Param, nnx.BatchStat)
    found = nnx.to_pure_dict(statistics)
    return definition, nnx.to_pure_dict(params)["blocks"], found.get("blocks", {})
