"""Roofline seconds by operator class: what the efficiencies of a target multiply.

Operators of one class run in kernels of one kind, so one efficiency a class describes a target.
Normalisations, activations and sums have a class too, with the seconds that they would take if they
were *not* fused: a runtime that fuses them has a small coefficient there.
"""

import numpy as np
from jaxtyping import Float

from latency_models.device_spec import DeviceSpec
from latency_models.op_arrays import OpArrays
from latency_models.roofline import launch_seconds, memory_seconds, roofline

OPERATOR_CLASSES: tuple[str, ...] = (
    "spatial_conv",
    "pointwise_conv",
    "depthwise_conv",
    "linear",
    "pool_and_scale",
    "elementwise",
    "launch",
)
FEATURES: tuple[str, ...] = (*OPERATOR_CLASSES, "constant")
# What a call costs beside its operators, in operator starts.
_CONSTANT_LAUNCHES = 5.0


def operator_features(
    ops: OpArrays, spec: DeviceSpec, *, threads: int | None = None
) -> Float[np.ndarray, "m c"]:
    """Roofline seconds of each operator in its class's column; the time to start it in `launch`."""
    times = roofline(ops, spec, threads=threads)
    alone = memory_seconds(
        ops.input_bytes + ops.weight_bytes + ops.output_bytes, spec, threads=threads
    )
    seconds = np.maximum(times.compute_s, alone)
    convolution = ops.is_kind("conv")
    members = {
        "spatial_conv": convolution & (ops.kernel > 1),
        "pointwise_conv": convolution & (ops.kernel == 1),
        "depthwise_conv": ops.is_kind("depthwise_conv"),
        "linear": ops.is_kind("linear"),
        "pool_and_scale": ops.is_kind("pool", "scale"),
        "elementwise": ops.fused,
    }
    columns = [seconds * member for member in members.values()]
    return np.stack([*columns, times.launch_s], axis=1)


def constant_seconds(spec: DeviceSpec) -> float:
    """The constant feature: seconds that every call takes, whatever the network."""
    return _CONSTANT_LAUNCHES * launch_seconds(spec)
