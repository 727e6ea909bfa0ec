"""OpenVINO on the CPU, in latency mode: one stream, one request.

What a float network computes in is a hint to the compiler, which takes bfloat16 by itself where the
processor has it; float32 is therefore asked for unless told otherwise, and a hint that was not
taken is an error. A quantised (QDQ) file computes in int8, the rest of it in what is hinted.

Importing OpenVINO sends usage statistics to its makers, from a thread and a forked process beside
the measurement, so its telemetry is hidden from it; without that package it sends nothing.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)

import openvino as ov  # noqa: E402

_DEVICE = "CPU"
_TYPES = {
    "float32": (ov.Type.f32, np.dtype(np.float32)),
    "float16": (ov.Type.f16, np.dtype(np.float16)),
    "int8": (ov.Type.i8, np.dtype(np.int8)),
}
_HINTS = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16, "float16": ov.Type.f16}


def load(
    path: Path,
    *,
    input_shape: tuple[int, ...],
    dtype: str,
    threads: int,
    compute_dtype: str | None = None,
) -> Callable[[], object]:
    """Compiles the model for `threads` threads and the given shape."""
    compute_dtype = compute_dtype or "float32"
    if dtype not in _TYPES:
        raise ValueError(f"no OpenVINO input of dtype {dtype}, valid: {', '.join(_TYPES)}")
    if compute_dtype not in _HINTS:
        raise ValueError(f"OpenVINO computes in {', '.join(_HINTS)}, got {compute_dtype}")
    core = ov.Core()
    model = core.read_model(path)
    _fix_shape(model, input_shape, dtype)
    hint = _HINTS[compute_dtype]
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # The process is bound to its processors already.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(model, _DEVICE, settings)
    taken = compiled.get_property("INFERENCE_PRECISION_HINT")
    if taken != hint:
        capable = ", ".join(core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"))
        raise ValueError(
            f"this processor does not compute in {compute_dtype}: OpenVINO takes"
            f" {taken.get_type_name()} instead; it reports {capable}"
        )
    values = np.random.default_rng(0).standard_normal(input_shape, np.float32)
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(values.astype(_TYPES[dtype][1])))
    return request.infer


def describe() -> dict[str, str]:
    """Version, the device, and the precisions that it reports."""
    core = ov.Core()
    return {
        "openvino": ov.__version__,
        "device": str(core.get_property(_DEVICE, "FULL_DEVICE_NAME")),
        "capabilities": ", ".join(core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")),
    }


def _fix_shape(model: ov.Model, input_shape: tuple[int, ...], dtype: str) -> None:
    """Gives the model's one input its shape, where it leaves that open."""
    if len(model.inputs) != 1:
        raise ValueError(f"expected a model with one input, got {len(model.inputs)}")
    given = model.inputs[0]
    shape = ov.PartialShape(list(input_shape))
    if given.element_type != _TYPES[dtype][0] or not given.partial_shape.compatible(shape):
        raise ValueError(
            f"expected input {dtype}{list(input_shape)}, the model has"
            f" {given.element_type.get_type_name()}{given.partial_shape}"
        )
    model.reshape({given: shape})
