"""Nodes that only move elements, or look them up."""

import math
from collections.abc import Sequence
from dataclasses import replace

from latency_models.graphs import values as views
from latency_models.graphs.nodes import Graph
from latency_models.graphs.values import Value, keeps_order, permute
from latency_models.operators import Shape


def transpose(graph: Graph, name: str, value: Value, axes: Sequence[int]) -> Value:
    """Permutes the axes: for free if only the channel axis or axes of size 1 move."""
    moving = [axis for axis in axes if value.shape[axis] > 1]
    others = [axis for axis in moving if axis != value.channel]
    if value.known or moving == sorted(moving) or others == sorted(others):
        return permute(value, axes)
    return move(graph, name, "transpose", [value], [value.shape[axis] for axis in axes])


def reshape(graph: Graph, name: str, value: Value, shape: Sequence[int]) -> Value:
    """Gives the elements other axes: for free unless a transposition has to be made up for."""
    if not value.known and not keeps_order(value, shape):
        value = move(graph, name, "transpose", [value], value.shape)
    return views.reshape(value, shape)


def move(
    graph: Graph,
    name: str,
    function: str,
    operands: Sequence[Value],
    shape: Sequence[int],
    *,
    read: Shape | None = None,
    channel: int | None = None,
) -> Value:
    """Copies elements without arithmetic; of the first operand only `read` if given."""
    reads = [value for value in operands if not value.known]
    if not reads:
        return graph.constant(operands, shape, operands[0].dtype)
    shapes = [value.stored for value in reads]
    if read is not None and not operands[0].known:
        shapes[0] = read
    return graph.emit(
        "layout",
        name,
        operands,
        shape,
        flops=0,
        input_shapes=shapes,
        channel=channel,
        dtype=reads[0].dtype,
        function=function,
    )


def concatenate(
    graph: Graph, name: str, operands: Sequence[Value], shape: Sequence[int], *, channel: int | None
) -> Value:
    """Puts arrays behind each other."""
    if all(value.known for value in operands):
        return graph.constant(operands, shape, operands[0].dtype)
    return graph.emit("concat", name, operands, shape, flops=0, channel=channel)


def look_up(graph: Graph, name: str, table: Value, indices: Value, shape: Sequence[int]) -> Value:
    """Takes the elements of a table that indices point at, an embedding if it is a weight."""
    if table.known and indices.known:
        return graph.constant([table, indices], shape, table.dtype)
    if table.known and table.weights:
        return graph.emit(
            "embedding",
            name,
            [indices, table],
            shape,
            flops=0,
            dtype=graph.dtype or table.dtype,
            weights_read=math.prod(shape),
        )
    return move(graph, name, "gather", [table, indices], shape, read=tuple(shape))


def write_into(graph: Graph, name: str, buffer: Value, update: Value) -> Value:
    """Overwrites part of a buffer in place, as with a key-value cache: only what is new is
    written.
    """
    if buffer.known and update.known:
        return graph.constant([buffer, update], buffer.shape, buffer.dtype)
    if buffer.known:
        buffer = graph.fill(buffer, f"{name}.buffer")
    if update.known:
        graph.fill(update, name)
    else:
        move(graph, name, "write", [update], update.shape)
    return replace(buffer, after=buffer.after | {len(graph.nodes) - 1})
