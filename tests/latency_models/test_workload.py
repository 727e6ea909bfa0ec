"""Costs of operators and workloads against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_models import (
    CostTable,
    Op,
    Slot,
    Workload,
    activation,
    add,
    conv2d,
    global_pool,
    linear,
    norm,
    pool,
    scale,
)

F32 = "float32"


def test_convolution_costs_equal_the_hand_worked_ones() -> None:
    # 3x3, 16 -> 32 channels, stride 2 on 8x8: 4*4*32 outputs of 9*16 multiply-accumulates.
    op = conv2d("c", (1, 8, 8, 16), out_channels=32, kernel=3, stride=2, dtype=F32)
    assert op.output_shape == (1, 4, 4, 32)
    assert op.macs == 512 * 144 == 73_728
    assert op.flops == 147_456
    assert op.params == 9 * 16 * 32 == 4608
    assert op.bytes_read == (8 * 8 * 16 + 4608) * 4
    assert op.bytes_written == 512 * 4
    assert op.kind == "conv"


def test_bias_adds_a_parameter_a_channel_and_a_flop_an_output_but_no_mac() -> None:
    op = conv2d("c", (1, 8, 8, 16), out_channels=32, kernel=1, bias=True, dtype=F32)
    assert op.params == 16 * 32 + 32
    assert op.flops == 2 * op.macs + 8 * 8 * 32


def test_depthwise_convolution_has_one_filter_a_channel() -> None:
    op = conv2d("d", (2, 8, 8, 16), out_channels=16, kernel=5, groups=16, dtype="bfloat16")
    assert op.kind == "depthwise_conv"
    assert op.params == 25 * 16
    assert op.macs == 2 * 64 * 16 * 25
    assert op.weight_bytes == 25 * 16 * 2


def test_grouped_convolution_divides_the_input_channels() -> None:
    op = conv2d("g", (1, 4, 4, 8), out_channels=16, kernel=3, groups=2, dtype=F32)
    assert op.params == 9 * 4 * 16
    assert op.macs == 16 * 16 * 9 * 4


def test_odd_sizes_round_up_under_stride() -> None:
    op = conv2d("c", (1, 7, 5, 3), out_channels=4, kernel=3, stride=2, dtype=F32)
    assert op.output_shape == (1, 4, 3, 4)


def test_patch_embedding_without_padding() -> None:
    op = conv2d("p", (1, 32, 32, 3), out_channels=8, kernel=4, stride=4, padding=0, dtype=F32)
    assert op.output_shape == (1, 8, 8, 8)


def test_linear_costs_equal_the_hand_worked_ones() -> None:
    op = linear("l", (4, 100), out_features=10, dtype=F32)
    assert op.macs == 4000
    assert op.flops == 8040
    assert op.params == 1010
    assert op.output_shape == (4, 10)


def test_norm_has_two_parameters_a_channel_and_is_fused() -> None:
    op = norm("n", (1, 4, 4, 16), dtype=F32)
    assert (op.params, op.flops, op.fused) == (32, 512, True)


def test_scale_reads_the_map_again_and_is_not_fused() -> None:
    op = scale("s", (1, 4, 4, 16), dtype=F32, inputs=(0, 3))
    assert not op.fused
    assert op.bytes_read == (256 + 16) * 4
    assert op.flops == 256


def test_pools() -> None:
    op = pool("p", (1, 8, 8, 4), kernel=3, dtype=F32)
    assert op.output_shape == (1, 8, 8, 4)
    assert op.flops == 256 * 9
    op = global_pool("g", (2, 8, 8, 4), dtype=F32)
    assert op.output_shape == (2, 4)
    assert op.flops == 512


def test_activation_names_the_valid_functions() -> None:
    with pytest.raises(ValueError, match="unknown activation 'mish', valid: relu, relu6"):
        activation("a", (1, 2, 2, 1), function="mish", dtype=F32)


def test_unknown_dtype_and_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown dtype 'float8', valid: float32"):
        norm("n", (1, 4), dtype="float8")
    with pytest.raises(ValueError, match="unknown kind 'lstm', valid: conv"):
        Op("lstm", "x", ((1,),), (1,), 0, 0, F32, (-1,))


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="groups must divide"):
        conv2d("c", (1, 4, 4, 6), out_channels=8, kernel=1, groups=4, dtype=F32)


def _block(name: str, channels: int, shape: tuple[int, ...]) -> tuple[Op, ...]:
    conv = conv2d(name, shape, out_channels=channels, kernel=3, dtype=F32)
    return (
        conv,
        norm(name + ".norm", conv.output_shape, dtype=F32, inputs=(0,)),
        activation(name + ".act", conv.output_shape, function="relu", dtype=F32, inputs=(1,)),
    )


def test_chain_joins_blocks_and_skips_empty_ones() -> None:
    shape = (1, 4, 4, 8)
    chained = Workload.chain(
        [_block("a", 8, shape), (), _block("b", 8, shape)], batch_size=1, dtype=F32
    )
    assert [op.inputs for op in chained.ops] == [(-1,), (0,), (1,), (2,), (3,), (4,)]
    assert chained.input_shape == shape
    assert chained.params == 2 * (9 * 64 + 16)
    assert chained.weight_bytes == 4 * chained.params
    assert chained.macs == 2 * 16 * 8 * 72
    assert chained.flops == 2 * chained.macs + 2 * (2 + 1) * 16 * 8


def test_peak_memory_of_a_plain_chain_is_the_largest_input_and_output() -> None:
    # 512 -> 1024 floats, the norm and the activation in place; then 1024 -> 256.
    first = _block("a", 64, (1, 4, 4, 32))
    second = _block("b", 16, (1, 4, 4, 64))
    chained = Workload.chain([first, second], batch_size=1, dtype=F32)
    assert chained.peak_activation_bytes == (512 + 1024) * 4


def test_residual_keeps_the_block_input_alive() -> None:
    # x 128, a 512 (relu in place), b 128 beside x and a; the sum is written over b.
    shape = (1, 4, 4, 8)
    expand = conv2d("e", shape, out_channels=32, kernel=1, dtype=F32)
    project = conv2d("p", expand.output_shape, out_channels=8, kernel=1, dtype=F32, inputs=(0,))
    ops = (expand, project, add("r", shape, dtype=F32, inputs=(1, -1)))
    assert Workload(ops, 1, F32).peak_activation_bytes == (128 + 512 + 128) * 4
    assert Workload(ops[:2], 1, F32).peak_activation_bytes == (512 + 128) * 4


def test_operand_that_is_read_later_is_not_overwritten() -> None:
    shape = (1, 4, 4, 8)
    conv = conv2d("c", shape, out_channels=8, kernel=1, dtype=F32)
    relu = activation("a", shape, function="relu", dtype=F32, inputs=(0,))
    total = add("r", shape, dtype=F32, inputs=(1, 0))
    assert Workload((conv, relu, total), 1, F32).peak_activation_bytes == 2 * 128 * 4


def test_forward_reference_is_refused() -> None:
    op = norm("n", (1, 4), dtype=F32, inputs=(0,))
    with pytest.raises(ValueError, match="an earlier position"):
        Workload((op,), 1, F32)


def test_workload_survives_json() -> None:
    chained = Workload.chain([_block("a", 8, (1, 4, 4, 8))], batch_size=1, dtype=F32)
    assert Workload.from_json(chained.to_json()) == chained


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a workload file"),
        ('{"format": "latency_models.workload", "version": 9}', "expected version 1, got 9"),
        ('{"format": "latency_models.workload", "version": 1}', "'ops'"),
        ("{", "not a workload file"),
    ],
)
def test_foreign_workload_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Workload.from_json(text)


def test_workload_file_with_text_for_a_number_is_refused() -> None:
    text = Workload(_block("a", 8, (1, 4, 4, 8)), 1, F32).to_json()
    with pytest.raises(ValueError, match="whole numbers"):
        Workload.from_json(text.replace('"params": 576', '"params": "576"'))


def small_table() -> CostTable:
    """Two widths in the first slot; a second one that is there or not, at either width."""
    shape = (1, 4, 4, 8)
    first = tuple(_block("a", width, shape) for width in (8, 16))
    second = tuple(
        _block("b", 8, (1, 4, 4, width)) if there else ()
        for width in (8, 16)
        for there in (False, True)
    )
    return CostTable((2, 2), (Slot("a", (0,), first), Slot("b", (0, 1), second)), 1, F32)


def test_rows_are_numbered_with_the_last_decision_fastest() -> None:
    genotypes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    rows = small_table().row_index(genotypes)
    assert rows.tolist() == [[0, 2], [0, 3], [1, 4], [1, 5]]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=8))
def test_population_totals_equal_those_of_each_workload(genotypes: list[tuple[int, int]]) -> None:
    table = small_table()
    array = np.array(genotypes)
    workloads = [table.workload(genotype) for genotype in genotypes]
    for quantity in ("flops", "macs", "params", "weight_bytes", "peak_activation_bytes"):
        expected = [getattr(workload, quantity) for workload in workloads]
        assert getattr(table, quantity)(array).tolist() == expected


def test_table_refuses_options_out_of_range() -> None:
    with pytest.raises(ValueError, match="options must lie below"):
        small_table().row_index(np.array([[0, 2]]))
    with pytest.raises(ValueError, match=r"expected shape \(n, 2\)"):
        small_table().row_index(np.array([[0, 1, 1]]))


def test_table_refuses_a_slot_with_missing_rows() -> None:
    with pytest.raises(ValueError, match="expected 2 rows, got 1"):
        CostTable((2,), (Slot("a", (0,), ((),)),), 1, F32)


def test_shapes_scale_with_the_batch() -> None:
    one, eight = (conv2d("c", (n, 8, 8, 4), out_channels=8, kernel=3, dtype=F32) for n in (1, 8))
    assert eight.flops == 8 * one.flops
    assert eight.params == one.params
    assert math.prod(eight.output_shape) == 8 * math.prod(one.output_shape)
