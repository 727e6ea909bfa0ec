"""The optimizer of the shared weights, and of networks that are trained alone."""

from __future__ import annotations

from typing import Any

import jax
import optax

from nas.supernet.elastic import Weights
from nas.supernet.recipe import Recipe


def build_optimizer(
    recipe: Recipe,
    *,
    steps: int,
    steps_per_epoch: int,
    learning_rate: float | None = None,
    warmup_epochs: float | None = None,
) -> optax.GradientTransformation:
    """SGD with Nesterov momentum, linear warm-up and cosine decay.

    Only kernels decay: norms, biases and kernel transforms do not.

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
    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay, mask=_decayed),
        optax.sgd(schedule, momentum=recipe.momentum, nesterov=True),
    )


def _decayed(weights: Weights) -> Any:
    def is_kernel(path: tuple[Any, ...], _: Any) -> bool:
        names = [entry.key for entry in path]
        return names[-1] == "kernel" and "kernel_transforms" not in names

    return jax.tree_util.tree_map_with_path(is_kernel, weights)
