"""A quantised file computes in int8 and gives about the network's logits."""

from pathlib import Path

import jax
import numpy as np
import onnx
import pytest

from nas.export.formats import FORMATS
from nas.export.quantized import write_quantized_onnx
from tests.nas.supernet import tiny

SPACE = tiny.small_space()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((100, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def quantized(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quantized") / "network.onnx"
    write_quantized_onnx(tiny.random_network(SPACE.decode(SPACE.largest)), path, images=images)
    return path


def test_logits_are_those_of_the_network_up_to_eight_bits(
    quantized: Path, images: np.ndarray
) -> None:
    network = tiny.random_network(SPACE.decode(SPACE.largest))
    assert [file.name for file in quantized.parent.iterdir()] == [quantized.name]
    expected = np.asarray(jax.jit(network.function())(images))
    for count in (1, 100):
        logits = FORMATS["onnx"].run(quantized, images[:count])
        assert logits.dtype == np.float32
        # 256 levels an operator leave some per cent of the range over a dozen operators.
        error = np.abs(logits - expected[:count]).mean()
        assert 0 < error < 0.05 * np.abs(expected).max()


def test_convolutions_and_products_are_integer_ones(quantized: Path) -> None:
    graph = onnx.load(quantized).graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    computing = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert len(computing) > 5
    for node in computing:
        assert {makers[name] for name in node.input} == {"DequantizeLinear"}


def test_calibration_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    network = tiny.random_network(SPACE.decode(SPACE.smallest))
    for shape in ((0, 8, 8, 1), (5, 9, 9, 1)):
        with pytest.raises(ValueError, match=r"expected calibration images \[n, 8, 8, 1\]"):
            write_quantized_onnx(network, tmp_path / "x.onnx", images=np.zeros(shape, np.float32))
    assert list(tmp_path.iterdir()) == []
