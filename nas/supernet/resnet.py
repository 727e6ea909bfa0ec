"""The resnet space's blocks as Flax NNX modules."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from nas.supernet.layers import ConvNorm, Linear, activate
from search_spaces.resnet_blocks import ResNetBottleneck, ResNetConv, ResNetHead


class ResNetConvModule(nnx.Module):
    """`search_spaces.resnet_blocks.ResNetConv`."""

    def __init__(self, block: ResNetConv, *, rngs: nnx.Rngs, **options: Any) -> None:
        self.has_identity = block.has_identity
        self.max_pool = block.max_pool
        self.conv = ConvNorm(
            block.in_channels,
            block.out_channels,
            kernel=block.kernel,
            stride=block.stride,
            function="relu",
            rngs=rngs,
            **options,
        )

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Image or features to features."""
        y = self.conv(x)
        if self.has_identity:
            y = x + y
        if self.max_pool:
            y = max_pool_3x3(y)
        return y


class ResNetBottleneckModule(nnx.Module):
    """`search_spaces.resnet_blocks.ResNetBottleneck`."""

    def __init__(self, block: ResNetBottleneck, *, rngs: nnx.Rngs, **options: Any) -> None:
        inner, out = block.inner_channels, block.out_channels
        self.has_identity = block.shortcut == "identity"
        self.pool_stride = block.pool_stride
        self.reduce = ConvNorm(
            block.in_channels, inner, kernel=1, function="relu", rngs=rngs, **options
        )
        self.conv = ConvNorm(
            inner, inner, kernel=3, stride=block.stride, function="relu", rngs=rngs, **options
        )
        self.expand = ConvNorm(
            inner, out, kernel=1, starts_at_zero=self.has_identity, rngs=rngs, **options
        )
        if not self.has_identity:
            self.shortcut = ConvNorm(
                block.in_channels,
                out,
                kernel=1,
                stride=block.shortcut_stride,
                rngs=rngs,
                **options,
            )

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Features to features."""
        y = self.expand(self.conv(self.reduce(x)))
        if not self.has_identity:
            x = self.shortcut(mean_pool(x, self.pool_stride))
        return activate(x + y, "relu")


def max_pool_3x3(x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo c"]:
    """The greatest of 3x3 windows at stride 2, of a map without negative values.

    Zeros around it then change nothing; minus infinity would be in the ranges that quantised files
    are calibrated with.
    """
    return nnx.max_pool(_pad(x, (1, 1), (1, 1)), window_shape=(3, 3), strides=(2, 2))


def mean_pool(x: Float[Array, "n h w c"], size: int) -> Float[Array, "n ho wo c"]:
    """Means over `size` x `size` windows side by side; what is over the edge does not count."""
    if size == 1:
        return x
    window: Any = {"window_shape": (size, size), "strides": (size, size)}
    over = [-extent % size for extent in x.shape[1:3]]
    if not any(over):
        return nnx.avg_pool(x, **window)
    means = nnx.avg_pool(_pad(x, (0, over[0]), (0, over[1])), **window)
    rows, columns = (
        np.minimum(extent - np.arange(0, extent, size), size) / size for extent in x.shape[1:3]
    )
    return means / jnp.asarray(np.outer(rows, columns)[:, :, None], x.dtype)


def _pad(x: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    # A step of its own: what writes ONNX files ignores the padding of Flax's pools.
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0)))


class ResNetHeadModule(nnx.Module):
    """`search_spaces.resnet_blocks.ResNetHead`."""

    def __init__(self, block: ResNetHead, *, rngs: nnx.Rngs, **options: Any) -> None:
        del options  # A linear layer has but one form.
        self.classifier = Linear(block.in_channels, block.classes, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        """Features to logits."""
        return self.classifier(x.mean((1, 2)))
