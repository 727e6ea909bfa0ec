"""Once-for-All's MobileNetV3 space, at sizes that suit the data.

A stem, stages of inverted residual blocks, a head. Elastic are the input resolution, a width
multiplier for the whole network, and per stage the depth, per block the kernel size and the expand
ratio. Depth keeps the first blocks of a stage. Channel counts are multiples of 8.

References: Howard et al., "Searching for MobileNetV3", ICCV 2019, sections 5-6 (blocks,
squeeze-excite, h-swish, the head after pooling); Cai et al., "Once-for-All", ICLR 2020, section 4.1
and appendix (decisions and their options).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from latency_models.workload import Op
from search_spaces.base import (
    STRICT,
    BlockSlot,
    ChainSpace,
    Decision,
    Genotypes,
    PlacedBlock,
    check_genotypes,
    register_block,
)
from search_spaces.channels import CHANNEL_DIVISOR, round_channels
from search_spaces.images import check_images
from search_spaces.op_chain import OpChain


@register_block
@dataclass(frozen=True)
class MobileNetStem:
    """3x3 convolution and a depthwise separable block with identity: MobileNetV3's first layers."""

    kind: ClassVar[str] = "mobilenet_stem"
    in_channels: int
    out_channels: int
    stride: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.out_channels, kernel=3, stride=self.stride, function="hard_swish")
        identity = chain.last
        chain.conv(
            "depthwise", self.out_channels, kernel=3, groups=self.out_channels, function="relu"
        )
        chain.conv("project", self.out_channels, kernel=1)
        chain.add("identity", identity)
        return chain.ops


@register_block
@dataclass(frozen=True)
class InvertedResidual:
    """Expand 1x1, depthwise, squeeze-excite if `squeeze_channels` > 0, project 1x1.

    The input is added where shapes allow.
    """

    kind: ClassVar[str] = "inverted_residual"
    in_channels: int
    expanded_channels: int
    out_channels: int
    kernel: int
    stride: int
    activation: str
    squeeze_channels: int

    @property
    def has_identity(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def droppable(self) -> bool:
        """Whether what it adds to its input may be left out in training."""
        return self.has_identity

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        width = self.expanded_channels
        chain.conv("expand", width, kernel=1, function=self.activation)
        chain.conv(
            "depthwise",
            width,
            kernel=self.kernel,
            stride=self.stride,
            groups=width,
            function=self.activation,
        )
        if self.squeeze_channels:
            chain.squeeze_excite(self.squeeze_channels)
        chain.conv("project", self.out_channels, kernel=1)
        if self.has_identity:
            chain.add("identity", -1)
        return chain.ops


@register_block
@dataclass(frozen=True)
class MobileNetHead:
    """1x1 convolution, global average pool, a linear feature layer without norm, the classifier."""

    kind: ClassVar[str] = "mobilenet_head"
    in_channels: int
    head_channels: int
    features: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`; the output is `[batch, classes]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.head_channels, kernel=1, function="hard_swish")
        chain.pool("pool")
        chain.linear("features", self.features, bias=False, function="hard_swish")
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops


@dataclass(frozen=True)
class MobileNetStage:
    """One stage: output width before the multiplier, stride of its first block, kind of block."""

    __pydantic_config__: ClassVar[Any] = STRICT
    width: int
    stride: Literal[1, 2]
    activation: Literal["relu", "hard_swish"] = "relu"
    squeeze_excite: bool = False


