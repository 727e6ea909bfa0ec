"""Files from strangers: predictors, architectures, workloads and ONNX models."""

import hashlib
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from latency_models import DEVICES, Workload, read_onnx
from latency_models.measure import xla
from latency_models.meta import load_predictor, load_pretrained, save_predictor
from search_spaces.base import Architecture
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace, MobileNetStage

MEMORY_BYTES = 4 << 30
VALUES = st.sampled_from(
    [None, True, -1, 0, 10**400, 1e308, "", "x", [], [[]], {}, {"a": 1}, [1e308], 1 << 40, 0.5]
)


def steady(examples: int) -> settings:
    """The same examples every time."""
    harmless = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        derandomize=True, deadline=None, max_examples=examples, suppress_health_check=harmless
    )


def places(document: Any) -> list[tuple[Any, ...]]:
    """Where a JSON document has a value, at most two entries of a list."""
    inner: Any = ()
    if isinstance(document, dict):
        inner = document.items()
    elif isinstance(document, list):
        inner = list(enumerate(document))[:2]
    return [(), *((key, *rest) for key, value in inner for rest in places(value))]


def spoilt(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at the place."""
    if not place:
        return value
    document = json.loads(json.dumps(document))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return document


def refusal(call: Callable[[], object]) -> str:
    """What a call is refused with; nothing where it is not."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def network() -> Workload:
    return architecture().workload(batch_size=1, dtype="float32")


def architecture() -> Architecture:
    stages = [MobileNetStage(8, 2, "relu", squeeze_excite=True)]
    space = MobileNetSpace(MobileNetOptions(stages, depths=[1, 2]), (8, 8, 1), 10)
    return space.decode(space.smallest)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved")
    save_predictor(load_pretrained().for_device(DEVICES["raspberry-pi-5"]), path)
    return path


@steady(150)
@given(data=st.data())
def test_any_value_in_a_predictor_is_refused_or_predicts_seconds(
    saved: Path, tmp_path: Path, network: Workload, data: st.DataObject
):
    document = json.loads((saved / "predictor.json").read_text())
    place = data.draw(st.sampled_from(places(document)))
    text = json.dumps(spoilt(document, place, data.draw(VALUES)))
    (tmp_path / "predictor.json").write_text(text)
    (tmp_path / "predictor.safetensors").write_bytes((saved / "predictor.safetensors").read_bytes())

    def predict() -> None:
        prediction = load_predictor(tmp_path).predict([network])
        assert np.isfinite(prediction.quantile_s(0.95)).all()

    assert "\x00" not in refusal(predict)


def header(content: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}


ARRAYS = {
    "nothing": b"",
    "no header": b"\xff" * 7,
    "a header beyond the file": struct.pack("<Q", 1 << 60) + b"{}",
    "a header that is no JSON": struct.pack("<Q", 4) + b"[[[[",
    "a huge shape": header({"mean.0": entry("F64", [1 << 62, 8], 8)}, bytes(8)),
    "a shape beyond the data": header({"mean.0": entry("F64", [1000], 8)}, bytes(8)),
    "an unknown format": header({"mean.0": entry("F1024", [1], 8)}, bytes(8)),
    "a format that NumPy lacks": header({"mean.0": entry("F8_E4M3", [8], 8)}, bytes(8)),
    "too few": header({"mean.0": entry("F64", [1], 8)}, bytes(8)),
    "integers": header({"mean.0": entry("I64", [1], 8)}, bytes(8)),
    "no array": header({}),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_spoilt_arrays_of_a_predictor_are_refused(saved: Path, tmp_path: Path, name: str):
    document = json.loads((saved / "predictor.json").read_text())
    document["arrays_sha256"] = hashlib.sha256(ARRAYS[name]).hexdigest()
    (tmp_path / "predictor.json").write_text(json.dumps(document))
    (tmp_path / "predictor.safetensors").write_bytes(ARRAYS[name])
    with pytest.raises(ValueError, match=r"safetensors|missing or unknown field"):
        load_predictor(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_arrays_of_a_predictor_are_numbers(saved: Path, tmp_path: Path, value: float):
    predictor = load_predictor(saved)
    predictor.members[0].posterior.mean[0] = value
    save_predictor(predictor, tmp_path)
    with pytest.raises(ValueError, match=r"mean\.0 has entries that are no number"):
        load_predictor(tmp_path)


def test_a_covariance_that_is_none_is_refused(saved: Path, tmp_path: Path):
    predictor = load_predictor(saved)
    predictor.members[0].posterior.covariance[0, 0] = -1.0
    save_predictor(predictor, tmp_path)
    with pytest.raises(ValueError, match=r"covariance\.0 is none"):
        load_predictor(tmp_path)


@steady(200)
@given(data=st.data())
def test_any_value_in_an_architecture_is_refused_or_makes_operators(data: st.DataObject):
    document = json.loads(architecture().to_json())
    place = data.draw(st.sampled_from(places(document)))
    text = json.dumps(spoilt(document, place, data.draw(VALUES)))
    refusal(lambda: Architecture.from_json(text).workload(batch_size=1, dtype="float32"))
    refusal(lambda: Architecture.from_json(text).workload(batch_size=1, dtype="int8"))


@steady(200)
@given(data=st.data())
def test_any_value_in_a_workload_is_refused_or_is_predicted(network: Workload, data: st.DataObject):
    document = json.loads(network.to_json())
    place = data.draw(st.sampled_from(places(document)))
    text = json.dumps(spoilt(document, place, data.draw(VALUES)))
    predictor = load_pretrained().for_device(DEVICES["raspberry-pi-5"])

    def predict() -> None:
        assert np.isfinite(predictor.predict([Workload.from_json(text)]).mean_s).all()

    refusal(predict)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "", '"\\ud800"', "null"])
def test_texts_that_are_no_network_are_refused(text: str):
    assert refusal(lambda: Architecture.from_json(text))
    assert refusal(lambda: Workload.from_json(text))


def image(shape: list[Any]) -> Any:
    return helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)


