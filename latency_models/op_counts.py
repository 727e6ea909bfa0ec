"""How often each operator runs in each of many networks.

What a network runs depends on the runtime, so it is counted in three forms:

- `written`: every operator, as eager frameworks run them;
- `needed`: those that the output depends on, as after the removal of dead code;
- `folded`: of those, the ones that depend on the input, as after the folding of constants too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from latency_models.liveness import live_positions
from latency_models.operators import Op

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FORMS: tuple[str, ...] = ("written", "needed", "folded")


@dataclass(frozen=True)
class OpCounts:
    """Networks, or rows of a cost table, as counts of distinct operators.

    Attributes:
        ops: Distinct in what they compute, wherever they stand in a network.
        counts: `[rows, ops]` for each form; a form in which nothing differs from one before it is
            the same object.
    """

    ops: tuple[Op, ...]
    counts: dict[str, csr_array]

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that differ."""
        first = {id(self.counts[form]): form for form in reversed(FORMS)}
        return tuple(form for form in FORMS if form in first.values())

    def equal_forms(self, form: str) -> tuple[str, ...]:
        """The forms that do not differ from this one, itself included."""
        return tuple(f for f in FORMS if self.counts[f] is self.counts[form])

    def take(self, rows: Int[np.ndarray, " k"]) -> OpCounts:
        """Some of the rows."""
        return self.map(lambda counts: counts[rows])

    def map(self, change: Callable[[csr_array], csr_array]) -> OpCounts:
        """The same change made to the counts of every form; equal forms stay one object."""
        changed = {id(counts): change(counts) for counts in self.counts.values()}
        return OpCounts(self.ops, {form: changed[id(c)] for form, c in self.counts.items()})

    def dense(self, form: str) -> Float[np.ndarray, "r m"]:
        """The counts of a form."""
        return self.counts[form].toarray()


def count_ops(rows: Sequence[Sequence[Op]]) -> OpCounts:
    """Counts the distinct operators of networks, or of the rows of a cost table."""
    position: dict[tuple[object, ...], int] = {}
    by_identity: dict[int, int] = {}
    ops: list[Op] = []
    for op in {id(op): op for row in rows for op in row}.values():
        key = _what_it_computes(op)
        if key not in position:
            position[key] = len(ops)
            ops.append(op)
        by_identity[id(op)] = position[key]
    distinct = {id(row): row for row in rows}
    order = {identity: i for i, identity in enumerate(distinct)}
    taken = np.array([order[id(row)] for row in rows], np.int64)
    columns = [np.array([by_identity[id(op)] for op in row], np.int64) for row in distinct.values()]
    counts: dict[str, csr_array] = {"written": _matrix(columns, len(ops))[taken]}
    if any(_has_unneeded(row) for row in distinct.values()):
        masks = [form_masks(row) for row in distinct.values()]
        for form, before in zip(FORMS[1:], FORMS, strict=False):
            if all((mask[form] == mask[before]).all() for mask in masks):
                counts[form] = counts[before]
            else:
                kept = [column[mask[form]] for column, mask in zip(columns, masks, strict=True)]
                counts[form] = _matrix(kept, len(ops))[taken]
    else:
        counts |= dict.fromkeys(FORMS[1:], counts["written"])
    return OpCounts(tuple(ops), counts)


def _matrix(columns: Sequence[np.ndarray], width: int) -> csr_array:
    from scipy.sparse import csr_array

    pointers = np.cumsum([0, *map(len, columns)])
    indices = np.concatenate([np.zeros(0, np.int64), *columns])
    matrix = csr_array((np.ones(len(indices)), indices, pointers), shape=(len(columns), width))
    matrix.sum_duplicates()
    return matrix


def _what_it_computes(op: Op) -> tuple[object, ...]:
    sizes = (op.input_shapes, op.output_shape, op.kernel, op.stride, op.groups)
    return (op.kind, *sizes, op.flops, op.params, op.weight_bytes_read, op.dtype)


def _has_unneeded(row: Sequence[Op]) -> bool:
    """Whether an operator is not read, but for the last, or writes a constant."""
    read = {i for op in row for i in op.inputs if i >= 0}
    return _has_constant(row) or len(read) < len(row) - 1


def _has_constant(row: Sequence[Op]) -> bool:
    return any(op.kind == "fill" or not op.inputs for op in row)


def form_masks(row: Sequence[Op]) -> dict[str, Bool[np.ndarray, " m"]]:
    """Marks, for each form, the operators of a network that run."""
    needed, varying = np.zeros(len(row), bool), np.zeros(len(row), bool)
    if row:
        needed[live_positions(row)] = True
    for i, op in enumerate(row):
        reads = any(source < 0 or varying[source] for source in op.inputs)
        varying[i] = reads and op.kind != "fill"
    return {"written": np.ones(len(row), bool), "needed": needed, "folded": needed & varying}


def is_constant(row: Sequence[Op]) -> bool:
    """Whether what a network, or a row of a cost table, puts out depends on none of its inputs."""
    return _has_constant(row) and not form_masks(row)["folded"][-1]


def row_runs(
    constant: Bool[np.ndarray, "n s"], repeats: Sequence[int]
) -> dict[str, Float[np.ndarray, "n s"]]:
    """How often the rows that networks chain run, for each form.

    Args:
        constant: Marks the rows that put out a constant: what comes before the last of them is not
            needed, and what comes after it is constant.
        repeats: How often each row runs as written.
    """
    written = np.broadcast_to(np.array(repeats, float), constant.shape)
    behind = constant[:, ::-1].cumsum(axis=1)[:, ::-1] - constant
    needed = np.where(constant, 1, written) * (behind == 0)
    folded = needed * ~constant.any(axis=1, keepdims=True)
    return {"written": written, "needed": needed, "folded": folded}
