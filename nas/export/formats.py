"""Files that run without this project: ONNX, StableHLO, and a Flax module in Python.

Each has a dynamic batch size, takes normalised float32 images `[batch, height, width, channels]`
and gives float32 logits. The StableHLO file is what `jax.export` serialises;
`jax.export.deserialize(bytes).call(images)` runs it. The Flax module has its weights in a
safetensors file of its name; `load()` of that module gives the network.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float
from safetensors.numpy import save

from latency_models.measure import runtimes
from nas.export.flax_module import flax_module
from nas.supernet.standalone import StandaloneNetwork

WEIGHTS_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Format:
    """A file format: its file name's ending, how it is written, and how it runs.

    Attributes:
        suffix: With which its one file ends, or the first of them.
        write: Writes the network, computing in the given dtype.
        run: Loads a file and returns its logits for images.
        dtypes: What it can compute in.
        beside: Endings of the files that it has beside the first.
    """

    suffix: str
    write: Callable[[StandaloneNetwork, Path, str], None]
    run: Callable[[Path, Float[np.ndarray, "n h w c"]], Float[np.ndarray, "n classes"]]
    dtypes: tuple[str, ...]
    beside: tuple[str, ...] = ()


def _write_onnx(network: StandaloneNetwork, path: Path, dtype: str) -> None:
    import jax2onnx
    import onnx

    _check_dtype("onnx", dtype)
    # It warns of each inner value whose type is only inferred when the file is checked below.
    logging.getLogger("onnx_ir.serde").setLevel(logging.ERROR)
    shape = ("batch", *network.architecture.input_shape)
    # ONNX has the grouped convolution itself, so the graph gets the native operator.
    function = network.function(implementation="native", dtype=dtype)
    model = jax2onnx.to_onnx(function, [shape], model_name="network")
    simple = _simplify(model.SerializeToString())
    onnx.checker.check_model(simple, full_check=True)
    replace_file(path, simple)


def _simplify(model: bytes) -> bytes:
    """Folds constants and cancels transposes, in standard operators.

    Every convolution comes with a change of layout before and after it, which ONNX Runtime removes
    when it loads the file and others do not: OpenVINO ran such a network in a quarter of the time.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="ridgeline-") as scratch:
        simple = Path(scratch) / "simple.onnx"
        options.optimized_model_filepath = str(simple)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        written = onnx.load(str(simple))
    # It names every operator set that it knows, which other readers take for required ones.
    used = {node.domain for node in written.graph.node}
    needed = [entry for entry in written.opset_import if entry.domain in used]
    del written.opset_import[:]
    written.opset_import.extend(needed)
    return written.SerializeToString()


def load_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file's network in ONNX Runtime, on the CPU: images to logits."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: np.asarray(images)})[0])


def _run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    return load_onnx(path)(images)


def _write_stablehlo(network: StandaloneNetwork, path: Path, dtype: str) -> None:
    _check_dtype("stablehlo", dtype)
    height, width, channels = network.architecture.input_shape
    shape = jax.export.symbolic_shape(f"batch, {height}, {width}, {channels}")
    exported = jax.export.export(jax.jit(network.function(dtype=dtype)))(
        jax.ShapeDtypeStruct(shape, jnp.float32)
    )
    replace_file(path, exported.serialize())


def _run_stablehlo(path: Path, images: np.ndarray) -> np.ndarray:
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    return np.asarray(jax.jit(exported.call)(images))


def _write_flax(network: StandaloneNetwork, path: Path, dtype: str) -> None:
    _check_dtype("flax", dtype)
    source, arrays = flax_module(network, name=path.stem)
    replace_arrays(path.with_suffix(WEIGHTS_SUFFIX), arrays)
    replace_file(path, source.encode())


def _run_flax(path: Path, images: np.ndarray) -> np.ndarray:
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    # Not imported: that would leave compiled files beside it.
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    return np.asarray(nnx.jit(lambda network, x: network(x))(names["load"](), images))


def _check_dtype(name: str, dtype: str) -> None:
    dtypes = FORMATS[name].dtypes
    if dtype not in dtypes:
        raise ValueError(f"{name}: dtype must be one of {', '.join(dtypes)}, got {dtype}")


def replace_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the whole safetensors file or nothing."""
    replace_file(path, save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def replace_file(path: Path, content: bytes | bytearray) -> None:
    """Writes the whole file or nothing."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    os.replace(partial, path)


# ONNX Runtime's CPU provider has no bfloat16 convolution, and jax2onnx writes float32 biases into
# float16 products.
FORMATS = {
    "onnx": Format(".onnx", _write_onnx, _run_onnx, ("float32",)),
    "stablehlo": Format(
        ".jaxexport", _write_stablehlo, _run_stablehlo, ("float32", "bfloat16", "float16")
    ),
    "flax": Format(".py", _write_flax, _run_flax, ("float32",), beside=(WEIGHTS_SUFFIX,)),
}
"""File formats by the name that a config gives."""

RUNTIME_FORMATS = {
    runtime: name
    for runtime, reads in runtimes().items()
    for name, form in FORMATS.items()
    if form.suffix == reads.suffix
}
"""The format that each measurable runtime loads, where it is one of ours."""
