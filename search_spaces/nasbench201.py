"""NAS-Bench-201's space: one cell of six edges, repeated through three stages.

A network is a stem, stages of equal cells with a residual block that halves the map between them,
and a head. It can be costed in two forms. As compiled, edges that cannot influence the output are
not there, nor are those that carry zero, and what several edges do to the same node is done once:
what a compiler runs. As written, every edge runs, `none` as a product with zero: what eager
frameworks run, and what the published tables count and have timed.

Reference: Dong, Yang, "NAS-Bench-201", ICLR 2020, section 2.1; the residual block is that of its
code (AutoDL-Projects).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from latency_models import workload as ops
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
from search_spaces.nasbench201_cell import (
    DECISIONS,
    EDGES,
    OPERATIONS,
    NasBench201Cell,
    format_options,
    live_edges,
    read_cells,
)
from search_spaces.op_chain import OpChain


@register_block
@dataclass(frozen=True)
class NasBench201Stem:
    """3x3 convolution and batch norm."""

    kind: ClassVar[str] = "nasbench201_stem"
    in_channels: int
    out_channels: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.conv("conv", self.out_channels, kernel=3)
        return chain.ops


@register_block
@dataclass(frozen=True)
class NasBench201Reduction:
    """Residual block that halves the map: two 3x3 convolutions beside a pooled 1x1 one."""

    kind: ClassVar[str] = "nasbench201_reduction"
    in_channels: int
    out_channels: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.activate("relu_a", "relu")
        chain.conv("conv_a", self.out_channels, kernel=3, stride=2)
        chain.activate("relu_b", "relu")
        chain.conv("conv_b", self.out_channels, kernel=3)
        residual = chain.last
        pool = ops.pool("pool", shape, kernel=2, stride=2, padding=0, dtype=dtype, inputs=(-1,))
        chain.append(pool)
        chain.conv("shortcut", self.out_channels, kernel=1, norm=False)
        chain.add("sum", residual)
        return chain.ops


@register_block
@dataclass(frozen=True)
class NasBench201Head:
    """Batch norm, relu, global average pool, the classifier."""

    kind: ClassVar[str] = "nasbench201_head"
    in_channels: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`; the output is `[batch, classes]`."""
        chain = OpChain(self, shape, dtype)
        chain.norm("norm")
        chain.activate("relu", "relu")
        chain.pool("pool")
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops


@dataclass(frozen=True)
class NasBench201Options:
    """What a config says of the space; the defaults are the published networks.

    Attributes:
        widths: Channels of each stage.
        cells: In each stage.
        as_written: Whether networks are costed with every edge, or as a compiler runs them.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    widths: list[int] = field(default_factory=lambda: [16, 32, 64])
    cells: int = 5
    as_written: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError, naming the option, where the values name no network."""
        if not self.widths or min(self.widths) < 1:
            raise ValueError(
                f"space.widths must be at least one width of at least 1, got {self.widths}"
            )
        if self.cells < 1:
            raise ValueError(f"space.cells must be at least 1, got {self.cells}")


@dataclass(frozen=True)
class NasBench201Space(ChainSpace):
    """The space that `options` describe, for images of `image_shape` and `classes` classes.

    The canonical genotype has none for every edge that is not on a path of other edges from the
    cell's input to its output, so that networks which differ in such edges alone have equal keys;
    networks that are equal by symmetry, or because `skip_connect` hands its input on, keep keys of
    their own. As in the published code an edge that reads only zero counts as zero, although a
    convolution's batch norm would make a constant of it. As written every edge has its cost, and
    each genotype is canonical.

    Attributes:
        image_shape: `(height, width, channels)` of the data's images.
    """

    name: ClassVar[str] = "nasbench201"
    Options: ClassVar[type] = NasBench201Options
    options: NasBench201Options
    image_shape: tuple[int, int, int]
    classes: int

    def __post_init__(self) -> None:
        """Raises ValueError where the images do not fit."""
        shrink = 2 ** (len(self.options.widths) - 1)
        height, width, _ = self.image_shape
        if height % shrink or width % shrink:
            raise ValueError(
                f"space nasbench201: images must be multiples of {shrink} pixels, "
                f"got {height}x{width}"
            )

    @cached_property
    def as_written(self) -> NasBench201Space:
        """The same networks, costed with every edge."""
        return replace(self, options=replace(self.options, as_written=True))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The operation of each edge."""
        return DECISIONS

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        """Stem, each stage's cells with the reduction before it, head."""
        return self._slots

    @property
    def smallest(self) -> Genotype:
        """The cell that hands its input on; as written, with nothing but skips."""
        text = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
        if self.options.as_written:
            text = text.replace("none", "skip_connect")
        return read_cells([text])[0]

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """Edges that cannot influence the output, or carry only zero, become none.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotypes, DECISIONS)
        if self.options.as_written:
            return genotypes.copy()
        return np.where(live_edges(genotypes), genotypes, 0)

    @cached_property
    def _slots(self) -> tuple[BlockSlot, ...]:
        height, width, channels = self.image_shape
        widths = self.options.widths
        stem = NasBench201Stem(channels, widths[0])
        slots = [BlockSlot("stem", (), ((stem, self.image_shape),))]
        for stage, out_channels in enumerate(widths, start=1):
            if stage > 1:
                shape = (height, width, widths[stage - 2])
                reduction = NasBench201Reduction(shape[-1], out_channels)
                slots.append(BlockSlot(f"stage{stage}.reduction", (), ((reduction, shape),)))
                height, width = height // 2, width // 2
            cells = self._placed_cells((height, width, out_channels))
            columns = tuple(range(len(EDGES)))
            slots.append(BlockSlot(f"stage{stage}.cell", columns, cells, self.options.cells))
        head = NasBench201Head(widths[-1], self.classes)
        return (*slots, BlockSlot("head", (), ((head, (height, width, widths[-1])),)))

    def _placed_cells(self, shape: tuple[int, int, int]) -> tuple[PlacedBlock, ...]:
        """The cell of every genotype, one object for all genotypes that are canonically equal."""
        sizes = (len(OPERATIONS),) * len(EDGES)
        genotypes = np.indices(sizes).reshape(len(EDGES), -1).T
        steps = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
        rows: list[int] = (self.canonical(genotypes) * steps).sum(axis=1).tolist()
        options: list[list[int]] = genotypes.tolist()
        as_written = self.options.as_written
        placed = {
            row: (NasBench201Cell(shape[-1], format_options(options[row]), as_written), shape)
            for row in sorted(set(rows))
        }
        return tuple(placed[row] for row in rows)
