"""Many operators as one array a property, for what is worked out for thousands at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from latency_models.operators import DTYPE_BYTES, OP_KINDS, Op, Sides

_KIND_INDEX = {kind: i for i, kind in enumerate(OP_KINDS)}
_DTYPE_INDEX = {dtype: i for i, dtype in enumerate(DTYPE_BYTES)}


@dataclass(frozen=True)
class OpArrays:
    """Many operators as one array a property, in the given order; bytes and FLOPs are float64.

    Attributes:
        kind: Positions in `OP_KINDS`.
        dtype: Positions in `DTYPE_BYTES`.
        kernel: Longest side of the kernel; `kernel_area` is all its positions.
        stride: Longest.
        groups: Of a convolution, else 1.
        fused: Whether it runs inside the producer of its first operand.
        flops, macs, params: Of the operator.
        weight_bytes: Of the parameters that it owns, `weight_read_bytes` of those that one run
            reads.
        input_bytes: Of all operands, `other_input_bytes` of those after the first.
        output_bytes: Written.
        batch: First size of the output, 1 if it has none.
        in_channels, out_channels: Last size of the first operand and of the output, 1 if none.
        in_positions, out_positions: Product of the sizes between.
    """

    kind: Int[np.ndarray, " m"]
    dtype: Int[np.ndarray, " m"]
    kernel: Int[np.ndarray, " m"]
    kernel_area: Int[np.ndarray, " m"]
    stride: Int[np.ndarray, " m"]
    groups: Int[np.ndarray, " m"]
    fused: Bool[np.ndarray, " m"]
    flops: Float[np.ndarray, " m"]
    macs: Float[np.ndarray, " m"]
    params: Float[np.ndarray, " m"]
    weight_bytes: Float[np.ndarray, " m"]
    weight_read_bytes: Float[np.ndarray, " m"]
    input_bytes: Float[np.ndarray, " m"]
    other_input_bytes: Float[np.ndarray, " m"]
    output_bytes: Float[np.ndarray, " m"]
    batch: Int[np.ndarray, " m"]
    in_channels: Int[np.ndarray, " m"]
    out_channels: Int[np.ndarray, " m"]
    in_positions: Int[np.ndarray, " m"]
    out_positions: Int[np.ndarray, " m"]

    @staticmethod
    def of(ops: Sequence[Op]) -> "OpArrays":
        """Reads the properties off the operators."""
        item = np.array([DTYPE_BYTES[op.dtype] for op in ops], float)
        first_shapes = [op.input_shapes[0] if op.input_shapes else (0,) for op in ops]
        outputs = [op.output_shape for op in ops]
        inputs = np.array([op.input_bytes for op in ops], float)
        params = np.array([op.params for op in ops], float)
        return OpArrays(
            kind=np.array([_KIND_INDEX[op.kind] for op in ops], np.int64),
            dtype=np.array([_DTYPE_INDEX[op.dtype] for op in ops], np.int64),
            kernel=np.array([_longest(op.kernel) for op in ops], np.int64),
            kernel_area=np.array([op.kernel_area for op in ops], np.int64),
            stride=np.array([_longest(op.stride) for op in ops], np.int64),
            groups=np.array([op.groups for op in ops], np.int64),
            fused=np.array([op.fused for op in ops], bool),
            flops=np.array([op.flops for op in ops], float),
            macs=np.array([op.macs for op in ops], float),
            params=params,
            weight_bytes=params * item,
            weight_read_bytes=np.array([op.weight_bytes_read for op in ops], float),
            input_bytes=inputs,
            other_input_bytes=inputs - np.array([*map(math.prod, first_shapes)], float) * item,
            output_bytes=np.array([op.bytes_written for op in ops], float),
            batch=np.array([shape[0] if shape else 1 for shape in outputs], np.int64),
            in_channels=np.array([shape[-1] if shape else 1 for shape in first_shapes], np.int64),
            out_channels=np.array([shape[-1] if shape else 1 for shape in outputs], np.int64),
            in_positions=np.array([math.prod(shape[1:-1]) for shape in first_shapes], np.int64),
            out_positions=np.array([math.prod(shape[1:-1]) for shape in outputs], np.int64),
        )

    def is_kind(self, *kinds: str) -> Bool[np.ndarray, " m"]:
        """Marks the operators of any of the kinds."""
        return np.isin(self.kind, [_KIND_INDEX[kind] for kind in kinds])

    def is_dtype(self, dtype: str) -> Bool[np.ndarray, " m"]:
        """Marks the operators of a dtype."""
        return self.dtype == _DTYPE_INDEX[dtype]


def _longest(sides: Sides) -> int:
    return sides if isinstance(sides, int) else max(sides)
