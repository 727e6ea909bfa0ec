"""What is computed in: the choice, and a step in bfloat16 against the same step in float32."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.supernet.elastic import Weights
from nas.supernet.engine import BlockChain
from nas.supernet.precision import compute_dtype
from search_spaces import Architecture, NasBench201Options, NasBench201Space, SearchSpace
from search_spaces.nasbench201_cell import read_cells
from tests.nas.supernet import tiny


@pytest.mark.parametrize(
    ("device", "automatic"),
    [
        (SimpleNamespace(platform="cpu"), None),
        (SimpleNamespace(platform="tpu"), jnp.bfloat16),
        (SimpleNamespace(platform="gpu", compute_capability="7.5"), None),
        (SimpleNamespace(platform="gpu", compute_capability="8.0"), jnp.bfloat16),
        (SimpleNamespace(platform="gpu", compute_capability="12.0"), jnp.bfloat16),
        (SimpleNamespace(platform="gpu", compute_capability="gfx90a"), None),
    ],
)
def test_auto_is_bfloat16_where_the_device_multiplies_it(
    device: Any, automatic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert compute_dtype("auto") == automatic
    assert compute_dtype("float32") is None
    assert compute_dtype("bfloat16") == jnp.bfloat16


def step(
    chain: BlockChain, weights: Weights, made: Architecture, images: jax.Array
) -> tuple[Any, Any, Any, Any]:
    """Logits, gradients of the sum of their squares, statistics, and logits with those."""
    logits, tape = chain.forward(weights, made, images)
    gradients = chain.backward(tape, 2 * logits, jax.tree.map(jnp.zeros_like, weights))
    statistics = chain.calibrate(weights, made, [images])
    return logits, gradients, statistics, chain.infer(weights, made, statistics, images)


def mobilenet() -> tuple[SearchSpace, np.ndarray, int]:
    """In a row: the stem's three convolutions, a block's three, the head's three products."""
    made = tiny.small_space(stages=tiny.STAGES[1:], kernel_sizes=[3], depths=[1])
    return made, made.largest, 9


def nasbench201() -> tuple[SearchSpace, np.ndarray, int]:
    made = NasBench201Space(NasBench201Options(widths=[8], cells=1), (8, 8, 1), 10)
    cell = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    return made, read_cells([cell])[0], 5


@pytest.mark.parametrize("space", [mobilenet, nasbench201])
def test_a_step_in_bfloat16_is_near_that_in_float32(space: Any) -> None:
    made, genotype, layers = space()
    architecture = made.decode(genotype)
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(made))
    images = jnp.asarray(
        np.random.default_rng(0).standard_normal((16, *architecture.input_shape)), jnp.float32
    )
    wanted = step(BlockChain(), weights, architecture, images)
    found = step(BlockChain(dtype=jnp.bfloat16), weights, architecture, images)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}
    bound = layers * float(jnp.finfo(jnp.bfloat16).eps)
    differs = False
    for one, other in zip(found, wanted, strict=True):
        a, b = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(t)]) for t in (one, other))
        distance = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert distance < bound
        differs |= distance > 1e-4
    assert differs
