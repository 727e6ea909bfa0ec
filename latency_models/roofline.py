"""Analytic latency from the roofline model.

Each operator takes the longer of its arithmetic time and its memory time, plus what it costs to
start it; operators run one after another. A fused operator is not started and moves nothing but its
further operands.

Arithmetic runs at the peak of the dtype and of the units: products of matrices on matrix units,
all else on vector units, where the datasheet tells them apart; what blocks of the hardware waste is
added (`granularity`).

Memory: an operator all of whose bytes fit a cache moves them at the bandwidth of the smallest such
cache. Of one that fits none, the first operand still comes from the outermost cache if it alone
fits it, for its producer has just written it; all else, an attention's cached keys and values too,
is in main memory. Threads share the peak and the caches in proportion; main memory is taken to be
saturated by any number of them.

References: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; with a bandwidth for each
cache, Ilic, Pratas, Sousa, "Cache-aware Roofline model", IEEE CAL 13(1), 2014.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import DeviceSpec
from latency_models.granularity import on_matrix_units, padding_factor
from latency_models.op_arrays import OpArrays
from latency_models.operators import DTYPE_BYTES
from latency_models.predictor import Prediction
from latency_models.workload import CostTable, Workload

# Orders of magnitude for datasheets without one: an inference runtime's dispatch on a CPU, a kernel
# launch on a GPU, a program step on the others.
LAUNCH_OVERHEAD_S: Mapping[str, float] = MappingProxyType(
    {"cpu": 2e-6, "gpu": 5e-6, "tpu": 2e-6, "npu": 1e-5, "mcu": 5e-6}
)
# What a device without instructions for a dtype computes in; JAX multiplies float32 in bfloat16
# passes on a TPU.
_COMPUTES_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "float32": ("float32", "bfloat16", "float16"),
        "bfloat16": ("bfloat16", "float32", "float16"),
        "float16": ("float16", "float32", "bfloat16"),
        "int8": ("int8", "float32", "float16", "bfloat16"),
    }
)


@dataclass(frozen=True)
class RooflineTimes:
    """Seconds of each operator; its latency is max(compute, memory) + launch.

    Attributes:
        compute_s: Arithmetic, padding included.
        memory_s: Moving operands, weights and results.
        launch_s: Starting it.
        padding: Arithmetic done over arithmetic needed, at least 1.
    """

    compute_s: Float[np.ndarray, " m"]
    memory_s: Float[np.ndarray, " m"]
    launch_s: Float[np.ndarray, " m"]
    padding: Float[np.ndarray, " m"]

    @property
    def total_s(self) -> Float[np.ndarray, " m"]:
        """Latency of each operator."""
        return np.maximum(self.compute_s, self.memory_s) + self.launch_s


def peak_flops_per_s(
    spec: DeviceSpec, dtype: str, *, threads: int | None = None, matrix: bool = True
) -> float:
    """Peak for a dtype, or for the dtype it is computed in.

    Args:
        spec: The device.
        dtype: Of the operands.
        threads: Limits the cores of a CPU.
        matrix: Whether matrix units can be used; the vector units' peak is the same unless the
            datasheet names another.

    Raises:
        ValueError: If `threads` is not positive, or the device can compute the dtype in no way
            known.
    """
    computed_in = computing_dtype(spec, dtype)
    peak = spec.peak_flops_per_s[computed_in]
    if not matrix:
        peak = spec.vector_peak_flops_per_s.get(computed_in, peak)
    return peak * _share(spec, threads)


def computing_dtype(spec: DeviceSpec, dtype: str) -> str:
    """The dtype that a device computes in when asked for another.

    Raises:
        ValueError: If the device can compute the dtype in no way known.
    """
    for candidate in (dtype, *_COMPUTES_IN.get(dtype, ())):
        if candidate in spec.peak_flops_per_s:
            return candidate
    raise ValueError(
        f"device {spec.name!r}: no peak for {dtype}, only for {', '.join(spec.peak_flops_per_s)}"
    )


def launch_seconds(spec: DeviceSpec) -> float:
    """Seconds to start an operator, the kind's order of magnitude where the datasheet has none."""
    return spec.launch_overhead_s or LAUNCH_OVERHEAD_S[spec.kind]


def moved_bytes(ops: OpArrays) -> Float[np.ndarray, " m"]:
    """Bytes that each operator reads and writes, a fused one only its further operands."""
    alone = ops.input_bytes + ops.weight_read_bytes + ops.output_bytes
    return np.where(ops.fused, ops.other_input_bytes, alone)


