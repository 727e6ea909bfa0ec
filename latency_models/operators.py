"""Operators of a network with their shapes, and what each of them costs.

Shapes are NHWC with the batch included. One multiply-accumulate counts as two FLOPs. A
convolution's FLOPs are the published ones, kernel positions over the padding included.
Normalisation is the inference form, a scale and a shift a channel; it, activations and element-wise
sums are taken to run inside the operator that produces their first operand.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

OP_KINDS: tuple[str, ...] = (
    "conv",
    "depthwise_conv",
    "linear",
    "norm",
    "activation",
    "elementwise",
    "pool",
    "scale",
)
DTYPE_BYTES: Mapping[str, int] = MappingProxyType(
    {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
)
# FLOPs an element, one for each addition, multiplication, comparison, division or exponential.
ACTIVATION_FLOPS: Mapping[str, int] = MappingProxyType(
    {
        "relu": 1,
        "relu6": 2,
        "hard_sigmoid": 4,
        "hard_swish": 5,
        "sigmoid": 4,
        "swish": 5,
        "gelu": 8,
        "tanh": 1,
    }
)
_FUSED_KINDS = frozenset({"norm", "activation", "elementwise"})
_MAC_KINDS = frozenset({"conv", "depthwise_conv", "linear"})

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """One operator.

    Attributes:
        kind: One of `OP_KINDS`.
        name: Where it is in the network, such as `stage2.block1.expand`.
        input_shapes: Shapes of the activations it reads, batch included; weights are not among
            them.
        output_shape: Shape of the activation that it writes.
        flops: Floating-point (or integer) operations; one multiply-accumulate is two.
        params: Trainable parameters.
        dtype: Of activations and weights, a key of `DTYPE_BYTES`.
        inputs: Where each input comes from: the position of an op in the same chain, or -1 for the
            chain's input.
        kernel: Side of the square kernel of a convolution or pooling, else 1.
        stride: Of a convolution or pooling, else 1.
        groups: Of a convolution, else 1.

    Raises:
        ValueError: For an unknown kind or dtype, or when `inputs` and `input_shapes` differ in
            number.
    """

    kind: str
    name: str
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    flops: int
    params: int
    dtype: str
    inputs: tuple[int, ...]
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        if self.kind not in OP_KINDS:
            raise ValueError(
                f"op {self.name!r}: unknown kind {self.kind!r}, valid: {', '.join(OP_KINDS)}"
            )
        if self.dtype not in DTYPE_BYTES:
            raise ValueError(
                f"op {self.name!r}: unknown dtype {self.dtype!r}, valid: {', '.join(DTYPE_BYTES)}"
            )
        if len(self.inputs) != len(self.input_shapes):
            raise ValueError(
                f"op {self.name!r}: {len(self.input_shapes)} input shapes but {len(self.inputs)}"
                " inputs"
            )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers, as papers count; 0 for others."""
        if self.kind not in _MAC_KINDS:
            return 0
        per_output = self.kernel**2 * self.input_shapes[0][-1] // self.groups
        return math.prod(self.output_shape) * per_output

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters in the op's dtype."""
        return self.params * DTYPE_BYTES[self.dtype]

    @property
    def input_bytes(self) -> int:
        """Bytes of all the activations read."""
        return sum(map(math.prod, self.input_shapes)) * DTYPE_BYTES[self.dtype]

    @property
    def bytes_read(self) -> int:
        """Bytes of activations and weights read when the op runs on its own."""
        return self.input_bytes + self.weight_bytes

    @property
    def bytes_written(self) -> int:
        """Bytes of the activation written when the op runs on its own."""
        return math.prod(self.output_shape) * DTYPE_BYTES[self.dtype]

    @property
    def fused(self) -> bool:
        """Whether it runs inside the producer of its first operand, without a pass over memory."""
        return self.kind in _FUSED_KINDS


