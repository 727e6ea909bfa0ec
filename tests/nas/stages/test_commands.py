"""The commands on a study that is there: finished, without a feasible network, or half done."""

import json
from typing import Any

import pandas as pd
import pytest
import yaml

from latency_models.measure import RUNTIMES, Runtime
from nas.study import Study
from tests.nas.stages import tiny


def test_a_finished_study_is_left_as_it_is(nas, copied):
    study = copied()
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*") if path.is_file()}
    code, out, err = nas("run", study)
    assert (code, out, err) == (0, f"report: {study / 'report.html'}\n", "")
    kept = {path: changed for path, changed in before.items() if not path.name.startswith("study.")}
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.parametrize("stage", ["train", "adapt", "search", "verify", "export"])
def test_a_complete_stage_is_not_run_again(nas, copied, stage):
    study = copied()
    assert nas(stage, study) == (0, f"{stage}: complete already\n", "")
    with Study.open(study, read_only=True) as opened:
        assert {one.starts for one in opened.stages()} == {1}


@pytest.fixture
def infeasible(nas, copied):
    """A study whose ONNX target no network satisfies, run to its end, and what it printed."""
    study = copied(before="search")
    config = yaml.safe_load((study / "config.yaml").read_text())
    config["targets"][1]["constraints"] = ["latency_ms <= 1e-6"]
    config["verify"]["remeasure"] = False
    config["export"] = {"members": [{"target": "onnx"}], "formats": ["onnx"]}
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    code, out, _ = nas("run", study)
    assert code == 0
    return study, out


def test_where_nothing_is_feasible_the_closest_network_is_named_and_kept(infeasible):
    study, out = infeasible
    table: Any = pd.read_csv(study / "fronts/onnx.csv")
    assert table["feasible"].tolist() == [False]
    closest = table["network"][0]
    assert f"onnx: no network keeps latency_ms <= 1e-6; closest is {closest}: " in out
    assert "search: onnx: no network is predicted to keep latency_ms <= 1e-6; the closest" in out
    with Study.open(study, read_only=True) as opened:
        (search,) = [stage for stage in opened.stages() if stage.name == "search"]
    assert set(search.summary["least_violation"]) == {"onnx"}
    assert search.summary["least_violation"]["onnx"] > 1
    assert pd.read_csv(study / "fronts/xla.csv")["feasible"].tolist().count(False) == 0
    (exported,) = (study / "export").iterdir()
    assert exported.name == closest
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "latency_ms \\u003c= 1e-6" in page or "latency_ms &lt;= 1e-6" in page
    evaluated = [json.loads(genotype) for genotype, _ in tiny.archive(study)]
    assert json.loads(table["genotype"][0]) in evaluated


def test_exported_architectures_are_predicted_as_the_front_says(nas, finished):
    row: Any = pd.read_csv(finished / "fronts/onnx.csv").iloc[0]
    file = finished / "export" / str(row["network"]) / "architecture.json"
    code, out, _ = nas("predict", file, "--study", finished, "--target", "onnx", "--json")
    assert code == 0
    (found,) = json.loads(out)
    assert found["latency_s"] == pytest.approx(row["predicted_s"], rel=1e-6)
    # A population's intervals take the lesser directions of uncertainty on average.
    assert found["interval_s"] == pytest.approx(
        [row["interval_low_s"], row["interval_high_s"]], rel=1e-2
    )
    assert (found["params"], found["macs"]) == (row["params"], row["macs"])


def test_exported_files_can_be_measured(nas, finished):
    directory = next((finished / "export").iterdir())
    files = directory / "model.onnx", directory / "model.jaxexport"
    code, out, _ = nas("measure", *files, "--json")
    assert code == 0
    found = json.loads(out)
    assert [one["runtime"] for one in found] == ["onnxruntime", "xla"]
    assert all(1e-6 < one["latency_s"] < 0.1 for one in found)


@pytest.mark.slow
def test_each_stage_is_a_command_of_its_own(finished, tmp_path):
    study = tmp_path / "study"
    (tmp_path / "tiny.yaml").write_text(tiny.CONFIG, encoding="utf-8")
    tiny.finish("train", tmp_path / "tiny.yaml", "--output", study)
    for stage in ("adapt", "search", "verify", "export", "report"):
        tiny.finish(stage, study)
    with Study.open(study, read_only=True) as opened:
        assert [(one.name, one.starts) for one in opened.stages()] == [
            (name, 1) for name in ("train", "adapt", "search", "verify", "export", "report")
        ]
    fronts = {path.name for path in (finished / "fronts").iterdir()}
    assert {path.name for path in (study / "fronts").iterdir()} == fronts
    assert (study / "report.html").exists()


