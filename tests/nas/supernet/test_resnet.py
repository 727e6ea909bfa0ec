"""The resnet space in JAX: networks of their size, their logits and files, shared weights."""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nas.export.formats import FORMATS
from nas.supernet.blocks import build_block
from nas.supernet.elastic import cut_network
from nas.supernet.engine import BlockChain
from nas.supernet.layers import NORM_EPSILON
from nas.supernet.resnet import mean_pool
from nas.supernet.standalone import StandaloneNetwork, network_definition
from search_spaces import Architecture, ResNetOptions, ResNetSpace
from search_spaces.resnet import ResNetStage
from search_spaces.resnet_blocks import ResNetBottleneck, ResNetConv, ResNetHead
from tests.nas.supernet import tiny
from tests.nas.supernet.executed import assert_subnet_equals_standalone
from tests.search_spaces.published import resnet50

SPACE = ResNetSpace(
    ResNetOptions(
        stages=[ResNetStage(32, 1, 1), ResNetStage(48, 1, 2)],
        stem_width=32,
        extra_depths=[0, 1],
        expand_ratios=[0.5, 1.0],
        width_multipliers=[0.5, 1.0],
        resolutions=[17, 20],
    ),
    (20, 20, 3),
    10,
)
"""Maps of 17, 9, 5 and 3 pixels at the smaller resolution, so that pools reach over the edge."""

# Resolution; the stem's inner width, block and width; depth, width and expand ratios of each stage.
MIXED = [0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0]


def plain() -> Architecture:
    """The blocks of the plain ResNet: a large kernel, a max pool, strided shortcuts."""
    blocks = (
        ResNetConv(3, 8, 7, 2, False, True),
        ResNetBottleneck(8, 8, 16, 1, "conv"),
        ResNetBottleneck(16, 8, 24, 2, "conv"),
        ResNetBottleneck(24, 8, 24, 1, "identity"),
        ResNetHead(24, 10),
    )
    return Architecture("resnet", (17, 17, 3), ("stem", "a", "b", "c", "head"), blocks)


ARCHITECTURES = {"mixed": SPACE.decode(np.array(MIXED)), "plain": plain()}


@cache
def network(name: str) -> StandaloneNetwork:
    return tiny.random_network(ARCHITECTURES[name])


def images(name: str, count: int = 3) -> np.ndarray:
    shape = ARCHITECTURES[name].input_shape
    return np.random.default_rng(0).standard_normal((count, *shape)).astype(np.float32)


@pytest.mark.parametrize("genotype", [SPACE.smallest, SPACE.largest, np.array(MIXED)])
def test_the_modules_have_the_parameters_that_the_workload_counts(genotype: np.ndarray) -> None:
    architecture = SPACE.decode(genotype)
    _, shapes, _ = network_definition(architecture, "stored", None)
    workload = architecture.workload(batch_size=1, dtype="float32")
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == workload.params


def test_resnet_50_has_its_published_parameters() -> None:
    # torchvision's resnet50.
    _, shapes, _ = network_definition(resnet50(), "stored", None)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 25_557_032


@cache
def reference(name: str) -> np.ndarray:
    """The logits by the definitions, in NumPy and float64."""
    made, x = network(name), images(name).astype(np.float64)
    for slot, block in zip(made.architecture.slots, made.architecture.blocks, strict=True):
        params, statistics = made.params[slot], made.statistics.get(slot, {})

        def conv(
            x: np.ndarray, name: str, stride: int, p: Any = params, s: Any = statistics
        ) -> np.ndarray:
            return conv_norm(x, p[name], s[name], stride)

        if isinstance(block, ResNetConv):
            y = np.maximum(conv(x, "conv", block.stride), 0)
            y = x + y if block.has_identity else y
            x = pooled(y, 3, 2, 1, np.max) if block.max_pool else y
        elif isinstance(block, ResNetBottleneck):
            y = np.maximum(conv(x, "reduce", 1), 0)
            y = conv(np.maximum(conv(y, "conv", block.stride), 0), "expand", 1)
            if block.shortcut == "pool_conv":
                x = conv(pooled(x, block.stride, block.stride, 0, np.mean), "shortcut", 1)
            elif block.shortcut == "conv":
                x = conv(x, "shortcut", block.stride)
            x = np.maximum(x + y, 0)
        else:
            layer = params["classifier"]
            x = x.mean((1, 2)) @ layer["kernel"] + layer["bias"]
    return x


