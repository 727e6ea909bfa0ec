"""Drop-connect in the chain, against the composed function and its definition."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nas.supernet.drop_connect import DropConnect, drop_rates
from nas.supernet.elastic import Weights, block_definition, cut_block
from nas.supernet.engine import BlockChain
from nas.supernet.trainer import SupernetTrainer
from search_spaces import (
    Architecture,
    ResNetOptions,
    ResNetSpace,
    SearchSpace,
    ViTOptions,
    ViTSpace,
)
from search_spaces.resnet import ResNetStage
from tests.nas.supernet import tiny
from tests.nas.supernet.executed import input64


@cache
def spaces() -> dict[str, SearchSpace]:
    """With two and three blocks that add to their input."""
    return {
        "mobilenet": tiny.small_space(kernel_sizes=[3]),
        "vit": ViTSpace(ViTOptions(4, [8], [3], [1], [2.0], 4), (8, 8, 1), 10),
    }


def largest(name: str) -> Architecture:
    space = spaces()[name]
    return space.decode(space.largest)


def key() -> Any:
    return jax.random.key(3)


def test_rates_grow_linearly_over_the_blocks_that_add_to_their_input() -> None:
    # stem, stage1.block1 and 2, stage2.block1 (which strides) and 2, head.
    assert drop_rates(largest("mobilenet"), 0.3) == pytest.approx({1: 0.1, 2: 0.2, 4: 0.3})
    assert drop_rates(largest("vit"), 0.6) == pytest.approx({1: 0.2, 2: 0.4, 3: 0.6})


@pytest.mark.parametrize("name", ["mobilenet", "vit"])
def test_logits_and_gradients_are_those_of_the_composed_function(name: str) -> None:
    architecture = largest(name)
    shared = tiny.random_weights(spaces()[name])
    images = input64(architecture)
    d_logits = np.random.default_rng(2).standard_normal((len(images), 10))
    chain = BlockChain()
    with jax.enable_x64(True):
        weights = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), shared)
        logits, tape = chain.forward(
            weights, architecture, jnp.asarray(images), drop=DropConnect(key(), 0.8)
        )
        zeros = jax.tree.map(jnp.zeros_like, weights)
        gradients = chain.backward(tape, jnp.asarray(d_logits), zeros)
        scales = tape.kept

        @jax.jit
        def reference(weights: Weights) -> Any:
            x = jnp.asarray(images)
            for slot, block, scale in zip(
                architecture.slots, architecture.blocks, scales, strict=True
            ):
                definition, _, shapes = block_definition(block, "batch", "native")
                statistics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
                y = nnx.merge(definition, cut_block(weights[slot], block), statistics)(x)
                x = y if scale is None else x + (y - x) * scale
            return x, jnp.sum(x * d_logits)

        (_, expected), wanted = jax.value_and_grad(
            lambda weights: reference(weights)[::-1], has_aux=True
        )(weights)
    assert [scale is not None for scale in scales] == [
        position in drop_rates(architecture, 0.8) for position in range(len(scales))
    ]
    # Some images dropped a block and some did not.
    kept = np.stack([np.asarray(scale).ravel() for scale in scales if scale is not None])
    assert (kept == 0).any()
    assert (kept > 0).any()
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)
    assert jax.tree.structure(gradients) == jax.tree.structure(wanted)
    for found, one in zip(jax.tree.leaves(gradients), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-8, atol=1e-8)


def test_images_are_kept_at_their_rate_and_scaled_up_by_it() -> None:
    architecture = largest("vit")
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(spaces()["vit"]))
    images = jnp.asarray(input64(architecture, 4000), jnp.float32)
    chain = BlockChain()
    _, tape = chain.forward(weights, architecture, images, drop=DropConnect(key(), 0.6))
    for position, rate in drop_rates(architecture, 0.6).items():
        scale = np.asarray(tape.kept[position])
        np.testing.assert_allclose(np.unique(scale), [0, 1 / (1 - rate)], rtol=1e-6)
        deviation = (rate * (1 - rate) / scale.size) ** 0.5
        assert abs((scale == 0).mean() - rate) < 5 * deviation
    again = chain.forward(weights, architecture, images, drop=DropConnect(key(), 0.6))[1]
    np.testing.assert_array_equal(again.kept[3], tape.kept[3])  # pyright: ignore


def test_a_space_without_such_blocks_is_refused() -> None:
    space = ResNetSpace(ResNetOptions([ResNetStage(256, 2, 2)]), (32, 32, 1), 10)
    assert drop_rates(space.decode(space.largest), 1.0) == {}
    with pytest.raises(ValueError, match=r"train\.drop_connect must be 0 for resnet"):
        SupernetTrainer(space, tiny.dataset(), tiny.recipe(drop_connect=0.1), seed=0)
