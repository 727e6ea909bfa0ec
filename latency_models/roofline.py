"""Analytic latency from the roofline model.

Each operator takes the longer of its arithmetic time and its memory time, plus what it costs to
start it; operators run one after another. A fused operator is not started and moves nothing but its
further operands. An operator whose bytes fit a cache with a known bandwidth moves them at that
bandwidth. Threads share the peak and the caches in proportion; main memory is taken to be saturated
by any number of them.

Reference: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import DeviceSpec
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
    """Seconds of each operator; its latency is max(compute, memory) + launch."""

    compute_s: Float[np.ndarray, " m"]
    memory_s: Float[np.ndarray, " m"]
    launch_s: Float[np.ndarray, " m"]

    @property
    def total_s(self) -> Float[np.ndarray, " m"]:
        """Latency of each operator."""
        return np.maximum(self.compute_s, self.memory_s) + self.launch_s


def peak_flops_per_s(spec: DeviceSpec, dtype: str, *, threads: int | None = None) -> float:
    """Peak for a dtype, or for the dtype it is computed in; `threads` limits the cores."""
    for candidate in _COMPUTES_IN[dtype]:
        if candidate in spec.peak_flops_per_s:
            return spec.peak_flops_per_s[candidate] * _share(spec, threads)
    raise ValueError(
        f"device {spec.name!r}: no peak for {dtype}, only for {', '.join(spec.peak_flops_per_s)}"
    )


def launch_seconds(spec: DeviceSpec) -> float:
    """Seconds to start an operator, the kind's order of magnitude where the datasheet has none."""
    return spec.launch_overhead_s or LAUNCH_OVERHEAD_S[spec.kind]


def memory_seconds(
    moved_bytes: Float[np.ndarray, " m"], spec: DeviceSpec, *, threads: int | None = None
) -> Float[np.ndarray, " m"]:
    """Seconds to move each operator's bytes; 0 where the datasheet has no bandwidth."""
    bandwidth = np.full(moved_bytes.shape, spec.memory_bandwidth_bytes_per_s or np.inf)
    share = _share(spec, threads)
    for cache in reversed(spec.caches):
        if cache.bandwidth_bytes_per_s is not None:
            fits = moved_bytes <= cache.size_bytes * share
            bandwidth[fits] = cache.bandwidth_bytes_per_s * share
    return moved_bytes / bandwidth


def roofline(ops: OpArrays, spec: DeviceSpec, *, threads: int | None = None) -> RooflineTimes:
    """Roofline times of operators on a device.

    Raises:
        ValueError: If `threads` is not positive, or the device can compute a dtype in no way known.
    """
    compute = np.zeros(ops.flops.shape)
    for dtype in DTYPE_BYTES:
        of_dtype = ops.is_dtype(dtype)
        if of_dtype.any():
            compute[of_dtype] = ops.flops[of_dtype] / peak_flops_per_s(spec, dtype, threads=threads)
    alone = ops.input_bytes + ops.weight_bytes + ops.output_bytes
    moved = np.where(ops.fused, ops.other_input_bytes, alone)
    return RooflineTimes(
        compute_s=compute,
        memory_s=memory_seconds(moved, spec, threads=threads),
        launch_s=np.where(ops.fused, 0.0, launch_seconds(spec)),
    )


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
