"""The optimizer of the shared weights, and of networks that are trained alone; their average."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from nas.supernet.elastic import Weights
from nas.supernet.recipe import Recipe

SECOND_MOMENTUM = 0.999
"""AdamW's decay of squared gradients, beta 2, as its authors recommend; beta 1 is the momentum."""


def build_optimizer(
    recipe: Recipe,
    *,
    steps: int,
    steps_per_epoch: int,
    learning_rate: float | None = None,
    warmup_epochs: float | None = None,
) -> optax.GradientTransformation:
    """SGD with Nesterov momentum, or AdamW, with linear warm-up and cosine decay.

    Only kernels decay: norms, biases, kernel transforms, learned tokens and positions do not. SGD
    adds the decay to the gradient; AdamW scales it with the learning rate (Loshchilov and Hutter,
    "Decoupled Weight Decay Regularization", ICLR 2019). Gradients that together are longer than
    the recipe's `clip_norm`, unless it is 0, are shortened to it before anything else.

    Args:
        recipe: What kind of optimizer.
        steps: From the start of the warm-up to the end of the decay.
        steps_per_epoch: For the warm-up's length.
        learning_rate: The highest; the recipe's unless given.
        warmup_epochs: The recipe's unless given; at most all steps but one are warm-up.
    """
    highest = recipe.learning_rate if learning_rate is None else learning_rate
    epochs = recipe.warmup_epochs if warmup_epochs is None else warmup_epochs
    warmup = min(round(epochs * steps_per_epoch), steps - 1)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0 if warmup else highest, highest, warmup, steps
    )
    clip = optax.clip_by_global_norm(recipe.clip_norm) if recipe.clip_norm else optax.identity()
    if recipe.optimizer == "adamw":
        return optax.chain(
            clip,
            optax.adamw(
                schedule,
                b1=recipe.momentum,
                b2=SECOND_MOMENTUM,
                weight_decay=recipe.weight_decay,
                mask=_decayed,
            ),
        )
    return optax.chain(
        clip,
        optax.add_decayed_weights(recipe.weight_decay, mask=_decayed),
        optax.sgd(schedule, momentum=recipe.momentum, nesterov=True),
    )


def averaged(average: Weights, weights: Weights, *, decay: float, updates: Array | int) -> Weights:
    """The moving average after one more update of the weights.

    Early on it forgets faster, with (1 + t) / (10 + t) after t updates, so that the first weights
    do not linger (as TensorFlow's `ExponentialMovingAverage` with `num_updates`).

    Args:
        average: As it was; at the start the weights themselves.
        weights: After the update.
        decay: What the old average counts in the long run.
        updates: How many went before this one.
    """
    kept = jnp.minimum(decay, (1.0 + updates) / (10.0 + updates))

    def mix(old: Array, new: Array) -> Array:
        return (new + kept * (old - new)).astype(old.dtype)

    return jax.tree.map(mix, average, weights)


def _decayed(weights: Weights) -> Any:
    def is_kernel(path: tuple[Any, ...], _: Any) -> bool:
        names = [entry.key for entry in path]
        return names[-1] == "kernel" and "kernel_transforms" not in names

    return jax.tree_util.tree_map_with_path(is_kernel, weights)
