"""Vision transformers in JAX against a network written out in NumPy, and how their weights are
shared.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from latency_models.trace import trace
from nas.export.formats import FORMATS
from nas.supernet.blocks import build_block
from nas.supernet.elastic import cut_network, initial_weights
from nas.supernet.engine import BlockChain
from nas.supernet.standalone import network_definition
from search_spaces import Architecture, ViTOptions, ViTSpace
from search_spaces.vit import ViTLayer
from tests.nas.supernet import tiny

SPACE = ViTSpace(ViTOptions(4, [8, 12], [1, 2], [1, 3], [1.5, 2.0], head_width=4), (8, 12, 3), 10)


@cache
def architecture(*genotype: int) -> Architecture:
    return SPACE.decode(np.array(genotype))


# Width, depth, then each layer's heads and MLP ratio.
MIXED = (0, 1, 1, 0, 0, 1)
LARGEST, SMALLEST = (1,) * 6, (0,) * 6


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 8, 12, 3)).astype(np.float32)


def layer_norm(x: np.ndarray, params: Any) -> np.ndarray:
    """Dosovitskiy et al.'s code and DeiT's add 1e-6 to the variance."""
    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return (x - x.mean(-1, keepdims=True)) / deviation * params["scale"] + params["shift"]


def linear(x: np.ndarray, params: Any) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def reference(params: Any, made: Architecture, image: np.ndarray) -> np.ndarray:
    """One image's logits, head by head and patch by patch."""
    stem = params["stem"]
    tokens = [stem["class_token"]]
    for top in range(0, image.shape[0], 4):
        for left in range(0, image.shape[1], 4):
            patch = image[top : top + 4, left : left + 4]
            tokens.append(np.tensordot(patch, stem["kernel"], 3) + stem["bias"])
    x = np.stack(tokens) + stem["position"]
    for slot, block in zip(made.slots, made.blocks, strict=True):
        if isinstance(block, ViTLayer):
            x = x + attend(params[slot], layer_norm(x, params[slot]["attention_norm"]))
            hidden = linear(layer_norm(x, params[slot]["mlp_norm"]), params[slot]["expand"])
            normal_cdf = np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2)(hidden)
            x = x + linear(hidden * normal_cdf, params[slot]["project"])
    return linear(layer_norm(x, params["head"]["norm"])[0], params["head"]["classifier"])


def attend(params: Any, x: np.ndarray) -> np.ndarray:
    kernel, bias = params["attention"]["kernel"], params["attention"]["bias"]
    heads: list[np.ndarray] = []
    for first in range(0, kernel.shape[2], 4):
        queries, keys, values = (
            x @ kernel[:, i, first : first + 4] + bias[i, first : first + 4] for i in range(3)
        )
        shares = np.exp(queries @ keys.T / 2)
        heads.append(shares / shares.sum(1, keepdims=True) @ values)
    return linear(np.concatenate(heads, axis=1), params["attention"]["project"])


def expected_logits(params: Any, made: Architecture, batch: np.ndarray) -> np.ndarray:
    params = jax.tree.map(np.float64, params)
    return np.stack([reference(params, made, image) for image in batch.astype(np.float64)])


def test_the_logits_are_those_of_a_network_written_out() -> None:
    network = tiny.random_network(architecture(*MIXED))
    expected = expected_logits(network.params, network.architecture, images(3))
    np.testing.assert_allclose(jax.jit(network.function())(images(3)), expected, rtol=1e-4)
    half = jax.jit(network.function(dtype="bfloat16"))(images(3))
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("genotype", [MIXED, LARGEST, SMALLEST])
def test_a_network_has_its_workloads_parameters_and_products(genotype: tuple[int, ...]) -> None:
    made = architecture(*genotype)
    shapes = network_definition(made, "stored", None)[1]
    workload = made.workload(batch_size=2, dtype="float32")
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == workload.params
    traced = trace(tiny.random_network(made).function(), images(2))
    assert (traced.params, traced.macs) == (workload.params, workload.macs)


