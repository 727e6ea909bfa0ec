"""Many operators as one array a property, for what is worked out for thousands at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from latency_models.operators import DTYPE_BYTES, OP_KINDS, Op

_KIND_INDEX = {kind: i for i, kind in enumerate(OP_KINDS)}
_DTYPE_INDEX = {dtype: i for i, dtype in enumerate(DTYPE_BYTES)}


@dataclass(frozen=True)
class OpArrays:
    """Many operators as one array a property, in the given order; bytes and FLOPs are float64."""

    kind: Int[np.ndarray, " m"]
    dtype: Int[np.ndarray, " m"]
    kernel: Int[np.ndarray, " m"]
    fused: Bool[np.ndarray, " m"]
    flops: Float[np.ndarray, " m"]
    macs: Float[np.ndarray, " m"]
    params: Float[np.ndarray, " m"]
    weight_bytes: Float[np.ndarray, " m"]
    input_bytes: Float[np.ndarray, " m"]
    other_input_bytes: Float[np.ndarray, " m"]  # of the operands after the first
    output_bytes: Float[np.ndarray, " m"]

    @staticmethod
    def of(ops: Sequence[Op]) -> "OpArrays":
        """Reads the properties off the operators."""
        item = np.array([DTYPE_BYTES[op.dtype] for op in ops], float)
        first = np.array([math.prod(op.input_shapes[0]) for op in ops], float) * item
        inputs = np.array([op.input_bytes for op in ops], float)
        params = np.array([op.params for op in ops], float)
        return OpArrays(
            kind=np.array([_KIND_INDEX[op.kind] for op in ops], np.int64),
            dtype=np.array([_DTYPE_INDEX[op.dtype] for op in ops], np.int64),
            kernel=np.array([op.kernel for op in ops], np.int64),
            fused=np.array([op.fused for op in ops], bool),
            flops=np.array([op.flops for op in ops], float),
            macs=np.array([op.macs for op in ops], float),
            params=params,
            weight_bytes=params * item,
            input_bytes=inputs,
            other_input_bytes=inputs - first,
            output_bytes=np.array([op.bytes_written for op in ops], float),
        )

    def is_kind(self, *kinds: str) -> Bool[np.ndarray, " m"]:
        """Marks the operators of any of the kinds."""
        return np.isin(self.kind, [_KIND_INDEX[kind] for kind in kinds])

    def is_dtype(self, dtype: str) -> Bool[np.ndarray, " m"]:
        """Marks the operators of a dtype."""
        return self.dtype == _DTYPE_INDEX[dtype]
