"""The layers that blocks are made of, as Flax NNX modules.

A `ConvNorm` runs in one of three modes, fixed when it is built:

- `batch`: normalised with the batch's own statistics, which it also stores (training, and
  recalibration);
- `stored`: normalised with the stored statistics (evaluation);
- `folded`: scale, shift and statistics are folded into the kernel and a bias (what is shipped).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from nas.supernet.convolution import convolve
from nas.supernet.depthwise import Implementation, default_implementation, depthwise_conv
from nas.supernet.precision import at_least_float32

Mode: TypeAlias = Literal["batch", "stored", "folded"]

NORM_EPSILON = 1e-5


def activate(x: Array, function: str) -> Array:
    """Applies an activation by name; `""` is the identity. Hard swish: MobileNetV3, section 5.2."""
    if function == "relu":
        return jax.nn.relu(x)
    if function == "hard_swish":
        return x * (jnp.clip(x + 3, 0, 6) / 6)
    if function == "hard_sigmoid":
        return jnp.clip(x + 3, 0, 6) / 6
    if function == "":
        return x
    raise ValueError(f"activation must be relu, hard_swish, hard_sigmoid or '', got {function!r}")


def _activation_slope(z: Array, function: str) -> Array:
    if function == "relu":
        return (z > 0).astype(z.dtype)
    if function == "hard_swish":
        return jnp.where(z <= -3, 0.0, jnp.where(z >= 3, 1.0, (2 * z + 3) / 6)).astype(z.dtype)
    return jnp.ones_like(z)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(
    x: Float[Array, "n h w c"], scale: Float[Array, " c"], shift: Float[Array, " c"], function: str
) -> tuple[Float[Array, "n h w c"], Float[Array, " c"], Float[Array, " c"]]:
    """Normalises with the batch's statistics and applies the activation.

    The backward pass keeps only `x` and recomputes the rest, which saves two activations' memory a
    layer. No gradient flows through the returned statistics, which are in float32 at least.

    Returns:
        The output, and the mean and (biased) variance over batch, height and width.
    """
    y, mean, variance, _ = _normalise(x, scale, shift, function)
    return y, mean, variance


def _normalise(
    x: Array, scale: Array, shift: Array, function: str
) -> tuple[Array, Array, Array, Array]:
    wide = x.astype(at_least_float32(x.dtype))
    mean = wide.mean((0, 1, 2))
    variance = jnp.maximum((wide * wide).mean((0, 1, 2)) - mean * mean, 0)
    inverse = lax.rsqrt(variance + NORM_EPSILON)
    y = activate((wide - mean) * (inverse * scale) + shift, function)
    return y.astype(x.dtype), mean, variance, inverse


def _batch_norm_forward(x: Array, scale: Array, shift: Array, function: str) -> tuple[Any, Any]:
    y, mean, variance, inverse = _normalise(x, scale, shift, function)
    return (y, mean, variance), (x, scale, shift, mean, inverse)


def _batch_norm_backward(
    function: str, residuals: Any, cotangents: Any
) -> tuple[Array, Array, Array]:
    """Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3."""
    x, scale, shift, mean, inverse = residuals
    wide, dy = (array.astype(mean.dtype) for array in (x, cotangents[0]))
    if function:
        dy = dy * _activation_slope((wide - mean) * (inverse * scale) + shift, function)
    count = x.size // x.shape[-1]
    d_shift = dy.sum((0, 1, 2))
    d_scale = inverse * ((dy * wide).sum((0, 1, 2)) - mean * d_shift)
    gain = scale * inverse
    slope = -gain * inverse * d_scale / count
    offset = -gain * d_shift / count - slope * mean
    dx = gain * dy + slope * wide + offset
    return dx.astype(x.dtype), d_scale.astype(scale.dtype), d_shift.astype(shift.dtype)


batch_norm.defvjp(_batch_norm_forward, _batch_norm_backward)


class ConvNorm(nnx.Module):
    """Convolution without bias, batch norm, activation.

    `groups` is 1 or the number of channels (depthwise). Kernels are `[k, k, in / groups, out]`,
    He-initialised over the fan-out, as in Once-for-All's code. A norm whose scale starts at zero
    makes the residual block that it ends start as the identity (Yu et al., "BigNAS", ECCV 2020,
    section 3, on training big and small networks together).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        depthwise: bool = False,
        function: str = "",
        starts_at_zero: bool = False,
        mode: Mode,
        implementation: Implementation | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.stride = stride
        self.depthwise = depthwise
        self.function = function
        self.mode = mode
        self.implementation: Implementation = implementation or default_implementation()
        fan_out = kernel * kernel * (1 if depthwise else out_channels)
        shape = (kernel, kernel, 1 if depthwise else in_channels, out_channels)
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), shape) * np.sqrt(2 / fan_out))
        if mode == "folded":
            self.bias = nnx.Param(jnp.zeros(out_channels))
            return
        self.scale = nnx.Param(
            jnp.zeros(out_channels) if starts_at_zero else jnp.ones(out_channels)
        )
        self.shift = nnx.Param(jnp.zeros(out_channels))
        self.mean = nnx.BatchStat(jnp.zeros(out_channels))
        self.variance = nnx.BatchStat(jnp.ones(out_channels))

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Convolves, normalises and activates."""
        y = self._convolve(x, self.kernel[...])
        if self.mode == "folded":
            return activate(y + self.bias[...], self.function)
        return _normalise_as(self, y)

    def _convolve(self, x: Array, kernel: Array) -> Array:
        if self.depthwise:
            return depthwise_conv(x, kernel, stride=self.stride, implementation=self.implementation)
        return convolve(x, kernel, stride=self.stride, implementation=self.implementation)


class Norm(nnx.Module):
    """Batch norm and an activation, where there is no convolution to fold it into.

    Folded, its scale and shift have the statistics in them.
    """

    def __init__(self, channels: int, *, function: str = "", mode: Mode) -> None:
        self.function = function
        self.mode = mode
        self.scale = nnx.Param(jnp.ones(channels))
        self.shift = nnx.Param(jnp.zeros(channels))
        if mode != "folded":
            self.mean = nnx.BatchStat(jnp.zeros(channels))
            self.variance = nnx.BatchStat(jnp.ones(channels))

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Normalises and activates."""
        if self.mode == "folded":
            return activate(x * self.scale[...] + self.shift[...], self.function)
        return _normalise_as(self, x)


