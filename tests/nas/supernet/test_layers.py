"""Batch norm, its forms, and activations, against plain formulas."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nas.supernet import layers
from nas.supernet.layers import NORM_EPSILON, ConvNorm, activate, fold
from nas.supernet.standalone import network_definition
from tests.nas.supernet import tiny

# Pyright loses the type of what `custom_vjp` wraps.
batch_norm: Any = layers.batch_norm


def plain_norm(x: jax.Array, scale: jax.Array, shift: jax.Array, function: str) -> jax.Array:
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return activate((x - mean) / jnp.sqrt(variance + NORM_EPSILON) * scale + shift, function)


@pytest.mark.parametrize("function", ["", "relu", "hard_swish"])
def test_batch_norm_has_the_value_and_gradients_of_the_plain_formula(function: str) -> None:
    rng = np.random.default_rng(0)
    x, dy = 3 * rng.standard_normal((2, 4, 3, 5, 6)) + 1
    scale, shift = rng.standard_normal((2, 6)) + 1

    def gradients(norm: Any) -> Any:
        y, pullback = jax.vjp(lambda *args: norm(*args, function), x, scale, shift)
        return y, pullback(dy)

    with jax.enable_x64(True):
        expected = gradients(plain_norm)
        found = gradients(lambda *args: batch_norm(*args)[0])
        _, mean, variance = batch_norm(jnp.asarray(x), jnp.asarray(scale), jnp.asarray(shift), "")
    for actual, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(variance, x.var((0, 1, 2)), rtol=1e-9)


def test_no_gradient_flows_through_the_statistics() -> None:
    x, ones = jnp.arange(8.0).reshape(2, 2, 2, 1), jnp.ones(1)
    gradient = jax.grad(lambda x: sum(jnp.sum(s) for s in batch_norm(x, ones, ones, "")[1:]))(x)
    np.testing.assert_array_equal(gradient, 0)


def test_a_constant_channel_is_normalised_to_the_shift() -> None:
    x = jnp.full((2, 3, 3, 1), 1000.1)
    y, _, variance = batch_norm(x, jnp.ones(1), jnp.full(1, 0.5), "")
    assert variance[0] >= 0
    np.testing.assert_allclose(y, 0.5, atol=0.05)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("", [-4, -1, 0, 1, 4]),
        ("relu", [0, 0, 0, 1, 4]),
        ("hard_swish", [0, -1 / 3, 0, 2 / 3, 4]),
        ("hard_sigmoid", [0, 1 / 3, 0.5, 2 / 3, 1]),
    ],
)
def test_activations(function: str, expected: list[float]) -> None:
    x = jnp.array([-4.0, -1.0, 0.0, 1.0, 4.0])
    np.testing.assert_allclose(activate(x, function), expected, rtol=1e-6)


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"activation must be relu, hard_swish, .* got 'mish'"):
        activate(jnp.zeros(1), "mish")


def test_a_block_that_ends_with_identity_starts_as_the_identity() -> None:
    norm = ConvNorm(4, 4, kernel=1, starts_at_zero=True, mode="batch", rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 3, 3, 4))
    np.testing.assert_array_equal(norm(x), 0)


@pytest.mark.parametrize("depthwise", [False, True])
def test_the_folded_layer_equals_the_stored_one(depthwise: bool) -> None:
    rng = np.random.default_rng(0)
    options: Any = {"kernel": 3, "stride": 2, "depthwise": depthwise, "function": "hard_swish"}
    params = {
        "kernel": rng.standard_normal((3, 3, 1 if depthwise else 6, 6)),
        "scale": rng.standard_normal(6),
        "shift": rng.standard_normal(6),
    }
    statistics = {"mean": rng.standard_normal(6), "variance": rng.uniform(0.1, 2, 6)}
    with jax.enable_x64(True):
        x = jnp.asarray(rng.standard_normal((2, 7, 7, 6)))
        stored, folded = (
            ConvNorm(6, 6, mode=mode, rngs=nnx.Rngs(0), **options) for mode in ("stored", "folded")
        )
        nnx.update(stored, {**params, **statistics})
        nnx.update(folded, fold(params, statistics))
        np.testing.assert_allclose(folded(x), stored(x), rtol=1e-10, atol=1e-10)


def test_the_shipped_network_equals_the_stored_one() -> None:
    made = tiny.space()
    network = tiny.random_network(made.decode(made.largest))
    images = np.random.default_rng(0).standard_normal((3, 8, 8, 1)).astype(np.float32)
    definition = network_definition(network.architecture, "stored", None)[0]
    stored = nnx.merge(definition, {"blocks": network.params}, {"blocks": network.statistics})
    expected = jax.jit(stored)(images)
    np.testing.assert_allclose(jax.jit(network.function())(images), expected, rtol=1e-4, atol=1e-4)
    half = jax.jit(network.function(dtype="bfloat16"))(images)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, expected, atol=0.05 * float(jnp.abs(expected).max()))
