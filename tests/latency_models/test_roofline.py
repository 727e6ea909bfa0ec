"""Roofline times against values worked out by hand, and populations against single workloads."""

from dataclasses import replace

import numpy as np
import pytest

from latency_models import (
    CacheLevel,
    CostTable,
    DeviceSpec,
    Op,
    RooflinePredictor,
    Workload,
    activation,
    add,
    conv2d,
    linear,
    pool,
)
from latency_models.op_arrays import OpArrays
from latency_models.roofline import LAUNCH_OVERHEAD_S, peak_flops_per_s, roofline
from latency_models.tensor_operators import attention, embedding

F32 = "float32"
SIMPLE = DeviceSpec(
    "simple",
    "cpu",
    {"float32": 1e9},
    memory_bandwidth_bytes_per_s=1e8,
    cores=4,
    launch_overhead_s=1e-6,
)


def _seconds(op: Op, spec: DeviceSpec = SIMPLE, *, threads: int | None = None) -> float:
    return float(roofline(OpArrays.of([op]), spec, threads=threads).total_s[0])


def test_wide_convolution_is_compute_bound() -> None:
    op = conv2d("c", (1, 16, 16, 64), out_channels=64, kernel=3, dtype=F32)
    # 2 * 256 * 64 * 64 * 9 FLOPs at 1 GFLOP/s; its bytes would take 2.8 ms.
    assert _seconds(op) == pytest.approx(18_874_368 / 1e9 + 1e-6)


def test_thin_matmul_is_memory_bound() -> None:
    op = linear("l", (1, 1000), out_features=1000, dtype=F32)
    # 1,001,000 parameters, 1000 inputs and 1000 outputs of 4 bytes at 100 MB/s; 2 MFLOP take 2 ms.
    assert _seconds(op) == pytest.approx(1_003_000 * 4 / 1e8 + 1e-6)


def test_fused_activation_costs_its_arithmetic_only() -> None:
    op = activation("a", (1, 8, 8, 16), function="relu", dtype=F32)
    assert _seconds(op) == pytest.approx(1024 / 1e9)


def test_fused_sum_reads_its_second_operand() -> None:
    op = add("a", (1, 8, 8, 16), dtype=F32, inputs=(0, -1))
    assert _seconds(op) == pytest.approx(4096 / 1e8)


def test_threads_share_the_peak_and_not_the_memory() -> None:
    conv = conv2d("c", (1, 16, 16, 64), out_channels=64, kernel=3, dtype=F32)
    assert _seconds(conv, threads=2) == pytest.approx(2 * 18_874_368 / 1e9 + 1e-6)
    assert _seconds(conv, threads=8) == _seconds(conv)
    matmul = linear("l", (1, 1000), out_features=1000, dtype=F32)
    assert _seconds(matmul, threads=2) == _seconds(matmul)
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        _seconds(conv, threads=0)


def test_operator_that_fits_a_cache_moves_at_its_bandwidth() -> None:
    cached = DeviceSpec(
        "cached",
        "gpu",
        {"float32": 1e15},
        memory_bandwidth_bytes_per_s=1e8,
        caches=(CacheLevel("L1", 1024), CacheLevel("L2", 100_000, 1e9)),
        launch_overhead_s=1e-9,
    )
    small = linear("l", (1, 100), out_features=100, dtype=F32)
    assert _seconds(small, cached) == pytest.approx(10_300 * 4 / 1e9 + 1e-9, rel=1e-4)
    large = linear("l", (1, 1000), out_features=1000, dtype=F32)
    # 1,001,000 parameters and 1000 outputs from and to memory; its input is in the cache yet.
    assert _seconds(large, cached) == pytest.approx(1_002_000 * 4 / 1e8 + 4000 / 1e9 + 1e-9)


def test_activations_too_large_for_every_cache_come_from_memory() -> None:
    spec = replace(SIMPLE, peak_flops_per_s={F32: 1e15}, caches=(CacheLevel("L2", 4096, 1e9),))
    # 1 x 32 x 32 x 4 float32 are 16 KiB in, and as many out at 3x3 with 144 weights.
    op = conv2d("c", (1, 32, 32, 4), out_channels=4, kernel=3, dtype=F32)
    assert _seconds(op, spec) == pytest.approx((2 * 16_384 + 144 * 4) / 1e8 + 1e-6, rel=1e-4)


def test_cache_without_a_bandwidth_is_as_slow_as_the_next_level() -> None:
    spec = replace(SIMPLE, caches=(CacheLevel("L2", 2**30),))
    op = linear("l", (1, 1000), out_features=1000, dtype=F32)
    assert _seconds(op, spec) == _seconds(op)


