"""How each exported file is loaded, as commands for a model card; none imports anything of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_IMAGES = """import numpy as np

pixels = np.zeros((1, {shape}), np.float32)  # yours: any number, this size, values 0 to 1
images = (pixels - np.float32({mean})) / np.float32({std})"""

_ONNX = """import onnxruntime

session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
(logits,) = session.run(None, {{session.get_inputs()[0].name: images}})"""

_STABLEHLO = """from pathlib import Path

from jax import export

exported = export.deserialize(bytearray(Path("{file}").read_bytes()))
logits = exported.call(images)"""

_FLAX = """from flax import nnx
from model import load

network = load()
logits = nnx.jit(lambda network, images: network(images))(network, images)"""

COMMANDS = {"onnx": _ONNX, "stablehlo": _STABLEHLO, "flax": _FLAX}
"""By format; `images` are prepared, `{file}` is the format's first file."""

TITLES = {
    "onnx": "ONNX, with ONNX Runtime",
    "stablehlo": "StableHLO, with JAX",
    "flax": "Flax, to run or to train further",
}


def preparation(card: Mapping[str, Any]) -> str:
    """Python that makes `images` of pixels."""
    given = card["input"]
    shape = ", ".join(map(str, given["shape"]))
    return _IMAGES.format(shape=shape, mean=given["mean"], std=given["std"])


def commands(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A title and Python that makes `logits` of `images`, for each file in its directory."""
    found = [
        (TITLES[name], COMMANDS[name].format(file=files["files"][0]))
        for name, files in card["formats"].items()
    ]
    if "int8" in card:
        found.append(("ONNX in int8", _ONNX.format(file=card["int8"]["file"])))
    return found


def fenced(code: str) -> Sequence[str]:
    """Lines of a Markdown code block."""
    return ["```python", code, "```", ""]
