"""What becomes of a float32 network whose products are quantised after training.

Convolutions and matrix products compute in int8, everything between them in float32, with
conversions where one meets the other: what an ONNX file with QuantizeLinear and DequantizeLinear
(QDQ) around its products asks for, and what `nas` exports. A network that computes in integers
throughout is one whose operators all have the dtype int8.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from latency_models.operators import Op

_PRODUCTS = frozenset({"conv", "depthwise_conv", "linear", "matmul"})


def quantized(ops: Sequence[Op]) -> tuple[Op, ...]:
    """The operators of a chain after quantisation; it reads and gives float32.

    Batch norm is folded into the weights before it, and a relu is the lower end of the range of
    what it reads, so behind a product both are int8. A conversion has the kind `layout` and the
    dtype that it writes; a tensor is converted once for all that read it.

    Args:
        ops: In float32.
    """
    found: list[Op] = []
    # Where each operator's output is now, and the dtype that it was written in.
    written: dict[int, tuple[int, str]] = {}
    converted: dict[tuple[int, str], int] = {}

    def read(source: int, shape: tuple[int, ...], dtype: str, reader: str) -> int:
        place, known = written.get(source, (source, "float32"))
        if known == dtype:
            return place
        if (place, dtype) not in converted:
            name = f"{reader}.{'quantize' if dtype == 'int8' else 'dequantize'}"
            found.append(Op("layout", name, (shape,), shape, 0, 0, dtype, (place,)))
            converted[place, dtype] = len(found) - 1
        return converted[place, dtype]

    for position, op in enumerate(ops):
        dtype = "int8" if op.kind in _PRODUCTS else "float32"
        if op.kind == "norm" or _is_relu(op):
            dtype = written.get(op.inputs[0], (0, "float32"))[1]
        inputs = tuple(
            read(source, shape, dtype, op.name)
            for source, shape in zip(op.inputs, op.input_shapes, strict=True)
        )
        found.append(replace(op, dtype=dtype, inputs=inputs))
        written[position] = len(found) - 1, dtype
    if ops:
        read(len(ops) - 1, ops[-1].output_shape, "float32", "output")
    return tuple(found)


def _is_relu(op: Op) -> bool:
    """An activation of one FLOP an element; so is tanh, which no search space has."""
    return op.kind == "activation" and op.flops == math.prod(op.output_shape)