@dataclass(frozen=True)
class MobileNetOptions:
    """What a config says of the space; option lists in ascending order.

    Attributes:
        resolutions: Input sizes in pixels; empty means the size of the data's images.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    stages: list[MobileNetStage]
    stem_width: int = 16
    stem_stride: Literal[1, 2] = 1
    head_width: int = 960
    feature_width: int = 1280
    kernel_sizes: list[int] = field(default_factory=lambda: [3, 5, 7])
    expand_ratios: list[float] = field(default_factory=lambda: [3.0, 4.0, 6.0])
    depths: list[int] = field(default_factory=lambda: [2, 3, 4])
    width_multipliers: list[float] = field(default_factory=lambda: [1.0])
    resolutions: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        """Raises ValueError, naming the option, where the values name no network."""
        if not self.stages:
            raise ValueError("space.stages must have at least one stage, got none")
        for name in ("kernel_sizes", "expand_ratios", "depths", "width_multipliers", "resolutions"):
            values = getattr(self, name)
            if name != "resolutions" and not values:
                raise ValueError(f"space.{name} must have at least one option, got none")
            if any(value <= 0 for value in values) or sorted(set(values)) != list(values):
                raise ValueError(f"space.{name} must be positive and ascending, got {values}")
        if any(kernel % 2 == 0 for kernel in self.kernel_sizes):
            raise ValueError(f"space.kernel_sizes must be odd, got {self.kernel_sizes}")
        widths = {f"stages.{i}.width": stage.width for i, stage in enumerate(self.stages)}
        for name in ("stem_width", "head_width", "feature_width"):
            widths[name] = getattr(self, name)
        for name, width in widths.items():
            if width < 1:
                raise ValueError(f"space.{name} must be at least 1, got {width}")


@dataclass(frozen=True)
class MobileNetSpace(ChainSpace):
    """The space that `options` describe, for images of `image_shape` and `classes` classes.

    Attributes:
        image_shape: `(height, width, channels)` of the data's images; square.
    """

    name: ClassVar[str] = "mobilenet"
    Options: ClassVar[type] = MobileNetOptions
    options: MobileNetOptions
    image_shape: tuple[int, int, int]
    classes: int

    def __post_init__(self) -> None:
        """Raises ValueError where the images do not fit, or two options name one network."""
        shrink = self.options.stem_stride * math.prod(stage.stride for stage in self.options.stages)
        check_images(self.name, self.image_shape, self.resolutions, shrink=shrink)
        widths = [self.options.stem_width, *(stage.width for stage in self.options.stages)]
        scaled = [
            tuple(round_channels(width * multiplier) for width in widths)
            for multiplier in self.options.width_multipliers
        ]
        if len(set(scaled)) != len(scaled):
            raise ValueError(
                f"space.width_multipliers: {self.options.width_multipliers} round to the same "
                f"channels {scaled[0]}, multiples of {CHANNEL_DIVISOR}; expected different networks"
            )
        for width in {width for channels in scaled for width in channels}:
            expanded = [round_channels(width * ratio) for ratio in self.options.expand_ratios]
            if len(set(expanded)) != len(expanded):
                raise ValueError(
                    f"space.expand_ratios: {self.options.expand_ratios} of {width} channels round "
                    f"to {expanded}, multiples of {CHANNEL_DIVISOR}; expected different widths"
                )

    @property
    def resolutions(self) -> list[int]:
        """The input sizes in pixels."""
        return self.options.resolutions or [self.image_shape[0]]

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Resolution, width, then each stage's depth and its blocks' kernels and expand ratios."""
        return self._decisions

    @cached_property
    def _decisions(self) -> tuple[Decision, ...]:
        options = self.options
        found = [
            Decision("resolution", tuple(self.resolutions)),
            Decision("width", tuple(options.width_multipliers)),
        ]
        for stage in range(1, len(options.stages) + 1):
            found.append(Decision(f"stage{stage}.depth", tuple(options.depths)))
            for block in range(1, max(options.depths) + 1):
                name = f"stage{stage}.block{block}"
                found.append(Decision(f"{name}.kernel", tuple(options.kernel_sizes)))
                found.append(Decision(f"{name}.expand", tuple(options.expand_ratios)))
        return tuple(found)

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        """Stem, each stage's blocks, head."""
        return self._slots

    @cached_property
    def _slots(self) -> tuple[BlockSlot, ...]:
        options = self.options
        images = list(itertools.product(self.resolutions, options.width_multipliers))
        stem = tuple(self._placed_stem(size, width) for size, width in images)
        head = tuple(self._placed_head(size, width) for size, width in images)
        slots = [BlockSlot("stem", (0, 1), stem)]
        for stage, block, column in self._positions():
            rows = tuple(
                self._placed_block(stage, block, size, width, kernel, expand)
                if block < depth
                else None
                for (size, width), depth, kernel, expand in itertools.product(
                    images, options.depths, options.kernel_sizes, options.expand_ratios
                )
            )
            columns = (0, 1, self._depth_column(stage), column, column + 1)
            slots.append(BlockSlot(f"stage{stage + 1}.block{block + 1}", columns, rows))
        return (*slots, BlockSlot("head", (0, 1), head))

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """Kernel and expand ratio of the blocks that depth leaves out become option 0.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotypes, self.decisions)
        canonical = genotypes.copy()
        depths = np.array(self.options.depths)
        for stage, block, column in self._positions():
            absent = depths[genotypes[:, self._depth_column(stage)]] <= block
            canonical[absent, column : column + 2] = 0
        return canonical

    def _depth_column(self, stage: int) -> int:
        return 2 + stage * (1 + 2 * max(self.options.depths))

    def _positions(self) -> Iterator[tuple[int, int, int]]:
        """Each block's stage, place in it, and its kernel's genotype column (expand's is next)."""
        for stage, block in itertools.product(
            range(len(self.options.stages)), range(max(self.options.depths))
        ):
            yield stage, block, self._depth_column(stage) + 1 + 2 * block

    def _features(self, stages: int, size: int, width: float) -> tuple[int, int, int]:
        """Shape of the features after the stem and the first `stages` stages."""
        for stride in (self.options.stem_stride, *(s.stride for s in self.options.stages[:stages])):
            size = math.ceil(size / stride)
        channels = self.options.stages[stages - 1].width if stages else self.options.stem_width
        return size, size, round_channels(channels * width)

    def _placed_stem(self, size: int, width: float) -> PlacedBlock:
        channels = self.image_shape[2]
        out_channels = round_channels(self.options.stem_width * width)
        stem = MobileNetStem(channels, out_channels, self.options.stem_stride)
        return stem, (size, size, channels)

    def _placed_block(
        self, stage: int, block: int, size: int, width: float, kernel: int, expand: float
    ) -> PlacedBlock:
        options = self.options.stages[stage]
        shape = self._features(stage + (block > 0), size, width)
        expanded = round_channels(shape[-1] * expand)
        found = InvertedResidual(
            in_channels=shape[-1],
            expanded_channels=expanded,
            out_channels=round_channels(options.width * width),
            kernel=kernel,
            stride=options.stride if block == 0 else 1,
            activation=options.activation,
            squeeze_channels=round_channels(expanded / 4) if options.squeeze_excite else 0,
        )
        return found, shape

    def _placed_head(self, size: int, width: float) -> PlacedBlock:
        shape = self._features(len(self.options.stages), size, width)
        head = MobileNetHead(
            in_channels=shape[-1],
            head_channels=round_channels(self.options.head_width * width),
            features=round_channels(self.options.feature_width * width),
            classes=self.classes,
        )
        return head, shape
