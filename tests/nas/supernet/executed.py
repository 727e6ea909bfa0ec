"""Subnets executed block by block against networks of their own with the same weights."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from nas.supernet.elastic import Weights, cut_network
from nas.supernet.engine import BlockChain
from nas.supernet.standalone import network_definition
from search_spaces import Architecture


def input64(architecture: Architecture, count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, *architecture.input_shape))


def standalone(architecture: Architecture, mode: Any) -> Callable[..., tuple[Any, Any]]:
    """`(params, statistics, images) -> (logits, statistics)` of the network of its own."""
    definition = network_definition(architecture, mode, "native")[0]

    def run(params: Any, statistics: Any, images: Any) -> tuple[Any, Any]:
        network = nnx.merge(definition, {"blocks": params}, {"blocks": statistics})
        logits = network(images)
        found = nnx.to_pure_dict(nnx.state(network, nnx.BatchStat)).get("blocks", {})
        return logits, {slot: found.get(slot, {}) for slot in architecture.slots}

    return run


def zero_statistics(architecture: Architecture) -> Any:
    shapes = network_definition(architecture, "batch", None)[2]
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)


def assert_subnet_equals_standalone(
    chain: BlockChain, architecture: Architecture, shared: Weights
) -> None:
    """Logits, gradients and statistics, and the logits with those statistics, in float64."""
    images = input64(architecture)
    d_logits = np.random.default_rng(2).standard_normal((len(images), 10))
    run = standalone(architecture, "batch")

    @jax.jit
    def reference(weights: Any, images: Any, d_logits: Any) -> Any:
        def forward(weights: Any) -> Any:
            return run(cut_network(weights, architecture)["blocks"], zeros, images)

        logits, pullback, statistics = jax.vjp(forward, weights, has_aux=True)
        return logits, statistics, pullback(d_logits)[0]

    with jax.enable_x64(True):
        zeros = zero_statistics(architecture)
        weights = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), shared)
        images, d_logits = jnp.asarray(images), jnp.asarray(d_logits)
        expected, expected_statistics, expected_gradients = reference(weights, images, d_logits)
        logits, tape = chain.forward(weights, architecture, images)
        gradients = chain.backward(tape, d_logits, jax.tree.map(jnp.ones_like, weights))
        statistics = chain.calibrate(weights, architecture, [images])
        inferred = chain.infer(weights, architecture, statistics, images)
    logits, gradients, statistics = jax.tree.map(np.asarray, (logits, gradients, statistics))
    expected_gradients = jax.tree.map(np.asarray, expected_gradients)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)
    # A batch normalised with its own statistics again.
    np.testing.assert_allclose(inferred, expected, rtol=1e-9, atol=1e-9)
    for found, wanted in ((statistics, expected_statistics), (gradients, expected_gradients)):
        assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for actual, wanted in zip(
        jax.tree.leaves(statistics), jax.tree.leaves(expected_statistics), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9)
    for actual, wanted in zip(
        jax.tree.leaves(gradients), jax.tree.leaves(expected_gradients), strict=True
    ):
        # What was there stays: gradients are added up over subnets.
        np.testing.assert_allclose(actual, wanted + 1, rtol=1e-8, atol=1e-8)
