"""Once-for-All's ResNet-50D space, at sizes that suit the data.

A stem of two or three 3x3 convolutions, stages of bottlenecks, a head. Elastic are the input
resolution; the stem's inner and outer width and whether its second convolution is there; per stage
the width and the depth, per block the expand ratio, which is that of the bottleneck's inner to its
outer width. Depth keeps the first blocks of a stage. Channel counts are multiples of 8. The default
options are the published space for images of 128 to 224 pixels; for CIFAR's the stem keeps the
map's size with `stem_stride` 1 and no `stem_pool`.

References: Cai et al., "Once-for-All", ICLR 2020, and its code, which has the ResNet-50D space;
He et al., "Bag of Tricks for Image Classification", CVPR 2019, section 4.2 (ResNet-D).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, product
from typing import Any, ClassVar, Literal

import numpy as np

from search_spaces.base import (
    STRICT,
    BlockSlot,
    ChainSpace,
    Decision,
    Genotypes,
    PlacedBlock,
    check_genotypes,
)
from search_spaces.channels import CHANNEL_DIVISOR, round_channels
from search_spaces.images import check_images
from search_spaces.resnet_blocks import ResNetBottleneck, ResNetConv, ResNetHead


@dataclass(frozen=True)
class ResNetStage:
    """One stage: width before the multiplier, least number of blocks, stride of its first block."""

    __pydantic_config__: ClassVar[Any] = STRICT
    width: int
    depth: int
    stride: Literal[1, 2]


def _published_stages() -> list[ResNetStage]:
    return [
        ResNetStage(256, 2, 1),
        ResNetStage(512, 2, 2),
        ResNetStage(1024, 4, 2),
        ResNetStage(2048, 2, 2),
    ]


@dataclass(frozen=True)
class ResNetOptions:
    """What a config says of the space; option lists in ascending order.

    Attributes:
        stem_width: Of the stem's output, before the multiplier; inside it is half of that.
        stem_pool: Whether a 3x3 max pool of stride 2 follows the stem.
        extra_depths: Blocks that a stage may have beyond its least number.
        expand_ratios: Of a bottleneck's inner width to its outer one.
        width_multipliers: Of the stem and, separately, of each stage.
        resolutions: Input sizes in pixels; empty means the size of the data's images.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    stages: list[ResNetStage] = field(default_factory=_published_stages)
    stem_width: int = 64
    stem_stride: Literal[1, 2] = 2
    stem_pool: bool = True
    extra_depths: list[int] = field(default_factory=lambda: [0, 1, 2])
    expand_ratios: list[float] = field(default_factory=lambda: [0.2, 0.25, 0.35])
    width_multipliers: list[float] = field(default_factory=lambda: [0.65, 0.8, 1.0])
    resolutions: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        """Raises ValueError, naming the option, where the values name no network."""
        if not self.stages:
            raise ValueError("space.stages must have at least one stage, got none")
        for name in ("extra_depths", "expand_ratios", "width_multipliers", "resolutions"):
            values = getattr(self, name)
            if name != "resolutions" and not values:
                raise ValueError(f"space.{name} must have at least one option, got none")
            if sorted(set(values)) != list(values):
                raise ValueError(f"space.{name} must be ascending, got {values}")
            if name == "extra_depths" and values[0] < 0:
                raise ValueError(f"space.extra_depths must be at least 0, got {values}")
            if name != "extra_depths" and any(value <= 0 for value in values):
                raise ValueError(f"space.{name} must be positive, got {values}")
        least = {"stem_width": self.stem_width}
        for position, stage in enumerate(self.stages):
            least[f"stages.{position}.width"] = stage.width
            least[f"stages.{position}.depth"] = stage.depth
        for name, value in least.items():
            if value < 1:
                raise ValueError(f"space.{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class ResNetSpace(ChainSpace):
    """The space that `options` describe, for images of `image_shape` and `classes` classes.

    Multipliers that round the stem's inner width to the same channels are one option of it.

    Attributes:
        image_shape: `(height, width, channels)` of the data's images; square.
    """

    name: ClassVar[str] = "resnet"
    Options: ClassVar[type] = ResNetOptions
    options: ResNetOptions
    image_shape: tuple[int, int, int]
    classes: int

    def __post_init__(self) -> None:
        """Raises ValueError where the images do not fit, or two options name one network."""
        shrink = math.prod(self._strides)
        check_images(self.name, self.image_shape, self.resolutions, shrink=shrink)
        options = self.options
        for width in (options.stem_width, *(stage.width for stage in options.stages)):
            rounded = [round_channels(width * ratio) for ratio in options.width_multipliers]
            _check_distinct("width_multipliers", options.width_multipliers, width, rounded)
        for width in {width for stage in options.stages for width in self._scaled(stage.width)}:
            rounded = [_inner_channels(width, ratio) for ratio in options.expand_ratios]
            _check_distinct("expand_ratios", options.expand_ratios, width, rounded)

    @property
    def resolutions(self) -> list[int]:
        """The input sizes in pixels."""
        return self.options.resolutions or [self.image_shape[0]]

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Resolution, the stem's, then each stage's depth, width and its blocks' expand ratios."""
        return self._decisions

    @cached_property
    def _decisions(self) -> tuple[Decision, ...]:
        options = self.options
        found = [
            Decision("resolution", tuple(self.resolutions)),
            Decision("stem.inner_width", tuple(self._stem_inner_widths.values())),
            Decision("stem.block", ("skip", "conv")),
            Decision("stem.width", tuple(options.width_multipliers)),
        ]
        for number, stage in enumerate(options.stages, start=1):
            found.append(Decision(f"stage{number}.depth", self._depths(stage)))
            found.append(Decision(f"stage{number}.width", tuple(options.width_multipliers)))
            for block in range(1, self._depths(stage)[-1] + 1):
                ratios = tuple(options.expand_ratios)
                found.append(Decision(f"stage{number}.block{block}.expand", ratios))
        return tuple(found)

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        """The stem's convolutions, each stage's blocks, head."""
        return self._slots

    @cached_property
    def _slots(self) -> tuple[BlockSlot, ...]:
        stages = range(1, len(self.options.stages) + 1)
        blocks = (slot for number in stages for slot in self._stage_slots(number))
        return (*self._stem_slots(), *blocks, self._head_slot())

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """The expand ratios of the blocks that depth leaves out become option 0.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotypes, self.decisions)
        canonical = genotypes.copy()
        for number, stage in enumerate(self.options.stages, start=1):
            depths = self._depths(stage)
            chosen = np.array(depths)[genotypes[:, self._columns[f"stage{number}.depth"]]]
            for block in range(depths[0] + 1, depths[-1] + 1):
                expand = self._columns[f"stage{number}.block{block}.expand"]
                canonical[chosen < block, expand] = 0
        return canonical

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {decision.name: column for column, decision in enumerate(self.decisions)}

    @cached_property
    def _stem_inner_widths(self) -> dict[int, float]:
        """The first multiplier for each number of channels inside the stem."""
        found: dict[int, float] = {}
        for multiplier in self.options.width_multipliers:
            outer = round_channels(self.options.stem_width * multiplier)
            found.setdefault(round_channels(outer // 2), multiplier)
        return found

    @property
    def _strides(self) -> tuple[int, ...]:
        """Of the stem's convolution, its pool, and each stage."""
        options = self.options
        stages = (stage.stride for stage in options.stages)
        return (options.stem_stride, 2 if options.stem_pool else 1, *stages)

    def _map_sizes(self, resolution: int) -> list[int]:
        """Of the image, after the stem's convolution, after its pool, after each stage."""
        return list(accumulate(self._strides, _strided, initial=resolution))

    def _depths(self, stage: ResNetStage) -> tuple[int, ...]:
        return tuple(stage.depth + extra for extra in self.options.extra_depths)

    def _scaled(self, width: int) -> list[int]:
        return [round_channels(width * ratio) for ratio in self.options.width_multipliers]

    def _stem_slots(self) -> Iterator[BlockSlot]:
        channels, options = self.image_shape[2], self.options
        placed: dict[str, list[PlacedBlock | None]] = {"conv": [], "block": [], "project": []}
        for size, inner in product(self.resolutions, self._stem_inner_widths):
            conv = ResNetConv(channels, inner, 3, options.stem_stride, False, False)
            placed["conv"].append((conv, (size, size, channels)))
            extent = self._map_sizes(size)[1]
            shape = (extent, extent, inner)
            placed["block"] += [None, (ResNetConv(inner, inner, 3, 1, True, False), shape)]
            for width in self._scaled(options.stem_width):
                project = ResNetConv(inner, width, 3, 1, False, options.stem_pool)
                placed["project"].append((project, shape))
        read = (self._columns["resolution"], self._columns["stem.inner_width"])
        yield BlockSlot("stem.conv", read, tuple(placed["conv"]))
        yield BlockSlot("stem.block", (*read, self._columns["stem.block"]), tuple(placed["block"]))
        columns = (*read, self._columns["stem.width"])
        yield BlockSlot("stem.project", columns, tuple(placed["project"]))

    def _stage_slots(self, number: int) -> Iterator[BlockSlot]:
        options = self.options
        stage = options.stages[number - 1]
        before = "stem" if number == 1 else f"stage{number - 1}"
        widths = self._scaled(stage.width)
        widths_before = self._scaled(
            options.stem_width if number == 1 else options.stages[number - 2].width
        )
        for block in range(1, self._depths(stage)[-1] + 1):
            if block == 1:
                names = ["resolution", f"{before}.width", f"stage{number}.width"]
                channels = list(product(widths_before, widths))
            else:
                names = ["resolution", f"stage{number}.width"]
                channels = [(width, width) for width in widths]
            names += [f"stage{number}.block{block}.expand", f"stage{number}.depth"]
            rows = tuple(
                placed if block <= depth else None
                for size, (reads, width), ratio in product(
                    self.resolutions, channels, options.expand_ratios
                )
                for placed in [self._placed_block(number, block, size, reads, width, ratio)]
                for depth in self._depths(stage)
            )
            columns = tuple(self._columns[name] for name in names)
            yield BlockSlot(f"stage{number}.block{block}", columns, rows)

    def _placed_block(
        self, number: int, block: int, size: int, reads: int, width: int, ratio: float
    ) -> PlacedBlock:
        found = ResNetBottleneck(
            in_channels=reads,
            inner_channels=_inner_channels(width, ratio),
            out_channels=width,
            stride=self.options.stages[number - 1].stride if block == 1 else 1,
            # Of all first blocks, so that those of equal widths share the others' weights.
            shortcut="pool_conv" if block == 1 else "identity",
        )
        extent = self._map_sizes(size)[number + (block > 1) + 1]
        return found, (extent, extent, reads)

    def _head_slot(self) -> BlockSlot:
        placed: list[PlacedBlock] = []
        for size, width in product(self.resolutions, self._scaled(self.options.stages[-1].width)):
            extent = self._map_sizes(size)[-1]
            placed.append((ResNetHead(width, self.classes), (extent, extent, width)))
        last = f"stage{len(self.options.stages)}.width"
        return BlockSlot("head", (self._columns["resolution"], self._columns[last]), tuple(placed))


def _inner_channels(width: int, ratio: float) -> int:
    return round_channels(round(width * ratio))


def _strided(size: int, stride: int) -> int:
    return math.ceil(size / stride)


def _check_distinct(name: str, ratios: Sequence[float], width: int, rounded: Sequence[int]) -> None:
    if len(set(rounded)) != len(rounded):
        raise ValueError(
            f"space.{name}: {ratios} of {width} channels round to {rounded}, multiples of "
            f"{CHANNEL_DIVISOR}; expected different widths"
        )
