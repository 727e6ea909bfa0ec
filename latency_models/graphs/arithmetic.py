"""Nodes that compute: element-wise functions, convolutions, products, reductions, pools."""

import math
from collections.abc import Sequence
from dataclasses import replace

from latency_models.graphs.nodes import Graph
from latency_models.graphs.values import Value, aligned, channels_last, reshape
from latency_models.operators import Shape
from latency_models.spatial_operators import same, square

_AFFINE = {"add": "shift", "sub": "shift", "mul": "scale", "div": "scale"}


def elementwise(
    graph: Graph,
    name: str,
    function: str,
    operands: Sequence[Value],
    shape: Sequence[int],
    *,
    dtype: str,
    flops_each: int,
    nonlinear: bool,
) -> Value:
    """A function of equally placed elements; operands broadcast as in NumPy."""
    operands = [aligned(value, len(shape)) for value in operands]
    reads = list({(v.source, v.shape, v.stored): v for v in operands if not v.known}.values())
    if not reads:
        stored = tuple(map(max, zip(*(v.stored for v in operands), strict=True)))
        return replace(graph.constant(operands, shape, dtype), stored=stored or tuple(shape))
    widest = max(reads, key=lambda value: math.prod(value.stored))
    known = [value for value in operands if value.known]
    result = graph.emit(
        "elementwise",
        name,
        [*reads, *known],
        shape,
        flops=flops_each * math.prod(shape),
        channel=widest.channel,
        dtype=dtype,
        function=function,
    )
    node, affine = graph.nodes[-1], _AFFINE.get(function, "")
    varying = [value for value in known if math.prod(value.stored) > 1]
    divides = function == "div" and operands[0].known
    node.nonlinear = nonlinear or divides
    if affine and len(reads) == 1 and len(varying) == 1 and not divides:
        (value,) = varying
        node.per_channel = _along(value.stored, (widest.channel,))
        leading = next(axis for axis, size in enumerate(value.stored) if size > 1)
        trailing = value.stored[leading:] == tuple(shape[leading:])
        if widest.stored == tuple(shape) and (node.per_channel or trailing):
            node.affine = affine
    if widest.shape != result.shape:
        return result
    return replace(result, order=widest.order, any_layout=widest.any_layout)


def convolve(
    graph: Graph,
    name: str,
    image: Value,
    kernel: Value,
    shape: Sequence[int],
    *,
    channel: int,
    sides: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    transposed: bool = False,
    dtype: str,
    bias: Value | None = None,
) -> Value:
    """Convolution to a map of `shape` whose channels are the axis `channel`; where the kernel
    is no weight it is an operand.
    """
    image = graph.fill(image, f"{name}.input") if image.known else image
    output = channels_last(tuple(shape), channel)
    channels = image.shape[image.channel]
    area, inputs = math.prod(sides), math.prod(image.shape)
    if transposed:
        flops = 2 * inputs * area * (output[-1] // groups)
    else:
        flops = 2 * math.prod(output) * area * (channels // groups)
    depthwise = groups > 1 and groups == channels
    kind = "depthwise_conv" if depthwise else "conv"
    shapes = [channels_last(image.shape, image.channel)]
    result = graph.emit(
        "transposed_conv" if transposed else kind,
        name,
        [image, kernel, *([bias] if bias else [])],
        shape,
        input_shapes=shapes if kernel.known else [*shapes, kernel.stored],
        flops=flops + (math.prod(output) if bias else 0),
        channel=channel,
        output_shape=output,
        dtype=dtype,
    )
    node = graph.nodes[-1]
    node.kernel, node.stride, node.dilation = square(sides), same(strides), same(dilations)
    node.groups = groups
    node.columns = 0 if bias else output[-1]
    return replace(result, any_layout=True)


def multiply(
    graph: Graph,
    name: str,
    left: Value,
    right: Value,
    *,
    contract: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]],
    dtype: str,
) -> Value:
    """Product over the axes to `contract`, for each index of the axes that are `batch`; the
    output has the batch axes, then the others of the left operand, then those of the right.
    """
    sides = [_Side(v, *axes) for v, *axes in zip((left, right), batch, contract, strict=True)]
    free = [[side.value.shape[axis] for axis in side.free] for side in sides]
    shape = (*(left.shape[axis] for axis in batch[0]), *free[0], *free[1])
    if left.known and right.known:
        return graph.constant([left, right], shape, dtype)
    flops = 2 * math.prod(shape) * sides[0].depth
    if not left.known and not right.known:
        return graph.emit(
            "matmul",
            name,
            [left, right],
            shape,
            flops=flops,
            input_shapes=[sides[0].matrix(rows_first=True), sides[1].matrix(rows_first=False)],
            output_shape=(*shape[: len(batch[0])], math.prod(free[0]), math.prod(free[1])),
            dtype=dtype,
        )
    moving, weights, columns = (0, 1, free[1]) if right.known else (1, 0, free[0])
    rows = (*shape[: len(batch[0])], *free[moving])
    result = graph.emit(
        "linear",
        name,
        [sides[moving].value, sides[weights].value],
        shape,
        flops=flops,
        channel=None if right.known else len(batch[0]) + max(len(columns) - 1, 0),
        input_shapes=[(*rows, sides[0].depth)],
        output_shape=(*rows, math.prod(columns)),
        dtype=dtype,
    )
    graph.nodes[-1].columns = math.prod(columns)
    return result


