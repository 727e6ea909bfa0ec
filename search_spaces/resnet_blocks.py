"""The blocks of ResNets with bottlenecks: plain ones and ResNet-D.

ResNet-D has three 3x3 convolutions where the plain network has one of 7x7, and pools a shortcut
before its 1x1 convolution, which then drops no positions. The stride of a bottleneck is that of its
3x3 convolution, as in torchvision.

References: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.1 and
table 1; He et al., "Bag of Tricks for Image Classification", CVPR 2019, section 4.2; Cai et al.,
"Once-for-All", ICLR 2020, and its code (the identity around the stem's second convolution).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from latency_models import workload as ops
from latency_models.workload import Op
from search_spaces.base import register_block
from search_spaces.op_chain import OpChain

SHORTCUTS = ("identity", "conv", "pool_conv")
"""What is added to a bottleneck's output: its input, or that through a strided 1x1 convolution with
batch norm, or through a mean pool and then such a convolution at stride 1."""


@register_block
@dataclass(frozen=True)
class ResNetConv:
    """Convolution, batch norm, relu: a layer of the stem.

    `has_identity` adds the input to the relu's output; `max_pool`, 3x3 at stride 2, comes after the
    relu.

    Raises:
        ValueError: If there are both, or the identity has another shape than what it is added to.
    """

    kind: ClassVar[str] = "resnet_conv"
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    has_identity: bool
    max_pool: bool

    def __post_init__(self) -> None:
        if self.has_identity and self.max_pool:
            raise ValueError(f"{self.kind}: expected an identity or a max pool, got both")
        if self.has_identity and (self.stride != 1 or self.in_channels != self.out_channels):
            raise ValueError(
                f"{self.kind}: an identity needs stride 1 and equal channels, got stride "
                f"{self.stride}, {self.in_channels} -> {self.out_channels} channels"
            )

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv(
            "conv", self.out_channels, kernel=self.kernel, stride=self.stride, function="relu"
        )
        if self.has_identity:
            chain.add("identity", -1)
        if self.max_pool:
            inputs = (chain.last,)
            chain.append(
                ops.pool("pool", chain.shape, kernel=3, stride=2, dtype=dtype, inputs=inputs)
            )
        return chain.ops


@register_block
@dataclass(frozen=True)
class ResNetBottleneck:
    """Reduce 1x1, convolve 3x3, expand 1x1; the shortcut is added before the last relu.

    Raises:
        ValueError: If the shortcut is unknown, or an identity does not fit the output.
    """

    kind: ClassVar[str] = "resnet_bottleneck"
    in_channels: int
    inner_channels: int
    out_channels: int
    stride: int
    shortcut: str

    def __post_init__(self) -> None:
        if self.shortcut not in SHORTCUTS:
            raise ValueError(
                f"{self.kind}: shortcut must be one of {', '.join(SHORTCUTS)}, "
                f"got {self.shortcut!r}"
            )
        resizes = self.stride != 1 or self.in_channels != self.out_channels
        if self.shortcut == "identity" and resizes:
            raise ValueError(
                f"{self.kind}: an identity needs stride 1 and equal channels, got stride "
                f"{self.stride}, {self.in_channels} -> {self.out_channels} channels"
            )

    @property
    def pool_stride(self) -> int:
        """Side and stride of the shortcut's mean pool; 1 where there is none."""
        return self.stride if self.shortcut == "pool_conv" else 1

    @property
    def shortcut_stride(self) -> int:
        """Stride of the shortcut's convolution."""
        return self.stride if self.shortcut == "conv" else 1

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("reduce", self.inner_channels, kernel=1, function="relu")
        chain.conv("conv", self.inner_channels, kernel=3, stride=self.stride, function="relu")
        chain.conv("expand", self.out_channels, kernel=1)
        added = -1
        if self.shortcut != "identity":
            added = chain.last
            chain.branch()
            if self.pool_stride > 1:
                chain.append(_mean_pool(shape, self.pool_stride, dtype))
            chain.conv("shortcut", self.out_channels, kernel=1, stride=self.shortcut_stride)
        chain.add("sum", added)
        chain.activate("relu", "relu")
        return chain.ops


def _mean_pool(shape: tuple[int, ...], size: int, dtype: str) -> Op:
    """Means over `size` x `size` windows; the last ones may reach over the edge."""
    padding = [(0, -extent % size) for extent in shape[1:3]]
    return ops.pool("pool", shape, kernel=size, stride=size, padding=padding, dtype=dtype)


@register_block
@dataclass(frozen=True)
class ResNetHead:
    """Global average pool, the classifier."""

    kind: ClassVar[str] = "resnet_head"
    in_channels: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`; the output is `[batch, classes]`."""
        chain = OpChain(self, shape, dtype)
        chain.pool("pool")
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops
