"""How much memory a network's activations take at once.

An activation lives from its producer to its last reader. A fused operator writes over its first
operand when nobody reads that operand afterwards; no other operator works in place, and weights do
not count.
"""

import math
from collections.abc import Sequence

from latency_models.operators import DTYPE_BYTES, Op


def peak_activation_bytes(ops: Sequence[Op]) -> int:
    """Most bytes of activations alive at once, the inputs of the chain included."""
    last_reader = {i: position for position, op in enumerate(ops) for i in op.inputs}
    last_reader[len(ops) - 1] = len(ops)
    alive: dict[int, int] = {}
    for op in ops:
        for i, shape in zip(op.inputs, op.input_shapes, strict=True):
            if i < 0:
                alive[i] = max(alive.get(i, 0), math.prod(shape) * DTYPE_BYTES[op.dtype])
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


def live_positions(ops: Sequence[Op]) -> list[int]:
    """Positions of the operators that the last one's output depends on, in order.

    Nothing depends on what a `fill` reads.
    """
    live = {len(ops) - 1}
    for position in range(len(ops) - 1, -1, -1):
        if position in live and ops[position].kind != "fill":
            live.update(i for i in ops[position].inputs if i >= 0)
    return sorted(live)
