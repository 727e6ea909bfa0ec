"""`nas run` killed in each stage and started again: nothing is lost, repeated or changed."""

import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nas.export.writing import read_network
from nas.study import Study
from nas.supernet.checkpoint import load_weights
from tests.nas.stages import tiny

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Moment:
    """When a query of the study's database first gives at least a number."""

    query: str
    at_least: int

    def reached(self, study: Path) -> bool:
        return tiny.count(study, self.query) >= self.at_least


STEPS = "SELECT max(step) FROM training"
MEASURED = "SELECT count(*) FROM measurements WHERE purpose = '{}'"
EVALUATED = "SELECT count(*) FROM evaluations WHERE split = '{}'"
RUNNING = "SELECT count(*) FROM stages WHERE status = 'running' AND name = '{}'"


def kill_at(study: Path, reached: Callable[[], bool]) -> None:
    """Starts `nas run` and kills it, its measuring processes included, at the moment."""
    before = tiny.evaluations(study), tiny.measurements(study)
    with tiny.start("run", study) as process:
        tiny.await_moment(process, reached)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert_kept(study, *before)


def kill_at_each(study: Path, *moments: Moment) -> None:
    for moment in moments:
        kill_at(study, lambda moment=moment: moment.reached(study))


def assert_kept(study: Path, evaluated: tiny.Rows, measured: tiny.Rows) -> None:
    """Every row that was there is there, to the moment of its recording."""
    now = tiny.evaluations(study)
    assert {key: now[key] for key in evaluated} == evaluated
    now = tiny.measurements(study)
    assert {key: now[key] for key in measured} == measured


def finish(study: Path, command: str) -> None:
    before = tiny.evaluations(study), tiny.measurements(study)
    tiny.finish(command, study)
    assert_kept(study, *before)


def test_training_goes_on_from_a_checkpoint_to_the_same_weights(copied, finished):
    study = copied(before="train")
    kill_at_each(study, Moment(RUNNING.format("train"), 1), Moment(STEPS, 15))
    assert not (study / "checkpoints/30").exists()
    kill_at_each(study, Moment(STEPS, 45))
    assert (study / "checkpoints/30").exists()
    assert not (study / "checkpoints/60").exists()
    finish(study, "train")
    expected, found = (load_weights(path / "checkpoints") for path in (finished, study))
    for one, other in zip(tiny.leaves(expected), tiny.leaves(found), strict=True):
        np.testing.assert_array_equal(one, other)
    with Study.open(finished, read_only=True) as one, Study.open(study, read_only=True) as other:
        ends = [
            [point.metrics["largest"] for point in opened.training() if "largest" in point.metrics]
            for opened in (one, other)
        ]
        assert ends[0] == ends[1]


def test_measurements_of_adapt_are_not_made_again(copied):
    study = copied(before="adapt")
    made = MEASURED.format("adapt")
    kill_at_each(
        study,
        Moment(RUNNING.format("adapt"), 1),
        Moment(made, 1),
        Moment(made, 2),
        Moment(made, 4),
    )
    finish(study, "adapt")
    with Study.open(study, read_only=True) as opened:
        assert [len(opened.measurements(name, "adapt")) for name in ("xla", "onnx")] == [3, 3]
        assert [stage.starts for stage in opened.stages() if stage.name == "adapt"] == [5]
    assert {path.name for path in (study / "predictors").iterdir()} == {"xla", "onnx", "pi"}


def test_a_search_ends_with_the_archive_of_one_that_was_never_killed(copied, finished):
    study = copied(before="search")
    made = EVALUATED.format("search")
    kill_at_each(study, Moment(RUNNING.format("search"), 1), Moment(made, 1))
    assert 1 <= tiny.count(study, made) < 8
    kill_at_each(study, Moment(made, tiny.count(study, made) + 1), Moment(made, 8))
    finish(study, "run")
    assert tiny.archive(study) == tiny.archive(finished)
    assert tiny.archive(study, "test") == tiny.archive(finished, "test")
    assert {row[-1] for row in tiny.evaluations(study).values()} == {1}


def test_members_are_tested_and_measured_once_each(copied, finished):
    study = copied(before="verify")
    kill_at_each(
        study,
        Moment(EVALUATED.format("test"), 1),
        Moment(MEASURED.format("verify"), 1),
        Moment(MEASURED.format("verify"), 4),
    )
    finish(study, "run")
    assert tiny.archive(study) == tiny.archive(finished)
    assert tiny.archive(study, "test") == tiny.archive(finished, "test")
    assert tiny.measurements(study).keys() == tiny.measurements(finished).keys()
    assert_complete(study, finished)


def test_an_export_is_complete_after_all(copied, finished):
    study = copied(before="export")
    kill_at(study, lambda: any((study / "export").iterdir()))
    kill_at(study, lambda: len(list(study.glob("export/*/card.json"))) >= 2)
    finish(study, "run")
    assert_complete(study, finished)


def assert_complete(study: Path, finished: Path) -> None:
    """The files of a finished study are there, and nothing half written."""
    names = {path.relative_to(finished) for path in (finished / "export").rglob("*")}
    assert {path.relative_to(study) for path in (study / "export").rglob("*")} == names
    assert {path.name for path in (study / "fronts").iterdir()} == {
        path.name for path in (finished / "fronts").iterdir()
    }
    for directory in (study / "export").iterdir():
        one, other = read_network(directory), read_network(finished / "export" / directory.name)
        for left, right in zip(tiny.leaves(one.params), tiny.leaves(other.params), strict=True):
            np.testing.assert_array_equal(left, right)
    assert (study / "report.html").stat().st_size > 10_000


def test_a_study_killed_while_it_was_made_can_be_made(finished, tmp_path):
    study = tmp_path / "study"
    (tmp_path / "tiny.yaml").write_text(tiny.CONFIG, encoding="utf-8")
    with tiny.start("train", tmp_path / "tiny.yaml", "--output", study) as process:
        tiny.await_moment(process, (study / "study.lock").exists)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    with tiny.start("train", tmp_path / "tiny.yaml", "--output", study) as process:
        tiny.await_moment(process, lambda: Moment(STEPS, 1).reached(study))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    with sqlite3.connect(study / "study.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize(
    ("stage", "moment"),
    [
        ("train", Moment(STEPS, 15)),
        ("adapt", Moment(MEASURED.format("adapt"), 1)),
        ("search", Moment(EVALUATED.format("search"), 3)),
    ],
)
def test_control_c_says_how_to_go_on_and_it_goes_on(copied, finished, stage, moment):
    study = copied(before=stage)
    with tiny.start("run", study) as process:
        tiny.await_moment(process, lambda: moment.reached(study))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith(f"nas: interrupted; `nas run {study}` continues\n")
    assert "Traceback" not in err
    finish(study, stage)
    if stage == "search":
        assert tiny.archive(study) == tiny.archive(finished)
