"""Padding to the blocks that hardware works in, by hand and by NVIDIA's examples."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_models import DeviceSpec, Op, activation, conv2d, global_pool, linear
from latency_models.granularity import padding_factor
from latency_models.op_arrays import OpArrays

F16, F32 = "float16", "float32"
# An A100: 108 multiprocessors, and the tile of NVIDIA's guide.
A100 = DeviceSpec("a100", "gpu", {F16: 312e12}, cores=108, tile_rows=256, tile_columns=128)
AVX2 = DeviceSpec("avx2", "cpu", {F32: 1e11}, vector_bits=256)
TPU = DeviceSpec("tpu", "tpu", {"bfloat16": 1e14}, systolic_side=128)


def _factor(op: Op, spec: DeviceSpec) -> float:
    return float(padding_factor(OpArrays.of([op]), spec)[0])


def _product(rows: int, columns: int, *, depth: int = 4096, dtype: str = F16) -> Op:
    return linear("l", (rows, depth), out_features=columns, dtype=dtype, bias=False)


def test_as_many_tiles_as_multiprocessors_waste_nothing() -> None:
    assert _factor(_product(108 * 256, 128), A100) == 1
    assert _factor(_product(2 * 108 * 256, 128), A100) == 1


def test_one_tile_more_than_multiprocessors_takes_a_second_wave() -> None:
    assert _factor(_product(109 * 256, 128), A100) == pytest.approx(2 * 108 / 109)


def test_one_row_and_column_beyond_the_tiles_of_a_wave_double_the_time() -> None:
    # The guide's 1792 x 1792: 7 x 14 = 98 tiles of 256 x 128, or as much work in 14 x 14 = 196
    # tiles of half that size in two waves; 1793 x 1793 takes 8 x 15 = 120 tiles, two waves.
    assert _factor(_product(1792, 1792), A100) == pytest.approx(108 * 256 * 128 / 1792**2)
    assert _factor(_product(1793, 1793), A100) == pytest.approx(2 * 108 * 256 * 128 / 1793**2)


def test_tile_lies_along_the_longer_side() -> None:
    assert _factor(_product(128, 108 * 256), A100) == 1


def test_tile_is_as_thin_as_the_matrix() -> None:
    assert _factor(_product(108 * 256, 16), A100) == 1
    assert _factor(_product(108 * 256, 12), A100) == pytest.approx(16 / 12)
    # cuBLASLt's thinnest tiles have a side of 8.
    assert _factor(_product(108 * 256, 1), A100) == pytest.approx(8)


def test_gpu_without_a_tile_takes_that_of_the_guide_if_it_names_its_multiprocessors() -> None:
    op = _product(109 * 256, 128)
    spec = replace(A100, tile_rows=None, tile_columns=None)
    assert _factor(op, spec) == _factor(op, A100)
    assert _factor(op, replace(spec, cores=None)) == 1
    assert _factor(op, replace(spec, kind="cpu")) == 1


def test_depth_is_divided_where_the_output_is_too_small_for_all_multiprocessors() -> None:
    # 64 x 64 is one tile; a depth of 4096 gives 64 parts, on 64 of 108 multiprocessors.
    assert _factor(_product(64, 64), A100) == pytest.approx(108 / 64)
    # A depth of 64 cannot be divided.
    assert _factor(_product(64, 64, depth=64), A100) == pytest.approx(108)


def test_twelve_channels_cost_sixteen_on_eight_lanes() -> None:
    shape = (1, 8, 8, 12)
    for groups in (1, 12):
        op = conv2d("c", shape, out_channels=12, kernel=3, groups=groups, dtype=F32)
        assert _factor(op, AVX2) == pytest.approx(16 / 12)
    biased = conv2d("c", shape, out_channels=12, kernel=3, dtype=F32, bias=True)
    assert _factor(biased, AVX2) == pytest.approx(16 / 12)


def test_lanes_are_those_of_the_accumulator() -> None:
    # Half-precision sums have 16 lanes in 256 bits; int8 products are summed in 32 bits, in 8.
    factors = {dtype: _factor(_product(4, 24, dtype=dtype), AVX2) for dtype in (F16, "int8")}
    assert factors == {F16: pytest.approx(32 / 24), "int8": 1.0}


def test_element_wise_work_and_pooling_are_not_padded() -> None:
    shape = (1, 8, 8, 3)
    ops = [activation("a", shape, function="relu", dtype=F32), global_pool("p", shape, dtype=F32)]
    assert padding_factor(OpArrays.of(ops), AVX2).tolist() == [1, 1]


def test_systolic_array_pads_columns_and_depth() -> None:
    # Depth 3 x 3 x 16 = 144 takes 256 rows of the array, 96 channels all its 128 columns.
    op = conv2d("c", (1, 8, 8, 16), out_channels=96, kernel=3, dtype="bfloat16")
    assert _factor(op, TPU) == pytest.approx(256 / 144 * 128 / 96)
    depthwise = conv2d("d", (1, 8, 8, 16), out_channels=16, kernel=3, groups=16, dtype="bfloat16")
    assert _factor(depthwise, TPU) == 1


@given(
    rows=st.integers(1, 5000),
    columns=st.integers(1, 5000),
    depth=st.integers(1, 5000),
    bias=st.booleans(),
)
def test_padding_never_saves_work(rows: int, columns: int, depth: int, bias: bool) -> None:
    op = linear("l", (rows, depth), out_features=columns, dtype=F16, bias=bias)
    ops = OpArrays.of([op])
    for spec in (A100, AVX2, TPU):
        assert np.all(padding_factor(ops, spec) >= 1 - 1e-12)


def test_groups_are_products_of_their_own() -> None:
    shape = (1, 8, 8, 12)
    op = conv2d("c", shape, out_channels=24, kernel=3, groups=4, dtype=F32)
    # 6 channels a group, on 8 lanes.
    assert _factor(op, AVX2) == pytest.approx(8 / 6)
    wide = conv2d("c", (1, 96, 96, 512), out_channels=384, kernel=1, groups=2, dtype=F16)
    # Two products of 9216 x 192: 36 x 2 tiles of 256 x 128 each, 144 on 108 multiprocessors.
    assert _factor(wide, A100) == pytest.approx(2 * 108 * 256 * 128 / (2 * 9216 * 192))
