"""`nas measure` and `nas predict` on real files."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from jax import export
from onnx import TensorProto, helper

from latency_models import find_device
from latency_models.meta import load_pretrained, save_predictor
from nas.config import parse_config
from nas.study import Study
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace, MobileNetStage

FEATURES = 64


@pytest.fixture(scope="module")
def architectures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("architectures")
    options = MobileNetOptions(stages=[MobileNetStage(width=16, stride=1)])
    space = MobileNetSpace(options=options, image_shape=(8, 8, 1), classes=10)
    paths = [folder / "smallest.json", folder / "largest.json"]
    for path, genotype in zip(paths, (space.smallest, space.largest), strict=True):
        path.write_text(space.decode(genotype).to_json(), encoding="utf-8")
    return paths


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose one target was adapted to nothing, with a predictor from the datasheet."""
    document = {
        "name": "tiny",
        "data": {"name": "digits"},
        "space": {"name": "mobilenet", "stages": [{"width": 16, "stride": 1}]},
        "targets": [
            {"name": "pi", "device": "raspberry-pi-5", "threads": 2, "batch_size": 4},
            {"name": "gpu", "device": "a100"},
        ],
    }
    path = tmp_path / "study"
    config = parse_config(document, source="test")
    with Study.create(path, config.to_document()) as study:
        for target in config.targets:
            predictor = load_pretrained().for_device(
                find_device(target.device), threads=target.threads, batch_size=target.batch_size
            )
            save_predictor(predictor, path / "predictors" / target.name)
        study.begin_stage("adapt")
        study.finish_stage("adapt", {})
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "sum.jaxexport"
    network = export.export(jax.jit(lambda x: jnp.tanh(x).sum(-1)))
    path.write_bytes(network(jax.ShapeDtypeStruct((2, FEATURES), np.float32)).serialize())
    return path


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One activation, with a batch size left open."""
    path = tmp_path_factory.mktemp("onnx") / "relu.onnx"
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", FEATURES])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu", values[:1], values[1:]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    return path


def test_files_are_measured_on_the_runtime_that_reads_them(nas, exported, onnx_file):
    code, out, _ = nas("measure", exported, onnx_file, "--json")
    assert code == 0
    results = json.loads(out)
    assert [result["runtime"] for result in results] == ["xla", "onnxruntime"]
    assert all(result["status"] in ("ok", "noisy") for result in results)
    assert all(0 < result["latency_s"] < 0.1 for result in results)
    assert results[0]["environment"]["threads"] == 1


def test_a_measurement_is_a_line_of_a_table(nas, onnx_file):
    code, out, _ = nas("measure", onnx_file, "--batch-size", "4")
    assert code == 0
    header, line = out.splitlines()
    assert header.split()[:3] == ["file", "runtime", "status"]
    assert line.startswith(f"{onnx_file}  onnxruntime")


def test_a_program_of_the_users_measures_what_only_it_can_read(nas, tmp_path: Path):
    program = tmp_path / "my program.py"
    program.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    told = json.loads(line)\n"
        "    print(json.dumps({'latency_s': 2e-3, 'environment': told}), flush=True)\n"
    )
    network = tmp_path / "network.tflite"
    network.write_bytes(b"a network")
    command = f"{sys.executable} '{program}' -v"
    options = ("--input-shape", "2,8,8,3", "--compute-dtype", "float16", "--json")
    code, out, _ = nas("measure", network, "--command", command, *options)
    assert code == 0
    (result,) = json.loads(out)
    assert (result["runtime"], result["latency_s"]) == ("command", 2e-3)
    told = result["environment"]["device"]
    assert (told["input_shape"], told["compute_dtype"]) == ([2, 8, 8, 3], "float16")
    code, _, err = nas("measure", network, "--command", command)
    assert code == 2
    assert "expected a file ending in .onnx or .jaxexport, or --input-shape" in err


def test_another_batch_size_than_the_file_fixes_is_refused(nas, exported):
    code, _, err = nas("measure", exported, "--batch-size", "3")
    assert code == 2
    assert "is made for a batch size of 2, got --batch-size 3" in err


def test_a_file_that_a_runtime_cannot_read_is_a_failure_with_its_reason(nas, onnx_file):
    code, out, err = nas("measure", onnx_file, "--runtime", "xla")
    assert code == 2
    assert "failed" in out
    assert f"1 of 1 files could not be measured; {onnx_file}: " in err


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("none.onnx", (), "none.onnx: expected a file, found nothing"),
        ("text.txt", (), "expected a file ending in .jaxexport (xla), .onnx (onnxruntime)"),
        ("text.onnx", (), "is no ONNX model, or an incomplete one"),
        ("text.jaxexport", (), "is no function serialised by jax.export"),
        ("text.jaxexport", ("--runtime", "abacus"), "is no function serialised by jax.export"),
        ("text.txt", ("--threads", "0"), "'--threads'"),
        ("text.onnx", ("--input-shape", "1,0"), "--input-shape must be positive sizes such as"),
        ("text.onnx", ("--command", "a 'b"), "--command: No closing quotation, got"),
    ],
)
def test_what_cannot_be_measured_is_refused(nas, tmp_path: Path, name, options, expected):
    for file in ("text.txt", "text.onnx", "text.jaxexport"):
        (tmp_path / file).write_text("a text", encoding="utf-8")
    code, out, err = nas("measure", tmp_path / name, *options)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert expected in err


def test_an_unknown_runtime_is_refused(nas, onnx_file):
    code, _, err = nas("measure", onnx_file, "--runtime", "abacus")
    assert code == 2
    assert "unknown runtime 'abacus'" in err


def test_prediction_on_a_device_is_that_of_its_datasheet(nas, architectures):
    code, out, _ = nas("predict", *architectures, "--device", "raspberry-pi-5", "--json")
    assert code == 0
    small, large = json.loads(out)
    assert small["target"] == "raspberry-pi-5"
    assert small["interval_s"][0] < small["latency_s"] < small["interval_s"][1]
    assert small["latency_s"] < large["latency_s"]
    assert small["params"] < large["params"]
    assert small["macs"] < large["macs"]


def test_prediction_on_a_study_uses_the_targets_own_setting(nas, architectures, study):
    code, out, _ = nas("predict", architectures[0], "--study", study, "--json")
    assert code == 0
    found = {row["target"]: row for row in json.loads(out)}
    assert set(found) == {"pi", "gpu"}
    options = ("--device", "raspberry-pi-5", "--threads", "2", "--batch-size", "4", "--json")
    (same,) = json.loads(nas("predict", architectures[0], *options)[1])
    assert found["pi"]["latency_s"] == same["latency_s"]
    assert found["pi"]["macs"] == found["gpu"]["macs"]


def test_one_target_of_a_study_can_be_chosen(nas, architectures, study):
    code, out, _ = nas("predict", *architectures, "--study", study, "--target", "gpu")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["gpu", "gpu"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "expected either --study DIR or --device NAME"),
        (("--study", "x", "--device", "a100"), "expected either --study DIR or --device NAME"),
        (("--device", "toaster"), "unknown device 'toaster'"),
        (("--device", "a100", "--dtype", "float8"), "--dtype must be one of float32"),
        (("--device", "a100", "--target", "x"), "--target goes with --study"),
        (("--study", "none"), "none: expected a study directory"),
    ],
)
def test_a_wrong_choice_of_target_is_refused(nas, architectures, options, expected):
    code, _, err = nas("predict", architectures[0], *options)
    assert code == 2
    assert expected in err


def test_a_targets_settings_cannot_be_given_for_a_study(nas, architectures, study):
    code, _, err = nas("predict", architectures[0], "--study", study, "--threads", "2")
    assert code == 2
    assert "go with --device" in err


def test_an_unknown_target_of_a_study_is_refused(nas, architectures, study):
    code, _, err = nas("predict", architectures[0], "--study", study, "--target", "tpu")
    assert code == 2
    assert "--target must be one of pi, gpu, got 'tpu'" in err


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "ridgeline-architecture"}'])
def test_a_file_that_is_no_architecture_is_refused(nas, tmp_path: Path, text):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    code, _, err = nas("predict", path, "--device", "a100")
    assert code == 2
    assert err.startswith(f"nas: error: {path}: architecture: ")
