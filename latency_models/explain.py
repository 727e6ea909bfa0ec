"""Why a network takes as long as it does: the time of each operator, what bounds it, what is lost.

The bound of an operator is what the roofline leaves it: the longer of its arithmetic at the peak
and its memory traffic, without padding and without the start. Its efficiency is that bound over the
seconds that it is predicted to take. Without a predictor those are the roofline's own, and what is
lost is padding and starts.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from latency_models.device_spec import DeviceSpec
from latency_models.energy import EnergyPredictor
from latency_models.footprint import MemoryFootprint, memory_footprint
from latency_models.predictor import LatencyPredictor
from latency_models.roofline import RooflineTimes, arithmetic_seconds, moved_bytes, roofline
from latency_models.workload import Workload

BOUNDS: tuple[str, ...] = ("compute", "memory", "launch")
_ROWS = 20
_NAME_WIDTH = 32


@runtime_checkable
class OperatorPredictor(Protocol):
    """A latency predictor that can tell its operators apart."""

    def operator_seconds(self, workload: Workload) -> Float[np.ndarray, " m"]:
        """Seconds of each operator in the workload's order."""
        ...


@dataclass(frozen=True)
class ExplainedOp:
    """One operator's part of the latency.

    Attributes:
        name, kind: Of the operator.
        seconds: Predicted.
        share: Of the seconds of all operators.
        bound: One of `BOUNDS`, what takes longest on the roofline.
        bound_s: The longer of its arithmetic at the peak and its memory traffic.
        efficiency: `bound_s` over `seconds`; None where it takes no time.
        padding: Arithmetic done over arithmetic needed.
        flops: Of the operator.
        moved_bytes: Read and written, of a fused operator those of its further operands.
        intensity_flops_per_byte: None where nothing is moved.
        kernel: Position of the operator that it runs in: its own unless it is fused.
    """

    name: str
    kind: str
    seconds: float
    share: float
    bound: str
    bound_s: float
    efficiency: float | None
    padding: float
    flops: float
    moved_bytes: float
    intensity_flops_per_byte: float | None
    kernel: int


@dataclass(frozen=True)
class Explanation:
    """A workload's latency, energy and memory on a device, operator by operator.

    Attributes:
        spec: The device.
        threads: Limits the cores of a CPU; None for all.
        dtype, batch_size: Of the workload.
        latency_s: Predicted for the whole network.
        roofline_s: The roofline's, starts and padding included.
        operators: In the order that they run.
        energy_j: By what takes it: compute, memory, idle.
        memory: Weights and activations.
    """

    spec: DeviceSpec
    threads: int | None
    dtype: str
    batch_size: int
    latency_s: float
    roofline_s: float
    operators: tuple[ExplainedOp, ...]
    energy_j: dict[str, float]
    memory: MemoryFootprint

    @property
    def beside_operators_s(self) -> float:
        """Latency that belongs to no operator, such as the call itself."""
        return self.latency_s - sum(op.seconds for op in self.operators)

    def share_by_bound(self) -> dict[str, float]:
        """Share of the operators' time that each kind of bound has."""
        shares = dict.fromkeys(BOUNDS, 0.0)
        for op in self.operators:
            shares[op.bound] += op.share
        return shares

    def table(self, rows: int | None = None) -> str:
        """Text: a summary and the operators, the slowest first; `rows` limits their number."""
        return "\n".join([*_summary(self), "", *_rows(self, rows)])

    def __str__(self) -> str:
        return self.table(_ROWS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "device": self.spec.name,
            "threads": self.threads,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "latency_s": self.latency_s,
            "roofline_s": self.roofline_s,
            "beside_operators_s": self.beside_operators_s,
            "share_by_bound": self.share_by_bound(),
            "energy_j": self.energy_j,
            "weight_bytes": self.memory.weight_bytes,
            "peak_activation_bytes": self.memory.peak_activation_bytes,
            "fits_memory": self.memory.fits(self.spec),
            "operators": [asdict(op) for op in self.operators],
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)

    def to_svg(self) -> str:
        """The roofline with a dot for each operator that is started, as a document of its own."""
        from latency_models.roofline_plot import roofline_svg

        return roofline_svg(self)