def conv2d(
    name: str,
    shape: Sequence[int],
    *,
    out_channels: int,
    kernel: int,
    dtype: str,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: int | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Two-dimensional convolution of `shape` (n, h, w, c), padded by kernel // 2 on every side
    unless `padding` says else.

    With one input channel a group it is a `depthwise_conv`.

    Raises:
        ValueError: If the shape is not NHWC, the groups do not divide the channels, or nothing
            would be left.
    """
    batch, height, width, channels = _nhwc(name, shape)
    if channels % groups or out_channels % groups:
        raise ValueError(
            f"op {name!r}: groups must divide the channels,"
            f" got {groups} for {channels} -> {out_channels}"
        )
    pad = kernel // 2 if padding is None else padding
    out_height, out_width = (_extent(name, size, kernel, stride, pad) for size in (height, width))
    output_shape = (batch, out_height, out_width, out_channels)
    weights = kernel**2 * (channels // groups) * out_channels
    outputs = math.prod(output_shape)
    return Op(
        kind="depthwise_conv" if groups > 1 and groups == channels else "conv",
        name=name,
        input_shapes=((batch, height, width, channels),),
        output_shape=output_shape,
        flops=outputs * (2 * kernel**2 * (channels // groups) + bias),
        params=weights + bias * out_channels,
        dtype=dtype,
        inputs=inputs,
        kernel=kernel,
        stride=stride,
        groups=groups,
    )


def linear(
    name: str,
    shape: Sequence[int],
    *,
    out_features: int,
    dtype: str,
    bias: bool = True,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Matrix product over the last axis of `shape` (n, ..., features), with a bias by default."""
    features = shape[-1]
    output_shape = (*shape[:-1], out_features)
    return Op(
        kind="linear",
        name=name,
        input_shapes=(tuple(shape),),
        output_shape=output_shape,
        flops=math.prod(output_shape) * (2 * features + bias),
        params=(features + bias) * out_features,
        dtype=dtype,
        inputs=inputs,
    )


def norm(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...] = (-1,)) -> Op:
    """Batch normalisation at inference: a scale and a shift for each channel (last axis)."""
    return _pointwise(
        "norm", name, shape, flops=2, params=2 * shape[-1], dtype=dtype, inputs=inputs
    )


def activation(
    name: str, shape: Sequence[int], *, function: str, dtype: str, inputs: tuple[int, ...] = (-1,)
) -> Op:
    """Element-wise non-linearity.

    Raises:
        ValueError: If `function` is not a key of `ACTIVATION_FLOPS`.
    """
    if function not in ACTIVATION_FLOPS:
        raise ValueError(
            f"op {name!r}: unknown activation {function!r}, valid: {', '.join(ACTIVATION_FLOPS)}"
        )
    flops = ACTIVATION_FLOPS[function]
    return _pointwise("activation", name, shape, flops=flops, params=0, dtype=dtype, inputs=inputs)


def add(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...]) -> Op:
    """Element-wise sum of equally shaped activations, fused into the producer of the first."""
    shapes = (tuple(shape),) * len(inputs)
    flops = max(len(inputs) - 1, 0) * math.prod(shape)
    return Op("elementwise", name, shapes, tuple(shape), flops, 0, dtype, inputs)


def scale(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, int]) -> Op:
    """Squeeze-and-excite's product of `shape` (n, h, w, c) with a factor a channel (n, c): inputs
    are (map, factors).

    Not fused: the factors depend on the whole map, so it is read from memory a second time.
    """
    batch, _, _, channels = _nhwc(name, shape)
    shapes = (tuple(shape), (batch, channels))
    return Op("scale", name, shapes, tuple(shape), math.prod(shape), 0, dtype, inputs)


def pool(
    name: str,
    shape: Sequence[int],
    *,
    kernel: int,
    dtype: str,
    stride: int = 1,
    padding: int | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Maximum or average over windows of `shape` (n, h, w, c), padded like a convolution."""
    batch, height, width, channels = _nhwc(name, shape)
    pad = kernel // 2 if padding is None else padding
    rows, columns = (_extent(name, size, kernel, stride, pad) for size in (height, width))
    output_shape = (batch, rows, columns, channels)
    return Op(
        kind="pool",
        name=name,
        input_shapes=(tuple(shape),),
        output_shape=output_shape,
        flops=math.prod(output_shape) * kernel**2,
        params=0,
        dtype=dtype,
        inputs=inputs,
        kernel=kernel,
        stride=stride,
    )


def global_pool(
    name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...] = (-1,)
) -> Op:
    """Average over the map: (n, h, w, c) to (n, c)."""
    batch, _, _, channels = _nhwc(name, shape)
    flops = math.prod(shape)
    return Op("pool", name, (tuple(shape),), (batch, channels), flops, 0, dtype, inputs)


def _pointwise(
    kind: str,
    name: str,
    shape: Sequence[int],
    *,
    flops: int,
    params: int,
    dtype: str,
    inputs: tuple[int, ...],
) -> Op:
    same = tuple(shape)
    return Op(kind, name, (same,), same, flops * math.prod(same), params, dtype, inputs)


def _nhwc(name: str, shape: Sequence[int]) -> tuple[int, int, int, int]:
    if len(shape) != 4 or min(shape) < 1:
        raise ValueError(f"op {name!r}: expected a positive (n, h, w, c) shape, got {tuple(shape)}")
    batch, height, width, channels = shape
    return batch, height, width, channels


def _extent(name: str, size: int, kernel: int, stride: int, padding: int) -> int:
    extent = (size + 2 * padding - kernel) // stride + 1
    if extent < 1:
        raise ValueError(
            f"op {name!r}: kernel {kernel} does not fit a map of {size} padded by {padding}"
        )
    return extent
