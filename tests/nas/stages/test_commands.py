"""The commands on a study that is there: finished, without a feasible network, or half done."""

import json
from typing import Any

import pandas as pd
import pytest
import yaml

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
    study.mkdir()
    (study / "compilation_cache").symlink_to(finished / "compilation_cache")
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
