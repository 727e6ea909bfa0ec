"""Joules that a network takes: arithmetic, moving bytes, and being switched on meanwhile.

A figure of the datasheet comes first. Without one,

- a FLOP takes the power between idling and the maximum over the peak, for at full load that power
  goes into arithmetic with all that feeds it; without a maximum power, what the arithmetic takes in
  the device's process and, on a CPU, its part of fetching and controlling the vector instruction;
- a byte of a cache takes what a memory array of its size does, at most 1 MiB, as larger caches are
  banks of such arrays, and so does a microcontroller's memory; a byte of any other main memory what
  the usual kind of memory for the device takes;
- idling is free where its power is not known.

The maximum power times the latency is never exceeded. Padding (`granularity`) costs time but no
energy of its own.

Published energies for a step are of 45 nm and of 7 nm; between and beyond them they are taken to be
a power of the process's name. Simulated scaling of circuits alone (Stillmaker and Baas,
"Scaling equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm",
Integration 58, 2017) has energies fall 15-fold from 45 nm at 0.9 V to 7 nm at 0.7 V; the two
published tables have them fall 2- to 4-fold for arithmetic, so that is not used.

References: Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, for
45 nm at 0.9 V; Jouppi et al., "Ten lessons from three generations shaped Google's TPUv4i", ISCA
2021, table 2, for 7 nm and for main memories.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.granularity import on_matrix_units
from latency_models.op_arrays import OpArrays
from latency_models.operators import DTYPE_BYTES
from latency_models.roofline import (
    RooflinePredictor,
    computing_dtype,
    first_operand_bytes,
    memory_levels,
    moved_bytes,
    peak_flops_per_s,
)
from latency_models.workload import CostTable, Workload

_PJ = 1e-12
_NODES_NM = (45.0, 7.0)
_MAC_FLOPS = 2
# Picojoules of a multiplication and an addition at 45 nm and at 7 nm; products of float16 and
# bfloat16 are added up in float32, of int8 in 32-bit integers. The bfloat16 multiplication is
# published for 7 nm only and takes the ratio of float16.
_BFLOAT16_MULTIPLICATION_45NM = 0.21 * 1.1 / 0.34
_MAC_PJ: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "float32": (3.7 + 0.9, 1.31 + 0.38),
        "float16": (1.1 + 0.9, 0.34 + 0.38),
        "bfloat16": (_BFLOAT16_MULTIPLICATION_45NM + 0.9, 0.21 + 0.38),
        "int8": (0.2 + 0.1, 0.07 + 0.03),
    }
)
# Picojoules of an instruction on a 45 nm core beside its arithmetic; it is taken to fall with the
# process as a float32 multiply-add does.
_INSTRUCTION_45NM_PJ = 70.0
_SCALAR_BITS = 32
# Picojoules of 64 bits of a static memory by its size.
_ACCESS_BYTES = 8
_SRAM_PJ: Mapping[int, tuple[float, float]] = MappingProxyType(
    {8 * 2**10: (10.0, 7.5), 32 * 2**10: (20.0, 8.5), 2**20: (100.0, 14.0)}
)
# Picojoules of 64 bits of DDR3/DDR4 (1300), GDDR6 (350 to 480) and HBM2 (250 to 450).
_DDR, _GDDR6, _HBM2 = 1300.0, 415.0, 350.0
_MAIN_MEMORY_PJ: Mapping[str, float] = MappingProxyType(
    {"cpu": _DDR, "npu": _DDR, "gpu": _GDDR6, "tpu": _HBM2}
)
# For a device that says neither its process nor its power: what most are made in.
_ASSUMED_PROCESS_NM = 16.0
_ASSUMED_MCU_PROCESS_NM = 40.0


def energy_per_flop_j(spec: DeviceSpec, dtype: str, *, matrix: bool = True) -> float:
    """Joules of one FLOP on matrix or on vector units.

    Raises:
        ValueError: If the device can compute the dtype in no way known.
    """
    computed_in = computing_dtype(spec, dtype)
    if computed_in in spec.energy_per_flop_j:
        return spec.energy_per_flop_j[computed_in]
    if spec.max_power_w is not None:
        power_w = max(spec.max_power_w - (spec.idle_power_w or 0.0), 0.0)
        return power_w / peak_flops_per_s(spec, dtype, matrix=matrix)
    energies = _MAC_PJ.get(computed_in, _MAC_PJ["float32"])
    arithmetic = _at_process(energies, spec) / _MAC_FLOPS
    return (arithmetic + _instruction_pj_per_flop(spec, computed_in)) * _PJ


def energy_per_byte_j(spec: DeviceSpec) -> Float[np.ndarray, " levels"]:
    """Joules of one byte read or written: of each cache in order, and of main memory last."""
    caches = [_cache_energy_per_byte_j(cache, spec) for cache in spec.caches]
    main = spec.memory_energy_per_byte_j
    if main is None and spec.kind == "mcu":
        main = _array_energy_per_byte_j(spec.memory_bytes or max(_SRAM_PJ), spec)
    elif main is None:
        main = _MAIN_MEMORY_PJ[spec.kind] * _PJ / _ACCESS_BYTES
    return np.array([*caches, main])


@dataclass(frozen=True)
class Energy:
    """Joules of each network, or of each operator of one."""

    compute_j: Float[np.ndarray, " n"]
    memory_j: Float[np.ndarray, " n"]
    idle_j: Float[np.ndarray, " n"]

    @property
    def total_j(self) -> Float[np.ndarray, " n"]:
        """All together."""
        return self.compute_j + self.memory_j + self.idle_j


def operator_energy(
    ops: OpArrays, spec: DeviceSpec, *, threads: int | None = None
) -> Float[np.ndarray, "m 2"]:
    """Joules of each operator's arithmetic and of the bytes that it moves.

    Raises:
        ValueError: If the device can compute a dtype in no way known.
    """
    compute = np.zeros(ops.flops.shape)
    on_matrix = on_matrix_units(ops)
    for dtype in DTYPE_BYTES:
        of_dtype = ops.is_dtype(dtype) & (ops.flops > 0)
        for matrix in (True, False):
            chosen = of_dtype & (on_matrix == matrix)
            if chosen.any():
                each = energy_per_flop_j(spec, dtype, matrix=matrix)
                compute[chosen] = ops.flops[chosen] * each
    moved, first = moved_bytes(ops), first_operand_bytes(ops)
    first_level, level = memory_levels(moved, spec, threads=threads, read_bytes=first)
    per_byte = energy_per_byte_j(spec)
    memory = first * per_byte[first_level] + (moved - first) * per_byte[level]
    return np.stack([compute, memory], axis=1)


@dataclass(frozen=True)
class EnergyPredictor:
    """Energy from the datasheet and a latency, the roofline's where no other is given."""

    spec: DeviceSpec
    threads: int | None = None

    def predict(
        self, workloads: Sequence[Workload], latency_s: Float[np.ndarray, " n"] | None = None
    ) -> Energy:
        """Energy of each workload."""
        rows = [
            operator_energy(workload.arrays, self.spec, threads=self.threads).sum(axis=0)
            for workload in workloads
        ]
        if latency_s is None:
            latency_s = RooflinePredictor(self.spec, self.threads).predict(workloads).mean_s
        return self._energy(np.array(rows, float).reshape(-1, 2), latency_s)

    def predict_population(
        self,
        table: CostTable,
        genotypes: Int[np.ndarray, "n d"],
        latency_s: Float[np.ndarray, " n"] | None = None,
    ) -> Energy:
        """Energy of each genotype; the same as `predict` on its workload."""
        by_row = table.sum_ops(operator_energy(table.arrays, self.spec, threads=self.threads))
        if latency_s is None:
            roofline = RooflinePredictor(self.spec, self.threads)
            latency_s = roofline.predict_population(table, genotypes).mean_s
        return self._energy(table.sum_rows(by_row, genotypes), latency_s)

    def _energy(
        self, dynamic: Float[np.ndarray, "n 2"], latency_s: Float[np.ndarray, " n"]
    ) -> Energy:
        idle = latency_s * (self.spec.idle_power_w or 0.0)
        scale = np.ones_like(idle)
        if self.spec.max_power_w is not None:
            allowed = np.maximum(latency_s * self.spec.max_power_w - idle, 0.0)
            needed = dynamic.sum(axis=1)
            scale = np.divide(allowed, needed, out=scale, where=needed > allowed)
        return Energy(dynamic[:, 0] * scale, dynamic[:, 1] * scale, idle)


