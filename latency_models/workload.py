"""What a network runs: its operators in order, for one batch size and dtype; and the same for whole
populations.

A `Workload` is one network. A `CostTable` holds the operators of every option of a search space, so
that a quantity which adds up over operators is worked out once an operator and then gathered and
summed for any number of genotypes.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import accumulate, chain
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from latency_models.liveness import live_positions, peak_activation_bytes
from latency_models.op_arrays import OpArrays
from latency_models.op_counts import OpCounts, count_ops, is_constant, row_runs
from latency_models.operators import DTYPE_BYTES, OP_KINDS, Op
from latency_models.row_groups import RowGroup, choices, gather, group_slots
from latency_models.spatial_operators import (
    conv2d,
    convolution,
    global_pool,
    pool,
    resize,
    scale,
    transposed_conv,
)
from latency_models.tensor_operators import (
    ACTIVATION_FLOPS,
    activation,
    add,
    attention,
    channel_shuffle,
    concat,
    elementwise,
    embedding,
    fill,
    layer_norm,
    layout,
    linear,
    matmul,
    norm,
    prepend,
    reduction,
    softmax,
)

__all__ = [
    "ACTIVATION_FLOPS",
    "DTYPE_BYTES",
    "OP_KINDS",
    "CostTable",
    "Op",
    "OpArrays",
    "Slot",
    "Workload",
    "activation",
    "add",
    "attention",
    "channel_shuffle",
    "concat",
    "conv2d",
    "convolution",
    "elementwise",
    "embedding",
    "fill",
    "global_pool",
    "layer_norm",
    "layout",
    "linear",
    "matmul",
    "norm",
    "pool",
    "prepend",
    "reduction",
    "resize",
    "scale",
    "softmax",
    "transposed_conv",
]

_FORMAT = "latency_models.workload"
_VERSION = 1
# What a float holds exactly.
_LARGEST = 1 << 53
# Came after files had been written: a file has them only where they are not the default.
_LATER = ("dilation", "weights_read")


@dataclass(frozen=True)
class Workload:
    """The operators of one network in the order they run; an op's inputs are positions in `ops`, or
    -1, -2, ... for the network's first input, its second, and so on.

    Raises:
        ValueError: If there is no operator, or one reads an output that does not exist yet.
    """

    ops: tuple[Op, ...]
    batch_size: int
    dtype: str

    def __post_init__(self) -> None:
        if not self.ops:
            raise ValueError("a workload needs at least one operator")
        _check_inputs(self.ops)

    @staticmethod
    def chain(blocks: Sequence[Sequence[Op]], *, batch_size: int, dtype: str) -> "Workload":
        """Runs blocks one after another: a block's -1 is the last op of the one before it.

        Its -2, -3, ... stay the network's further inputs.
        """
        ops: list[Op] = []
        for block in blocks:
            start = len(ops)
            for op in block:
                inputs = tuple(i + start if i >= -1 else i for i in op.inputs)
                ops.append(op if inputs == op.inputs else replace(op, inputs=inputs))
        return Workload(tuple(ops), batch_size, dtype)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the network's first input, batch included."""
        for op in self.ops:
            if -1 in op.inputs:
                return op.input_shapes[op.inputs.index(-1)]
        raise ValueError("no operator of the workload reads the network's input")

    @property
    def flops(self) -> int:
        """Of all operators, for the whole batch."""
        return sum(op.flops for op in self.ops)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers, for the whole batch."""
        return sum(op.macs for op in self.ops)

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(op.params for op in self.ops)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters."""
        return sum(op.weight_bytes for op in self.ops)

    @property
    def peak_activation_bytes(self) -> int:
        """Most bytes of activations alive at once, the network's input included, weights not.

        An activation lives from its producer to its last reader. A fused op writes over its first
        operand when nobody reads that operand afterwards.
        """
        return peak_activation_bytes(self.ops)

    def live(self) -> "Workload":
        """Only the operators that the last one's output depends on: what is left when a compiler
        has removed dead code.
        """
        kept = live_positions(self.ops)
        moved = {old: new for new, old in enumerate(kept)}
        ops = (self.ops[i] for i in kept)
        rebased = (replace(op, inputs=tuple(moved.get(i, i) for i in op.inputs)) for op in ops)
        return replace(self, ops=tuple(rebased))

    @cached_property
    def arrays(self) -> OpArrays:
        """The operators as arrays."""
        return OpArrays.of(self.ops)

    def to_json(self) -> str:
        """The workload as JSON text, which `from_json` reads."""
        later = {field.name: field.default for field in fields(Op) if field.name in _LATER}
        ops = [asdict(op) for op in self.ops]
        for op in ops:
            for key, default in later.items():
                if op[key] == default:
                    del op[key]
        body = {"format": _FORMAT, "version": _VERSION, "ops": ops}
        body |= {"batch_size": self.batch_size, "dtype": self.dtype}
        return json.dumps(body)

    @staticmethod
    def from_json(text: str) -> "Workload":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: If the text is not JSON, of another format or version, or a field is missing
                or unknown.
        """
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not a workload file: {error}") from error
        if not isinstance(body, dict) or body.get("format") != _FORMAT:
            raise ValueError(f"not a workload file: expected format {_FORMAT!r}")
        if body.get("version") != _VERSION:
            raise ValueError(
                f"workload file: expected version {_VERSION}, got {body.get('version')}"
            )
        try:
            ops = tuple(_read_op(fields) for fields in body["ops"])
            batch_size, dtype = body["batch_size"], body["dtype"]
            if type(batch_size) is not int or not 0 < batch_size < _LARGEST:
                raise TypeError(
                    f"batch_size must be a positive whole number, got {batch_size!r:.60}"
                )
            if dtype not in DTYPE_BYTES:
                raise TypeError(f"dtype must be one of {', '.join(DTYPE_BYTES)}, got {dtype!r:.60}")
            return Workload(ops, batch_size, dtype)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"workload file: {error}") from error


@dataclass(frozen=True)
class Slot:
    """A place in the network whose operators depend on some of the decisions.

    Attributes:
        name: Of the place.
        decisions: Columns of the genotype that decide what runs here.
        rows: The operators for each combination of those decisions' options, the last decision
            varying fastest; empty where nothing runs. Inputs count within the row, -1 being the
            output of the slot before.
        repeat: How many times the row runs, each reading the one before.
    """

    name: str
    decisions: tuple[int, ...]
    rows: tuple[tuple[Op, ...], ...]
    repeat: int = 1


@dataclass(frozen=True)
class CostTable:
    """The operators of every network of a space, slot after slot, for one batch size and dtype.

    Rows are numbered through all slots: the rows of slot 0, then those of slot 1, and so on. A row
    that runs several times is there once; `sum_rows` and `workload` repeat it.

    Raises:
        ValueError: If a slot names a decision that is not there, has the wrong number of rows, or
            runs less than once.
    """

    cardinalities: tuple[int, ...]
    slots: tuple[Slot, ...]
    batch_size: int
    dtype: str

    def __post_init__(self) -> None:
        for slot in self.slots:
            if any(not 0 <= d < len(self.cardinalities) for d in slot.decisions):
                raise ValueError(
                    f"slot {slot.name!r}: decisions must be in 0..{len(self.cardinalities) - 1},"
                    f" got {slot.decisions}"
                )
            expected = math.prod(self.cardinalities[d] for d in slot.decisions)
            if len(slot.rows) != expected:
                raise ValueError(
                    f"slot {slot.name!r}: expected {expected} rows, got {len(slot.rows)}"
                )
            if slot.repeat < 1:
                raise ValueError(
                    f"slot {slot.name!r}: repeat must be at least 1, got {slot.repeat}"
                )

    @cached_property
    def rows(self) -> tuple[tuple[Op, ...], ...]:
        """All rows in global order."""
        return tuple(row for slot in self.slots for row in slot.rows)

    @cached_property
    def arrays(self) -> OpArrays:
        """All rows' operators, flattened, as arrays; `row_of_op` says which row each belongs to."""
        ops = list(chain.from_iterable(self.rows))
        # Rows share operators: each is read once.
        positions = {identity: i for i, identity in enumerate(dict.fromkeys(map(id, ops)))}
        taken = np.array([positions[identity] for identity in map(id, ops)], np.int64)
        distinct = OpArrays.of(list({id(op): op for op in ops}.values()))
        return OpArrays(**{f.name: getattr(distinct, f.name)[taken] for f in fields(OpArrays)})

    @cached_property
    def op_counts(self) -> OpCounts:
        """How often each distinct operator runs in each row, once through."""
        return count_ops(self.rows)

    def count_networks(self, genotypes: Int[np.ndarray, "n d"]) -> OpCounts:
        """How often each distinct operator runs in each genotype's network."""
        rows = self.row_index(genotypes)
        repeats = [slot.repeat for slot in self.slots]

        def add_up(counts: Any) -> Any:
            return sum(n * counts[column] for n, column in zip(repeats, rows.T, strict=True))

        if not self._constant_rows[rows].any():
            return self.op_counts.map(add_up)
        from scipy.sparse import diags_array

        runs = row_runs(self._constant_rows[rows], repeats)

        def add_up_runs(counts: Any, runs: Float[np.ndarray, "n s"]) -> Any:
            pairs = zip(runs.T, rows.T, strict=True)
            return sum(diags_array(n) @ counts[column] for n, column in pairs)

        counts = {form: add_up_runs(c, runs[form]) for form, c in self.op_counts.counts.items()}
        return OpCounts(self.op_counts.ops, counts)

    def constant_networks(self, genotypes: Int[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Marks the genotypes whose network puts out a constant, whatever its input."""
        if not self._constant_rows.any():
            return np.zeros(len(genotypes), bool)
        return self.sum_rows(self._constant_rows[:, None].astype(float), genotypes)[:, 0] > 0

    @cached_property
    def _constant_rows(self) -> Bool[np.ndarray, " r"]:
        distinct = {id(row): row for row in self.rows}
        found = {identity: is_constant(row) for identity, row in distinct.items()}
        return np.array([found[id(row)] for row in self.rows], bool)

    @cached_property
    def row_of_op(self) -> Int[np.ndarray, " m"]:
        """The global row of each flattened operator."""
        return np.repeat(np.arange(len(self.rows)), [len(row) for row in self.rows])

    @cached_property
    def _first_rows(self) -> tuple[int, ...]:
        return tuple(accumulate((len(slot.rows) for slot in self.slots[:-1]), initial=0))

    @cached_property
    def _groups(self) -> tuple[RowGroup, ...]:
        return group_slots(
            self.cardinalities,
            [slot.decisions for slot in self.slots],
            self._first_rows,
            [slot.repeat for slot in self.slots],
        )

    def _check(self, genotypes: np.ndarray) -> None:
        if genotypes.ndim != 2 or genotypes.shape[1] != len(self.cardinalities):
            raise ValueError(
                f"genotypes: expected shape (n, {len(self.cardinalities)}), got {genotypes.shape}"
            )
        if ((genotypes < 0) | (genotypes >= np.array(self.cardinalities))).any():
            raise ValueError(f"genotypes: options must lie below {self.cardinalities}")

    def row_index(self, genotypes: Int[np.ndarray, "n d"]) -> Int[np.ndarray, "n s"]:
        """The global row that each genotype takes in each slot.

        Raises:
            ValueError: If the genotypes have another width, or an option is out of range.
        """
        self._check(genotypes)
        columns = np.ascontiguousarray(genotypes.T)
        rows = [
            first + choices(columns, slot.decisions, self.cardinalities)
            for first, slot in zip(self._first_rows, self.slots, strict=True)
        ]
        return np.stack(rows, axis=1)

    def sum_ops(self, values: Float[np.ndarray, "m f"]) -> Float[np.ndarray, "r f"]:
        """Adds up a quantity of the flattened operators over each row."""
        columns = [
            np.bincount(self.row_of_op, weights=column, minlength=len(self.rows))
            for column in values.T
        ]
        return np.stack(columns, axis=1)

    def sum_rows(
        self, values: Float[np.ndarray, "r f"], genotypes: Int[np.ndarray, "n d"]
    ) -> Float[np.ndarray, "n f"]:
        """Adds up the rows' values over the rows that each genotype takes, repeats included.

        Raises:
            ValueError: If the genotypes have another width, or an option is out of range.
        """
        self._check(genotypes)
        return gather(values, genotypes, self._groups, self.cardinalities, combine="sum")

    @cached_property
    def _row_totals(self) -> np.ndarray:
        ops = self.arrays
        return self.sum_ops(np.stack([ops.flops, ops.macs, ops.params, ops.weight_bytes], axis=1))

    def flops(self, genotypes: Int[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """FLOPs of all operators, for the whole batch."""
        return self.sum_rows(self._row_totals[:, 0:1], genotypes)[:, 0]

    def macs(self, genotypes: Int[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Multiply-accumulates of convolutions and linear layers, for the whole batch."""
        return self.sum_rows(self._row_totals[:, 1:2], genotypes)[:, 0]

    def params(self, genotypes: Int[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Trainable parameters."""
        return self.sum_rows(self._row_totals[:, 2:3], genotypes)[:, 0]

    def weight_bytes(self, genotypes: Int[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Bytes of the parameters."""
        return self.sum_rows(self._row_totals[:, 3:4], genotypes)[:, 0]

    @cached_property
    def _row_peaks(self) -> np.ndarray:
        distinct = {id(row): row for row in self.rows}
        peaks = {i: peak_activation_bytes(row) if row else 0 for i, row in distinct.items()}
        return np.array([peaks[id(row)] for row in self.rows], float)

    def peak_activation_bytes(self, genotypes: Int[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Most bytes of activations alive at once.

        Slots, and the runs of one that repeats, hand on a single activation, so it is the greatest
        of the slots' own peaks.
        """
        self._check(genotypes)
        peaks = self._row_peaks[:, None]
        return gather(peaks, genotypes, self._groups, self.cardinalities, combine="max")[:, 0]

    def workload(self, genotype: Int[np.ndarray, " d"] | Sequence[int]) -> Workload:
        """The network of one genotype."""
        rows = self.row_index(np.asarray(genotype, np.int64)[None])[0]
        blocks = [
            self.rows[row]
            for slot, row in zip(self.slots, rows, strict=True)
            for _ in range(slot.repeat)
        ]
        return Workload.chain(blocks, batch_size=self.batch_size, dtype=self.dtype)


def _check_inputs(ops: Sequence[Op]) -> None:
    for position, op in enumerate(ops):
        if any(i >= position for i in op.inputs):
            raise ValueError(
                f"op {op.name!r} at {position}: inputs must be negative or an earlier position,"
                f" got {op.inputs}"
            )


def _read_op(fields: dict[str, Any]) -> Op:
    shapes = [fields["output_shape"], *fields["input_shapes"]]
    sides = [fields[key] for key in ("kernel", "stride", "dilation") if key in fields]
    least: dict[int, list[Any]] = {
        -_LARGEST: fields["inputs"],
        0: [fields["flops"], fields["params"], *chain(*shapes), fields.get("weights_read") or 0],
        1: [fields["groups"], *chain(*(s if isinstance(s, list) else [s] for s in sides))],
    }
    for found in (fields["inputs"], fields["input_shapes"], *shapes):
        if not isinstance(found, list):
            raise TypeError(f"op {fields['name']!r:.60}: expected a list, got {found!r:.60}")
    for key in ("name", "kind", "dtype"):
        if not isinstance(fields[key], str):
            raise TypeError(f"op {fields['name']!r:.60}: {key} must be text")
    for low, numbers in least.items():
        for number in numbers:
            if type(number) is not int or not low <= number < _LARGEST:
                raise TypeError(
                    f"op {fields['name']!r:.60}: expected whole numbers from {low}, "
                    f"got {number!r:.60}"
                )
    return Op(**{key: _as_tuple(value) for key, value in fields.items()})


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
