"""How much memory a network's activations take at once.

An activation lives from its producer to its last reader. A fused operator writes over its first
operand when nobody reads that operand afterwards; no other operator works in place, and weights do
not count.
"""

import math
from collections.abc import Sequence

from latency_models.operators import DTYPE_BYTES, Op


def peak_activation_bytes(ops: Sequence[Op]) -> int:
    """Most bytes of activations alive at once, the input of the chain included."""
    last_reader = {i: position for position, op in enumerate(ops) for i in op.inputs}
    last_reader[len(ops) - 1] = len(ops)
    alive: dict[int, int] = {}
    for op in ops:
        if -1 in op.inputs:
            index = op.inputs.index(-1)
            alive[-1] = math.prod(op.input_shapes[index]) * DTYPE_BYTES[op.dtype]
            break
    peak = sum(alive.values())
    for position, op in enumerate(ops):
        first = op.inputs[0] if op.inputs else None
        if first is not None and op.fused and last_reader[first] == position:
            alive.pop(first)
        alive[position] = op.bytes_written
        peak = max(peak, sum(alive.values()))
        for i in list(alive):
            if last_reader.get(i, position) <= position:
                del alive[i]
    return peak