def function(name: str, calls: list[str]) -> Any:
    nodes = [
        helper.make_node(call, ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"], domain="own")
        for i, call in enumerate(calls)
    ]
    nodes.append(helper.make_node("Relu", [f"v{len(calls)}" if calls else "x"], ["y"]))
    return helper.make_function("own", name, ["x"], ["y"], nodes, [helper.make_opsetid("", 18)])


def model(nodes: list[Any], functions: list[Any] | None = None, **parts: Any) -> Any:
    graph = helper.make_graph(nodes, "g", [image([1, 8])], [image([1, 8])], **parts)
    graph.output[0].name = "y"
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, functions=functions or [], opset_imports=opsets)


def node(kind: str, inputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, ["y"], **attributes)


def stored(name: str, dims: list[int], **fields: Any) -> Any:
    return TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT, **fields)


call = node("f0", ["x"], domain="own")
doubling = [function(f"f{i}", [f"f{i + 1}"] * 2) for i in range(60)] + [function("f60", [])]
ONNX = {
    "functions that double": model([call], doubling),
    "a function that calls itself": model([call], [function("f0", ["f0"])]),
    "functions that call each other": model(
        [call], [function("f0", ["f1"]), function("f1", ["f0"])]
    ),
    "a huge constant": model(
        [helper.make_node("ConstantOfShape", ["n"], ["y"])],
        initializer=[helper.make_tensor("n", TensorProto.INT64, [1], [1 << 60])],
    ),
    "negative sizes": model([node("Add", ["x", "w"])], initializer=[stored("w", [-1, 8])]),
    "no data": model([node("Add", ["x", "w"])], initializer=[stored("w", [1, 8])]),
    "data elsewhere": model(
        [node("Add", ["x", "w"])],
        initializer=[
            stored(
                "w",
                [1, 8],
                data_location=1,
                external_data=[{"key": "location", "value": "../../../etc/passwd"}],
            )
        ],
    ),
    "an endless range": model(
        [helper.make_node("Range", ["a", "b", "c"], ["y"])],
        initializer=[
            helper.make_tensor(name, TensorProto.FLOAT, [], [value])
            for name, value in (("a", 0.0), ("b", 1e30), ("c", 1e-30))
        ],
    ),
}
ALIVE = {"data elsewhere"}
"""Weights that are stored elsewhere are not needed, and not read."""

READER = """
import json, resource, sys
from latency_models import read_onnx
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
for path in sys.argv[1:]:
    try:
        read_onnx(path)
        print(json.dumps(""), flush=True)
    except ValueError as error:
        print(json.dumps(str(error)), flush=True)
"""


def read_apart(paths: list[Path]) -> list[str]:
    """What `read_onnx` refuses each file with, in a process of bounded memory and time."""
    done = subprocess.run(
        [sys.executable, "-c", READER.format(limit=MEMORY_BYTES), *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nasty_onnx_models_are_refused_in_bounded_memory(tmp_path: Path):
    paths = [tmp_path / f"{i}.onnx" for i in range(len(ONNX))]
    for path, made in zip(paths, ONNX.values(), strict=True):
        onnx.save(made, path)
    told = dict(zip(ONNX, read_apart(paths), strict=True))
    assert {name for name, text in told.items() if not text} == ALIVE
    assert "1,000,000 nodes" in told["functions that double"]
    assert "calls itself" in told["a function that calls itself"]
    assert "calls itself" in told["functions that call each other"]


def test_spoilt_bytes_of_an_onnx_model_neither_crash_nor_hang(tmp_path: Path):
    weight = helper.make_tensor("w", TensorProto.FLOAT, [8, 8], [0.5] * 64)
    product = helper.make_node("MatMul", ["x", "w"], ["m"])
    content = bytearray(
        model([product, node("Softmax", ["m"], axis=-1)], initializer=[weight]).SerializeToString()
    )
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.onnx" for i in range(150)]
    for path in paths:
        changed = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[at] = rng.integers(256)
        end = len(changed) if rng.random() < 0.7 else int(rng.integers(len(changed)))
        path.write_bytes(changed[:end])
    assert len(read_apart(paths)) == len(paths)


def test_a_file_that_is_read_in_one_process_is_read_here_too(tmp_path: Path):
    onnx.save(ONNX["data elsewhere"], tmp_path / "model.onnx")
    assert read_onnx(tmp_path / "model.onnx").params == 8


def test_a_function_that_calls_code_outside_xla_is_refused(tmp_path: Path):
    square = jax.ShapeDtypeStruct((2, 2), jnp.float32)
    functions: dict[str, Any] = {"cholesky": jnp.linalg.cholesky, "tanh": jnp.tanh}
    for name, function in functions.items():
        exported = jax.export.export(jax.jit(function))(square)
        (tmp_path / name).write_bytes(exported.serialize())
    options: dict[str, Any] = {"input_shape": (2, 2), "dtype": "float32", "threads": 1}
    # JAX computes a Cholesky factor on CPUs by a call to LAPACK.
    with pytest.raises(ValueError, match="expected no calls out of XLA, got lapack"):
        xla.load(tmp_path / "cholesky", **options)
    assert callable(xla.load(tmp_path / "tanh", **options))
