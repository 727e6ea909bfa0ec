"""The study directory: what is recorded comes back, survives a kill, and has one writer."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import StudyError, UserError
from nas.execution.base import Outcome, Task
from nas.records import Measurement
from nas.study import Study


def outcome(
    *genotype: int,
    split: Literal["search", "test"] = "search",
    status: Literal["ok", "failed"] = "ok",
    attempts: int = 1,
    **metrics: float,
) -> Outcome:
    if status == "ok":
        metrics = {"accuracy": 0.5, **metrics}
    error = None if status == "ok" else "ValueError: no"
    return Outcome(Task(genotype, split, 7), status, metrics, 0.25, "host/1", error, attempts)


def fill(study: Study) -> None:
    for i in range(2, 2000):
        study.record_evaluation(outcome(i))


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path / "study.db")
    try:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()


def test_a_new_study_has_its_directories_and_gives_back_its_config(tmp_path: Path) -> None:
    config = {
        "name": "q",
        "search": {"evaluations": 3},
        "targets": [{"name": "größe", "path": None}],
    }
    with Study.create(tmp_path / "a" / "b", config) as study:
        assert study.config == config
        assert {p.name for p in study.path.iterdir() if p.is_dir()} == {
            "checkpoints",
            "predictors",
            "fronts",
            "export",
        }
        study.write_config({"name": "r"})
        assert study.config == {"name": "r"}


def test_evaluations_come_back_exactly_and_in_order(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        study.record_evaluation(outcome(2, 0, accuracy=0.1 + 0.2, loss=1 / 3, top5=0.9))
        study.record_evaluation(outcome(1, 1, status="failed", attempts=2))
        study.record_evaluation(outcome(2, 0, split="test", accuracy=1.0))
    with Study.open(tmp_path) as study:
        first, second = study.evaluations("search")
        assert first.genotype == (2, 0)
        assert (first.accuracy, first.loss, first.metrics) == (0.1 + 0.2, 1 / 3, {"top5": 0.9})
        assert (first.seed, first.duration_s, first.worker, first.attempts) == (
            7,
            0.25,
            "host/1",
            1,
        )
        assert (second.status, second.accuracy, second.error) == ("failed", None, "ValueError: no")
        (tested,) = study.evaluations("test")
        assert tested.accuracy == 1.0


def test_a_completed_evaluation_is_never_replaced(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        study.record_evaluation(outcome(1, accuracy=0.5))
        with pytest.raises(StudyError, match=r"\[1\] was already evaluated on the search split"):
            study.record_evaluation(outcome(1, accuracy=0.75))
        assert [e.accuracy for e in study.evaluations("search")] == [0.5]


def test_a_failed_evaluation_may_be_made_again_and_attempts_add_up(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        study.record_evaluation(outcome(1, status="failed", attempts=2))
        study.record_evaluation(outcome(1, accuracy=0.5))
        (made,) = study.evaluations("search")
        assert (made.status, made.accuracy, made.attempts, made.error) == ("ok", 0.5, 3, None)


def test_measurements_are_kept_a_target_and_purpose(tmp_path: Path) -> None:
    environment = {"cpu": "x", "threads": 1}
    made = Measurement("xla", (0, 1), "adapt", "ok", 2e-3, (1e-3, 2e-3), environment)
    with Study.create(tmp_path, {}) as study:
        study.record_measurement(made)
        study.record_measurement(Measurement("xla", (0, 1), "verify", "noisy", 3e-3))
        study.record_measurement(
            Measurement("xla", (1, 1), "verify", "failed", None, error="crashed")
        )
        study.record_measurement(Measurement("onnx", (0, 1), "adapt", "ok", 4e-3))
        study.record_measurement(Measurement("onnx", (0, 1), "adapt", "ok", 5e-3))
        (adapted,) = study.measurements("xla", "adapt")
        assert adapted.samples_s == (1e-3, 2e-3)
        assert adapted.environment == environment
        assert [m.status for m in study.measurements("xla")] == ["ok", "noisy", "failed"]
        assert [m.latency_s for m in study.measurements("onnx")] == [5e-3]
        assert study.measurements("tpu") == []


def test_a_stage_is_done_only_once_it_is_finished(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        study.begin_stage("train")
        assert not study.stage_done("train")
        study.begin_stage("train")
        study.finish_stage("train", {"accuracy": 0.9})
        assert study.stage_done("train")
        assert not study.stage_done("search")
        (stage,) = study.stages()
        assert (stage.summary, stage.starts) == ({"accuracy": 0.9}, 2)
        assert stage.finished_at is not None
        assert stage.finished_at >= stage.started_at
        with pytest.raises(StudyError, match="stage train is not running"):
            study.finish_stage("train", {})


def test_training_steps_after_the_one_that_was_rolled_back_to_are_discarded(
    tmp_path: Path,
) -> None:
    with Study.create(tmp_path / "study", {}) as study:
        for step in (10, 20, 30):
            study.record_training(step, step / 10, {"loss": 1.0})
        study.discard_training(after=20)
        assert [t.step for t in study.training()] == [10, 20]


def test_training_steps_are_ordered_and_a_repeated_step_replaces(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        for step, loss in [(20, 2.0), (10, 3.0), (20, 1.5)]:
            study.record_training(step, step / 10, {"loss": loss})
        assert [(t.step, t.metrics["loss"]) for t in study.training()] == [(10, 3.0), (20, 1.5)]


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none()), max_size=3))
def test_metadata_round_trips(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    with Study.create(tmp_path_factory.mktemp("study"), {}) as study:
        for key, value in data.items():
            study.set_metadata(key, value)
        assert study.metadata() == data


def test_a_second_study_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    Study.create(tmp_path, {}).close()
    with pytest.raises(StudyError, match="already holds a study"):
        Study.create(tmp_path, {})


def test_a_directory_without_a_study_is_refused(tmp_path: Path) -> None:
    assert not Study.exists(tmp_path)
    with pytest.raises(UserError, match="expected a study directory"):
        Study.open(tmp_path)


def test_one_process_writes_and_others_may_look(tmp_path: Path) -> None:
    with Study.create(tmp_path, {"name": "x"}) as study:
        with pytest.raises(StudyError, match=f"in use by process {os.getpid()}"):
            Study.open(tmp_path)
        with Study.open(tmp_path, read_only=True) as reader:
            study.record_evaluation(outcome(1))
            assert len(reader.evaluations("search")) == 1
            with pytest.raises(StudyError, match="readonly"):
                reader.record_evaluation(outcome(2))
            with pytest.raises(StudyError, match="reading only"):
                reader.write_config({})
    Study.open(tmp_path).close()


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(StudyError, match="another SQLite database"):
        Study.open(tmp_path)
    Path(tmp_path / "study.db").write_bytes(b"certainly not a database" * 100)
    with pytest.raises(StudyError, match="file is not a database"):
        Study.open(tmp_path)


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    Study.create(tmp_path, {}).close()
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StudyError, match="expected schema version 1, got 99"):
        Study.open(tmp_path)


def test_a_full_disk_is_one_clear_error_and_the_study_still_opens(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        study.record_evaluation(outcome(1))
        pages = study._connection.execute("PRAGMA page_count").fetchone()[0]
        study._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StudyError, match=r"study\.db: database or disk is full"):
            fill(study)
    with Study.open(tmp_path) as study:
        assert study.evaluations("search")[0].genotype == (1,)
    assert integrity(tmp_path) == "ok"


def test_a_half_made_study_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "study.db.partial").write_bytes(b"torn")
    (tmp_path / "study.lock").write_text("4242\n")
    with Study.create(tmp_path, {"name": "x"}) as study:
        assert study.evaluations("search") == []


WRITER = """
    import sys
    from pathlib import Path
    from nas.execution.base import Outcome, Task
    from nas.study import Study
    study = Study.create(Path(sys.argv[1]), {})
    for i in range(10**6):
        study.record_evaluation(Outcome(Task((i,), "search", 0), "ok", {"accuracy": 0.5}, 0.0, "w"))
        print(i, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_recorded_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 200:
            pass
        with pytest.raises(StudyError, match=f"in use by process {writer.pid}"):
            Study.open(tmp_path)
        writer.send_signal(signal.SIGKILL)
        confirmed = [int(line) for line in writer.stdout.read().splitlines() if line.isdigit()]
    with Study.open(tmp_path) as study:
        recorded = [e.genotype[0] for e in study.evaluations("search")]
    assert recorded == list(range(len(recorded)))
    assert len(recorded) >= max([200, *confirmed]) + 1
    assert integrity(tmp_path) == "ok"
