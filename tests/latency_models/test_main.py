"""The commands of `python -m latency_models`, on files that the tests write."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
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
    load_model,
    load_predictor,
    load_pretrained,
    read_card,
    save_model,
    save_predictor,
)
from latency_models.__main__ import main
from latency_models.dataset import write_latencies

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
    assert row["mean_s"] == prediction.mean_s[0]
    assert row["interval_90_s"] == [prediction.quantile_s(q)[0] for q in (0.05, 0.95)]
    energy = EnergyPredictor(PI, 1).predict(workloads[:1], prediction.mean_s)
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
    assert explained["latency_s"] == row["mean_s"]
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


@pytest.fixture(scope="module")
def table_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FBNet's networks on three invented devices and on one of the public tables."""
    rng = np.random.default_rng(0)
    blocks = {"skip": 0.0, "k3_e1": 1.0, "k5_e1": 2.0, "k3_e6": 6.0, "k5_e6": 9.0}
    networks = rng.choice([*blocks], (40, 22))
    texts = ["-".join(network) for network in networks]
    costs = np.array([sum(blocks[block] for block in network) for network in networks])
    columns: dict[str, list[Any]] = {"arch": [], "device": [], "latency_ms": []}
    for device, factor in (("pixel3", 5.0), ("a", 1.0), ("b", 2.0), ("c", 7.0)):
        columns["arch"] += texts
        columns["device"] += [device] * len(texts)
        columns["latency_ms"] += list(factor * (costs + 20) * rng.lognormal(0, 0.02, len(texts)))
    path = tmp_path_factory.mktemp("tables") / "latencies.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def splits_path(table_path: Path) -> Path:
    path = table_path.with_name("splits.json")
    split = {"space": "fbnet", "train": ["pixel3", "a", "lost"], "test": ["b", "c"]}
    path.write_text(json.dumps({"splits": {"S": split}}))
    return path