def _normalise_as(layer: ConvNorm | Norm, y: Array) -> Array:
    if layer.mode == "batch":
        normalised: Any = batch_norm(y, layer.scale[...], layer.shift[...], layer.function)
        y, mean, variance = normalised
        layer.mean[...] = lax.stop_gradient(mean)
        layer.variance[...] = lax.stop_gradient(variance)
        return y
    gain = layer.scale[...] * lax.rsqrt(layer.variance[...] + NORM_EPSILON)
    normal = y * gain + (layer.shift[...] - layer.mean[...] * gain)
    return activate(normal, layer.function).astype(y.dtype)


class Conv(nnx.Module):
    """Convolution without bias or norm, initialised like that of `ConvNorm`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        implementation: Implementation | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.implementation: Implementation = implementation or default_implementation()
        shape = (kernel, kernel, in_channels, out_channels)
        spread = np.sqrt(2 / (kernel * kernel * out_channels))
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), shape) * spread)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w co"]:
        """Convolves at stride 1."""
        kernel = self.kernel[...]
        return convolve(x, kernel, stride=1, implementation=self.implementation)


def mean_pool_3x3(
    x: Float[Array, "n h w c"], *, implementation: Implementation
) -> Float[Array, "n h w c"]:
    """Means over 3x3 windows at stride 1; padding does not count."""
    if implementation == "native":
        window: Any = {"window_shape": (3, 3), "strides": (1, 1)}
        return nnx.avg_pool(x, **window, padding="SAME", count_include_pad=False)
    ones = np.ones((3, 3, 1, x.shape[-1]), x.dtype)
    total = depthwise_conv(x, ones, stride=1, implementation=implementation)
    rows, columns = (np.convolve(np.ones(size), np.ones(3))[1:-1] for size in x.shape[1:3])
    return total / jnp.asarray(np.outer(rows, columns)[:, :, None], x.dtype)


def fold(params: dict[str, Any], statistics: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the `folded` form of a module, from those of its `stored` form.

    A norm is folded into the kernel it follows, or else into its own scale and shift.

    Args:
        params: Nested pure dict of a module's parameters.
        statistics: The nested pure dict of its batch statistics.
    """
    if "scale" in params and "mean" in statistics:
        gain = params["scale"] / jnp.sqrt(statistics["variance"] + NORM_EPSILON)
        shift = params["shift"] - statistics["mean"] * gain
        if "kernel" not in params:
            return {"scale": gain, "shift": shift}
        return {"kernel": params["kernel"] * gain, "bias": shift}
    return {
        name: fold(value, statistics.get(name, {})) if isinstance(value, dict) else value
        for name, value in params.items()
    }


class SqueezeExcite(nnx.Module):
    """Scales channels by a gate of their means; Hu et al., CVPR 2018, in MobileNetV3's form."""

    def __init__(self, channels: int, squeezed: int, *, rngs: nnx.Rngs) -> None:
        self.reduce = Linear(channels, squeezed, bias=True, rngs=rngs)
        self.excite = Linear(squeezed, channels, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Gates the channels of each image."""
        gate = activate(self.reduce(x.mean((1, 2))), "relu")
        gate = activate(self.excite(gate), "hard_sigmoid")
        return x * gate[:, None, None, :]


class Linear(nnx.Module):
    """Matrix product, with bias if asked.

    Its initial kernel is normal with `std`, or else uniform over the fan-in as PyTorch's.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool,
        std: float | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        key, shape, bound = rngs.params(), (in_features, out_features), 1 / np.sqrt(in_features)
        self.kernel = nnx.Param(
            jax.random.uniform(key, shape, minval=-bound, maxval=bound)
            if std is None
            else std * jax.random.normal(key, shape)
        )
        self.has_bias = bias
        if bias:
            self.bias = nnx.Param(jnp.zeros(out_features))

    def __call__(self, x: Float[Array, "*n f"]) -> Float[Array, "*n o"]:
        """`x @ kernel + bias`."""
        y = x @ self.kernel[...]
        return y + self.bias[...] if self.has_bias else y