def test_decoding_reads_keys_and_values_from_memory() -> None:
    spec = DeviceSpec(
        "d",
        "gpu",
        {"float16": 1e14},
        memory_bandwidth_bytes_per_s=1e9,
        caches=(CacheLevel("L2", 2**20, 1e10),),
        launch_overhead_s=1e-9,
    )
    query = (1, 1, 8, 64)
    op = attention("a", query, key_length=4096, dtype="float16", inputs=(-1, -2, -3))
    # The query's 512 values come from L2; 2 x 4096 x 512 cached and 512 written do not.
    expected = 512 * 2 / 1e10 + (2 * 4096 * 512 + 512) * 2 / 1e9
    assert _seconds(op, spec) == pytest.approx(expected + 1e-9)


def test_embedding_reads_the_rows_that_are_looked_up() -> None:
    op = embedding("e", (1, 10), rows=50_000, features=64, dtype=F32)
    # 10 indices, 10 rows read and 10 written of 64 values.
    assert _seconds(op) == pytest.approx((10 + 2 * 640) * 4 / 1e8 + 1e-6)


TENSOR = DeviceSpec(
    "tensor",
    "gpu",
    {"float16": 1e12, "float32": 1e11},
    vector_peak_flops_per_s={"float16": 2e11},
    launch_overhead_s=1e-9,
)


def test_matrix_units_run_dense_products_and_vector_units_the_rest() -> None:
    shape = (1, 16, 16, 64)
    dense = conv2d("c", shape, out_channels=64, kernel=3, dtype="float16")
    depthwise = conv2d("d", shape, out_channels=64, kernel=3, groups=64, dtype="float16")
    windows = pool("p", shape, kernel=3, dtype="float16")
    assert _seconds(dense, TENSOR) == pytest.approx(18_874_368 / 1e12 + 1e-9)
    assert _seconds(depthwise, TENSOR) == pytest.approx(294_912 / 2e11 + 1e-9)
    assert _seconds(windows, TENSOR) == pytest.approx(147_456 / 2e11 + 1e-9)
    # One peak for all operators of a dtype whose vector peak is not given.
    single = conv2d("d", shape, out_channels=64, kernel=3, groups=64, dtype=F32)
    assert _seconds(single, TENSOR) == pytest.approx(294_912 / 1e11 + 1e-9)


def test_vector_peak_is_what_peak_flops_per_s_gives_without_matrix_units() -> None:
    assert peak_flops_per_s(TENSOR, "float16") == 1e12
    assert peak_flops_per_s(TENSOR, "float16", matrix=False) == 2e11
    assert peak_flops_per_s(TENSOR, "bfloat16", matrix=False) == 1e11


def test_datasheet_of_one_peak_is_enough() -> None:
    bare = DeviceSpec("bare", "cpu", {F32: 1e9})
    op = conv2d("c", (1, 16, 16, 64), out_channels=64, kernel=3, dtype=F32)
    times = roofline(OpArrays.of([op]), bare)
    assert times.padding.tolist() == [1.0]
    assert times.total_s == pytest.approx([18_874_368 / 1e9 + LAUNCH_OVERHEAD_S["cpu"]])


def test_missing_bandwidth_leaves_arithmetic_and_start() -> None:
    bare = DeviceSpec("bare", "gpu", {"float16": 1e9})
    op = linear("l", (1, 1000), out_features=1000, dtype=F32)
    assert _seconds(op, bare) == pytest.approx(2_001_000 / 1e9 + LAUNCH_OVERHEAD_S["gpu"])


def test_dtype_without_a_peak_is_computed_in_another() -> None:
    assert peak_flops_per_s(SIMPLE, "bfloat16") == 1e9
    with pytest.raises(ValueError, match="no peak for float32, only for int8"):
        peak_flops_per_s(DeviceSpec("npu", "npu", {"int8": 1e12}), "float32")


def test_prediction_is_the_sum_over_the_operators() -> None:
    conv = conv2d("c", (1, 16, 16, 64), out_channels=64, kernel=3, dtype=F32)
    again = conv2d("d", (1, 16, 16, 64), out_channels=64, kernel=3, dtype=F32, inputs=(0,))
    one, two = (Workload(ops, 1, F32) for ops in ((conv,), (conv, again)))
    prediction = RooflinePredictor(SIMPLE).predict([one, two])
    assert prediction.mean_s[1] == pytest.approx(2 * prediction.mean_s[0])
    assert prediction.std_s.tolist() == [0, 0]
    assert prediction.quantile_s(0.95) == pytest.approx(prediction.mean_s)


def test_population_prediction_equals_that_of_each_workload(toy_table: CostTable) -> None:
    table = toy_table
    rng = np.random.default_rng(0)
    genotypes = rng.integers(0, table.cardinalities, (50, len(table.cardinalities)))
    predictor = RooflinePredictor(SIMPLE, threads=2)
    population = predictor.predict_population(table, genotypes)
    single = predictor.predict([table.workload(genotype) for genotype in genotypes])
    np.testing.assert_allclose(population.mean_s, single.mean_s, rtol=1e-12)
