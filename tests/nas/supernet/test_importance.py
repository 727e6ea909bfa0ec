"""Sorted channels: the largest network stays the same, smaller ones get the most important ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.supernet.elastic import cut_network
from nas.supernet.importance import channel_orders, reorder_channels, sort_channels
from search_spaces import ResNetOptions, ResNetSpace, SearchSpace, ViTOptions, ViTSpace
from search_spaces.mobilenet import MobileNetStage
from search_spaces.resnet import ResNetStage
from tests.nas.supernet import tiny
from tests.nas.supernet.executed import input64, standalone, zero_statistics

SPACES: dict[str, SearchSpace] = {
    # The second block has 16, 32 or 64 expanded channels, of which 8, 8 or 16 are squeezed.
    "mobilenet": tiny.space(
        stages=[MobileNetStage(16, 2, "hard_swish", squeeze_excite=True)],
        expand_ratios=[1.0, 2.0, 4.0],
        width_multipliers=[1.0],
        resolutions=[8],
    ),
    "resnet": ResNetSpace(
        ResNetOptions(
            stages=[ResNetStage(32, 1, 1)],
            stem_width=16,
            extra_depths=[0, 1],
            expand_ratios=[0.25, 0.5, 1.0],
            width_multipliers=[1.0],
            resolutions=[8],
        ),
        (8, 8, 3),
        10,
    ),
    "vit": ViTSpace(
        ViTOptions(4, [8], [1, 2], [1, 2, 3], [1.5, 2.0, 3.0], head_width=4), (8, 8, 3), 10
    ),
}

READERS = {
    "mobilenet": [
        ("stage1.block1", "expand", ("project", "kernel"), 2, 1),
        ("stage1.block2", "expand", ("project", "kernel"), 2, 1),
        ("stage1.block2", "expand", ("squeeze_excite", "excite", "kernel"), 0, 1),
    ],
    "resnet": [
        ("stage1.block2", "expand", ("conv", "kernel"), 2, 1),
        ("stage1.block2", "expand", ("expand", "kernel"), 2, 1),
    ],
    "vit": [
        ("layer2", "heads", ("attention", "project", "kernel"), 0, 4),
        ("layer2", "mlp_ratio", ("project", "kernel"), 0, 1),
    ],
}
"""Slots, the decision on their width, what reads the channels, its axis, channels at a time."""


def leaf_of(block: Any, names: tuple[str, ...]) -> np.ndarray:
    for name in names:
        block = block[name]
    return np.asarray(block)


def units(leaf: np.ndarray, axis: int, size: int) -> list[np.ndarray]:
    return [leaf.take(range(i, i + size), axis) for i in range(0, leaf.shape[axis], size)]


def narrowed(space: SearchSpace, slot: str, decision: str, option: int) -> Any:
    genotype = space.largest
    names = [decision.name for decision in space.decisions]
    genotype[names.index(f"{slot}.{decision}")] = option
    return space.decode(genotype)


def logits(architecture: Any, weights: list[Any]) -> list[np.ndarray]:
    """Of one network with several sets of shared weights, in float64."""
    run = standalone(architecture, "batch")

    def of(shared: Any, images: Any) -> Any:
        zeros = zero_statistics(architecture)
        return run(cut_network(shared, architecture)["blocks"], zeros, images)[0]

    with jax.enable_x64(True):
        compiled = jax.jit(of)
        images = jnp.asarray(input64(architecture, 3))
        wide = [jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), one) for one in weights]
        return [np.asarray(compiled(one, images)) for one in wide]


@pytest.mark.parametrize("name", SPACES)
def test_the_largest_network_computes_what_it_did_with_its_channels_in_another_order(
    name: str,
) -> None:
    space = SPACES[name]
    weights = tiny.random_weights(space)
    ordered = sort_channels(space, weights)
    before, after = logits(space.decode(space.largest), [weights, ordered])
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)
    for slot, _, names, axis, size in READERS[name]:
        found = units(leaf_of(ordered[slot]["block"], names), axis, size)
        sizes = [np.abs(unit.astype(np.float64)).sum() for unit in found]
        assert sizes == sorted(sizes, reverse=True)
        original = units(leaf_of(weights[slot]["block"], names), axis, size)
        assert [np.abs(unit.astype(np.float64)).sum() for unit in original] != sizes


@pytest.mark.parametrize("name", SPACES)
def test_a_narrower_network_keeps_exactly_the_most_important_channels(name: str) -> None:
    space = SPACES[name]
    weights = tiny.random_weights(space)
    ordered = sort_channels(space, weights)
    for slot, decision, names, axis, size in READERS[name]:
        made = narrowed(space, slot, decision, 1)
        cut = leaf_of(cut_network(ordered, made)["blocks"][slot], names)
        count = cut.shape[axis] // size
        # Whole, as the cut also takes away what else is elastic in the same weights.
        original, found = (
            [
                float(np.abs(unit).sum())
                for unit in units(leaf_of(w[slot]["block"], names), axis, size)
            ]
            for w in (weights, ordered)
        )
        assert count < len(original)
        np.testing.assert_allclose(found[:count], sorted(original)[: -count - 1 : -1], rtol=1e-6)


@pytest.mark.parametrize("name", SPACES)
def test_networks_of_a_trained_width_keep_their_channels(name: str) -> None:
    space = SPACES[name]
    weights = tiny.random_weights(space)
    genotype = space.largest
    middle = [i for i, d in enumerate(space.decisions) if d.name.endswith(WIDTHS)]
    genotype[middle] = 1
    trained = space.decode(genotype)
    ordered = sort_channels(space, weights, trained=[trained])
    before, after = logits(trained, [weights, ordered])
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)
    slot, decision, names, axis, size = READERS[name][0]
    count = leaf_of(cut_network(weights, trained)["blocks"][slot], names).shape[axis] // size
    for section in (slice(count), slice(count, None)):
        original, found = (
            [np.abs(u).sum() for u in units(leaf_of(w[slot]["block"], names), axis, size)[section]]
            for w in (weights, ordered)
        )
        np.testing.assert_allclose(found, sorted(original, reverse=True), rtol=1e-6)
    assert decision in WIDTHS


WIDTHS = ("expand", "heads", "mlp_ratio")


def test_what_is_not_elastic_inside_a_block_stays_where_it_is() -> None:
    space = tiny.small_space()
    weights = tiny.random_weights(space)
    assert channel_orders(space, weights) == {}
    jax.tree.map(np.testing.assert_array_equal, sort_channels(space, weights), weights)
    elastic = SPACES["mobilenet"]
    weights = tiny.random_weights(elastic)
    ordered = sort_channels(elastic, weights)
    for slot in ("stem", "head"):
        jax.tree.map(np.testing.assert_array_equal, ordered[slot], weights[slot])
    block = "stage1.block1"
    transforms = (tree[block]["kernel_transforms"] for tree in (ordered, weights))
    jax.tree.map(np.testing.assert_array_equal, *transforms)


def test_other_trees_of_the_same_form_follow_and_nothing_is_changed_in_place() -> None:
    space = SPACES["vit"]
    weights = tiny.random_weights(space)
    before = jax.tree.map(np.copy, weights)
    orders = channel_orders(space, weights)
    momentum = jax.tree.map(lambda leaf: jnp.asarray(3 * leaf), weights)
    found = reorder_channels(momentum, orders)
    ordered = sort_channels(space, weights)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(ordered))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, 3 * b), found, ordered)
    jax.tree.map(np.testing.assert_array_equal, weights, before)