def test_products_start_with_the_spread_of_deits_and_biases_at_zero() -> None:
    layer = build_block(ViTLayer(8, 3, 4, 24), mode="batch", rngs=nnx.Rngs(0))
    for product in (layer.attention, layer.attention.project, layer.expand, layer.project):
        assert np.std(product.kernel[...]) == pytest.approx(0.02, rel=0.2)
        np.testing.assert_array_equal(product.bias[...], 0)


def sliced_by_hand(weights: Any) -> Any:
    """What `MIXED` takes: 8 of 12 channels everywhere, MLPs of 12 and 16 of 24, one head of 4 of
    the second layer's three.
    """
    shared = {slot: weights[slot]["block"] for slot in weights}
    stem, head = shared["stem"], shared["head"]

    def norm(params: Any) -> Any:
        return {name: params[name][:8] for name in ("scale", "shift")}

    def layer(params: Any, attended: int, hidden: int) -> Any:
        attention, expand, project = (params[name] for name in ("attention", "expand", "project"))
        return {
            "attention_norm": norm(params["attention_norm"]),
            "attention": {
                "kernel": attention["kernel"][:8, :, :attended],
                "bias": attention["bias"][:, :attended],
                "project": {
                    "kernel": attention["project"]["kernel"][:attended, :8],
                    "bias": attention["project"]["bias"][:8],
                },
            },
            "mlp_norm": norm(params["mlp_norm"]),
            "expand": {"kernel": expand["kernel"][:8, :hidden], "bias": expand["bias"][:hidden]},
            "project": {"kernel": project["kernel"][:hidden, :8], "bias": project["bias"][:8]},
        }

    return {
        "stem": {name: leaf[..., :8] for name, leaf in stem.items()},
        "layer1": layer(shared["layer1"], 12, 12),
        "layer2": layer(shared["layer2"], 4, 16),
        "head": {
            "norm": norm(head["norm"]),
            "classifier": {
                "kernel": head["classifier"]["kernel"][:8],
                "bias": head["classifier"]["bias"],
            },
        },
    }


@cache
def shared_weights() -> Any:
    return tiny.filled(jax.eval_shape(lambda: initial_weights(SPACE, seed=0)), seed=1)


def test_a_subnet_takes_the_first_channels_and_heads_of_the_shared_weights() -> None:
    expected = sliced_by_hand(shared_weights())
    found = cut_network(shared_weights(), architecture(*MIXED))["blocks"]
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_the_executed_subnet_has_the_logits_and_gradients_of_the_sliced_network() -> None:
    made, chain = architecture(*MIXED), BlockChain()
    sliced = sliced_by_hand(shared_weights())
    weights = jax.tree.map(jnp.asarray, shared_weights())
    logits, tape = chain.forward(weights, made, jnp.asarray(images(3)))
    expected = expected_logits(sliced, made, images(3))
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    statistics = chain.calibrate(weights, made, [jnp.asarray(images(3))])
    np.testing.assert_allclose(
        chain.infer(weights, made, statistics, jnp.asarray(images(3))), expected, rtol=1e-4
    )
    gradients = chain.backward(tape, jnp.ones_like(logits), jax.tree.map(jnp.zeros_like, weights))
    # The first layer's shift of channel 5 moves the sum of the logits; that of channel 9 is not in
    # the network.
    step = 1e-4

    def total(change: float) -> float:
        moved = jax.tree.map(np.float64, sliced)
        moved["layer1"]["attention_norm"]["shift"][5] += change
        return float(expected_logits(moved, made, images(3)).sum())

    slope = (total(step) - total(-step)) / (2 * step)
    shift = np.asarray(gradients["layer1"]["block"]["attention_norm"]["shift"])
    assert shift[5] == pytest.approx(slope, rel=1e-3)
    np.testing.assert_array_equal(shift[8:], 0)


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_file_gives_the_networks_logits(name: str, tmp_path: Path) -> None:
    network = tiny.random_network(architecture(*SMALLEST))
    path = tmp_path / f"network{FORMATS[name].suffix}"
    FORMATS[name].write(network, path, "float32")
    expected = expected_logits(network.params, network.architecture, images(3))
    np.testing.assert_allclose(FORMATS[name].run(path, images(3)), expected, rtol=1e-4, atol=1e-4)
