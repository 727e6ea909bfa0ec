"""Energies against published figures and sums by hand; memory footprints."""

from dataclasses import replace

import numpy as np
import pytest

from latency_models import CacheLevel, CostTable, DeviceSpec, Workload, conv2d, linear
from latency_models.energy import (
    EnergyPredictor,
    energy_per_byte_j,
    energy_per_flop_j,
    operator_energy,
)
from latency_models.footprint import memory_footprint, population_memory_bytes

F32 = "float32"
PJ = 1e-12
# A published figure for each step.
STATED = DeviceSpec(
    "stated",
    "npu",
    {F32: 1e9},
    memory_bandwidth_bytes_per_s=1e8,
    caches=(CacheLevel("L2", 100_000, 1e9, 5 * PJ),),
    launch_overhead_s=1e-6,
    energy_per_flop_j={F32: 2 * PJ},
    memory_energy_per_byte_j=100 * PJ,
    idle_power_w=0.5,
)
LARGE = linear("l", (1, 1000), out_features=1000, dtype=F32)
SMALL = linear("l", (1, 100), out_features=100, dtype=F32)


def test_stated_costs_are_counted_by_flop_byte_and_second() -> None:
    energy = EnergyPredictor(STATED).predict([Workload((LARGE,), 1, F32)], np.array([0.1]))
    # 2 x 1,000,000 + 1000 FLOPs; 1,001,000 weights and 1000 results of 4 bytes from and to main
    # memory, 1000 inputs from the cache; 0.1 s at 0.5 W.
    assert energy.compute_j == pytest.approx([2_001_000 * 2 * PJ])
    assert energy.memory_j == pytest.approx([1_002_000 * 4 * 100 * PJ + 4000 * 5 * PJ])
    assert energy.idle_j == pytest.approx([0.05])
    assert energy.total_j == pytest.approx(energy.compute_j + energy.memory_j + 0.05)


def test_operator_that_fits_a_cache_pays_for_the_cache() -> None:
    workload = Workload((SMALL,), 1, F32)
    assert operator_energy(workload.arrays, STATED)[0, 1] == pytest.approx(10_300 * 4 * 5 * PJ)


def test_cache_without_a_bandwidth_saves_energy_all_the_same() -> None:
    spec = replace(STATED, caches=(CacheLevel("L2", 100_000, None, 5 * PJ),))
    workload = Workload((SMALL,), 1, F32)
    assert operator_energy(workload.arrays, spec)[0, 1] == pytest.approx(10_300 * 4 * 5 * PJ)


def test_latency_without_another_is_the_rooflines() -> None:
    # 1,002,000 x 4 bytes at 100 MB/s and 4000 at 1 GB/s, and the start.
    energy = EnergyPredictor(STATED).predict([Workload((LARGE,), 1, F32)])
    assert energy.idle_j == pytest.approx([0.5 * (4_008_000 / 1e8 + 4000 / 1e9 + 1e-6)])


def test_power_over_peak_stands_for_an_unpublished_flop() -> None:
    # An A100: 400 W, of which 50 idling, over 312 and 78 TFLOP/s.
    spec = DeviceSpec(
        "a100",
        "gpu",
        {"float16": 312e12},
        vector_peak_flops_per_s={"float16": 78e12},
        idle_power_w=50.0,
        max_power_w=400.0,
    )
    assert energy_per_flop_j(spec, "float16") == pytest.approx(350 / 312e12)
    assert energy_per_flop_j(spec, "float16", matrix=False) == pytest.approx(350 / 78e12)


@pytest.mark.parametrize(
    ("process_nm", "dtype", "multiply_add_pj"),
    [
        (45, F32, 3.7 + 0.9),
        (45, "float16", 1.1 + 0.9),
        (45, "int8", 0.2 + 0.1),
        (7, F32, 1.31 + 0.38),
        (7, "bfloat16", 0.21 + 0.38),
        (7, "int8", 0.07 + 0.03),
    ],
)
def test_process_gives_the_published_energy_of_a_multiply_add(
    process_nm: float, dtype: str, multiply_add_pj: float
) -> None:
    spec = DeviceSpec("d", "npu", {dtype: 1e9}, process_nm=process_nm)
    assert energy_per_flop_j(spec, dtype) == pytest.approx(multiply_add_pj / 2 * PJ)


def test_vector_instruction_costs_a_core_seventy_picojoules_at_45_nm() -> None:
    spec = DeviceSpec("d", "cpu", {F32: 1e9, "int8": 4e9}, process_nm=45, vector_bits=256)
    # 8 lanes of a multiply-add, or 32 of int8.
    assert energy_per_flop_j(spec, F32) == pytest.approx((4.6 / 2 + 70 / 16) * PJ)
    assert energy_per_flop_j(spec, "int8") == pytest.approx((0.3 / 2 + 70 / 64) * PJ)
    scalar = DeviceSpec("m", "mcu", {F32: 1e8}, process_nm=45)
    assert energy_per_flop_j(scalar, F32) == pytest.approx((4.6 / 2 + 70 / 2) * PJ)
    new = replace(spec, process_nm=7)
    assert energy_per_flop_j(new, F32) == pytest.approx((4.6 / 2 + 70 / 16) * PJ * 1.69 / 4.6)