def _at_process(energies: tuple[float, float], spec: DeviceSpec) -> float:
    """Energy in the device's process, on the line through 45 nm and 7 nm in logarithms."""
    assumed = _ASSUMED_MCU_PROCESS_NM if spec.kind == "mcu" else _ASSUMED_PROCESS_NM
    nanometres = spec.process_nm or assumed
    old, new = energies
    exponent = math.log(old / new) / math.log(_NODES_NM[0] / _NODES_NM[1])
    return old * (nanometres / _NODES_NM[0]) ** exponent


def _instruction_pj_per_flop(spec: DeviceSpec, dtype: str) -> float:
    """A CPU's instruction over the FLOPs of its vector; other devices share one among many."""
    if spec.kind not in ("cpu", "mcu"):
        return 0.0
    old, new = _MAC_PJ["float32"]
    instruction = _at_process((_INSTRUCTION_45NM_PJ, _INSTRUCTION_45NM_PJ * new / old), spec)
    vector_bytes = (spec.vector_bits or _SCALAR_BITS) / 8
    return instruction / (_MAC_FLOPS * max(vector_bytes / DTYPE_BYTES[dtype], 1.0))


def _cache_energy_per_byte_j(cache: CacheLevel, spec: DeviceSpec) -> float:
    if cache.energy_per_byte_j is not None:
        return cache.energy_per_byte_j
    return _array_energy_per_byte_j(cache.size_bytes, spec)


def _array_energy_per_byte_j(size_bytes: int, spec: DeviceSpec) -> float:
    sizes = np.log([*_SRAM_PJ])
    energies = np.log([_at_process(pair, spec) for pair in _SRAM_PJ.values()])
    access_pj = np.exp(np.interp(math.log(size_bytes), sizes, energies))
    return float(access_pj) * _PJ / _ACCESS_BYTES
