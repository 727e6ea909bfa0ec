"""Sorts the channels inside each block by importance, so that smaller blocks get the best of them.

A smaller block takes the first channels of the shared weights. Before its width becomes elastic,
the channels are put in descending order of the L1 norm of the weights that read them. All
parameters that carry the same channels are permuted alike, so that the largest network computes
what it did before, and so does every network in which the sorted widths are the largest.

Only what is inside a block is sorted: channels that are handed from block to block (those of the
width multiplier, of the resnet space's stem, of the vit space's tokens) would have to keep one
order through the whole network.

Reference: Cai et al., "Once-for-All", ICLR 2020, section 3.3 (elastic width), and its code, which
ranks by the layer that reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from nas.supernet.elastic import Weights
from search_spaces.base import Architecture, BlockSlot, SearchSpace
from search_spaces.mobilenet import InvertedResidual
from search_spaces.resnet_blocks import ResNetBottleneck
from search_spaces.vit import ViTLayer

Axis: TypeAlias = tuple[str, int]
"""A parameter of a block, by its names joined with dots, and one of its axes."""


@dataclass(frozen=True)
class ChannelGroup:
    """The parameters' axes that carry the same channels of a block.

    Attributes:
        count: The block's field that says how many channels there are, or units of channels.
        reader: What reads the channels, and so says how important they are.
        others: What else carries them; a layer that a block does without is passed over.
        unit: The block's field that says how many channels in a row stay together, such as a
            head's; a unit is one channel where it is empty.
    """

    count: str
    reader: Axis
    others: tuple[Axis, ...]
    unit: str = ""


def _conv_norm(name: str) -> tuple[Axis, ...]:
    """The outputs of a convolution, and its norm."""
    return (f"{name}.kernel", 3), (f"{name}.scale", 0), (f"{name}.shift", 0)


CHANNEL_GROUPS: dict[type, tuple[ChannelGroup, ...]] = {
    InvertedResidual: (
        ChannelGroup(
            "expanded_channels",
            reader=("project.kernel", 2),
            others=(
                *_conv_norm("expand"),
                *_conv_norm("depthwise"),
                ("squeeze_excite.reduce.kernel", 0),
                ("squeeze_excite.excite.kernel", 1),
                ("squeeze_excite.excite.bias", 0),
            ),
        ),
        ChannelGroup(
            "squeeze_channels",
            reader=("squeeze_excite.excite.kernel", 0),
            others=(("squeeze_excite.reduce.kernel", 1), ("squeeze_excite.reduce.bias", 0)),
        ),
    ),
    ResNetBottleneck: (
        ChannelGroup("inner_channels", reader=("conv.kernel", 2), others=_conv_norm("reduce")),
        ChannelGroup("inner_channels", reader=("expand.kernel", 2), others=_conv_norm("conv")),
    ),
    ViTLayer: (
        ChannelGroup(
            "heads",
            reader=("attention.project.kernel", 0),
            others=(("attention.kernel", 2), ("attention.bias", 1)),
            unit="head_channels",
        ),
        ChannelGroup(
            "mlp_channels",
            reader=("project.kernel", 0),
            others=(("expand.kernel", 1), ("expand.bias", 0)),
        ),
    ),
}
"""The groups of each block kind that has elastic channels inside."""

Orders: TypeAlias = dict[str, list[tuple[ChannelGroup, Int[np.ndarray, " _"]]]]
"""For each slot and group, which channel comes first, second and so on."""


def sort_channels(
    space: SearchSpace, weights: Weights, *, trained: Sequence[Architecture] = ()
) -> Weights:
    """The shared weights with the elastic channels inside each block in order of importance.

    Args:
        space: Whose weights they are; only numbers of channels that differ between its networks
            count as elastic.
        weights: Arrays of JAX or NumPy; they stay as they are.
        trained: Networks that keep their channels, besides the largest: those with the widths that
            an earlier phase has trained.
    """
    return reorder_channels(weights, channel_orders(space, weights, trained=trained))


def channel_orders(
    space: SearchSpace, weights: Weights, *, trained: Sequence[Architecture] = ()
) -> Orders:
    """The orders in which `sort_channels` puts the channels.

    What belongs to the weights (an average of them, an optimizer's momentum) is reordered alike.
    """
    largest = space.decode(space.largest)
    blocks = dict(zip(largest.slots, largest.blocks, strict=True))
    kept = [dict(zip(network.slots, network.blocks, strict=True)) for network in trained]
    orders: Orders = {}
    for slot in space.slots:
        for place in slot.places:
            block = blocks.get(place)
            for group in CHANNEL_GROUPS.get(type(block), ()):
                if len(_counts(slot, group.count)) == 1:
                    continue
                unit = getattr(block, group.unit) if group.unit else 1
                norms = _l1_norms(weights[place]["block"], group.reader, unit)
                ends = {
                    getattr(network[place], group.count) for network in kept if place in network
                }
                order = _descending(norms, ends)
                channels = order[:, None] * unit + np.arange(unit)
                orders.setdefault(place, []).append((group, channels.reshape(-1)))
    return orders


def reorder_channels(weights: Weights, orders: Orders) -> Weights:
    """The weights, or arrays in the same form, with the channels in these orders."""
    changed = dict(weights)
    for place, found in orders.items():
        block = weights[place]["block"]
        for group, order in found:
            for name, axis in (group.reader, *group.others):
                if name.split(".")[0] in block:
                    block = _reordered(block, name.split("."), order, axis)
        changed[place] = {**weights[place], "block": block}
    return changed


def _counts(slot: BlockSlot, field: str) -> set[int]:
    return {getattr(placed[0], field) for placed in slot.rows if placed is not None}


def _l1_norms(block: Weights, reader: Axis, unit: int) -> Float[np.ndarray, " u"]:
    """Of what reads each unit of channels."""
    name, axis = reader
    leaf: Any = block
    for part in name.split("."):
        leaf = leaf[part]
    sizes = np.moveaxis(np.abs(np.asarray(leaf).astype(np.float64)), axis, 0)
    return sizes.reshape(len(sizes) // unit, -1).sum(1)


def _descending(norms: Float[np.ndarray, " u"], ends: set[int]) -> Int[np.ndarray, " u"]:
    """The largest first, in each section that ends at one of `ends`; equal ones stay in order."""
    section = np.searchsorted(sorted(ends), np.arange(len(norms)), side="right")
    return np.lexsort((-norms, section))


def _reordered(tree: Any, names: Sequence[str], order: np.ndarray, axis: int) -> Any:
    if not names:
        return tree.take(order, axis=axis)
    return {**tree, names[0]: _reordered(tree[names[0]], names[1:], order, axis)}
