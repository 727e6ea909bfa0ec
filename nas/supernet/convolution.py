"""Full convolution whose gradients XLA's CPU backend runs fast wherever they are.

That backend brings a kernel's gradient into a form that it has a fast kernel for, but not inside
the branches of a conditional, where the same gradient takes 50 times as long. So on the CPU the
gradients are written in that form: batch, height, width, channels times height, width, input,
output.

Padding is symmetric, `kernel // 2` on each side, as in PyTorch.
"""

from __future__ import annotations

from typing import Any, cast

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from nas.supernet.depthwise import Implementation


def convolve(
    x: Float[Array, "n h w i"],
    kernel: Float[Array | np.ndarray, "k k i o"],
    *,
    stride: int,
    implementation: Implementation,
) -> Float[Array, "n ho wo o"]:
    """The convolution, of an odd kernel."""
    # Shipped networks keep their weights as NumPy arrays, constants of what is exported.
    kernel = cast("Array", kernel)
    if stride > 1 or implementation == "native":
        return _convolve(x, kernel, stride)
    if kernel.shape[0] == 1:
        y = x.reshape(-1, x.shape[-1]) @ kernel[0, 0]
        return y.reshape(*x.shape[:-1], kernel.shape[-1])
    return _same(x, kernel)


def _convolve(x: Array, kernel: Array, stride: int) -> Array:
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad), (pad, pad)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@jax.custom_vjp
def _same(x: Array, kernel: Array) -> Array:
    return _convolve(x, kernel, 1)


def _same_forward(x: Array, kernel: Array) -> tuple[Array, Any]:
    return _same(x, kernel), (x, kernel)


def _same_backward(residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    dx = _convolve(dy, kernel[::-1, ::-1].swapaxes(2, 3), 1)
    # Channels in the batch's place, images in the channels'; the window is the map of `dy`.
    pad = kernel.shape[0] // 2
    d_kernel = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        dy.transpose(1, 2, 0, 3),
        (1, 1),
        [(pad, pad), (pad, pad)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return dx, d_kernel.transpose(1, 2, 0, 3)


_same.defvjp(_same_forward, _same_backward)
