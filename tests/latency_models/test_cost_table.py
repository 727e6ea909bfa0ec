"""Sums over populations against the definition: row after row, repeat after repeat."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_models import CostTable, Op, Slot, add, conv2d, norm

F32 = "float32"
SHAPE = (1, 4, 4, 8)


def residual(name: str, width: int) -> tuple[Op, ...]:
    """Two 1x1 convolutions by way of `width` channels, and the identity."""
    expand = conv2d(f"{name}.expand", SHAPE, out_channels=width, kernel=1, dtype=F32)
    back = conv2d(
        f"{name}.back", expand.output_shape, out_channels=8, kernel=1, dtype=F32, inputs=(0,)
    )
    return expand, back, add(f"{name}.sum", SHAPE, dtype=F32, inputs=(1, -1))


def repeated_table() -> CostTable:
    """A norm, then three times the same block: residual at two widths, or nothing."""
    first = Slot("first", (), ((norm("norm", SHAPE, dtype=F32),),))
    rows = ((), residual("a", 8), residual("a", 32))
    return CostTable((3,), (first, Slot("cell", (0,), rows, repeat=3)), 1, F32)


def test_a_slot_that_repeats_counts_as_often() -> None:
    table = repeated_table()
    genotypes = np.array([[0], [1], [2]])
    assert table.params(genotypes).tolist() == [16, 16 + 3 * 2 * 64, 16 + 3 * 2 * 256]
    assert table.macs(genotypes).tolist() == [0, 3 * 16 * 2 * 64, 3 * 16 * 2 * 256]


def test_the_arrays_hold_a_repeated_row_once() -> None:
    table = repeated_table()
    assert len(table.rows) == 4
    assert len(table.arrays.flops) == len(table.row_of_op) == 1 + 0 + 3 + 3


def test_a_repeated_block_reads_the_one_before() -> None:
    ops = repeated_table().workload([1]).ops
    assert [op.inputs for op in ops] == [
        (-1,),
        *((0,), (1,), (2, 0)),
        *((3,), (4,), (5, 3)),
        *((6,), (7,), (8, 6)),
    ]


def test_repeating_a_block_takes_no_more_memory_at_once() -> None:
    # The input 128, expanded 512, the second convolution's 128.
    table = repeated_table()
    assert table.peak_activation_bytes(np.array([[2], [1], [0]])).tolist() == [
        (128 + 512 + 128) * 4,
        3 * 128 * 4,
        128 * 4,
    ]
    for option in (1, 2):
        peak = table.workload([option]).peak_activation_bytes
        assert table.peak_activation_bytes(np.array([[option]]))[0] == peak


def test_a_slot_that_never_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="slot 'cell': repeat must be at least 1, got 0"):
        CostTable((1,), (Slot("cell", (0,), ((),), repeat=0),), 1, F32)


@st.composite
def tables(draw: st.DrawFn) -> CostTable:
    """Slots without operators on overlapping decisions, in any order."""
    cardinalities = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))
    columns = st.lists(st.integers(0, len(cardinalities) - 1), max_size=4, unique=True)
    slots = [
        Slot(
            f"slot{number}",
            tuple(decisions),
            ((),) * math.prod(cardinalities[decision] for decision in decisions),
            repeat=draw(st.integers(1, 3)),
        )
        for number, decisions in enumerate(draw(st.lists(columns, min_size=1, max_size=6)))
    ]
    return CostTable(tuple(cardinalities), tuple(slots), 1, F32)


@given(tables(), st.integers(0, 2**32 - 1))
def test_sums_over_grouped_slots_equal_those_row_by_row(table: CostTable, seed: int) -> None:
    rng = np.random.default_rng(seed)
    genotypes = rng.integers(0, table.cardinalities, (5, len(table.cardinalities)))
    values = rng.integers(0, 1000, (len(table.rows), 2)).astype(float)
    expected = [
        sum(slot.repeat * values[row] for slot, row in zip(table.slots, rows, strict=True))
        for rows in table.row_index(genotypes)
    ]
    np.testing.assert_array_equal(table.sum_rows(values, genotypes), expected)


@given(tables(), st.integers(0, 2**32 - 1))
def test_a_row_is_numbered_in_c_order_within_its_slot(table: CostTable, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (genotype,) = rng.integers(0, table.cardinalities, (1, len(table.cardinalities)))
    first = 0
    for slot, row in zip(table.slots, table.row_index(genotype[None])[0], strict=True):
        chosen = tuple(genotype[list(slot.decisions)])
        sizes = tuple(table.cardinalities[decision] for decision in slot.decisions)
        assert row == first + (int(np.ravel_multi_index(chosen, sizes)) if chosen else 0)
        first += len(slot.rows)
