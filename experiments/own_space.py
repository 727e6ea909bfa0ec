"""A chain of depthwise separable convolutions whose width, depths and kernels are decided.

`docs/own_space.md` goes through it.

Reference: Howard et al., "MobileNets", 2017, section 3.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import numpy as np

from latency_models import Op
from search_spaces import BlockSlot, ChainSpace, Decision, Genotypes, OpChain, register_block
from search_spaces.base import STRICT, check_genotypes


@register_block
@dataclass(frozen=True)
class SeparableStem:
    """3x3 convolution of stride 2."""

    kind: ClassVar[str] = "separable_stem"
    in_channels: int
    out_channels: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.out_channels, kernel=3, stride=2, function="relu")
        return chain.ops


@register_block
@dataclass(frozen=True)
class SeparableBlock:
    """A convolution of each channel by itself, then one of 1x1."""

    kind: ClassVar[str] = "separable_block"
    in_channels: int
    out_channels: int
    kernel: int
    stride: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        chain = OpChain(self, shape, dtype)
        chain.conv(
            "depthwise",
            self.in_channels,
            kernel=self.kernel,
            stride=self.stride,
            groups=self.in_channels,
            function="relu",
        )
        chain.conv("pointwise", self.out_channels, kernel=1, function="relu")
        return chain.ops


@register_block
@dataclass(frozen=True)
class SeparableHead:
    """Mean over the map, and the classifier."""

    kind: ClassVar[str] = "separable_head"
    in_channels: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        chain = OpChain(self, shape, dtype)
        chain.pool("pool")
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops


@dataclass(frozen=True)
class SeparableOptions:
    """What a config says of the space; option lists in ascending order."""

    __pydantic_config__: ClassVar[Any] = STRICT
    widths: list[int] = field(default_factory=lambda: [16, 24, 32])
    depths: list[int] = field(default_factory=lambda: [1, 2, 3])
    kernels: list[int] = field(default_factory=lambda: [3, 5])


STAGES = 3


@dataclass(frozen=True)
class SeparableSpace(ChainSpace):
    """Three stages; each halves the map, doubles the channels and has some blocks."""

    name: ClassVar[str] = "separable"
    Options: ClassVar[type] = SeparableOptions
    options: SeparableOptions
    image_shape: tuple[int, int, int]
    classes: int

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        options = self.options
        found = [Decision("width", tuple(options.widths))]
        for stage in range(1, STAGES + 1):
            found.append(Decision(f"stage{stage}.depth", tuple(options.depths)))
            found += [
                Decision(f"stage{stage}.block{block}.kernel", tuple(options.kernels))
                for block in range(1, max(options.depths) + 1)
            ]
        return tuple(found)

    @cached_property
    def slots(self) -> tuple[BlockSlot, ...]:
        channels, widths, depths = self.image_shape[2], self.options.widths, self.options.depths
        stem = tuple((SeparableStem(channels, width), self.image_shape) for width in widths)
        found = [BlockSlot("stem", (0,), stem)]
        for (stage, column), block in product(self.depth_columns, range(max(depths))):
            rows = tuple(
                self.placed_block(stage, block, width, kernel) if block < depth else None
                for width, depth, kernel in product(widths, depths, self.options.kernels)
            )
            columns = (0, column, column + 1 + block)
            found.append(BlockSlot(f"stage{stage + 1}.block{block + 1}", columns, rows))
        shapes = [self.features(STAGES, width) for width in widths]
        head = tuple((SeparableHead(shape[2], self.classes), shape) for shape in shapes)
        return (*found, BlockSlot("head", (0,), head))

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        check_genotypes(genotypes, self.decisions)
        canonical, depths = genotypes.copy(), np.array(self.options.depths)
        for (_, column), block in product(self.depth_columns, range(max(depths))):
            absent = depths[genotypes[:, column]] <= block
            canonical[absent, column + 1 + block] = 0
        return canonical

    @property
    def depth_columns(self) -> list[tuple[int, int]]:
        return [(stage, 1 + stage * (1 + max(self.options.depths))) for stage in range(STAGES)]

    def features(self, stages: int, width: int) -> tuple[int, int, int]:
        height, across = (-(-side // 2 ** (1 + stages)) for side in self.image_shape[:2])
        return height, across, width * 2**stages

    def placed_block(
        self, stage: int, block: int, width: int, kernel: int
    ) -> tuple[SeparableBlock, tuple[int, int, int]]:
        shape = self.features(stage + (block > 0), width)
        found = SeparableBlock(shape[2], width * 2 ** (stage + 1), kernel, 1 if block else 2)
        return found, shape
