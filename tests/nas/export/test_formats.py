"""Exported files give the network's logits, at any batch size and in both dtypes."""

from functools import cache
from pathlib import Path

import jax
import numpy as np
import onnx
import pytest

from nas.export.formats import FORMATS, RUNTIME_FORMATS
from nas.supernet.standalone import StandaloneNetwork
from tests.nas.supernet import tiny

SPACE = tiny.small_space()


@cache
def network() -> StandaloneNetwork:
    """Made when first asked for: collecting tests must not start JAX, which Ray has to precede."""
    return tiny.random_network(SPACE.decode(SPACE.largest))


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name, form in FORMATS.items() for dtype in form.dtypes]
)
def test_a_file_gives_the_networks_logits_at_every_batch_size(
    name: str, dtype: str, tmp_path: Path
) -> None:
    form = FORMATS[name]
    path = tmp_path / f"network{form.suffix}"
    form.write(network(), path, dtype)
    names = {path.with_suffix(ending).name for ending in (form.suffix, *form.beside)}
    assert {file.name for file in tmp_path.iterdir()} == names
    run = jax.jit(network().function(dtype=dtype))
    rng = np.random.default_rng(0)
    for count in (1, 5):
        images = rng.standard_normal((count, 8, 8, 1)).astype(np.float32)
        logits, expected = form.run(path, images), np.asarray(run(images))
        assert logits.dtype == np.float32
        assert logits.shape == (count, 10)
        tolerance = 1e-4 if dtype == "float32" else 0.05 * float(np.abs(expected).max())
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=tolerance)


def test_openvino_gives_the_networks_logits_at_every_batch_size(tmp_path: Path) -> None:
    # Imported first, it keeps OpenVINO from sending usage statistics.
    from latency_models.measure.open_vino import ov

    path = tmp_path / "network.onnx"
    FORMATS["onnx"].write(network(), path, "float32")
    (given,) = onnx.load(path).graph.input
    batch, *rest = given.type.tensor_type.shape.dim
    assert batch.dim_param
    assert [size.dim_value for size in rest] == [8, 8, 1]
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(str(path), "CPU", hint)
    for count in (1, 5):
        rng = np.random.default_rng(count)
        images = rng.standard_normal((count, 8, 8, 1)).astype(np.float32)
        expected = np.asarray(jax.jit(network().function())(images))
        np.testing.assert_allclose(compiled(images)[0], expected, rtol=1e-4, atol=1e-4)


def test_the_onnx_file_has_standard_operators_and_no_needless_changes_of_layout(
    tmp_path: Path,
) -> None:
    path = tmp_path / "network.onnx"
    FORMATS["onnx"].write(network(), path, "float32")
    model = onnx.load(path)
    assert [entry.domain for entry in model.opset_import] == [""]
    kinds = [node.op_type for node in model.graph.node]
    # Images come as NHWC and ONNX convolves NCHW: one change is due, and one at each squeeze and at
    # the head, where the exporter makes two a convolution.
    pools = kinds.count("ReduceSum") + kinds.count("ReduceMean")
    assert kinds.count("Transpose") <= 1 + pools < kinds.count("Conv")


def test_a_dtype_that_a_format_cannot_compute_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="onnx: dtype must be one of float32, got bfloat16"):
        FORMATS["onnx"].write(network(), tmp_path / "n.onnx", "bfloat16")
    with pytest.raises(ValueError, match=r"stablehlo: dtype must be one of .*, got int8"):
        FORMATS["stablehlo"].write(network(), tmp_path / "n.jaxexport", "int8")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.jaxexport"
    path.write_bytes(b"earlier")

    def full(*_: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        FORMATS["stablehlo"].write(network(), path, "float32")
    assert path.read_bytes() == b"earlier"


def test_every_measured_runtime_has_a_format() -> None:
    from latency_models.measure.runtimes import RUNTIMES

    assert set(RUNTIME_FORMATS) == set(RUNTIMES)
    assert set(RUNTIME_FORMATS.values()) <= set(FORMATS)
