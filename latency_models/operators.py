"""Operators of a network with their shapes, and what each of them costs.

Shapes have the batch first and the channels last: NHWC for maps. One multiply-accumulate counts as
two FLOPs. Batch normalisation is the inference form, a scale and a shift a channel; it, activations
and element-wise operators are taken to run inside the operator that produces their first operand.

The functions that make operators from shapes are in `spatial_operators` and `tensor_operators`.
"""

import math
from collections.abc import Mapping
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
    "transposed_conv",
    "matmul",
    "attention",
    "layer_norm",
    "softmax",
    "reduce",
    "embedding",
    "concat",
    "layout",
    "resize",
    "fill",
)
"""`norm` is a scale and a shift a channel, `layer_norm` whatever takes its own mean or variance;
`linear` multiplies with weights, `matmul` two activations; `scale` is element-wise but has to read
its first operand again; `layout` moves elements: transpose, pad, slice, copy;
`fill` writes what does not depend on its operand, as a product with zero does."""

DTYPE_BYTES: Mapping[str, int] = MappingProxyType(
    {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
)
_FUSED_KINDS = frozenset({"norm", "activation", "elementwise"})

Shape = tuple[int, ...]
Sides = int | tuple[int, ...]


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
        params: Trainable parameters. Those that several operators share belong to the first.
        dtype: Of activations and weights, a key of `DTYPE_BYTES`.
        inputs: Where each input comes from: the position of an op in the same chain, -1 for the
            chain's input, or -2, -3, ... for the further inputs of the network.
        kernel: Side of the square kernel of a convolution or pooling, or its side along each
            spatial axis; else 1.
        stride: Of a convolution or pooling, one for all spatial axes or one each; else 1.
        groups: Of a convolution, else 1.
        dilation: Of a convolution or pooling, like `stride`.
        weights_read: Parameters and constants read, where it is not `params`: rows of an embedding,
            weights that belong to an earlier operator.

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
    kernel: Sides = 1
    stride: Sides = 1
    groups: int = 1
    dilation: Sides = 1
    weights_read: int | None = None

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
    def kernel_area(self) -> int:
        """Positions that the kernel of a convolution or pooling covers, else 1."""
        return self.kernel**2 if isinstance(self.kernel, int) else math.prod(self.kernel)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and products of matrices, as papers count; 0 for
        others.
        """
        if self.kind in ("conv", "depthwise_conv"):
            per_output = self.kernel_area * self.input_shapes[0][-1] // self.groups
            return math.prod(self.output_shape) * per_output
        if self.kind in ("linear", "matmul"):
            return math.prod(self.output_shape) * self.input_shapes[0][-1]
        if self.kind == "transposed_conv":
            per_input = self.kernel_area * self.output_shape[-1] // self.groups
            return math.prod(self.input_shapes[0]) * per_input
        if self.kind == "attention":
            batch, length, heads, key_size = self.input_shapes[0]
            pairs = batch * heads * length * self.input_shapes[1][1]
            return pairs * (key_size + self.output_shape[-1])
        return 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters in the op's dtype."""
        return self.params * DTYPE_BYTES[self.dtype]

    @property
    def weight_bytes_read(self) -> int:
        """Bytes of parameters and constants that one run reads."""
        read = self.params if self.weights_read is None else self.weights_read
        return read * DTYPE_BYTES[self.dtype]

    @property
    def input_bytes(self) -> int:
        """Bytes of all the activations read, all taken to be of the op's dtype."""
        return sum(map(math.prod, self.input_shapes)) * DTYPE_BYTES[self.dtype]

    @property
    def bytes_read(self) -> int:
        """Bytes of activations and weights read when the op runs on its own."""
        return self.input_bytes + self.weight_bytes_read

    @property
    def bytes_written(self) -> int:
        """Bytes of the activation written when the op runs on its own."""
        return math.prod(self.output_shape) * DTYPE_BYTES[self.dtype]

    @property
    def fused(self) -> bool:
        """Whether it runs inside the producer of its first operand, without a pass over memory."""
        return self.kind in _FUSED_KINDS
