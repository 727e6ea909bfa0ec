"""The commands of `python -m latency_models` about single targets, on files of the tests' own."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from latency_models import (
    DEVICES,
    CostTable,
    DeviceSpec,
    EnergyPredictor,
    Measurements,
    MetaModel,
    RooflinePredictor,
    Workload,
    load_predictor,
    load_pretrained,
    save_model,
    save_predictor,
)
from latency_models.__main__ import main

PI = DEVICES["raspberry-pi-4"]
Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def networks(toy_table: CostTable) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, toy_table.cardinalities, (12, len(toy_table.cardinalities))))


@pytest.fixture(scope="module")
def workloads(toy_table: CostTable, networks: list[np.ndarray]) -> list[Workload]:
    return [toy_table.workload(genotype) for genotype in networks]


@pytest.fixture(scope="module")
def folder(workloads: list[Workload], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Workloads 0.json, 1.json, ..."""
    path = tmp_path_factory.mktemp("networks")
    for number, workload in enumerate(workloads):
        (path / f"{number}.json").write_text(workload.to_json())
    return path


def rows(arguments: list[Any], capsys: Output) -> Any:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def slow_pi(workloads: list[Workload]) -> np.ndarray:
    """A device that takes twice as long as its roofline says."""
    return 2 * RooflinePredictor(PI).predict(workloads).mean_s


def relu_model(path: Path, batch: int | str = 1) -> Path:
    shape = [batch, 8]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


def test_devices_lists_the_catalogue(capsys: Output) -> None:
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(DEVICES)
    # Columns line up: every row is as wide as the heading.
    assert {len(line) for line in lines[:-1]} == {len(lines[0])}
    assert main(["devices", "h100"]) == 0
    assert re.search(r"989 T +1\.98 P +3\.35 T +80 Gi +700\n", capsys.readouterr().out)
    (t4,) = rows(["devices", "t4"], capsys)
    assert t4["memory_bandwidth_bytes_per_s"] == 320e9
    assert t4["sources"]["memory_bandwidth_bytes_per_s"].startswith("https://")


def test_predict_zero_shot_is_the_pretrained_model(
    folder: Path, workloads: list[Workload], capsys: Output
) -> None:
    target = ["--device", PI.name, "--threads", 1, "--runtime", "tflite"]
    (row,) = rows(["predict", folder / "0.json", *target], capsys)
    predictor = load_pretrained().for_device(PI, threads=1, runtime="tflite")
    prediction = predictor.predict(workloads[:1])
    assert (row["median_s"], row["mean_s"]) == (prediction.median_s[0], prediction.mean_s[0])
    assert row["interval_90_s"] == [prediction.quantile_s(q)[0] for q in (0.05, 0.95)]
    energy = EnergyPredictor(PI, 1).predict(workloads[:1], prediction.median_s)
    assert row["energy_j"] == energy.total_j[0]
    assert row["weight_bytes"] == workloads[0].weight_bytes
    assert row["peak_activation_bytes"] == workloads[0].peak_activation_bytes
    assert main(["predict", str(folder / "0.json"), "--device", PI.name]) == 0
    assert re.search(r"0.json: \S+ ms, 90 % within \S+ to \S+ ms, ", capsys.readouterr().out)


def test_predict_by_the_roofline_states_no_interval(
    folder: Path, workloads: list[Workload], capsys: Output
) -> None:
    found = rows(
        ["predict", folder / "0.json", folder / "1.json", "--device", PI.name, "--roofline"], capsys
    )
    expected = RooflinePredictor(PI).predict(workloads[:2]).mean_s
    assert [row["mean_s"] for row in found] == expected.tolist()
    assert [row["interval_90_s"] for row in found] == [None, None]


def test_predict_with_another_model(
    folder: Path, workloads: list[Workload], tmp_path: Path, capsys: Output
) -> None:
    save_model(MetaModel(), tmp_path, card={})
    (row,) = rows(["predict", folder / "0.json", "--device", PI.name, "--model", tmp_path], capsys)
    assert row["mean_s"] == MetaModel().for_device(PI).predict(workloads[:1]).mean_s[0]


def test_predict_reads_onnx_with_the_batch_asked_for(tmp_path: Path, capsys: Output) -> None:
    path = relu_model(tmp_path / "network.onnx", "n")
    target = ["--device", PI.name, "--roofline", "--explain"]
    (row,) = rows(["predict", path, "--batch-size", 4, "--dtype", "int8", *target], capsys)
    # 4 x 8 elements with one FLOP each.
    assert row["explanation"]["operators"][0]["flops"] == 32
    assert row["explanation"]["dtype"] == "int8"
    assert row["explanation"]["batch_size"] == 4
    assert main(["predict", str(path), "--device", PI.name, "--size", "n=3", "--roofline"]) == 0


