"""The functions of an ONNX file, before they are written out wherever they are called.

A few lines of functions that call each other twice stand for billions of nodes, and one that calls
itself for endlessly many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MOST_NODES = 1_000_000
"""Of a network with its functions written out."""

Key = tuple[str, str, str]


def check_functions(model: ModelProto) -> None:
    """Looks whether the functions can be written out.

    Raises:
        ValueError: If one calls itself, or there would be more than `MOST_NODES` nodes.
    """
    bodies = {(f.domain, f.name, f.overload): list(_nodes(f.node)) for f in model.functions}
    sizes: dict[Key, int] = {}

    def size(nodes: list[NodeProto], callers: tuple[Key, ...]) -> int:
        total = len(nodes)
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            if key not in bodies:
                continue
            if key in callers:
                raise ValueError(f"function {node.op_type!r} calls itself")
            if key not in sizes:
                sizes[key] = size(bodies[key], (*callers, key))
            total += sizes[key]
        return total

    try:
        found = size(list(_nodes(model.graph.node)), ())
    except RecursionError:
        raise ValueError("functions call each other too deeply") from None
    if found > MOST_NODES:
        raise ValueError(f"expected at most {MOST_NODES:,} nodes with functions written out")


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes and those of their branches and loops."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)
