"""Depthwise convolutions: every implementation against the definition and against each other."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.supernet import depthwise
from nas.supernet.depthwise import depthwise_conv

SIZES = [(1, 1), (4, 3), (8, 8), (7, 9)]
CASES = list(itertools.product(SIZES, [3, 5, 7], [1, 2]))


def by_definition(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """PyTorch's: `kernel // 2` zeros on each side, then every stride-th window."""
    size, pad = kernel.shape[0], kernel.shape[0] // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.einsum("nhwcij,ijc->nhwc", windows[:, ::stride, ::stride], kernel[:, :, 0])


@pytest.mark.parametrize(("size", "kernel", "stride"), CASES)
def test_every_implementation_agrees_in_value_and_both_gradients(
    size: tuple[int, int], kernel: int, stride: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size, 3))
    weights = rng.standard_normal((kernel, kernel, 1, 3))
    expected = by_definition(x, weights, stride)
    dy = rng.standard_normal(expected.shape)

    def native(x: jax.Array, weights: jax.Array) -> jax.Array:
        return depthwise_conv(x, weights, stride=stride, implementation="native")

    def shifted(x: jax.Array, weights: jax.Array) -> jax.Array:
        return depthwise._shifted(x, weights[:, :, 0], stride)

    def toeplitz(x: jax.Array, weights: jax.Array) -> jax.Array:
        return depthwise._toeplitz(x, weights[:, :, 0], stride)

    @jax.jit
    def all_of_them(x: jax.Array, weights: jax.Array, dy: jax.Array) -> list[list[jax.Array]]:
        found: list[list[jax.Array]] = []
        for convolve in (native, shifted, toeplitz):
            y, pullback = jax.vjp(convolve, x, weights)
            found.append([y, *pullback(dy)])
        return found

    with jax.enable_x64(True):
        reference, *others = jax.tree.map(np.asarray, all_of_them(x, weights, dy))
    np.testing.assert_allclose(reference[0], expected, rtol=1e-12, atol=1e-12)
    for found in others:
        for actual, wanted in zip(found, reference, strict=True):
            np.testing.assert_allclose(actual, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("above", [0, 1])
def test_maps_of_few_pixels_are_a_matrix_product(above: int) -> None:
    pixels = int(9 * depthwise.TOEPLITZ_PIXELS_PER_TAP) + above
    x, kernel = jnp.zeros((2, 1, pixels, 3)), jnp.zeros((3, 3, 1, 3))

    def primitives(implementation: depthwise.Implementation) -> str:
        return str(
            jax.make_jaxpr(
                lambda x: depthwise_conv(x, kernel, stride=1, implementation=implementation)
            )(x)
        )

    assert ("dot_general" in primitives("shifted")) == (not above)
    assert "conv_general_dilated" not in primitives("shifted")
    assert "conv_general_dilated" in primitives("native")


def test_bfloat16_stays_bfloat16() -> None:
    x = jnp.ones((1, 8, 8, 2), jnp.bfloat16)
    y = depthwise_conv(x, jnp.ones((3, 3, 1, 2), x.dtype), stride=1, implementation="shifted")
    assert y.dtype == jnp.bfloat16
    assert y[0, 4, 4, 0] == 9
