"""Full convolutions: both implementations against the definition, and their gradients."""

import jax
import numpy as np
import pytest

from nas.supernet.convolution import convolve
from nas.supernet.depthwise import Implementation


def by_definition(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """PyTorch's: `kernel // 2` zeros on each side, then every stride-th window."""
    size, pad = kernel.shape[0], kernel.shape[0] // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows[:, ::stride, ::stride], kernel)


@pytest.mark.parametrize("implementation", ["native", "shifted"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2)])
def test_value_and_both_gradients_are_those_of_the_definition(
    kernel: int, stride: int, implementation: Implementation
) -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((2, 5, 7, 3)), rng.standard_normal((kernel, kernel, 3, 4))
    other, changed = rng.standard_normal(x.shape), rng.standard_normal(weights.shape)
    expected = by_definition(x, weights, stride)
    dy = rng.standard_normal(expected.shape)

    @jax.jit
    def run(x: jax.Array, weights: jax.Array, dy: jax.Array) -> tuple[jax.Array, ...]:
        def forward(x: jax.Array, weights: jax.Array) -> jax.Array:
            return convolve(x, weights, stride=stride, implementation=implementation)

        y, pullback = jax.vjp(forward, x, weights)
        return y, *pullback(dy)

    with jax.enable_x64(True):
        y, dx, d_kernel = jax.tree.map(np.asarray, run(x, weights, dy))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    # It is linear in the map and in the kernel, and the pullbacks are the transposes.
    for gradient, change, y in (
        (dx, other, by_definition(other, weights, stride)),
        (d_kernel, changed, by_definition(x, changed, stride)),
    ):
        np.testing.assert_allclose((gradient * change).sum(), (dy * y).sum(), rtol=1e-10)