def conv_norm(x: np.ndarray, params: Any, statistics: Any, stride: int) -> np.ndarray:
    kernel = params["kernel"]
    pad = len(kernel) // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = (range(0, extent, stride) for extent in x.shape[1:3])
    y = np.empty((len(x), len(rows), len(columns), kernel.shape[3]))
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        window = padded[:, row : row + len(kernel), column : column + len(kernel)]
        y[:, i, j] = np.tensordot(window, kernel, 3)
    y = (y - statistics["mean"]) / np.sqrt(statistics["variance"] + NORM_EPSILON)
    return y * params["scale"] + params["shift"]


def pooled(x: np.ndarray, size: int, stride: int, pad: int, over: Any) -> np.ndarray:
    """`over` the part of each window that is on the map."""
    rows, columns = (range(-pad, extent - pad, stride) for extent in x.shape[1:3])
    y = np.empty((len(x), len(rows), len(columns), x.shape[3]))
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        window = x[:, max(row, 0) : row + size, max(column, 0) : column + size]
        y[:, i, j] = over(window, axis=(1, 2))
    return y


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_logits_are_those_of_the_definition(name: str) -> None:
    made = network(name)
    expected = reference(name)
    definition, _, _ = network_definition(made.architecture, "stored", None)
    stored = nnx.merge(definition, {"blocks": made.params}, {"blocks": made.statistics})
    for run in (lambda x: stored(x), made.function()):
        found = jax.jit(run)(jnp.asarray(images(name)))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("file_format", list(FORMATS))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_file_gives_the_logits_of_the_definition(
    name: str, file_format: str, tmp_path: Path
) -> None:
    path = tmp_path / f"network{FORMATS[file_format].suffix}"
    FORMATS[file_format].write(network(name), path, "float32")
    expected = reference(name)
    found = FORMATS[file_format].run(path, images(name))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_an_odd_map_stays_in_the_networks_precision() -> None:
    # In bfloat16 a constant of another type would promote what follows.
    x = jnp.asarray(np.arange(9.0).reshape(1, 3, 3, 1), jnp.bfloat16)
    means = mean_pool(x, 2)
    assert means.dtype == jnp.bfloat16
    found = np.asarray(means, np.float32)[0, :, :, 0]
    np.testing.assert_array_equal(found, [[2, 3.5], [6.5, 8]])


def test_a_block_with_an_identity_starts_as_one() -> None:
    block = ResNetBottleneck(8, 8, 8, 1, "identity")
    module = build_block(block, mode="batch", rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 4, 8)), jnp.float32)
    np.testing.assert_array_equal(module(x), np.maximum(x, 0))


def test_a_subnet_has_the_first_channels_of_the_largest_networks_weights() -> None:
    weights = tiny.random_weights(SPACE)
    cut = cut_network(weights, ARCHITECTURES["mixed"])["blocks"]
    # Stem: 3 -> 8 -> 8 -> 16 channels of 16, 16, 32; the first stage has all of its 32 outputs and
    # half of the inner channels in its first block, the second stage 24 of 48 outputs.
    assert weights["stage1.block1"]["block"]["reduce"]["kernel"].shape == (1, 1, 32, 32)
    for slot, layer, reads, gives in [
        ("stem.conv", "conv", 3, 8),
        ("stem.block", "conv", 8, 8),
        ("stem.project", "conv", 8, 16),
        ("stage1.block1", "reduce", 16, 16),
        ("stage1.block1", "conv", 16, 16),
        ("stage1.block1", "shortcut", 16, 32),
        ("stage1.block2", "expand", 32, 32),
        ("stage2.block1", "shortcut", 32, 24),
        ("stage2.block1", "expand", 24, 24),
    ]:
        shared, found = weights[slot]["block"][layer], cut[slot][layer]
        np.testing.assert_array_equal(found["kernel"], shared["kernel"][:, :, :reads, :gives])
        np.testing.assert_array_equal(found["scale"], shared["scale"][:gives])
    classifier = weights["head"]["block"]["classifier"]
    np.testing.assert_array_equal(cut["head"]["classifier"]["kernel"], classifier["kernel"][:24])
    assert "stage2.block2" not in cut


def test_the_executed_subnet_equals_the_standalone_network() -> None:
    architecture = ARCHITECTURES["mixed"]
    assert_subnet_equals_standalone(BlockChain(), architecture, tiny.random_weights(SPACE))
