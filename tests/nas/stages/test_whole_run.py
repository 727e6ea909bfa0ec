"""A whole run on the digits: what is in the study directory at its end, and that it is right."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from nas.config import load_config, parse_config
from nas.data import prepare
from nas.export.formats import FORMATS
from nas.export.writing import read_network
from nas.stages import STAGES
from nas.stages.setting import Setting
from nas.stages.verify import audit
from nas.study import Study
from nas.supernet.standalone import classify
from search_spaces import Architecture
from tests.nas.stages import tiny
from tests.nas.tracking.events import read_events

COLUMNS = {
    "network",
    "predicted_s",
    "interval_low_s",
    "interval_high_s",
    "measured_s",
    "search_accuracy",
    "test_accuracy",
    "params",
    "macs",
    "peak_activation_bytes",
    "broke_constraint",
    "feasible",
    "genotype",
}
MEASURED, PREDICTED = ("xla", "onnx"), "pi"


@pytest.fixture(scope="module")
def setting(finished):
    with Study.open(finished, read_only=True) as study:
        yield Setting(study, parse_config(study.config, source="study"))


def front(study: Path, target: str) -> Any:
    return pd.read_csv(study / f"fronts/{target}.csv")


def test_every_stage_is_complete_in_order(setting):
    stages = setting.study.stages()
    assert [stage.name for stage in stages] == list(STAGES)
    assert {(stage.status, stage.starts) for stage in stages} == {("done", 1)}
    assert all(stage.summary["duration_s"] > 0 for stage in stages)


def test_trackers_get_the_curve_that_the_study_holds_and_the_searchs_hypervolumes(setting):
    def points(stage: str) -> set[tuple[int, str, np.float32]]:
        events = read_events(setting.study.path / "tensorboard" / stage)
        return {(e.step, name, np.float32(v)) for e in events for name, v in e.scalars.items()}

    assert points("train") == {
        (point.step, f"train/{name}", np.float32(value))
        for point in setting.study.training()
        for name, value in point.metrics.items()
    }
    # Ten evaluations in generations of three.
    names = [f"search/hypervolume/{target}" for target in (*MEASURED, PREDICTED)]
    for name in names:
        volumes = sorted((step, v) for step, other, v in points("search") if other == name)
        assert [step for step, _ in volumes] == [3, 6, 9, 10]
        assert 0 < volumes[0][1] <= volumes[1][1] <= volumes[2][1] <= volumes[3][1] < 1


def test_the_resolved_config_reads_back_to_the_one_asked_for(finished, tmp_path):
    (tmp_path / "tiny.yaml").write_text(tiny.CONFIG, encoding="utf-8")
    kept = yaml.safe_load((finished / "config.yaml").read_text(encoding="utf-8"))
    assert kept == load_config(tmp_path / "tiny.yaml").to_document()
    assert kept["train"]["momentum"] == 0.9


def test_training_learned_something_and_its_curve_is_kept(setting):
    curve = [point for point in setting.study.training() if "largest" in point.metrics]
    assert [point.epoch for point in curve] == [1, 2, 3, 4]
    assert curve[-1].metrics["loss"] < 0.8 * np.log(10)
    names = ["largest", "smallest", *(f"subnet{number}" for number in range(1, 5))]
    assert all(set(names) <= set(point.metrics) for point in curve)
    (summary,) = (stage.summary for stage in setting.study.stages() if stage.name == "train")
    assert list(summary["networks"]) == names
    assert summary["networks"]["largest"]["genotype"] == setting.space.largest.tolist()
    assert {name: summary[name] for name in names} == {
        name: curve[-1].metrics[name] for name in names
    }
    assert "rollbacks" not in summary


def test_every_evaluation_is_recorded_once_with_where_it_came_from(setting):
    made = setting.study.evaluations("search")
    assert len({one.genotype for one in made}) == len(made) == 10
    for one in made:
        assert (one.status, one.attempts, one.seed, one.error) == ("ok", 1, 0, None)
        assert one.duration_s > 0
        assert one.worker
        assert 0 <= one.accuracy <= 1
    genotypes = np.array([one.genotype for one in made])
    np.testing.assert_array_equal(setting.space.canonical(genotypes), genotypes)


@pytest.mark.parametrize("target", MEASURED)
def test_a_predictor_learned_from_as_many_measurements_as_asked_for(setting, target):
    found = setting.study.measurements(target, "adapt")
    assert len(found) == 3
    assert all(one.latency_s and one.samples_s and one.environment for one in found)


def test_a_target_without_a_runtime_is_never_measured(setting, finished):
    assert setting.study.measurements(PREDICTED) == []
    assert front(finished, PREDICTED)["measured_s"].isna().all()
    assert front(finished, PREDICTED)["broke_constraint"].isna().all()


@pytest.mark.parametrize("target", [*MEASURED, PREDICTED])
def test_a_front_has_the_promised_columns_alike_in_both_files(finished, target):
    table = front(finished, target)
    assert set(table.columns) >= COLUMNS
    parquet: Any = pd.read_parquet(finished / f"fronts/{target}.parquet")
    assert table.columns.tolist() == parquet.columns.tolist()
    for column in table:
        same = (table[column] == parquet[column]) | (table[column].isna() & parquet[column].isna())
        assert same.all(), column
    assert table["feasible"].all()
    assert table["test_accuracy"].between(0, 1).all()
    assert (table["interval_low_s"] < table["predicted_s"]).all()
    assert (table["predicted_s"] < table["interval_high_s"]).all()


def test_the_fronts_of_all_targets_have_columns_of_the_same_types(finished):
    schemas = [
        pq.read_schema(finished / f"fronts/{target}.parquet") for target in (*MEASURED, PREDICTED)
    ]
    assert schemas[0].equals(schemas[1])
    assert schemas[0].equals(schemas[2])
    assert schemas[0].field("measured_s").type == "double"


@pytest.mark.parametrize("target", [*MEASURED, PREDICTED])
def test_no_member_of_a_front_dominates_another(finished, target):
    table = front(finished, target).sort_values("predicted_s")
    assert table["predicted_s"].is_monotonic_increasing
    assert table["search_accuracy"].is_monotonic_increasing
    assert table["search_accuracy"].is_unique


@pytest.mark.parametrize("target", MEASURED)
def test_every_member_was_measured(setting, finished, target):
    measured = {one.genotype: one.latency_s for one in setting.study.measurements(target, "verify")}
    table = front(finished, target)
    genotypes = [tuple(json.loads(text)) for text in table["genotype"]]
    assert [measured[genotype] for genotype in genotypes] == table["measured_s"].tolist()
    assert not table["broke_constraint"].astype(bool).any()


def test_parameters_and_macs_are_those_of_the_workload(setting, finished):
    for row in front(finished, "xla").itertuples():
        architecture = setting.space.decode(np.array(json.loads(row.genotype)))
        workload = architecture.workload(batch_size=1, dtype="float32")
        assert (row.params, row.macs) == (workload.params, workload.macs)
        assert row.peak_activation_bytes == workload.peak_activation_bytes


def test_the_summary_of_verify_says_how_the_predictions_held(setting, finished):
    stage = next(stage for stage in setting.study.stages() if stage.name == "verify")
    for target in MEASURED:
        table, found = front(finished, target), stage.summary["targets"][target]
        error = np.abs(table["predicted_s"] - table["measured_s"]) / table["measured_s"]
        assert found["median_relative_error"] == pytest.approx(np.median(error))
        assert found["members"] == found["members_measured"] == len(table)
        assert found["members_violating"] == 0
    assert stage.summary["targets"][PREDICTED]["members_measured"] == 0
    assert stage.summary["targets"][PREDICTED]["kendall"] is None


def exported(study: Path) -> list[Path]:
    return sorted((study / "export").iterdir())


def test_every_member_of_every_front_is_exported(finished):
    members = {
        name for target in (*MEASURED, PREDICTED) for name in front(finished, target)["network"]
    }
    assert {directory.name for directory in exported(finished)} == members


def test_exported_files_reproduce_the_logits_of_the_subnet(setting, finished):
    from nas.stages.measuring import Measuring

    measuring = Measuring(setting)
    for directory in exported(finished)[:2]:
        card = json.loads((directory / "card.json").read_text())
        architecture = Architecture.from_json((directory / "architecture.json").read_text())
        np.testing.assert_array_equal(setting.space.encode(architecture), card["genotype"])
        images = prepare(
            setting.dataset.test.images[:20],
            mean=np.array(card["input"]["mean"], dtype=np.float32),
            std=np.array(card["input"]["std"], dtype=np.float32),
            resolution=card["input"]["shape"][0],
        )
        statistics = measuring.evaluation.statistics(architecture)
        logits = np.asarray(measuring.evaluation.logits(architecture, statistics, images))
        for name, form in FORMATS.items():
            found = form.run(directory / f"model{form.suffix}", np.asarray(images))
            np.testing.assert_allclose(found, logits, atol=1e-4)
            assert card["formats"][name]["max_logit_difference"] < 1e-4
        restored = np.asarray(read_network(directory).function()(images))
        np.testing.assert_allclose(restored, logits, atol=1e-4)


def test_an_exported_network_has_the_test_accuracy_that_the_front_says(setting, finished):
    row = front(finished, "xla").iloc[-1]
    network = read_network(finished / "export" / row["network"])
    logits = classify(network, setting.dataset, setting.dataset.test, batch_size=200)
    accuracy = np.mean(np.argmax(logits, axis=1) == setting.dataset.test.labels)
    assert accuracy == pytest.approx(row["test_accuracy"], abs=1.5 / len(logits))


def test_a_card_names_a_networks_figures_on_every_target_that_has_it(finished):
    for directory in exported(finished):
        card = json.loads((directory / "card.json").read_text())
        for target in (*MEASURED, PREDICTED):
            table = front(finished, target).set_index("network")
            assert (directory.name in table.index) == (target in card["targets"])
            if target in card["targets"]:
                row, found = table.loc[directory.name], card["targets"][target]
                assert found["predicted_s"] == row["predicted_s"]
                assert card["test_accuracy"] == row["test_accuracy"]


def test_the_report_names_every_target_and_stands_alone(finished):
    page = (finished / "report.html").read_text(encoding="utf-8")
    for target in (*MEASURED, PREDICTED):
        assert target in page
    assert 'src="http' not in page


def test_an_unfinished_audit_leaves_undefined_figures_out(setting):
    from nas.stages.fronts import Front

    found = audit(Front(setting.config.targets[0], feasible=True, members=()))
    assert found["members"] == 0
    assert found["kendall"] is found["median_relative_error"] is found["coverage"] is None