def test_energies_between_the_published_processes_follow_a_power_of_their_names() -> None:
    # sqrt(45 x 7) nm is half way in logarithms, so the energy is the geometric mean.
    spec = DeviceSpec("d", "npu", {F32: 1e9}, process_nm=(45 * 7) ** 0.5)
    assert energy_per_flop_j(spec, F32) == pytest.approx((4.6 * 1.69) ** 0.5 / 2 * PJ)


def test_dtype_without_instructions_costs_what_it_is_computed_in() -> None:
    spec = DeviceSpec("d", "cpu", {F32: 1e9}, process_nm=45)
    assert energy_per_flop_j(spec, "int8") == energy_per_flop_j(spec, F32)
    with pytest.raises(ValueError, match="no peak for float32, only for int8"):
        energy_per_flop_j(DeviceSpec("npu", "npu", {"int8": 1e12}), F32)


def test_caches_cost_what_memories_of_their_size_do_and_main_memory_by_kind() -> None:
    caches = (CacheLevel("L1", 32 * 2**10), CacheLevel("L2", 2**20), CacheLevel("L3", 2**25))
    spec = DeviceSpec("d", "cpu", {F32: 1e9}, caches=caches, process_nm=7)
    # 64 bits: 8.5 pJ of 32 KiB, 14 of 1 MiB and of what is larger; 1300 of DDR.
    assert energy_per_byte_j(spec) == pytest.approx(np.array([8.5, 14, 14, 1300]) / 8 * PJ)
    old = replace(spec, process_nm=45, memory_energy_per_byte_j=1e-11)
    assert energy_per_byte_j(old) == pytest.approx([20 / 8 * PJ, 12.5 * PJ, 12.5 * PJ, 1e-11])


def test_microcontrollers_memory_is_static() -> None:
    spec = DeviceSpec("m", "mcu", {F32: 1e8}, memory_bytes=32 * 2**10, process_nm=45)
    assert energy_per_byte_j(spec) == pytest.approx([20 / 8 * PJ])
    assert energy_per_byte_j(replace(spec, memory_bytes=None)) == pytest.approx([12.5 * PJ])


def test_bare_datasheet_has_an_energy_too() -> None:
    spec = DeviceSpec("bare", "gpu", {F32: 1e9})
    energy = EnergyPredictor(spec).predict([Workload((LARGE,), 1, F32)])
    assert energy.total_j[0] > 0
    assert energy.idle_j.tolist() == [0]


def test_maximum_power_bounds_the_energy() -> None:
    spec = replace(STATED, max_power_w=2.0)
    workload = Workload((LARGE,), 1, F32)
    free = EnergyPredictor(STATED).predict([workload], np.array([1e-4]))
    bound = EnergyPredictor(spec).predict([workload], np.array([1e-4]))
    assert free.total_j[0] > 2e-4
    assert bound.total_j == pytest.approx([2e-4])
    assert bound.compute_j / bound.memory_j == pytest.approx(free.compute_j / free.memory_j)


def test_population_energy_equals_that_of_each_workload(toy_table: CostTable) -> None:
    table = toy_table
    rng = np.random.default_rng(0)
    genotypes = rng.integers(0, table.cardinalities, (40, len(table.cardinalities)))
    workloads = [table.workload(genotype) for genotype in genotypes]
    predictor = EnergyPredictor(replace(STATED, max_power_w=1.0))
    for latency_s in (None, rng.uniform(1e-5, 1e-2, 40)):
        population = predictor.predict_population(table, genotypes, latency_s)
        single = predictor.predict(workloads, latency_s)
        np.testing.assert_allclose(population.total_j, single.total_j, rtol=1e-12)
        np.testing.assert_allclose(population.memory_j, single.memory_j, rtol=1e-12)


def test_footprint_is_weights_and_the_largest_pair_of_neighbours() -> None:
    conv = conv2d("c", (1, 8, 8, 4), out_channels=8, kernel=3, dtype=F32)
    then = conv2d("d", conv.output_shape, out_channels=2, kernel=1, dtype=F32, inputs=(0,))
    footprint = memory_footprint(Workload((conv, then), 1, F32))
    # 288 + 16 weights; 64 pixels of 4 and of 8 channels at once.
    assert footprint.weight_bytes == 304 * 4
    assert footprint.peak_activation_bytes == 64 * 12 * 4
    assert footprint.total_bytes == 304 * 4 + 64 * 12 * 4
    assert footprint.fits(STATED) is None
    assert footprint.fits(replace(STATED, memory_bytes=4288)) is True
    assert footprint.fits(replace(STATED, memory_bytes=4287)) is False


def test_population_memory_equals_that_of_each_workload(toy_table: CostTable) -> None:
    rng = np.random.default_rng(1)
    genotypes = rng.integers(0, toy_table.cardinalities, (20, len(toy_table.cardinalities)))
    single = [memory_footprint(toy_table.workload(genotype)).total_bytes for genotype in genotypes]
    assert population_memory_bytes(toy_table, genotypes).tolist() == single
