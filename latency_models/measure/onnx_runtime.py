"""ONNX Runtime on the CPU, with its full graph optimisation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

_TYPES = {
    "float32": ("tensor(float)", np.dtype(np.float32)),
    "float16": ("tensor(float16)", np.dtype(np.float16)),
    "int8": ("tensor(int8)", np.dtype(np.int8)),
}


def load(
    path: Path, *, input_shape: tuple[int, ...], dtype: str, threads: int
) -> Callable[[], object]:
    """Loads the model with `threads` threads; dynamic dimensions take the given shape."""
    if dtype not in _TYPES:
        raise ValueError(f"no ONNX Runtime input of dtype {dtype}, valid: {', '.join(_TYPES)}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs: list[Any] = list(session.get_inputs())
    if len(inputs) != 1:
        raise ValueError(f"expected a model with one input, got {len(inputs)}")
    given, (expected_type, numpy_type) = inputs[0], _TYPES[dtype]
    fits = len(given.shape) == len(input_shape) and all(
        not isinstance(have, int) or have == want
        for have, want in zip(given.shape, input_shape, strict=False)
    )
    if given.type != expected_type or not fits:
        raise ValueError(
            f"expected input {expected_type}{list(input_shape)},"
            f" the model has {given.type}{given.shape}"
        )
    values = np.random.default_rng(0).standard_normal(input_shape, np.float32)
    images = ort.OrtValue.ortvalue_from_numpy(values.astype(numpy_type))
    binding = session.io_binding()
    binding.bind_ortvalue_input(given.name, images)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return lambda: session.run_with_iobinding(binding)


def describe() -> dict[str, str]:
    """Version, and the execution provider."""
    return {"onnxruntime": ort.__version__, "device": "CPUExecutionProvider"}