@pytest.fixture(scope="module")
def trained(table_path: Path, splits_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the split's training devices, by the command."""
    model = tmp_path_factory.mktemp("model")
    card = model / "about.json"
    card.write_text('{"licence": "CC0-1.0"}')
    options = ["--splits", str(splits_path), "--split", "S", "--card", str(card)]
    assert main(["meta-train", "--table", f"fbnet={table_path}", *options, "-o", str(model)]) == 0
    return model


def test_meta_train_learns_from_the_training_devices_and_says_so(
    trained: Path, table_path: Path
) -> None:
    model, card = load_model(trained), read_card(trained)
    assert {target.name for target in model.without_spec} == {"fbnet/a", "fbnet/pixel3"}
    assert [known.target.name for known in model.with_spec] == ["fbnet/pixel3"]
    assert card["licence"] == "CC0-1.0"
    (told,) = card["tables"]
    assert (told["file"], told["networks"]) == ("latencies.parquet", 40)
    assert sorted(told["devices"]) == ["a", "pixel3"]
    digest = subprocess.run(["sha256sum", table_path], capture_output=True, text=True, check=True)
    assert digest.stdout.split()[0] == told["sha256"]


def evaluation(table_path: Path, splits_path: Path) -> list[Any]:
    samples = ["--samples", 4, "--seeds", 2]
    return ["evaluate", "--table", table_path, "--splits", splits_path, "--split", "S", *samples]


def test_evaluate_scores_the_test_devices_beside_baselines(
    table_path: Path, splits_path: Path, trained: Path, capsys: Output
) -> None:
    arguments = evaluation(table_path, splits_path)
    found = rows([*arguments, "--model", trained], capsys)
    assert (found["train"], found["test"]) == (["pixel3", "a"], ["b", "c"])
    assert found["missing"] == ["lost"]
    ours = [score["spearman"] for score in found["scores"] if score["method"] == "meta-learned"]
    assert len(ours) == 4
    assert found["spearman_mean"] == pytest.approx(np.mean(ours))
    methods = set(found["summary"]["mean"])
    baselines = {"flops", "mean of training devices", "look-up table"}
    assert methods == {"meta-learned", "without meta-learning", *baselines}
    assert main([*map(str, arguments), "--model", str(trained), "--no-ablation"]) == 0
    captured = capsys.readouterr()
    assert "not in the table: lost" in captured.out
    assert "without meta-learning" not in captured.out
    assert "b, seed 1" in captured.err
    heading = next(line for line in captured.out.splitlines() if line.startswith("mean of devices"))
    assert heading.split()[3:5] == ["spearman", "kendall"]


def test_evaluate_learns_from_the_split_by_itself(
    table_path: Path, splits_path: Path, trained: Path, capsys: Output
) -> None:
    arguments = [*evaluation(table_path, splits_path), "--no-ablation", "--sampler", "proposed"]
    own = rows(arguments, capsys)
    given = rows([*arguments, "--model", trained], capsys)
    assert own["spearman_mean"] == pytest.approx(given["spearman_mean"])


def test_evaluate_tests_a_data_set_of_ones_own_without_a_split(
    tmp_path: Path, capsys: Output
) -> None:
    rng = np.random.default_rng(0)
    genotypes = rng.integers(0, 9, (30, 22)).tolist()
    one = {
        "space": "fbnet",
        "target": "own",
        "runtime": "onnxruntime",
        "dtype": "float32",
        "threads": 1,
        "batch_size": 1,
        "input_shape": [1, 32, 32, 3],
        "status": "ok",
        **dict.fromkeys(("ci_low_s", "ci_high_s", "compile_s"), 1.0),
        **dict.fromkeys(("reference_before_s", "reference_after_s"), 1.0),
        "samples_s": [],
        "marks": [],
        "attempts": 1,
        "error": None,
        "environment": "",
        "measured_at": "",
    }
    measured = [{**one, "genotype": g, "latency_s": 1.0 + sum(g)} for g in genotypes]
    path = tmp_path / "own.parquet"
    write_latencies(measured, path)
    arguments = ["evaluate", "--table", path, "--space", "fbnet", "--model", "none"]
    found = rows([*arguments, "--samples", 3, "--seeds", 1], capsys)
    assert found["test"] == ["own"]
    assert "mean of training devices" not in found["summary"]["own"]
    output = tmp_path / "model"
    assert main(["meta-train", "--table", f"fbnet={path}", "-o", str(output)]) == 0
    assert [target.name for target in load_model(output).without_spec] == ["fbnet/own"]


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
        (["meta-train", "--table", "fbnet={table}", "--split", "S", "-o", "x"], "go together"),
        (
            ["meta-train", "--table", "fbnet={table}", "--exclude", "d", "-o", "x"],
            "no such device in the tables: d",
        ),
        (
            ["meta-train", "--table", "mars={table}", "-o", "x"],
            "unknown space 'mars', valid: fbnet",
        ),
        (["evaluate", "--table", "{table}", "--space", "fbnet"], "--space needs --model"),
        (["evaluate", "--table", "{table}"], "expected --splits PATH with --split NAME"),
        (
            ["evaluate", "--table", "{table}", "--splits", "{splits}", "--split", "T"],
            "unknown split 'T', valid: S",
        ),
        (
            ["evaluate", "--table", "{table}", "--space", "fbnet", "--model", "{model}"],
            "was trained on devices to be tested: a, pixel3",
        ),
        (
            ["evaluate", "--table", "{table}", "--space", "fbnet", "--sampler", "best"],
            "--sampler: valid are random, proposed; got 'best'",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(
    arguments: list[str],
    message: str,
    folder: Path,
    table_path: Path,
    splits_path: Path,
    trained: Path,
    capsys: Output,
) -> None:
    (folder / "wrong.csv").write_text("path,latency_s\n0.json,-1\n")
    (folder / "none.csv").write_text("path,latency_s\n0.json,\n")
    places = {"folder": folder, "table": table_path, "splits": splits_path, "model": trained}
    capsys.readouterr()
    assert main([argument.format(**places) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
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
    assert second == "['safetensors']"


def test_an_unknown_name_is_not_exported() -> None:
    import latency_models

    assert set(latency_models.__all__) <= set(dir(latency_models))
    assert isinstance(latency_models.find_device("t4"), DeviceSpec)
    with pytest.raises(AttributeError, match="has no attribute 'load_posttrained'"):
        latency_models.__getattr__("load_posttrained")
