"""Operators that slide over, sum up or resize maps of shape (n, spatial ..., c).

A convolution's FLOPs are the published ones, kernel positions over the padding included.
"""

import math
from collections.abc import Sequence

from latency_models.operators import Op, Shape, Sides

Padding = int | Sequence[tuple[int, int]]


def conv2d(
    name: str,
    shape: Sequence[int],
    *,
    out_channels: int,
    kernel: int | Sequence[int],
    dtype: str,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = False,
    padding: Padding | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """`convolution` of `shape` (n, h, w, c).

    Raises:
        ValueError: If the shape is not NHWC, the groups do not divide the channels, or nothing
            would be left.
    """
    return convolution(
        name,
        nhwc(name, shape),
        out_channels=out_channels,
        kernel=kernel,
        dtype=dtype,
        stride=stride,
        dilation=dilation,
        groups=groups,
        bias=bias,
        padding=padding,
        inputs=inputs,
    )


def convolution(
    name: str,
    shape: Sequence[int],
    *,
    out_channels: int,
    kernel: int | Sequence[int],
    dtype: str,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = False,
    padding: Padding | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Convolution over any number of spatial axes, padded by dilation * (kernel // 2) on every side
    unless `padding` says else.

    With one input channel a group it is a `depthwise_conv`.

    Args:
        name: Of the operator.
        shape: Of the input, (n, spatial ..., c).
        out_channels: Of the output.
        kernel: One side for all spatial axes, or one each; `stride` and `dilation` likewise.
        dtype: Of activations and weights.
        stride: Between outputs.
        dilation: Between the positions of the kernel.
        groups: Each has its share of the input and output channels.
        bias: Adds a parameter a channel and a FLOP an output.
        padding: The same before and after every axis, or (before, after) for each.
        inputs: Where the input comes from.

    Raises:
        ValueError: If the groups do not divide the channels, or nothing would be left.
    """
    rank, channels = _spatial_rank(name, shape), shape[-1]
    _check_groups(name, channels, out_channels, groups)
    sides, strides, dilations = (_each(name, v, rank) for v in (kernel, stride, dilation))
    pads = _pads(name, padding, sides, dilations)
    extents = tuple(
        _extent(name, *axis)
        for axis in zip(shape[1:-1], sides, strides, dilations, pads, strict=True)
    )
    return convolved(
        name,
        tuple(shape),
        (shape[0], *extents, out_channels),
        sides=sides,
        strides=strides,
        dilations=dilations,
        groups=groups,
        bias=bias,
        dtype=dtype,
        inputs=inputs,
    )


def convolved(
    name: str,
    shape: Shape,
    output_shape: Shape,
    *,
    sides: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    bias: bool,
    dtype: str,
    inputs: tuple[int, ...],
) -> Op:
    """The convolution that turns a map of one shape into one of another."""
    channels, out_channels = shape[-1], output_shape[-1]
    per_output = math.prod(sides) * (channels // groups)
    return Op(
        kind="depthwise_conv" if groups > 1 and groups == channels else "conv",
        name=name,
        input_shapes=(shape,),
        output_shape=output_shape,
        flops=math.prod(output_shape) * (2 * per_output + bias),
        params=(per_output + bias) * out_channels,
        dtype=dtype,
        inputs=inputs,
        kernel=square(sides),
        stride=same(strides),
        groups=groups,
        dilation=same(dilations),
    )


def transposed_conv(
    name: str,
    shape: Sequence[int],
    *,
    out_channels: int,
    kernel: int | Sequence[int],
    stride: int | Sequence[int],
    dtype: str,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = False,
    padding: Padding | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Transposed convolution of `shape` (n, spatial ..., c): every input is multiplied with the
    whole kernel, also where `padding` then crops the sums.

    Without `padding` the output is `stride` times as large as the input.

    Raises:
        ValueError: If the groups do not divide the channels, or nothing would be left.
    """
    rank = _spatial_rank(name, shape)
    _check_groups(name, shape[-1], out_channels, groups)
    sides, strides, dilations = (_each(name, v, rank) for v in (kernel, stride, dilation))
    extents = [size * step for size, step in zip(shape[1:-1], strides, strict=True)]
    if padding is not None:
        pads = _pads(name, padding, sides, dilations)
        extents = [
            (size - 1) * step + gap * (side - 1) + 1 - sum(pad)
            for size, side, step, gap, pad in zip(
                shape[1:-1], sides, strides, dilations, pads, strict=True
            )
        ]
    if min(extents) < 1:
        raise ValueError(f"op {name!r}: padding {padding} leaves nothing of {tuple(shape)}")
    return transposed(
        name,
        tuple(shape),
        (shape[0], *extents, out_channels),
        sides=sides,
        strides=strides,
        dilations=dilations,
        groups=groups,
        bias=bias,
        dtype=dtype,
        inputs=inputs,
    )


def transposed(
    name: str,
    shape: Shape,
    output_shape: Shape,
    *,
    sides: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    bias: bool,
    dtype: str,
    inputs: tuple[int, ...],
) -> Op:
    """The transposed convolution that turns a map of one shape into one of another."""
    per_input = math.prod(sides) * (output_shape[-1] // groups)
    return Op(
        kind="transposed_conv",
        name=name,
        input_shapes=(shape,),
        output_shape=output_shape,
        flops=2 * math.prod(shape) * per_input + bias * math.prod(output_shape),
        params=per_input * shape[-1] + bias * output_shape[-1],
        dtype=dtype,
        inputs=inputs,
        kernel=square(sides),
        stride=same(strides),
        groups=groups,
        dilation=same(dilations),
    )


def pool(
    name: str,
    shape: Sequence[int],
    *,
    kernel: int | Sequence[int],
    dtype: str,
    stride: int | Sequence[int] = 1,
    padding: Padding | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Maximum or average over windows of `shape` (n, spatial ..., c), padded like a convolution."""
    rank = _spatial_rank(name, shape)
    sides, strides = (_each(name, v, rank) for v in (kernel, stride))
    ones = (1,) * rank
    pads = _pads(name, padding, sides, ones)
    extents = (
        _extent(name, *axis) for axis in zip(shape[1:-1], sides, strides, ones, pads, strict=True)
    )
    output_shape = (shape[0], *extents, shape[-1])
    return Op(
        kind="pool",
        name=name,
        input_shapes=(tuple(shape),),
        output_shape=output_shape,
        flops=math.prod(output_shape) * math.prod(sides),
        params=0,
        dtype=dtype,
        inputs=inputs,
        kernel=square(sides),
        stride=same(strides),
    )


def global_pool(
    name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...] = (-1,)
) -> Op:
    """Average over the map: (n, spatial ..., c) to (n, c)."""
    _spatial_rank(name, shape)
    flops = math.prod(shape)
    return Op("pool", name, (tuple(shape),), (shape[0], shape[-1]), flops, 0, dtype, inputs)


def scale(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, int]) -> Op:
    """Squeeze-and-excite's product of `shape` (n, h, w, c) with a factor a channel (n, c): inputs
    are (map, factors).

    Not fused: the factors depend on the whole map, so it is read from memory a second time.
    """
    batch, _, _, channels = nhwc(name, shape)
    shapes = (tuple(shape), (batch, channels))
    return Op("scale", name, shapes, tuple(shape), math.prod(shape), 0, dtype, inputs)


RESIZE_FLOPS = {"nearest": 0, "linear": 3, "cubic": 7}
"""FLOPs an output and resized axis: one multiplication a tap and the sums of the products."""


def resize(
    name: str,
    shape: Sequence[int],
    *,
    size: Sequence[int],
    dtype: str,
    method: str = "nearest",
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Resizes the spatial axes of `shape` (n, spatial ..., c) to `size`, axis after axis: 2 taps an
    axis for `linear`, 4 for `cubic`, a copy for `nearest`. An axis that keeps its size costs none.

    Raises:
        ValueError: If `size` has another number of axes, or the method is unknown.
    """
    rank = _spatial_rank(name, shape)
    if method not in RESIZE_FLOPS:
        raise ValueError(
            f"op {name!r}: unknown method {method!r}, valid: {', '.join(RESIZE_FLOPS)}"
        )
    if len(size) != rank:
        raise ValueError(f"op {name!r}: expected {rank} sizes, got {tuple(size)}")
    output_shape = (shape[0], *size, shape[-1])
    axes = sum(a != b for a, b in zip(shape[1:-1], size, strict=True))
    flops = math.prod(output_shape) * RESIZE_FLOPS[method] * axes
    return Op("resize", name, (tuple(shape),), output_shape, flops, 0, dtype, inputs)


def square(sides: Sequence[int]) -> Sides:
    """A kernel as `Op` has it: the side of a square, 1 for a single position, or all sides."""
    if math.prod(sides) == 1:
        return 1
    return sides[0] if len(sides) == 2 and sides[0] == sides[1] else tuple(sides)


def same(values: Sequence[int]) -> Sides:
    """One value if all axes have the same, or all values."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def nhwc(name: str, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The shape of a map.

    Raises:
        ValueError: If it has not four positive sizes.
    """
    if len(shape) != 4 or min(shape) < 1:
        raise ValueError(f"op {name!r}: expected a positive (n, h, w, c) shape, got {tuple(shape)}")
    batch, height, width, channels = shape
    return batch, height, width, channels


def _spatial_rank(name: str, shape: Sequence[int]) -> int:
    if len(shape) < 3 or min(shape) < 1:
        raise ValueError(
            f"op {name!r}: expected a positive (n, spatial ..., c) shape, got {tuple(shape)}"
        )
    return len(shape) - 2


def _check_groups(name: str, channels: int, out_channels: int, groups: int) -> None:
    if channels % groups or out_channels % groups:
        raise ValueError(
            f"op {name!r}: groups must divide the channels,"
            f" got {groups} for {channels} -> {out_channels}"
        )


def _each(name: str, value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or min(values) < 1:
        raise ValueError(f"op {name!r}: expected {rank} positive numbers, got {value}")
    return values


def _pads(
    name: str, padding: Padding | None, sides: Sequence[int], dilations: Sequence[int]
) -> list[tuple[int, int]]:
    if padding is None:
        around = [gap * (side // 2) for side, gap in zip(sides, dilations, strict=True)]
        return [(pad, pad) for pad in around]
    if isinstance(padding, int):
        return [(padding, padding)] * len(sides)
    if len(padding) != len(sides):
        raise ValueError(f"op {name!r}: expected padding for {len(sides)} axes, got {padding}")
    return [(before, after) for before, after in padding]


def _extent(
    name: str, size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]
) -> int:
    extent = (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    if extent < 1:
        around = padding[0] if padding[0] == padding[1] else padding
        raise ValueError(
            f"op {name!r}: kernel {kernel} does not fit a map of {size} padded by {around}"
        )
    return extent
