"""Drop-connect: what residual blocks add to their input is left out for some images."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jaxtyping import Array
from jaxtyping import Key as KeyArray

from search_spaces.base import Architecture


@dataclass(frozen=True)
class DropConnect:
    """Leaves out what `droppable` blocks add to their input, for each image anew.

    Stochastic depth: a block's branch is kept with a chance that falls linearly with depth, and
    then counts as much more, so that its expected value stays (Huang et al., "Deep Networks with
    Stochastic Depth", ECCV 2016, section 3; on the largest subnet only as in Yu et al., "BigNAS",
    ECCV 2020, section 3).

    Attributes:
        key: A new one for every forward pass.
        rate: With which the last block's branch is dropped.
    """

    key: KeyArray[Array, ""]
    rate: float


def drop_rates(architecture: Architecture, highest: float) -> dict[int, float]:
    """By position in the chain, the rate of each block that is `droppable`."""
    positions = [
        position
        for position, block in enumerate(architecture.blocks)
        if getattr(block, "droppable", False)
    ]
    return {
        position: highest * number / len(positions)
        for number, position in enumerate(positions, start=1)
    }


@jax.jit
def drop_branches(
    x: Array, y: Array, key: KeyArray[Array, ""], position: int, rate: float
) -> tuple[Array, Array]:
    """Each image's branch `y - x` dropped or scaled up, and by what it was scaled."""
    shape = (len(y), *[1] * (y.ndim - 1))
    kept = jax.random.bernoulli(jax.random.fold_in(key, position), 1 - rate, shape)
    scale = (kept / (1 - rate)).astype(y.dtype)
    return x + (y - x) * scale, scale


@jax.jit
def divide_gradient(dy: Array, scale: Array) -> tuple[Array, Array]:
    """What goes back through a block whose branch was scaled, and what goes past it."""
    return dy * scale, dy * (1 - scale)
