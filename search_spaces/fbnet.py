"""FBNet's space: a chain of 22 layers, each one of nine blocks.

Widths, strides and the number of layers of each stage are given; what is decided is each layer's
block: an inverted residual with a kernel size, an expansion and perhaps grouped 1x1 convolutions,
or a skip. The default options are the networks for 32x32 images of HW-NAS-Bench, those of its
latency tables.

References: Wu et al., "FBNet", CVPR 2019, section 3.1, tables 1 and 2; Li et al., "HW-NAS-Bench",
ICLR 2021, section 3.2 (the form for CIFAR-100, with a narrower head and smaller strides).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from latency_models.workload import Op
from search_spaces.base import (
    STRICT,
    BlockSlot,
    ChainSpace,
    Decision,
    Genotype,
    Genotypes,
    PlacedBlock,
    check_genotypes,
    register_block,
)
from search_spaces.op_chain import OpChain

BLOCK_NAMES = ("skip", "k3_e1_g2", "k5_e1_g2", "k3_e1", "k5_e1", "k3_e3", "k5_e3", "k3_e6", "k5_e6")
"""What a layer can be, in ascending order of cost; a skip that changes the shape is a 1x1
convolution, which in some layers costs more than the blocks after it."""

PUBLISHED_ORDER = (
    "k3_e1",
    "k3_e1_g2",
    "k3_e3",
    "k3_e6",
    "k5_e1",
    "k5_e1_g2",
    "k5_e3",
    "k5_e6",
    "skip",
)
"""The order that HW-NAS-Bench numbers the blocks in."""


@register_block
@dataclass(frozen=True)
class FBNetStem:
    """3x3 convolution, batch norm, relu."""

    kind: ClassVar[str] = "fbnet_stem"
    in_channels: int
    out_channels: int
    stride: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.out_channels, kernel=3, stride=self.stride, function="relu")
        return chain.ops


@register_block
@dataclass(frozen=True)
class FBNetBlock:
    """Expand 1x1, depthwise, project 1x1; the channels are shuffled after a grouped expansion.

    The input is added where shapes allow.
    """

    kind: ClassVar[str] = "fbnet_block"
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    expansion: int
    groups: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        width = self.expansion * self.in_channels
        chain.conv("expand", width, kernel=1, groups=self.groups, function="relu")
        if self.groups > 1:
            chain.shuffle("shuffle", self.groups)
        chain.conv(
            "depthwise",
            width,
            kernel=self.kernel,
            stride=self.stride,
            groups=width,
            function="relu",
        )
        chain.conv("project", self.out_channels, kernel=1, groups=self.groups)
        if self.stride == 1 and self.in_channels == self.out_channels:
            chain.add("identity", -1)
        return chain.ops


@register_block
@dataclass(frozen=True)
class FBNetSkip:
    """1x1 convolution, batch norm, relu: a skip that changes the shape."""

    kind: ClassVar[str] = "fbnet_skip"
    in_channels: int
    out_channels: int
    stride: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.out_channels, kernel=1, stride=self.stride, function="relu")
        return chain.ops


@register_block
@dataclass(frozen=True)
class FBNetHead:
    """1x1 convolution, batch norm, relu, global average pool, the classifier."""

    kind: ClassVar[str] = "fbnet_head"
    in_channels: int
    head_channels: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`; the output is `[batch, classes]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.head_channels, kernel=1, function="relu")
        chain.pool("pool")
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops


@dataclass(frozen=True)
class FBNetOptions:
    """What a config says of the space; the defaults are HW-NAS-Bench's for 32x32 images.

    The paper's networks have strides 1, 2, 2, 2, 1, 2, 1, a stem of stride 2 and a head of 1984.

    Attributes:
        widths: Channels of each stage.
        layers: Number of layers of each stage.
        strides: Of each stage's first layer.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    widths: list[int] = field(default_factory=lambda: [16, 24, 32, 64, 112, 184, 352])
    layers: list[int] = field(default_factory=lambda: [1, 4, 4, 4, 4, 4, 1])
    strides: list[int] = field(default_factory=lambda: [1, 1, 2, 2, 1, 2, 1])
    stem_width: int = 16
    stem_stride: int = 1
    head_width: int = 1504

    def __post_init__(self) -> None:
        """Raises ValueError, naming the option, where the values name no network."""
        for name in ("layers", "strides"):
            if len(getattr(self, name)) != len(self.widths):
                raise ValueError(
                    f"space.{name} must have one entry for each of the {len(self.widths)} widths, "
                    f"got {getattr(self, name)}"
                )
        if not self.layers or min(self.layers) < 1:
            raise ValueError(f"space.layers must be at least one each, got {self.layers}")
        for name, widths in (("widths", self.widths), ("stem_width", [self.stem_width])):
            if any(width < 2 or width % 2 for width in widths):
                raise ValueError(
                    f"space.{name} must be even for two groups, got {getattr(self, name)}"
                )
        for name, strides in (("strides", self.strides), ("stem_stride", [self.stem_stride])):
            if not set(strides) <= {1, 2}:
                raise ValueError(f"space.{name} must be 1 or 2, got {getattr(self, name)}")
        if self.head_width < 1:
            raise ValueError(f"space.head_width must be at least 1, got {self.head_width}")


