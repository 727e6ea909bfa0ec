"""Shared weights, and how a subnet's weights are cut from them.

For every place of the space the supernet holds the parameters of the largest block, or those of its
template. A block takes the ones that it has by their names: of each the first channels, and for a
smaller kernel the centre of the larger one, multiplied by a learned matrix that all channels share
(Cai et al., "Once-for-All", ICLR 2020, section 3.3, kernel transformation matrices).

Scales and shifts of norms are shared by all resolutions: the statistics, computed anew for every
subnet at its own resolution, already differ between them, and scales and shifts per resolution
would leave each a fraction of the training.

Weights are nested pure dicts of arrays,
`{place: {"block": ..., "kernel_transforms": {"5to3": [9, 9], ...}}}`.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from nas.supernet.blocks import build_block, template_of
from nas.supernet.depthwise import Implementation
from nas.supernet.layers import Mode
from search_spaces.base import Architecture, Block, BlockSlot, SearchSpace

Weights: TypeAlias = dict[str, Any]


class ElasticBlock(nnx.Module):
    """The largest block of a slot, and the matrices that make its kernel smaller."""

    def __init__(self, largest: Block, kernel_sizes: list[int], *, rngs: nnx.Rngs) -> None:
        self.block = build_block(template_of(largest)[0], mode="batch", rngs=rngs)
        steps = zip(kernel_sizes[1:], kernel_sizes[:-1], strict=True)
        self.kernel_transforms = nnx.Dict(
            {f"{large}to{small}": nnx.Param(jnp.eye(small * small)) for large, small in steps}
        )


class Supernet(nnx.Module):
    """The elastic block of every slot's every place."""

    def __init__(self, space: SearchSpace, *, rngs: nnx.Rngs) -> None:
        largest = space.decode(space.largest)
        blocks = dict(zip(largest.slots, largest.blocks, strict=True))
        self.slots = nnx.Dict(
            {
                place: ElasticBlock(blocks[place], _kernel_sizes(slot), rngs=rngs)
                for slot in space.slots
                for place in slot.places
            }
        )


def _kernel_sizes(slot: BlockSlot) -> list[int]:
    sizes = {getattr(placed[0], "kernel", 1) for placed in slot.rows if placed is not None}
    return sorted(sizes)


def initial_weights(space: SearchSpace, *, seed: int) -> Weights:
    """Freshly initialised shared weights."""
    supernet = Supernet(space, rngs=nnx.Rngs(seed))
    return nnx.to_pure_dict(nnx.state(supernet, nnx.Param))["slots"]


def weight_shapes(space: SearchSpace) -> Weights:
    """Shapes and dtypes of the shared weights, without the weights."""
    supernet = nnx.eval_shape(lambda: Supernet(space, rngs=nnx.Rngs(0)))
    return nnx.to_pure_dict(nnx.state(supernet, nnx.Param))["slots"]


@lru_cache(maxsize=4096)
def block_definition(
    block: Hashable, mode: Mode, implementation: Implementation | None
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Graph definition of a block or template, and the shapes of its parameters and statistics."""
    abstract = nnx.eval_shape(
        lambda: build_block(block, mode=mode, implementation=implementation, rngs=nnx.Rngs(0))
    )
    definition, params, statistics = nnx.split(abstract, nnx.Param, nnx.BatchStat)
    return definition, nnx.to_pure_dict(params), nnx.to_pure_dict(statistics)


def cut_block(shared: Weights, block: Hashable) -> Weights:
    """Parameters of a block or template from its place's shared weights; differentiable."""
    _, shapes, _ = block_definition(block, "batch", None)
    return _cut(shared["block"], shapes, shared.get("kernel_transforms", {}))


def cut_statistics(statistics: dict[str, Any], block: Block) -> dict[str, Any]:
    """Those of a block, from what its template left."""
    return _cut(statistics, block_definition(block, "batch", None)[2], {})


def uncut_statistics(statistics: dict[str, Any], block: Block) -> dict[str, Any]:
    """A block's statistics as its template takes them, zeros for what is not in the block."""
    template, choices = template_of(block)
    if choices is None:
        return statistics
    return _filled(statistics, block_definition(template, "batch", None)[2])


def _filled(some: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in shapes.items():
        if isinstance(inner, dict):
            found[name] = _filled(some.get(name, {}), inner)
        else:
            found[name] = some[name] if name in some else np.zeros(inner.shape, inner.dtype)
    return found


def cut_network(weights: Weights, architecture: Architecture) -> Weights:
    """Parameters of the architecture's own `Network` (mode `batch` or `stored`)."""
    cut = {
        slot: cut_block(weights[slot], block)
        for slot, block in zip(architecture.slots, architecture.blocks, strict=True)
    }
    return {"blocks": cut}


def _cut(shared: Any, shapes: Any, transforms: dict[str, Array]) -> Any:
    if isinstance(shapes, dict):
        return {name: _cut(shared[name], shapes[name], transforms) for name in shapes}
    if len(shapes.shape) == 4:
        shared = shared[:, :, : shapes.shape[2], : shapes.shape[3]]
        return _shrink_kernel(shared, shapes.shape[0], transforms)
    return shared[tuple(slice(size) for size in shapes.shape)]


def _shrink_kernel(
    kernel: Float[Array | np.ndarray, "k k i o"], size: int, transforms: dict[str, Array]
) -> Float[Array | np.ndarray, "s s i o"]:
    steps = sorted((tuple(map(int, name.split("to"))) for name in transforms), reverse=True)
    for large, small in steps:
        if kernel.shape[0] == large and large > size:
            edge = (large - small) // 2
            centre = kernel[edge : edge + small, edge : edge + small]
            flat = transforms[f"{large}to{small}"] @ centre.reshape(small * small, -1)
            kernel = flat.reshape(centre.shape)
    return kernel