def test_predict_explains_in_text_json_and_svg(
    folder: Path, workloads: list[Workload], tmp_path: Path, capsys: Output
) -> None:
    network, drawing = folder / "0.json", tmp_path / "roofline.svg"
    options = ["--device", PI.name, "--explain"]
    (row,) = rows(["predict", network, *options, "--svg", drawing], capsys)
    explained = row["explanation"]
    assert explained["latency_s"] == row["median_s"]
    assert [op["name"] for op in explained["operators"]] == [op.name for op in workloads[0].ops]
    assert drawing.read_text(encoding="utf-8").startswith("<svg")
    assert main(["predict", str(network), *options]) == 0
    assert "FLOP/byte efficiency" in capsys.readouterr().out


def test_adapt_writes_the_predictor_that_predict_uses(
    folder: Path, workloads: list[Workload], tmp_path: Path, capsys: Output
) -> None:
    latency_s = slow_pi(workloads)
    table = folder / "measured.csv"
    table.write_text(
        "path, latency_s, note\n"
        + "".join(f"{i}.json, {latency_s[i]}, fine\n" for i in range(10))
        + "10.json, , crashed\n"
    )
    saved = tmp_path / "pi"
    found = rows(["adapt", table, "--device", PI.name, "-o", saved], capsys)
    expected = load_pretrained().adapt(Measurements(tuple(workloads[:10]), latency_s[:10]), PI)
    assert found["samples"] == 10
    assert found["failed"] == 1
    assert found["fit"]["median_error"] < 0.1
    assert sum(member["weight"] for member in found["members"]) == pytest.approx(1)
    assert load_predictor(saved).samples == 10
    prediction = expected.predict(workloads)
    found = rows(["predict", folder / "11.json", "--predictor", saved], capsys)
    assert found[0]["mean_s"] == pytest.approx(prediction.mean_s[11], rel=1e-9)
    assert main(["adapt", str(table), "-o", str(saved)]) == 0
    said = capsys.readouterr().out
    assert "10 measurements, 1 failed ones left out" in said
    assert "believes that the target runs" in said
    (row,) = rows(["predict", folder / "11.json", "--predictor", saved], capsys)
    assert row["energy_j"] is None


@pytest.mark.parametrize("form", ["array", "lines"])
def test_adapt_reads_json_of_either_form(
    form: str, folder: Path, workloads: list[Workload], tmp_path: Path, capsys: Output
) -> None:
    # Paths that are not beside the file are those of the working directory, as `measure` has them.
    latency_s = slow_pi(workloads)
    entries: list[dict[str, Any]] = [
        {"path": str(folder / f"{i}.json"), "latency_s": latency_s[i], "status": "ok"}
        for i in range(3)
    ]
    entries.append({"path": "none.onnx", "latency_s": None, "status": "failed", "error": "crash"})
    lines = "\n".join(map(json.dumps, entries))
    table = tmp_path / "measured.json"
    table.write_text(json.dumps(entries, indent=1) if form == "array" else lines)
    found = rows(["adapt", table, "-o", tmp_path / "saved"], capsys)
    assert (found["samples"], found["failed"]) == (3, 1)
    assert [row["latency_s"] for row in found["networks"]] == latency_s[:3].tolist()


def test_propose_never_names_what_has_been_measured(
    folder: Path, workloads: list[Workload], capsys: Output
) -> None:
    candidates = [folder / f"{i}.json" for i in range(12)]
    options = ["--device", PI.name, "-k", 4]
    chosen = rows(["propose", *candidates, *options], capsys)
    expected = load_pretrained().propose(workloads, 4, spec=PI)
    assert chosen == [str(candidates[i]) for i in expected]
    latency_s = slow_pi(workloads)
    table = folder / "first.csv"
    lines = [f"{Path(path).name},{latency_s[candidates.index(Path(path))]}" for path in chosen]
    table.write_text("\n".join(["path,latency_s", *lines]))
    more = rows(["propose", *candidates, *options, "--measured", table], capsys)
    assert len({*chosen, *more}) == 8
    assert main(["propose", *map(str, candidates), "-k", "2"]) == 0
    assert len(capsys.readouterr().out.split()) == 2


