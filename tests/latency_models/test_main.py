"""The commands of `python -m latency_models`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from latency_models import (
    DEVICES,
    CostTable,
    Measurements,
    RooflinePredictor,
    Workload,
)
from latency_models.__main__ import main
from latency_models.meta import BayesianRoofline, save_predictor


@pytest.fixture
def workload(toy_table: CostTable) -> Workload:
    return toy_table.workload([1] * len(toy_table.cardinalities))


@pytest.fixture
def workload_file(workload: Workload, tmp_path: Path) -> Path:
    path = tmp_path / "network.json"
    path.write_text(workload.to_json())
    return path


def test_devices_lists_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(DEVICES)
    assert main(["devices", "t4", "--json"]) == 0
    (t4,) = json.loads(capsys.readouterr().out)
    assert t4["memory_bandwidth_bytes_per_s"] == 320e9
    assert t4["sources"]["memory_bandwidth_bytes_per_s"].startswith("https://")


def test_predict_prints_what_the_predictor_says(
    workload: Workload, workload_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(workload_file), "--device", "raspberry-pi-4", "--threads", "1"]
    assert main([*arguments, "--roofline", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    roofline = RooflinePredictor(DEVICES["raspberry-pi-4"], threads=1).predict([workload])
    assert row["mean_s"] == roofline.mean_s[0]
    assert main(arguments) == 0
    assert "ms, 90 % within" in capsys.readouterr().out


def test_predict_uses_a_saved_predictor(
    workload: Workload, workload_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapted = BayesianRoofline().adapt(Measurements((workload,), np.array([0.125])))
    save_predictor(adapted, tmp_path / "saved")
    arguments = ["predict", str(workload_file), "--predictor", str(tmp_path / "saved")]
    assert main([*arguments, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["mean_s"] == pytest.approx(0.125, rel=0.1)
    low, high = row["interval_90_s"]
    assert low < 0.125 < high
    assert main([*arguments, "--threads", "1"]) == 2


def test_measure_prints_a_row_a_file_and_fails_when_one_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    path = tmp_path / "network.onnx"
    onnx.save(model, str(path))
    common = ["--runtime", "onnxruntime", "--input-shape", "1,8", "--min-time", "0.02"]
    assert main(["measure", str(path), *common]) == 0
    assert " ms (" in capsys.readouterr().out
    assert main(["measure", str(tmp_path / "no.onnx"), *common, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["devices", "t5"], "error: unknown device 't5', valid: host, raspberry-pi-4"),
        (["predict", "nowhere.json", "--device", "t4"], "No such file"),
        (["predict", __file__, "--device", "t4"], "test_main.py: not a workload file"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_import_loads_no_runtime_and_no_scientific_stack() -> None:
    script = (
        "import sys, latency_models\n"
        "print([m for m in ('jax', 'ray', 'flax', 'pandas', 'onnxruntime', 'scipy')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