def memory_levels(
    moved_bytes: Float[np.ndarray, " m"],
    spec: DeviceSpec,
    *,
    threads: int | None = None,
    read_bytes: Float[np.ndarray, " m"] | None = None,
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Where `read_bytes` are read from, and where all else is.

    Both are positions in `spec.caches`, their number standing for main memory.
    """
    main = len(spec.caches)
    share = _share(spec, threads)
    level = np.full(moved_bytes.shape, main, np.int64)
    for position, cache in reversed([*enumerate(spec.caches)]):
        level[moved_bytes <= cache.size_bytes * share] = position
    if read_bytes is None or not spec.caches:
        return level, level
    left_there = (level == main) & (read_bytes <= spec.caches[-1].size_bytes * share)
    return np.where(left_there, main - 1, level), level


def memory_seconds(
    moved_bytes: Float[np.ndarray, " m"],
    spec: DeviceSpec,
    *,
    threads: int | None = None,
    read_bytes: Float[np.ndarray, " m"] | None = None,
) -> Float[np.ndarray, " m"]:
    """Seconds to move each operator's bytes; 0 where the datasheet has no bandwidth.

    Args:
        moved_bytes: All that the operator reads and writes.
        spec: The device.
        threads: Limits the caches of a CPU.
        read_bytes: Those among them that the producer may have left in the outermost cache, see
            `first_operand_bytes`; without, an operator too large for the caches reads everything
            from main memory.
    """
    per_byte = _seconds_per_byte(spec, _share(spec, threads))
    first_level, level = memory_levels(moved_bytes, spec, threads=threads, read_bytes=read_bytes)
    first = np.zeros_like(moved_bytes) if read_bytes is None else read_bytes
    return first * per_byte[first_level] + (moved_bytes - first) * per_byte[level]


def bandwidths_bytes_per_s(spec: DeviceSpec, *, threads: int | None = None) -> dict[str, float]:
    """Those that the datasheet gives, by the cache's name, main memory last as `memory`."""
    share = _share(spec, threads)
    levels = {c.name: c.bandwidth_bytes_per_s for c in spec.caches}
    known = {name: rate * share for name, rate in levels.items() if rate is not None}
    main = spec.memory_bandwidth_bytes_per_s
    return known if main is None else {**known, "memory": main}


def first_operand_bytes(ops: OpArrays) -> Float[np.ndarray, " m"]:
    """Bytes of the activation that each operator reads from its producer; 0 for a fused one."""
    return np.where(ops.fused, 0.0, ops.input_bytes - ops.other_input_bytes)


def roofline(ops: OpArrays, spec: DeviceSpec, *, threads: int | None = None) -> RooflineTimes:
    """Roofline times of operators on a device.

    Raises:
        ValueError: If `threads` is not positive, or the device can compute a dtype in no way known.
    """
    padding = padding_factor(ops, spec)
    memory_s = memory_seconds(
        moved_bytes(ops), spec, threads=threads, read_bytes=first_operand_bytes(ops)
    )
    return RooflineTimes(
        compute_s=arithmetic_seconds(ops, spec, threads=threads) * padding,
        memory_s=memory_s,
        launch_s=np.where(ops.fused, 0.0, launch_seconds(spec)),
        padding=padding,
    )


def arithmetic_seconds(
    ops: OpArrays, spec: DeviceSpec, *, threads: int | None = None
) -> Float[np.ndarray, " m"]:
    """Seconds of each operator's FLOPs at the peak of its dtype and units, nothing wasted."""
    seconds = np.zeros(ops.flops.shape)
    on_matrix = on_matrix_units(ops)
    for dtype in DTYPE_BYTES:
        of_dtype = ops.is_dtype(dtype)
        for matrix in (True, False):
            chosen = of_dtype & (on_matrix == matrix) & (ops.flops > 0)
            if chosen.any():
                peak = peak_flops_per_s(spec, dtype, threads=threads, matrix=matrix)
                seconds[chosen] = ops.flops[chosen] / peak
    return seconds


@dataclass(frozen=True)
class RooflinePredictor:
    """Latency from the datasheet alone, without an uncertainty."""

    spec: DeviceSpec
    threads: int | None = None

    def predict(self, workloads: Sequence[Workload]) -> Prediction:
        """Latency of each workload."""
        totals = [
            roofline(workload.arrays, self.spec, threads=self.threads).total_s.sum()
            for workload in workloads
        ]
        return _certain(np.array(totals, float))

    def predict_population(self, table: CostTable, genotypes: Int[np.ndarray, "n d"]) -> Prediction:
        """Latency of each genotype."""
        return _certain(table.sum_rows(self._row_seconds(table), genotypes)[:, 0])

    def _row_seconds(self, table: CostTable) -> Float[np.ndarray, "r 1"]:
        times = roofline(table.arrays, self.spec, threads=self.threads)
        return table.sum_ops(times.total_s[:, None])


def _certain(mean_s: np.ndarray) -> Prediction:
    return Prediction(mean_s, np.zeros_like(mean_s))


def _share(spec: DeviceSpec, threads: int | None) -> float:
    if threads is None or spec.cores is None or spec.kind != "cpu":
        return 1.0
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return min(threads, spec.cores) / spec.cores


def _seconds_per_byte(spec: DeviceSpec, share: float) -> Float[np.ndarray, " levels"]:
    """Of each cache, with main memory last; 0 where no bandwidth is known.

    A cache without a bandwidth is taken to be as slow as the next level outwards.
    """
    main = spec.memory_bandwidth_bytes_per_s
    levels = [0.0 if main is None else 1 / main]
    for cache in reversed(spec.caches):
        bandwidth = cache.bandwidth_bytes_per_s
        levels.insert(0, levels[0] if bandwidth is None else 1 / (bandwidth * share))
    return np.array(levels)
