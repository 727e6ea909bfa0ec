"""What an operator's efficiency depends on.

A network's predicted latency is a sum of contributions: for each operator the seconds of its work
by the roofline, and for each class of operators the seconds to start them. Each contribution is
multiplied by exp(features . coefficients): the inverse of its efficiency. The features of work are
the operator's class and, within the class, a power law in its sizes; those of starts are the class
alone. One set of coefficients describes a target, for networks of any space.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from latency_models.device_spec import DeviceSpec
from latency_models.granularity import padding_factor
from latency_models.op_arrays import OpArrays
from latency_models.operators import Op
from latency_models.roofline import arithmetic_seconds, launch_seconds, memory_seconds

CLASSES: tuple[str, ...] = (
    "spatial_conv",
    "pointwise_conv",
    "grouped_conv",
    "depthwise_conv",
    "matmul",
    "pool",
    "elementwise",
    "fill",
    "layout",
)
_SIZES = ("depth", "width", "positions", "intensity")
_SPECIAL = ("large_depthwise", "strided_depthwise", "strided")
# What a call costs beside its operators, in operator starts.
_CONSTANT_LAUNCHES = 5.0

FEATURES: tuple[str, ...] = (
    *(f"{c}{suffix}" for c in CLASSES for suffix in ("", *(f".{size}" for size in _SIZES))),
    *_SPECIAL,
    *(f"start.{c}" for c in CLASSES),
    "constant",
    "scale",
)
_CLASS_OF_KIND: Mapping[str, str] = MappingProxyType(
    {
        "depthwise_conv": "depthwise_conv",
        "linear": "matmul",
        "matmul": "matmul",
        "attention": "matmul",
        "pool": "pool",
        "scale": "pool",
        "layer_norm": "pool",
        "softmax": "pool",
        "reduce": "pool",
        "norm": "elementwise",
        "activation": "elementwise",
        "elementwise": "elementwise",
        "fill": "fill",
        "embedding": "layout",
        "concat": "layout",
        "layout": "layout",
        "resize": "layout",
    }
)

# A middling processor, for targets without a datasheet: efficiencies are relative to it.
REFERENCE_DEVICE = DeviceSpec(
    "unknown",
    "cpu",
    {"float32": 1e11, "float16": 2e11, "bfloat16": 2e11, "int8": 4e11},
    memory_bandwidth_bytes_per_s=2e10,
    launch_overhead_s=5e-6,
)


@dataclass(frozen=True)
class Contributions:
    """Seconds by the roofline, and the features that their inverse efficiencies depend on.

    Attributes:
        work_s: Of each operator.
        start_s: To start each operator.
        features: Of each operator's work.
        op_class: Position of each operator in `CLASSES`.
        constant_s: Of a call.
    """

    work_s: Float[np.ndarray, " m"]
    start_s: Float[np.ndarray, " m"]
    features: Float[np.ndarray, "m p"]
    op_class: np.ndarray
    constant_s: float

    def seconds(self, coefficients: Float[np.ndarray, " p"]) -> Float[np.ndarray, " m"]:
        """Seconds of each operator under a target's coefficients, its start included."""
        starts = self.start_s * np.exp(START_FEATURES @ coefficients)[self.op_class]
        return self.work_s * np.exp(self.features @ coefficients) + starts

    def constant(self, coefficients: Float[np.ndarray, " p"]) -> float:
        """Seconds of a call beside its operators."""
        return self.constant_s * math.exp(float(CONSTANT_FEATURES @ coefficients))

    def gradient(self, coefficients: Float[np.ndarray, " p"]) -> Float[np.ndarray, "m p"]:
        """Derivative of each operator's seconds by the coefficients."""
        starts = self.start_s * np.exp(START_FEATURES @ coefficients)[self.op_class]
        work = self.work_s * np.exp(self.features @ coefficients)
        return work[:, None] * self.features + starts[:, None] * START_FEATURES[self.op_class]

    def columns(
        self, counts: Float[np.ndarray, "n m"]
    ) -> tuple[Float[np.ndarray, "n e"], Float[np.ndarray, "e p"]]:
        """Networks' contributions in seconds, and the features of each: work, starts, constant."""
        classes = np.zeros((len(self.op_class), len(CLASSES)))
        classes[np.arange(len(self.op_class)), self.op_class] = self.start_s
        constant = np.full((len(counts), 1), self.constant_s)
        used = counts.any(axis=0)
        parts = [(counts * self.work_s)[:, used], counts @ classes, constant]
        features = [self.features[used], START_FEATURES, CONSTANT_FEATURES[None]]
        return np.concatenate(parts, axis=1), np.concatenate(features)


def contributions(
    ops: Sequence[Op], spec: DeviceSpec, *, threads: int | None = None
) -> Contributions:
    """The contributions of operators on a device; fused ones count as if they ran alone."""
    arrays = OpArrays.of(ops)
    moved = arrays.input_bytes + arrays.weight_read_bytes + arrays.output_bytes
    first = arrays.input_bytes - arrays.other_input_bytes
    compute = arithmetic_seconds(arrays, spec, threads=threads) * padding_factor(arrays, spec)
    memory = memory_seconds(moved, spec, threads=threads, read_bytes=first)
    op_class = np.array([CLASSES.index(operator_class(op)) for op in ops], np.int64)
    launch = launch_seconds(spec)
    return Contributions(
        work_s=np.maximum(compute, memory),
        start_s=np.full(len(ops), launch),
        features=_work_features(arrays, op_class, moved),
        op_class=op_class,
        constant_s=_CONSTANT_LAUNCHES * launch,
    )


def operator_class(op: Op) -> str:
    """The class whose operators run in kernels of one kind."""
    if op.kind in _CLASS_OF_KIND:
        return _CLASS_OF_KIND[op.kind]
    if op.groups > 1:
        return "grouped_conv"
    return "pointwise_conv" if op.kernel_area == 1 else "spatial_conv"


def _work_features(ops: OpArrays, op_class: np.ndarray, moved: np.ndarray) -> np.ndarray:
    rows = np.arange(len(op_class))
    positions = np.maximum(ops.batch * ops.out_positions, 1)
    width = np.maximum(ops.out_channels, 1)
    depth = np.where(ops.macs > 0, ops.macs / (positions * width * ops.kernel_area), width)
    intensity = ops.flops / np.maximum(moved, 1)
    # Around a middling operator of a small network, in units of about a factor of 20.
    laws = [depth / 32, width / 64, positions / 256, np.maximum(intensity, 1e-3) / 4]
    features = np.zeros((len(op_class), len(FEATURES)))
    first = op_class * (1 + len(_SIZES))
    features[rows, first] = 1
    for i, law in enumerate(laws, start=1):
        features[rows, first + i] = np.log(law) / 3
    depthwise = op_class == CLASSES.index("depthwise_conv")
    strided = ops.stride > 1
    special = {
        "large_depthwise": depthwise & (ops.kernel > 3),
        "strided_depthwise": depthwise & strided,
        "strided": ~depthwise & strided,
    }
    for name, marked in special.items():
        features[:, FEATURES.index(name)] = marked
    features[:, FEATURES.index("scale")] = 1
    return features


def _start_features() -> np.ndarray:
    features = np.zeros((len(CLASSES), len(FEATURES)))
    for i, name in enumerate(CLASSES):
        features[i, FEATURES.index(f"start.{name}")] = 1
    features[:, -1] = 1
    return features


START_FEATURES = _start_features()
CONSTANT_FEATURES = np.array([float(name in ("constant", "scale")) for name in FEATURES])