def reduce(
    graph: Graph, name: str, function: str, value: Value, axes: Sequence[int], *, dtype: str
) -> Value:
    """Sum, maximum or the like over axes, which the output does not have. Over all axes but
    those of the batch and the channels it is a pool.
    """
    gone = {axis % len(value.shape) for axis in axes}
    kept = [axis for axis in range(len(value.shape)) if axis not in gone]
    shape = tuple(value.shape[axis] for axis in kept)
    channel = kept.index(value.channel) if value.channel in kept else max(len(kept) - 1, 0)
    if value.known:
        return graph.constant([value], shape, dtype)
    if all(value.shape[axis] == 1 for axis in gone):
        return replace(reshape(value, shape), dtype=dtype)
    pools = len(value.shape) > 2 and set(kept) == {0, value.channel} != {0}
    return graph.emit(
        "pool" if pools else "reduce",
        name,
        [value],
        shape,
        flops=math.prod(value.shape),
        channel=channel,
        dtype=dtype,
        function=function,
    )


def pool_windows(
    graph: Graph,
    name: str,
    function: str,
    value: Value,
    shape: Sequence[int],
    *,
    windows: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Value:
    """Sum or maximum over windows, which have a side for every axis."""
    if value.known:
        return graph.constant([value], shape, value.dtype)
    spatial = [axis for axis in range(1, len(shape)) if axis != value.channel]
    elsewhere = [windows[axis] for axis in range(len(shape)) if axis not in spatial]
    result = graph.emit(
        "pool" if spatial and max(elsewhere) == 1 else "reduce",
        name,
        [value],
        shape,
        flops=math.prod(shape) * math.prod(windows),
        channel=value.channel,
        dtype=value.dtype,
        function=function,
    )
    node = graph.nodes[-1]
    if node.kind == "pool":
        node.kernel = square([windows[axis] for axis in spatial])
        node.stride = same([strides[axis] for axis in spatial])
        node.dilation = same([dilations[axis] for axis in spatial])
    return replace(result, any_layout=node.kind == "pool")


class _Side:
    """An operand of a product with its axes told apart."""

    def __init__(self, value: Value, batch: Sequence[int], contract: Sequence[int]) -> None:
        self.value = value
        self.batch = batch
        self.depth = math.prod(value.shape[axis] for axis in contract)
        self.free = [a for a in range(len(value.shape)) if a not in {*batch, *contract}]

    def matrix(self, *, rows_first: bool) -> Shape:
        """(batch ..., rows, depth) or (batch ..., depth, columns), as stored."""
        batch = [self.value.stored[axis] for axis in self.batch]
        rows = math.prod(self.value.stored[axis] for axis in self.free)
        return (*batch, rows, self.depth) if rows_first else (*batch, self.depth, rows)


def _along(stored: Shape, axes: Sequence[int]) -> bool:
    return all(size == 1 for axis, size in enumerate(stored) if axis not in axes)