def test_another_target_costs_no_evaluation_and_no_training(nas, copied, tmp_path):
    study = copied()
    before = tiny.archive(study)
    config = yaml.safe_load((study / "config.yaml").read_text())
    config["output"] = str(study)
    config["targets"].append({"name": "t4", "device": "t4", "objectives": ["energy", "params"]})
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(config))
    code, _, _ = nas("run", tmp_path / "more.yaml")
    assert code == 0
    assert tiny.archive(study) == before
    with Study.open(study, read_only=True) as opened:
        starts = {stage.name: stage.starts for stage in opened.stages()}
        (search,) = [stage for stage in opened.stages() if stage.name == "search"]
    assert starts == {
        "train": 1,
        "adapt": 2,
        "search": 2,
        "verify": 2,
        "export": 2,
        "report": 2,
    }
    # Error, joules and parameters.
    assert len(search.summary["reference"]["t4"]) == 3
    front: Any = pd.read_csv(study / "fronts/t4.csv")
    assert len(front) >= 2


def test_a_target_changed_or_taken_away_is_refused(nas, copied, tmp_path):
    study = copied()
    config = yaml.safe_load((study / "config.yaml").read_text())
    config["output"] = str(study)
    config["targets"][0]["threads"] = 2
    config["targets"].append({"name": "t4", "device": "t4"})
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(config))
    code, _, err = nas("run", tmp_path / "changed.yaml")
    assert code != 0
    assert "holds a study of another config" in err


def test_a_search_begins_with_the_fronts_of_another_study(nas, copied, finished):
    study = copied(before="search")
    config = yaml.safe_load((study / "config.yaml").read_text())
    config["search"] |= {"warm_start": str(finished), "initial": 3, "evaluations": 3}
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    assert nas("search", study)[0] == 0
    fronts = [pd.read_csv(path) for path in (finished / "fronts").glob("*.csv")]
    members = {tuple(json.loads(text)) for front in fronts for text in front["genotype"]}
    evaluated = [tuple(json.loads(genotype)) for genotype, _ in tiny.archive(study)]
    assert len(evaluated) == 3
    assert set(evaluated[: len(members)]) <= members


def test_a_study_of_another_space_is_no_start(nas, copied, tmp_path):
    study = copied(before="search")
    other = tmp_path / "other"
    tiny.copy_study(study, other)
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["space"]["expand_ratios"] = [2, 3]
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    config = yaml.safe_load((study / "config.yaml").read_text())
    config["search"]["warm_start"] = str(other)
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    code, _, err = nas("search", study)
    assert code != 0
    assert "search.warm_start" in err
    assert "is a study of another space" in err


def refused_before_training(nas, path, config):
    """What a run says that ends before its first stage."""
    config["output"] = str(path / "study")
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    code, _, err = nas("run", path / "config.yaml")
    assert code != 0
    with Study.open(path / "study", read_only=True) as opened:
        assert opened.stages() == []
    return err


def test_a_start_that_is_not_there_is_told_before_anything_is_trained(nas, tmp_path):
    config = yaml.safe_load(tiny.CONFIG)
    config["search"]["warm_start"] = str(tmp_path / "nowhere")
    err = refused_before_training(nas, tmp_path, config)
    assert f"search.warm_start: {tmp_path / 'nowhere'}: expected a study directory" in err


def test_a_wrong_datasheet_is_told_before_anything_is_trained(nas, tmp_path):
    (tmp_path / "board.json").write_text('{"name": "board", "kind": "cpu"}')
    config = yaml.safe_load(tiny.CONFIG)
    config["targets"][2]["device"] = str(tmp_path / "board.json")
    err = refused_before_training(nas, tmp_path, config)
    assert f"{tmp_path / 'board.json'}: peak_flops_per_s: Field required" in err


def test_a_runtime_that_reads_other_files_is_told_before_anything_is_trained(
    nas, tmp_path, monkeypatch
):
    tflite = Runtime("some_module", ".tflite", "a TFLite model", ("float32",))
    monkeypatch.setitem(RUNTIMES, "tflite", tflite)
    config = yaml.safe_load(tiny.CONFIG)
    config["targets"][1]["runtime"] = "tflite"
    err = refused_before_training(nas, tmp_path, config)
    assert "targets.onnx: runtime must read networks as they are written here" in err
    assert "tflite reads .tflite" in err
