"""Subnets executed block by block against their standalone networks, in float64."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.supernet.elastic import Weights, cut_block, cut_network, initial_weights
from nas.supernet.engine import BlockChain, distillation_loss, smooth_targets
from nas.supernet.standalone import network_definition
from search_spaces.base import cardinalities
from tests.nas.supernet import tiny
from tests.nas.supernet.executed import assert_subnet_equals_standalone, input64
from tests.search_spaces.published import mobilenet_v3_large

SPACE = tiny.space()
CHAIN = BlockChain()


@cache
def shared_weights() -> Weights:
    return tiny.random_weights(SPACE)


def genotypes() -> st.SearchStrategy[np.ndarray]:
    counts = cardinalities(SPACE.decisions)
    return st.tuples(*(st.integers(0, int(count) - 1) for count in counts)).map(np.array)


@given(genotypes())
@settings(max_examples=2)
def test_the_executed_subnet_equals_the_standalone_network(genotype: np.ndarray) -> None:
    assert_subnet_equals_standalone(CHAIN, SPACE.decode(genotype), shared_weights())


@pytest.mark.slow
@given(genotypes())
@settings(max_examples=8)
def test_many_executed_subnets_equal_their_standalone_networks(genotype: np.ndarray) -> None:
    assert_subnet_equals_standalone(CHAIN, SPACE.decode(genotype), shared_weights())


def test_smaller_kernels_are_transformed_centres_of_larger_ones() -> None:
    genotype = SPACE.largest
    shared = shared_weights()["stage2.block1"]
    kernel = shared["block"]["depthwise"]["kernel"]
    five_by_seven = shared["kernel_transforms"]["7to5"]
    three_by_five = shared["kernel_transforms"]["5to3"]
    expected = {7: kernel, 5: np.zeros((5, 5, *kernel.shape[2:]), np.float32)}
    for channel in range(kernel.shape[3]):
        centre = kernel[1:6, 1:6, 0, channel].reshape(25)
        expected[5][..., 0, channel] = (five_by_seven @ centre).reshape(5, 5)
    expected[3] = np.zeros((3, 3, *kernel.shape[2:]), np.float32)
    for channel in range(kernel.shape[3]):
        centre = expected[5][1:4, 1:4, 0, channel].reshape(9)
        expected[3][..., 0, channel] = (three_by_five @ centre).reshape(3, 3)
    column = [decision.name for decision in SPACE.decisions].index("stage2.block1.kernel")
    for option, size in enumerate([3, 5, 7]):
        genotype[column] = option
        architecture = SPACE.decode(genotype)
        block = architecture.blocks[architecture.slots.index("stage2.block1")]
        found = cut_block(shared, block)["depthwise"]["kernel"]
        np.testing.assert_allclose(found, expected[size], rtol=1e-5, atol=1e-5)


def test_smaller_blocks_take_the_first_channels_and_transforms_start_as_identities() -> None:
    made = tiny.small_space(expand_ratios=[1.0, 2.0])
    weights = jax.jit(lambda: initial_weights(made, seed=3))()
    for name, wanted in weights["stage2.block2"]["kernel_transforms"].items():
        assert name == "5to3"
        np.testing.assert_array_equal(wanted, np.eye(9))
    architecture = made.decode(made.smallest)
    largest, cut = weights["stage1.block1"]["block"], cut_network(weights, architecture)["blocks"]
    found = cut["stage1.block1"]
    first = slice(None, 8)
    for name, index in (("expand", (..., first)), ("project", (..., first, slice(None)))):
        np.testing.assert_array_equal(found[name]["kernel"], largest[name]["kernel"][index])
    np.testing.assert_array_equal(found["expand"]["scale"], largest["expand"]["scale"][:8])
    centre = largest["depthwise"]["kernel"][1:4, 1:4, :, :8]
    np.testing.assert_array_equal(found["depthwise"]["kernel"], centre)


@given(genotypes())
def test_the_modules_have_the_parameters_that_the_workload_counts(genotype: np.ndarray) -> None:
    architecture = SPACE.decode(genotype)
    shapes = network_definition(architecture, "stored", None)[1]
    workload = SPACE.workload(architecture, batch_size=1, dtype="float32")
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == workload.params


def test_mobilenet_v3_large_has_its_published_parameters() -> None:
    # torchvision's mobilenet_v3_large without the bias of the feature layer.
    shapes = network_definition(mobilenet_v3_large(), "stored", None)[1]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 5_483_032 - 1_280


def test_statistics_are_the_mean_over_the_batches() -> None:
    made = tiny.small_space()
    architecture, chain = made.decode(made.largest), BlockChain()
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(made))
    batches = [
        jnp.asarray(input64(architecture)[rows], jnp.float32) for rows in (slice(3), slice(3, 6))
    ]
    one, other = (chain.calibrate(weights, architecture, [batch]) for batch in batches)
    both = chain.calibrate(weights, architecture, batches)
    stem = np.asarray(both["stem"]["conv"]["variance"])
    expected = (one["stem"]["conv"]["variance"] + other["stem"]["conv"]["variance"]) / 2
    np.testing.assert_allclose(stem, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="expected at least one batch, got none"):
        chain.calibrate(weights, architecture, [])


def test_the_distillation_loss_is_the_cross_entropy_and_its_gradient() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((2, 5, 4))
    targets = np.exp(targets) / np.exp(targets).sum(1, keepdims=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    with jax.enable_x64(True):
        loss, gradient = distillation_loss(jnp.asarray(logits), jnp.asarray(targets))
    np.testing.assert_allclose(loss, -(targets * np.log(probabilities)).sum(1).mean(), rtol=1e-12)
    np.testing.assert_allclose(gradient, (probabilities - targets) / 5, rtol=1e-10)


def test_smoothed_labels() -> None:
    found = smooth_targets(jnp.array([2, 0]), jnp.zeros((2, 4)), 0.2)
    expected = [[0.05, 0.05, 0.85, 0.05], [0.85, 0.05, 0.05, 0.05]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
