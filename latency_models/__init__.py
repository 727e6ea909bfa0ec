"""How long a network takes on a device: workloads, datasheets, predictors, measurements.

    from latency_models import DEVICES, Measurements, load_pretrained, trace

    workload = trace(network, params, images, params_argnums=0)
    predictor = load_pretrained().for_device(DEVICES["raspberry-pi-5"])
    predictor.predict([workload]).quantile_s(0.9)

Importing it loads no runtime, and what the meta-learned part needs only when that is used;
`latency_models.measure` starts runtimes in processes of their own.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from latency_models.device import (
    DEVICES,
    CacheLevel,
    DeviceSpec,
    find_device,
    host_device,
    read_device,
)
from latency_models.energy import Energy, EnergyPredictor
from latency_models.explain import Explanation, explain
from latency_models.footprint import MemoryFootprint, memory_footprint
from latency_models.onnx_file import read_onnx
from latency_models.operators import DTYPE_BYTES, OP_KINDS, Op
from latency_models.predictor import LatencyPredictor, Measurements, MetaPredictor, Prediction
from latency_models.quantization import quantized
from latency_models.roofline import RooflinePredictor
from latency_models.table_targets import TABLE_TARGETS, TableTarget
from latency_models.trace import trace
from latency_models.workload import (
    CostTable,
    Slot,
    Workload,
    activation,
    add,
    attention,
    channel_shuffle,
    concat,
    conv2d,
    convolution,
    elementwise,
    embedding,
    fill,
    global_pool,
    layer_norm,
    layout,
    linear,
    matmul,
    norm,
    pool,
    reduction,
    resize,
    scale,
    softmax,
    transposed_conv,
)

if TYPE_CHECKING:
    from latency_models.meta import (
        MetaLatencyPredictor,
        MetaModel,
        TargetData,
        TargetInfo,
        load_model,
        load_predictor,
        load_pretrained,
        meta_train,
        read_card,
        save_model,
        save_predictor,
    )

__all__ = [
    "DEVICES",
    "DTYPE_BYTES",
    "OP_KINDS",
    "TABLE_TARGETS",
    "CacheLevel",
    "CostTable",
    "DeviceSpec",
    "Energy",
    "EnergyPredictor",
    "Explanation",
    "LatencyPredictor",
    "Measurements",
    "MemoryFootprint",
    "MetaLatencyPredictor",
    "MetaModel",
    "MetaPredictor",
    "Op",
    "Prediction",
    "RooflinePredictor",
    "Slot",
    "TableTarget",
    "TargetData",
    "TargetInfo",
    "Workload",
    "activation",
    "add",
    "attention",
    "channel_shuffle",
    "concat",
    "conv2d",
    "convolution",
    "elementwise",
    "embedding",
    "explain",
    "fill",
    "find_device",
    "global_pool",
    "host_device",
    "layer_norm",
    "layout",
    "linear",
    "load_model",
    "load_predictor",
    "load_pretrained",
    "matmul",
    "memory_footprint",
    "meta_train",
    "norm",
    "pool",
    "quantized",
    "read_card",
    "read_device",
    "read_onnx",
    "reduction",
    "resize",
    "save_model",
    "save_predictor",
    "scale",
    "softmax",
    "trace",
    "transposed_conv",
]
_META = frozenset(
    {
        "MetaLatencyPredictor",
        "MetaModel",
        "TargetData",
        "TargetInfo",
        "load_model",
        "load_predictor",
        "load_pretrained",
        "meta_train",
        "read_card",
        "save_model",
        "save_predictor",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _META:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("latency_models.meta"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_META})