def explain(
    workload: Workload,
    target: DeviceSpec | LatencyPredictor,
    *,
    spec: DeviceSpec | None = None,
    threads: int | None = None,
) -> Explanation:
    """Takes a prediction apart.

    Args:
        workload: The network.
        target: A datasheet, or a predictor. One with `operator_seconds` gives each operator's time;
            of another the operators have the roofline's times and the rest is beside them.
        spec: The datasheet that a predictor is held against; its own `spec` by default.
        threads: Limits the cores of a CPU; a predictor's own `threads` by default.

    Raises:
        ValueError: If no datasheet is known, or the device can compute a dtype in no way known.
    """
    if isinstance(target, DeviceSpec):
        known, predictor = target, None
    else:
        known, predictor = spec or getattr(target, "spec", None), target
        threads = threads if threads is not None else getattr(target, "threads", None)
    if not isinstance(known, DeviceSpec):
        raise ValueError(
            f"explain: {type(target).__name__} has no datasheet to compare with, pass spec="
        )
    times = roofline(workload.arrays, known, threads=threads)
    seconds = times.total_s
    if isinstance(predictor, OperatorPredictor):
        seconds = np.asarray(predictor.operator_seconds(workload), float)
    latency_s = float(seconds.sum())
    if predictor is not None:
        latency_s = float(predictor.predict([workload]).median_s[0])
    energy = EnergyPredictor(known, threads).predict([workload], np.array([latency_s]))
    return Explanation(
        spec=known,
        threads=threads,
        dtype=workload.dtype,
        batch_size=workload.batch_size,
        latency_s=latency_s,
        roofline_s=float(times.total_s.sum()),
        operators=_operators(workload, known, threads, times, seconds),
        energy_j={
            "compute": float(energy.compute_j[0]),
            "memory": float(energy.memory_j[0]),
            "idle": float(energy.idle_j[0]),
        },
        memory=memory_footprint(workload),
    )


def _operators(
    workload: Workload,
    spec: DeviceSpec,
    threads: int | None,
    times: RooflineTimes,
    seconds: np.ndarray,
) -> tuple[ExplainedOp, ...]:
    arrays = workload.arrays
    bound_s = np.maximum(arithmetic_seconds(arrays, spec, threads=threads), times.memory_s)
    longest = np.argmax([times.compute_s, times.memory_s, times.launch_s], axis=0)
    moved = moved_bytes(arrays)
    total_s = float(seconds.sum()) or 1.0
    kernels = _kernels(workload)
    return tuple(
        ExplainedOp(
            name=op.name,
            kind=op.kind,
            seconds=float(seconds[i]),
            share=float(seconds[i]) / total_s,
            bound=BOUNDS[longest[i]],
            bound_s=float(bound_s[i]),
            efficiency=float(bound_s[i] / seconds[i]) if seconds[i] > 0 else None,
            padding=float(times.padding[i]),
            flops=float(arrays.flops[i]),
            moved_bytes=float(moved[i]),
            intensity_flops_per_byte=float(arrays.flops[i] / moved[i]) if moved[i] else None,
            kernel=kernels[i],
        )
        for i, op in enumerate(workload.ops)
    )


def _kernels(workload: Workload) -> list[int]:
    """For each operator the position of that in which it runs."""
    kernels: list[int] = []
    for position, op in enumerate(workload.ops):
        producer = op.inputs[0] if op.fused and op.inputs else -1
        kernels.append(kernels[producer] if producer >= 0 else position)
    return kernels


def _summary(explanation: Explanation) -> list[str]:
    energy = sum(explanation.energy_j.values())
    memory = explanation.memory
    bounds = explanation.share_by_bound()
    return [
        f"{explanation.spec.name}, batch {explanation.batch_size}, {explanation.dtype}:"
        f" {explanation.latency_s * 1e3:.4g} ms (roofline {explanation.roofline_s * 1e3:.4g} ms),"
        f" {energy * 1e3:.3g} mJ",
        f"memory: {memory.weight_bytes / 2**20:.4g} MiB of weights,"
        f" {memory.peak_activation_bytes / 2**20:.4g} MiB of activations",
        "bound: " + ", ".join(f"{name} {share:.1%}" for name, share in bounds.items()),
    ]


def _rows(explanation: Explanation, limit: int | None) -> list[str]:
    row = f"{{:>4}} {{:{_NAME_WIDTH}}} {{:14}} {{:>10}} {{:>6}} {{:7}} {{:>9}} {{:>10}}"
    lines = [row.format("#", "operator", "kind", "us", "share", "bound", "FLOP/byte", "efficiency")]
    slowest = sorted(enumerate(explanation.operators), key=lambda item: -item[1].seconds)
    for position, op in slowest[:limit]:
        lines.append(
            row.format(
                position,
                _shortened(op.name),
                op.kind[:14],
                f"{op.seconds * 1e6:.4g}",
                f"{op.share:.1%}",
                op.bound,
                _figure(op.intensity_flops_per_byte, ".3g"),
                _figure(op.efficiency, ".1%"),
            )
        )
    lines += _remainder([op for _, op in slowest[len(lines) - 1 :]])
    beside = explanation.beside_operators_s
    if abs(beside) > 1e-3 * explanation.latency_s:
        lines.append(f"beside the operators: {beside * 1e6:.4g} us")
    return [line.rstrip() for line in lines]


def _remainder(others: Sequence[ExplainedOp]) -> list[str]:
    if not others:
        return []
    seconds, share = sum(op.seconds for op in others), sum(op.share for op in others)
    return [f"{len(others)} more: {seconds * 1e6:.4g} us, {share:.1%}"]


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _shortened(name: str) -> str:
    """The name, or its end: what tells operators apart stands there."""
    return name if len(name) <= _NAME_WIDTH else "…" + name[1 - _NAME_WIDTH :]
