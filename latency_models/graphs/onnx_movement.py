"""ONNX operators that move elements, reduce or pool them as nodes of a graph."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from latency_models.graphs import arithmetic, movement
from latency_models.graphs.onnx_node import Handler, OnnxNode
from latency_models.graphs.values import Value, broadcast_to
from latency_models.spatial_operators import RESIZE_FLOPS

# What a reduction computes, and FLOPs an element beside the sum or comparison.
_REDUCTIONS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "ReduceMean": ("mean", 0),
        "ReduceSum": ("sum", 0),
        "ReduceMax": ("max", 0),
        "ReduceMin": ("min", 0),
        "ReduceProd": ("prod", 0),
        "ReduceL1": ("sum", 1),
        "ReduceL2": ("sum", 1),
        "ReduceSumSquare": ("sum", 1),
        "ReduceLogSum": ("sum", 0),
        "ReduceLogSumExp": ("exp", 1),
    }
)


def _reshape(node: OnnxNode) -> list[Value]:
    return [movement.reshape(node.graph, node.name, node.value(0), node.shapes[0])]


def _expand(node: OnnxNode) -> list[Value]:
    return [broadcast_to(node.value(0), node.shapes[0])]


def _transpose(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    axes = node.attributes.get("perm", range(len(value.shape) - 1, -1, -1))
    return [movement.transpose(node.graph, node.name, value, [*axes])]


def _copy(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    read = node.shapes[0] if node.kind in ("Slice", "Compress") else None
    return [
        movement.move(
            node.graph,
            node.name,
            node.kind.lower(),
            [value],
            node.shapes[0],
            read=read,
            channel=value.channel if len(value.shape) == len(node.shapes[0]) else None,
        )
    ]


def _split(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    return [
        movement.move(
            node.graph,
            f"{node.name}.{i}",
            "split",
            [value],
            shape,
            read=shape,
            channel=value.channel,
        )
        for i, shape in enumerate(node.shapes)
    ]


def _concat(node: OnnxNode) -> list[Value]:
    values = [value for value in node.inputs if value is not None]
    channel = next((value.channel for value in values if not value.known), None)
    return [movement.concatenate(node.graph, node.name, values, node.shapes[0], channel=channel)]


def _gather(node: OnnxNode) -> list[Value]:
    return [movement.look_up(node.graph, node.name, node.value(0), node.value(1), node.shapes[0])]


def _scatter(node: OnnxNode) -> list[Value]:
    return [movement.write_into(node.graph, node.name, node.value(0), node.value(2))]


def _known(node: OnnxNode) -> list[Value]:
    return [
        node.graph.constant((), shape, dtype)
        for shape, dtype in zip(node.shapes, node.dtypes, strict=True)
    ]


def _reduce(node: OnnxNode) -> list[Value]:
    function, extra = _REDUCTIONS[node.kind]
    value = node.value(0)
    axes = node.whole_numbers("axes", 1)
    if axes is None or (not axes and not node.attributes.get("noop_with_empty_axes", 0)):
        axes = list(range(len(value.shape)))
    return [_reduced(node, value, axes, function, extra)]


def _reduced(
    node: OnnxNode, value: Value, axes: Sequence[int], function: str, extra: int = 0
) -> Value:
    found = arithmetic.reduce(node.graph, node.name, function, value, axes, dtype=node.dtypes[0])
    if extra and not value.known and found.source == len(node.graph.nodes) - 1:
        node.graph.nodes[-1].flops += extra * math.prod(value.shape)
    return movement.reshape(node.graph, node.name, found, node.shapes[0])


def _global_pool(node: OnnxNode) -> list[Value]:
    value = replace(node.value(0), channel=1)
    function = "max" if node.kind == "GlobalMaxPool" else "mean"
    return [_reduced(node, value, range(2, len(value.shape)), function)]


def _arg_reduce(node: OnnxNode) -> list[Value]:
    return [_reduced(node, node.value(0), [node.attributes.get("axis", 0)], "max")]


def _cumulate(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    if value.known:
        return _known(node)
    flops = math.prod(value.shape)
    return [node.graph.emit("reduce", node.name, [value], node.shapes[0], flops=flops)]


def _top_k(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    if value.known:
        return _known(node)
    length = value.shape[node.attributes.get("axis", -1)]
    flops = math.prod(value.shape) * max((length - 1).bit_length(), 1)
    first = node.graph.emit("reduce", node.name, [value], node.shapes[0], flops=flops)
    return [first] * len(node.shapes)


def _pool(node: OnnxNode) -> list[Value]:
    value, rank = replace(node.value(0), channel=1), len(node.shapes[0])
    sides = [int(side) for side in node.attributes["kernel_shape"]]
    ones = [1] * (rank - 2)
    found = arithmetic.pool_windows(
        node.graph,
        node.name,
        "max" if node.kind == "MaxPool" else "mean",
        value,
        node.shapes[0],
        windows=[1, 1, *sides],
        strides=[1, 1, *node.attributes.get("strides", ones)],
        dilations=[1, 1, *node.attributes.get("dilations", ones)],
    )
    return [found] * len(node.shapes)


def _resize(node: OnnxNode) -> list[Value]:
    value, shape = node.value(0), node.shapes[0]
    if value.known:
        return _known(node)
    method = node.attributes.get("mode", b"nearest").decode()
    changed = sum(a != b for a, b in zip(value.shape, shape, strict=True))
    channel = 1 if len(shape) > 2 and value.shape[1] == shape[1] else value.channel
    found = node.graph.emit(
        "resize",
        node.name,
        [replace(value, channel=channel)],
        shape,
        flops=math.prod(shape) * RESIZE_FLOPS[method] * changed,
        channel=channel,
    )
    return [replace(found, any_layout=True)]


MOVEMENT: Mapping[str, Handler] = MappingProxyType(
    {
        **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
        "Expand": _expand,
        "Transpose": _transpose,
        **dict.fromkeys(("Slice", "Pad", "Tile", "DepthToSpace", "SpaceToDepth"), _copy),
        **dict.fromkeys(("ReverseSequence", "Compress"), _copy),
        "Split": _split,
        "Concat": _concat,
        **dict.fromkeys(("Gather", "GatherElements", "GatherND"), _gather),
        **dict.fromkeys(("ScatterND", "ScatterElements", "Scatter"), _scatter),
        **dict.fromkeys(("ConstantOfShape", "Range", "Shape", "Size", "EyeLike"), _known),
        **dict.fromkeys(_REDUCTIONS, _reduce),
        **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pool),
        "QLinearGlobalAveragePool": _global_pool,
        **dict.fromkeys(("ArgMax", "ArgMin"), _arg_reduce),
        "CumSum": _cumulate,
        "TopK": _top_k,
        **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
        **dict.fromkeys(("Resize", "Upsample"), _resize),
    }
)
"""What becomes of an operator, by its name."""
