"""Depthwise convolution that is fast on the backend at hand.

XLA's CPU backend runs grouped convolutions one to two orders of magnitude below what the processor
can do. There, the convolution is a sum of shifted products (one fused pass over the output), with
gradients written the same way; on maps of a few pixels it is a batched matrix product with each
channel's Toeplitz matrix. GPU and TPU have native kernels, and exported graphs need the native
operator too.

Padding is symmetric, `kernel // 2` on each side, as in PyTorch.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Literal, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from nas.supernet.precision import at_least_float32

Implementation: TypeAlias = Literal["native", "shifted"]

TOEPLITZ_PIXELS_PER_TAP = 1.5
"""Largest map that is a matrix product, in pixels for each of the kernel's `k * k` taps.

The product costs a multiply-add a pixel where the shifted sums cost one a tap, at a higher rate;
`experiments/benchmarks/depthwise.py` has the figures.
"""

TILE_PIXELS = 32
"""Pixels that a pass of the kernel's gradient adds up at a time.

XLA's CPU backend takes 3 to 12 times as long for tiles of 2 to 8 pixels as for single ones, and .7
to 1 times for tiles of 16 to 64 (.3 with 16 channels); larger ones take longer to compile.
"""


def default_implementation() -> Implementation:
    """`shifted` where JAX computes on the CPU, else `native`."""
    return "shifted" if jax.default_backend() == "cpu" else "native"


def depthwise_conv(
    x: Float[Array, "n h w c"],
    kernel: Float[Array | np.ndarray, "k k 1 c"],
    *,
    stride: int,
    implementation: Implementation,
) -> Float[Array, "n ho wo c"]:
    """Convolves each channel with its own kernel."""
    # Shipped networks keep their weights as NumPy arrays, constants of what is exported.
    weights = cast("Array", kernel)
    if implementation == "native":
        pad = kernel.shape[0] // 2
        return lax.conv_general_dilated(
            x,
            weights,
            (stride, stride),
            [(pad, pad), (pad, pad)],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )
    if x.shape[1] * x.shape[2] <= TOEPLITZ_PIXELS_PER_TAP * kernel.shape[0] ** 2:
        return _toeplitz(x, weights[:, :, 0], stride)
    return _shifted(x, weights[:, :, 0], stride)


def _toeplitz(x: Array, kernel: Array, stride: int) -> Array:
    n, height, width, channels = x.shape
    rows = jnp.asarray(_taps(height, kernel.shape[0], stride), x.dtype)
    columns = jnp.asarray(_taps(width, kernel.shape[0], stride), x.dtype)
    matrix = jnp.einsum("ohk,kjc,pwj->cophw", rows, kernel, columns)
    out_shape = (len(rows), len(columns))
    matrix = matrix.reshape(channels, out_shape[0] * out_shape[1], height * width)
    y = jnp.einsum("coi,nic->noc", matrix, x.reshape(n, height * width, channels))
    return y.reshape(n, *out_shape, channels)


def _taps(size: int, kernel: int, stride: int) -> np.ndarray:
    """One-hot `[output, input, tap]`: which tap joins an input position to an output position."""
    tap = np.arange(size)[None, :] - stride * np.arange(-(-size // stride))[:, None] + kernel // 2
    return tap[..., None] == np.arange(kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _shifted(x: Array, kernel: Array, stride: int) -> Array:
    size, pad = kernel.shape[0], kernel.shape[0] // 2
    n, height, width, channels = x.shape
    out_height, out_width = -(-height // stride), -(-width // stride)
    # Held together: else the taps that need no padding are read from `x`, a second stream.
    padded = lax.optimization_barrier(jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))))
    y = jnp.zeros((), x.dtype)
    for i in range(size):
        for j in range(size):
            bottom, right = i + (out_height - 1) * stride + 1, j + (out_width - 1) * stride + 1
            shifted = lax.slice(
                padded, (0, i, j, 0), (n, bottom, right, channels), (1, stride, stride, 1)
            )
            y = y + shifted * kernel[i, j]
    return y


def _shifted_forward(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return _shifted(x, kernel, stride), (x, kernel)


def _shifted_backward(
    stride: int, residuals: tuple[Array, Array], dy: Array
) -> tuple[Array, Array]:
    x, kernel = residuals
    dx = _input_gradient(dy, kernel, stride, x.shape)
    return dx, _kernel_gradient(x, dy, kernel.shape[0], stride)


_shifted.defvjp(_shifted_forward, _shifted_backward)


def _input_gradient(dy: Array, kernel: Array, stride: int, shape: tuple[int, ...]) -> Array:
    """Gradient by output phase, so that no product with the zeros of a dilated `dy` is computed.

    `dx[stride * u + a]` is the sum of `dy[u + (a + pad - i) / stride] * k[i]` over the taps `i` for
    which `(a + pad - i) % stride == 0`.
    """
    size, pad = kernel.shape[0], kernel.shape[0] // 2
    n, height, width, channels = shape
    out_height, out_width = dy.shape[1:3]
    before, after = -((pad + 1 - size) // stride), (pad + stride - 1) // stride
    edges = (before, after)
    padded = lax.optimization_barrier(jnp.pad(dy, ((0, 0), edges, edges, (0, 0))))

    def phase(a: int, b: int) -> Array:
        total = jnp.zeros((n, out_height, out_width, channels), dy.dtype)
        for i in range((a + pad) % stride, size, stride):
            for j in range((b + pad) % stride, size, stride):
                top, left = before + (a + pad - i) // stride, before + (b + pad - j) // stride
                stop = (n, top + out_height, left + out_width, channels)
                total = total + lax.slice(padded, (0, top, left, 0), stop) * kernel[i, j]
        return total

    if stride == 1:
        return phase(0, 0)
    rows = [jnp.stack([phase(a, b) for b in range(stride)], axis=3) for a in range(stride)]
    dx = jnp.stack(rows, axis=2).reshape(n, out_height * stride, out_width * stride, channels)
    return dx[:, :height, :width]


def _kernel_gradient(x: Array, dy: Array, size: int, stride: int) -> Array:
    """One pass over tiles of `dy`, each added to `size` sums `[size, width / columns, channels]`.

    Every sum is as wide as the tiles that lie side by side: the columns and rows of a tile are
    added up in registers, so that the sums are read and written once a tile, not once a pixel.
    The sums are in float32 at least.
    """
    pad = size // 2
    n, out_height, out_width, channels = dy.shape
    rows, columns = _tile(out_height, out_width)
    sum_dtype = at_least_float32(dy.dtype)
    padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    down = out_height // rows

    def add_rows(t: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        image, row = t // down, t % down * rows
        window_shape = (1, size + (rows - 1) * stride, padded.shape[2], channels)
        window = lax.dynamic_slice(padded, (image, row * stride, 0, 0), window_shape)[0]
        gradient = lax.dynamic_slice(dy, (image, row, 0, 0), (1, rows, out_width, channels))[0]
        gradient = gradient.astype(sum_dtype)

        def added(total: Array, j: int) -> Array:
            for u, v in itertools.product(range(rows), range(columns)):
                left = j + v * stride
                start, step = (u * stride, left, 0), (1, columns * stride, 1)
                last = left + (out_width - columns) * stride
                taken = lax.slice(window, start, (u * stride + size, last + 1, channels), step)
                total = total + taken * gradient[u, v::columns]
            return total

        return tuple(added(total, j) for j, total in enumerate(sums))

    zeros = jnp.zeros((size, out_width // columns, channels), sum_dtype)
    sums = lax.fori_loop(0, n * down, add_rows, (zeros,) * size)
    return jnp.stack([total.sum(axis=1) for total in sums], axis=1).astype(x.dtype)


def _tile(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a tile, divisors of the map's: `TILE_PIXELS` where there are as many."""
    columns = max(size for size in range(1, 9) if width % size == 0)
    divisors = (size for size in range(1, height) if height % size == 0)
    rows = next((size for size in divisors if size * columns >= TILE_PIXELS), height)
    return (rows, columns) if rows * columns >= TILE_PIXELS // 2 else (1, 1)
