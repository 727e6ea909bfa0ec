"""How long a network takes on a device: workloads, datasheets, predictors, measurements.

Importing it loads neither JAX nor any other runtime; `latency_models.measure` starts those in
processes of their own.
"""

from latency_models.device import DEVICES, CacheLevel, DeviceSpec, find_device, host_device
from latency_models.operators import DTYPE_BYTES, OP_KINDS, Op
from latency_models.predictor import LatencyPredictor, Measurements, MetaPredictor, Prediction
from latency_models.roofline import RooflinePredictor
from latency_models.workload import (
    CostTable,
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

__all__ = [
    "DEVICES",
    "DTYPE_BYTES",
    "OP_KINDS",
    "CacheLevel",
    "CostTable",
    "DeviceSpec",
    "LatencyPredictor",
    "Measurements",
    "MetaPredictor",
    "Op",
    "Prediction",
    "RooflinePredictor",
    "Slot",
    "Workload",
    "activation",
    "add",
    "conv2d",
    "find_device",
    "global_pool",
    "host_device",
    "linear",
    "norm",
    "pool",
    "scale",
]