def test_measure_prints_a_row_a_file_and_fails_when_one_failed(
    tmp_path: Path, capsys: Output
) -> None:
    path = relu_model(tmp_path / "network.onnx")
    common = ["--runtime", "onnxruntime", "--input-shape", "1,8", "--min-time", "0.02"]
    assert main(["measure", str(path), *common, "--confidence", "0.9"]) == 0
    assert re.search(r" ms, 90 % within .* samples, compiled in ", capsys.readouterr().out)
    assert main(["measure", str(tmp_path / "no.onnx"), *common, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


def test_measure_asks_a_program(tmp_path: Path, capsys: Output) -> None:
    program = tmp_path / "my program.py"
    program.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line)\n"
        "    print(json.dumps({'samples_s': [asked['threads'] / 8] * 20,"
        " 'marks': ['throttled']}), flush=True)\n"
    )
    path = relu_model(tmp_path / "network.onnx")
    command = f"{sys.executable} '{program}'"
    options = ["--input-shape", "1,8", "--threads", "4", "--command", command]
    assert main(["measure", str(path), *options]) == 0
    assert "network.onnx: 500 ms, " in (said := capsys.readouterr().out)
    assert said.endswith("noisy, throttled\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["devices", "t5"], "error: unknown device 't5'"),
        (["predict", "nowhere.json", "--device", "t4"], "No such file"),
        (["predict", __file__, "--device", "t4"], "test_main.py: not a workload file"),
        (["predict", "{folder}/0.json"], "expected either --device NAME or --predictor DIR"),
        (["predict", "{folder}/0.json", "--device", "t4", "--dtype", "int8"], "has dtype float32"),
        (
            ["predict", "{folder}/0.json", "{folder}/1.json", "--device", "t4", "--svg", "a.svg"],
            "--svg draws one network, got 2",
        ),
        (["predict", "{folder}/0.json", "--predictor", "x", "--threads", "1"], "--threads goes"),
        (["measure", "a.onnx", "--input-shape", "1,8"], "expected --runtime (onnxruntime"),
        (["propose", "{folder}/0.json", "-k", "2"], "cannot choose 2 of 1 candidates"),
        (["adapt", "{folder}/0.json", "-o", "x"], "expected path and latency_s, got format"),
        (["adapt", "{folder}/wrong.csv", "-o", "x"], "line 2: latency_s must be positive seconds"),
        (["adapt", "{folder}/none.csv", "-o", "x"], "expected at least one latency"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(
    arguments: list[str], message: str, folder: Path, capsys: Output
) -> None:
    (folder / "wrong.csv").write_text("path,latency_s\n0.json,-1\n")
    (folder / "none.csv").write_text("path,latency_s\n0.json,\n")
    assert main([argument.format(folder=folder) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["devises"], "invalid choice: 'devises'"),
        (["predict", "a.json", "--threads", "0"], "expected a number of at least 1, got '0'"),
        (["predict", "a.onnx", "--size", "8"], "expected a size such as length=128, got '8'"),
        (
            ["measure", "a.onnx", "--input-shape", "1,x"],
            "expected positive sizes such as 1,32,32,3",
        ),
        (["meta-train", "--table", "t.parquet", "-o", "x"], "expected SPACE=PATH"),
    ],
)
def test_wrong_arguments_are_one_line_too(
    arguments: list[str], message: str, capsys: Output
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_predictor_without_datasheet_is_not_explained(
    folder: Path, workloads: list[Workload], tmp_path: Path, capsys: Output
) -> None:
    measured = Measurements(tuple(workloads[:3]), slow_pi(workloads[:3]))
    save_predictor(MetaModel().adapt(measured), tmp_path)
    arguments = ["predict", str(folder / "0.json"), "--predictor", str(tmp_path), "--explain"]
    assert main(arguments) == 2
    assert "adapted without --device" in capsys.readouterr().err


def test_import_loads_no_runtime_and_no_scientific_stack() -> None:
    unwanted = ["jax", "ray", "flax", "pandas", "onnx", "google", "onnxruntime", "scipy"]
    unwanted += ["safetensors", "pyarrow"]
    script = (
        "import sys, time; started = time.process_time()\n"
        "from latency_models import DEVICES, trace, explain, read_onnx\n"
        f"print([m for m in {unwanted} if m in sys.modules], time.process_time() - started)\n"
        "from latency_models import load_pretrained\n"
        "assert load_pretrained().for_device(DEVICES['t4'])\n"
        f"print([m for m in {unwanted} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    loaded, _, seconds = first.rpartition(" ")
    assert loaded == "[]"
    assert float(seconds) < 0.3
    assert second == "['scipy', 'safetensors']"


def test_an_unknown_name_is_not_exported() -> None:
    import latency_models

    assert set(latency_models.__all__) <= set(dir(latency_models))
    assert isinstance(latency_models.find_device("t4"), DeviceSpec)
    with pytest.raises(AttributeError, match="has no attribute 'load_posttrained'"):
        latency_models.__getattr__("load_posttrained")


def test_row_longer_than_its_heading_is_one_line_and_exit_code_two(
    tmp_path: Path, capsys: Output
) -> None:
    path = tmp_path / "prose.csv"
    path.write_text("Some prose\nnot, a, table\n")
    assert main(["adapt", str(path), "-o", str(tmp_path / "x")]) == 2
    assert "line 2: expected path and latency_s, got Some prose" in capsys.readouterr().err