@dataclass(frozen=True)
class FBNetSpace(ChainSpace):
    """The space that `options` describe, for images of `image_shape` and `classes` classes.

    Every genotype is canonical: each block has an effect.

    Attributes:
        image_shape: `(height, width, channels)` of the data's images.
    """

    name: ClassVar[str] = "fbnet"
    Options: ClassVar[type] = FBNetOptions
    options: FBNetOptions
    image_shape: tuple[int, int, int]
    classes: int

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The block of each layer."""
        return self._decisions

    @cached_property
    def _decisions(self) -> tuple[Decision, ...]:
        layers = range(1, sum(self.options.layers) + 1)
        return tuple(Decision(f"layer{layer}", BLOCK_NAMES) for layer in layers)

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        """Stem, layers, head."""
        return self._slots

    @cached_property
    def _slots(self) -> tuple[BlockSlot, ...]:
        options = self.options
        stem = FBNetStem(self.image_shape[2], options.stem_width, options.stem_stride)
        slots = [BlockSlot("stem", (), ((stem, self.image_shape),))]
        shape = _after(self.image_shape, options.stem_width, options.stem_stride)
        layers = [
            (width, stride if first else 1)
            for width, stride, count in zip(
                options.widths, options.strides, options.layers, strict=True
            )
            for first in [True] + [False] * (count - 1)
        ]
        for column, (width, stride) in enumerate(layers):
            rows = tuple(_placed(name, shape, width, stride) for name in BLOCK_NAMES)
            slots.append(BlockSlot(f"layer{column + 1}", (column,), rows))
            shape = _after(shape, width, stride)
        head = FBNetHead(shape[-1], options.head_width, self.classes)
        return (*slots, BlockSlot("head", (), ((head, shape),)))

    @cached_property
    def _cheapest(self) -> tuple[int, ...]:
        def flops(placed: PlacedBlock | None) -> int:
            if placed is None:
                return 0
            return sum(op.flops for op in placed[0].ops((1, *placed[1]), dtype="float32"))

        costs = [[flops(placed) for placed in slot.rows] for slot in self.slots[1:-1]]
        return tuple(layer.index(min(layer)) for layer in costs)

    @property
    def smallest(self) -> Genotype:
        """Every layer at the block with the fewest FLOPs: the skip nearly everywhere."""
        return np.array(self._cheapest, np.int64)

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """A copy: every decision has an effect.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotypes, self.decisions)
        return genotypes.copy()

    def text(self, genotype: Genotype) -> str:
        """The blocks' names joined by `-`.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotype, self.decisions)
        return "-".join(BLOCK_NAMES[option] for option in genotype)

    def read(self, texts: Sequence[str]) -> Genotypes:
        """The genotypes of networks in the form that `text` gives.

        Raises:
            ValueError: If a text has another number of blocks, or one that is unknown.
        """
        return self._read(texts, "-", {name: name for name in BLOCK_NAMES})

    def index_text(self, genotype: Genotype) -> str:
        """The blocks' numbers in the published order, joined by commas.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotype, self.decisions)
        return ",".join(str(PUBLISHED_ORDER.index(BLOCK_NAMES[option])) for option in genotype)

    def read_indices(self, texts: Sequence[str]) -> Genotypes:
        """The genotypes of networks in the form that `index_text` gives.

        Raises:
            ValueError: If a text has another number of blocks, or one that is unknown.
        """
        return self._read(texts, ",", {str(i): name for i, name in enumerate(PUBLISHED_ORDER)})

    def _read(self, texts: Sequence[str], separator: str, names: dict[str, str]) -> Genotypes:
        options = {text: BLOCK_NAMES.index(name) for text, name in names.items()}
        count = len(self.decisions)
        found = np.empty((len(texts), count), np.int64)
        for row, text in enumerate(texts):
            parts = text.split(separator)
            if len(parts) != count or not options.keys() >= set(parts):
                raise ValueError(
                    f"network: expected {count} of {', '.join(options)}, joined by "
                    f"{separator!r}, got {text!r}"
                )
            found[row] = [options[part] for part in parts]
        return found


def _after(shape: tuple[int, int, int], width: int, stride: int) -> tuple[int, int, int]:
    return math.ceil(shape[0] / stride), math.ceil(shape[1] / stride), width


def _placed(name: str, shape: tuple[int, int, int], width: int, stride: int) -> PlacedBlock | None:
    """The named block on features of `shape`; None where it hands them on."""
    channels = shape[-1]
    if name == "skip":
        if stride == 1 and channels == width:
            return None
        return FBNetSkip(channels, width, stride), shape
    kernel, expansion, groups = (int(part[1:]) for part in f"{name}_g1".split("_")[:3])
    return FBNetBlock(channels, width, kernel, stride, expansion, groups), shape
