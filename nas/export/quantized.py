"""ONNX in int8: quantised after training, with scales from images.

Convolutions and products compute in int8: their weights are signed with a scale a channel, their
inputs unsigned with the range they had on the images. QuantizeLinear and DequantizeLinear stand
around them (QDQ), which ONNX Runtime and OpenVINO both turn into their integer kernels. A relu
behind them is the lower end of their output's range, and no operator of its own. All else stays
float32, images and logits too: quantised sums and poolings are slower with ONNX Runtime, and more
than OpenVINO's code generator has registers for.

Reference: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 2.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from nas.export.formats import FORMATS, replace_file
from nas.supernet.standalone import StandaloneNetwork

_BATCH = 64
_QUANTIZED = ["Conv", "Gemm", "MatMul", "Relu"]


def write_quantized_onnx(
    network: StandaloneNetwork, path: Path, *, images: Float[np.ndarray, "n h w c"]
) -> None:
    """Writes the network with a dynamic batch size.

    Args:
        network: What is quantised.
        path: Where to.
        images: Normalised images, as the network is going to see; a few hundred are plenty.

    Raises:
        ValueError: If there are no images, or of another shape than the network's.
    """
    if len(images) == 0 or images.shape[1:] != network.architecture.input_shape:
        shape = ", ".join(map(str, network.architecture.input_shape))
        raise ValueError(
            f"{path}: expected calibration images [n, {shape}], n > 0, got {list(images.shape)}"
        )
    with tempfile.TemporaryDirectory(prefix="ridgeline-") as scratch:
        exported = Path(scratch) / "float.onnx"
        FORMATS["onnx"].write(network, exported, "float32")
        quantize_onnx(exported, path, images=images)


def quantize_onnx(source: Path, path: Path, *, images: Float[np.ndarray, "n h w c"]) -> None:
    """Quantises an ONNX file of one float32 input; `images` as it takes them."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="ridgeline-") as scratch:
        prepared, quantized = Path(scratch) / "prepared.onnx", Path(scratch) / "int8.onnx"
        # Fuses what runs as one operator, since a scale in between would keep it from being one.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(str(prepared))
        _widen_scalar_biases(model)
        quantization.quantize_static(
            model,
            str(quantized),
            _reader(model.graph.input[0].name, images),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_QUANTIZED,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        replace_file(path, quantized.read_bytes())


def _reader(name: str, images: np.ndarray) -> Any:
    """Gives the images to the calibration, some at a time."""
    from onnxruntime.quantization import CalibrationDataReader

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self._firsts = iter(range(0, len(images), _BATCH))

        def get_next(self) -> Any:
            first = next(self._firsts, None)
            if first is None:
                return None
            return {name: images[first : first + _BATCH].astype(np.float32)}

    return Images()


def _widen_scalar_biases(model: Any) -> None:
    """Gives Gemm's scalar bias an entry a channel, since the quantiser takes a scale for each."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Gemm" or len(node.input) < 3:
            continue
        weight, bias = constants.get(node.input[1]), constants.get(node.input[2])
        if weight is None or bias is None or bias.dims:
            continue
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        channels = weight.dims[0 if transposed else 1]
        values = np.full(channels, numpy_helper.to_array(bias))
        wide = numpy_helper.from_array(values, f"{bias.name}_{channels}")
        if wide.name not in constants:
            constants[wide.name] = wide
            model.graph.initializer.append(wide)
        node.input[2] = wide.name
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
