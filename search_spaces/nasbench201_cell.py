"""NAS-Bench-201's cell: its published text, which of its edges matter, and what it runs.

A cell has four nodes: node 0 is its input, node 3 its output, and each node is the sum of the edges
from all the earlier ones. An edge is one of five operations.

Reference: Dong, Yang, "NAS-Bench-201", ICLR 2020, section 2.1; the pooling, and the rule that what
reads only zero is zero, are those of its code (AutoDL-Projects).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Bool

from latency_models import workload as ops
from latency_models.workload import Op
from search_spaces.base import Decision, Genotype, Genotypes, check_genotypes, register_block

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
"""What an edge can be, in ascending order of cost."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and target node of each edge, in the order of the decisions and of the published text."""

DECISIONS = tuple(Decision(f"node{target}.from{source}", OPERATIONS) for source, target in EDGES)

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""Side of the kernel of each operation that convolves."""

_OPTIONS = {operation: option for option, operation in enumerate(OPERATIONS)}
_TEXT = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
_Mask = TypeVar("_Mask", bool, np.ndarray)


def cell_text(genotype: Genotype) -> str:
    """The published form of a cell, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

    Raises:
        ValueError: If an entry is outside its decision's options.
    """
    check_genotypes(genotype, DECISIONS)
    return format_options(genotype.tolist())


def format_options(options: Sequence[int]) -> str:
    """The published form of a cell, for option numbers that are known to be in range."""
    a, b, c, d, e, f = (OPERATIONS[option] for option in options)
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def read_cells(texts: Sequence[str]) -> Genotypes:
    """The genotypes, as written, of cells in the published form.

    Raises:
        ValueError: If a text is no cell of this space.
    """
    return np.array([_options(text) for text in texts], np.int64).reshape(-1, len(EDGES))


@lru_cache(maxsize=1 << 14)
def _options(text: str) -> tuple[int, ...]:
    found = _TEXT.fullmatch(text)
    if found is None or not set(found.groups()) <= set(OPERATIONS):
        raise ValueError(
            f"cell: expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with each op one of "
            f"{', '.join(OPERATIONS)}, got {text!r}"
        )
    return tuple(_OPTIONS[operation] for operation in found.groups())


def live_edges(genotypes: Genotypes) -> Bool[np.ndarray, "n d"]:
    """Marks the edges that are on a path of edges other than none from node 0 to node 3."""
    return np.stack(_live(list((genotypes > 0).T)), axis=1)


def _live(present: Sequence[_Mask]) -> tuple[_Mask, ...]:
    e01, e02, e12, e03, e13, e23 = present
    reaches_2 = e02 | (e01 & e12)
    return (
        e01 & (e13 | (e12 & e23)),
        e02 & e23,
        e01 & e12 & e23,
        e03,
        e01 & e13,
        reaches_2 & e23,
    )


@register_block
@dataclass(frozen=True)
class NasBench201Cell:
    """One cell.

    Attributes:
        cell: In the published form.
        as_written: Whether edges run that the output does not depend on.
    """

    kind: ClassVar[str] = "nasbench201_cell"
    in_channels: int
    cell: str
    as_written: bool

    @property
    def edges(self) -> tuple[tuple[int, int, str], ...]:
        """Source, target and operation of each edge that runs, by target."""
        return _edges(self.cell, self.as_written)

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`; none if the output is the input."""
        if shape[-1] != self.in_channels:
            raise ValueError(
                f"{self.kind}: expected {self.in_channels} input channels, got {shape[-1]}"
            )
        steps = _steps(self.cell, self.as_written)
        return tuple([_cell_op(name, inputs, shape, dtype) for name, inputs in steps])


def _edges(text: str, as_written: bool) -> tuple[tuple[int, int, str], ...]:
    options = _options(text)
    live = _live([option > 0 for option in options])
    return tuple(
        [
            (source, target, OPERATIONS[option])
            for (source, target), option, runs in zip(EDGES, options, live, strict=True)
            if runs or as_written
        ]
    )


@lru_cache(maxsize=1 << 14)
def _steps(text: str, as_written: bool) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What a cell runs: the name of each operator, and the steps that it reads."""
    found: list[tuple[str, tuple[int, ...]]] = []
    done: dict[tuple[str, int], int] = {}
    nodes, edges = {0: -1}, _edges(text, as_written)
    for target in (1, 2, 3):
        arriving: list[int] = []
        for source, _, operation in [edge for edge in edges if edge[1] == target]:
            if operation == "skip_connect":
                arriving.append(nodes[source])
                continue
            first = "relu" if operation in KERNELS else operation
            if as_written or (first, source) not in done:
                done[first, source] = len(found)
                found.append((first, (nodes[source],)))
            if operation in KERNELS:
                found.append((f"node{target}.from{source}.{operation}", (done[first, source],)))
                found.append(("norm", (len(found) - 1,)))
            arriving.append(len(found) - 1 if operation in KERNELS else done[first, source])
        if as_written:
            # Python's sum begins with 0 + the first, an operator of its own.
            found.append(("sum", (arriving[0],)))
            for other in arriving[1:]:
                found.append(("sum", (len(found) - 1, other)))
            nodes[target] = len(found) - 1
        elif len(arriving) > 1:
            found.append(("sum", tuple(sorted(arriving, reverse=True))))
            nodes[target] = len(found) - 1
        elif arriving:
            nodes[target] = arriving[0]
    return tuple(found) if 3 in nodes else (("none", (-1,)),)


@lru_cache(maxsize=1 << 14)
def _cell_op(name: str, inputs: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> Op:
    """An operator of a cell: shared by all the cells that have it, so that tables are small."""
    kernel = KERNELS.get(name.rpartition(".")[2])
    if kernel is not None:
        return ops.conv2d(
            name, shape, out_channels=shape[-1], kernel=kernel, dtype=dtype, inputs=inputs
        )
    if name == "relu":
        return ops.activation(name, shape, function=name, dtype=dtype, inputs=inputs)
    if name == "norm":
        return ops.norm(name, shape, dtype=dtype, inputs=inputs)
    if name == "avg_pool_3x3":
        return ops.pool(name, shape, kernel=3, dtype=dtype, inputs=inputs)
    if name == "none":
        return ops.fill(name, shape, dtype=dtype, inputs=inputs)
    summed = ops.add(name, shape, dtype=dtype, inputs=inputs)
    # The sum of one operand with zero is an operation too.
    return summed if len(inputs) > 1 else replace(summed, flops=math.prod(shape))
