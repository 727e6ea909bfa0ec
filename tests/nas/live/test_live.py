"""What a run tells of itself, and what `nas watch` makes of it."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from nas.errors import StudyError
from nas.live import STAGE_NAMES, StageProgress, Status, duration, read_status
from nas.live.screen import SILENT_S, screen
from nas.stages import STAGES
from nas.study import Study
from tests.nas.cli.conftest import nas

__all__ = ["nas"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(name="study")
def study_fixture(tmp_path):
    with Study.create(tmp_path / "runs", {"name": "runs"}) as study:
        yield study


def shown(study: Study, status: Status | None, now: datetime = NOW) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(screen("title", study.stages(), status, now=now))
    file: Any = console.file
    return file.getvalue()


def end_with_an_error(study: Study, stage: str, text: str = "") -> None:
    progress = StageProgress(study, stage, 5)
    progress.__enter__()
    progress.update(3, text)
    error = RuntimeError("no")
    progress.__exit__(RuntimeError, error, None)


def searching(**fields: Any) -> Status:
    known: dict[str, Any] = {
        "stage": "search",
        "done": 120,
        "total": 200,
        "rate": 0.5,
        "rate_of": "evaluations",
        "eta_s": 160.0,
        "hypervolume": {"pi": 0.25, "host": 0.5},
        "updated_at": NOW.isoformat(),
    }
    return Status(**{**known, **fields})


def test_the_stages_are_those_of_a_run():
    assert tuple(STAGES) == STAGE_NAMES


def test_a_line_holds_every_figure_that_is_known():
    assert searching(failures=2).line() == (
        "search: 120/200  0.50 evaluations/s  ETA 2 min 40 s  "
        "hypervolume pi 0.250  host 0.500  2 failed"
    )
    assert Status(stage="adapt", done=1, total=3, text="pi: 2 ms").line() == "adapt: 1/3  pi: 2 ms"


def test_durations_are_rounded_to_what_matters():
    assert [duration(s) for s in (3.4, 61, 3660, float("inf"))] == [
        "3 s",
        "1 min 01 s",
        "1 h 01 min",
        "?",
    ]


def status_of(study: Study) -> Status:
    status = read_status(study)
    assert status is not None
    return status


def test_without_a_terminal_a_stage_prints_lines_and_keeps_its_status(study, capsys):
    with StageProgress(study, "search", 2) as progress:
        assert read_status(study) == Status(
            stage="search", done=0, total=2, updated_at=status_of(study).updated_at
        )
        progress.update(1, failures=1)
        progress.update(2, "over", eta_s=float("inf"))
    assert capsys.readouterr().err.splitlines() == [
        "search: started",
        "search: 1/2  1 failed",
        "search: 2/2  over  ETA ?  1 failed",
    ]
    status = status_of(study)
    assert (status.done, status.state, status.eta_s, status.failures) == (2, "running", None, 1)


def test_a_stage_that_an_error_ends_is_kept_as_stopped(study):
    end_with_an_error(study, "train")
    status = status_of(study)
    assert (status.done, status.state) == (3, "stopped")


def test_the_screen_lists_all_stages_and_details_the_running_one(study):
    study.begin_stage("train")
    study.finish_stage("train", {"duration_s": 125.0})
    study.begin_stage("search")
    text = shown(study, searching(failures=3))
    lines = [line.strip() for line in text.splitlines()]
    assert lines[1].split() == ["✓", "train", "2", "min", "05", "s"]
    assert "▶  search" in text
    assert "120/200" in text
    assert "ETA 2 min 40 s" in text
    assert "pi 0.250   host 0.500" in text
    assert "3 failed" in text
    assert lines[-1].split() == ["·", "report"]
    assert "no sign of life" not in text


def test_the_screen_says_when_a_run_is_silent_or_stopped(study):
    study.begin_stage("search")
    late = NOW + timedelta(seconds=SILENT_S + 60)
    assert "no sign of life for 3 min 00 s" in shown(study, searching(), late)
    assert "stopped" in shown(study, searching(state="stopped"), late)


@pytest.mark.parametrize(
    "document",
    [{}, {"stage": "search"}, {"stage": "search", "done": 1, "total": 2, "rate": "fast"}, 7],
)
def test_a_status_that_is_not_one_is_a_mistake_of_the_study(study, document):
    study.set_metadata("progress", document)
    with pytest.raises(StudyError, match="metadata progress"):
        read_status(study)


def test_watching_prints_where_the_run_is_and_ends_with_it(nas, study):
    path = study.path
    assert nas("watch", "--once", path) == (0, "not begun\n", "")
    study.begin_stage("train")
    assert nas("watch", "--once", path)[1] == "train: running\n"
    end_with_an_error(study, "train", "epoch 3")
    assert nas("watch", path)[1] == "train: 3/5  epoch 3  stopped\n"
    study.finish_stage("train", {})
    for name in STAGE_NAMES[1:]:
        study.begin_stage(name)
        study.finish_stage(name, {})
    assert nas("watch", path)[1] == "report: done\n"


def test_watching_a_directory_without_a_study_is_a_mistake(nas, tmp_path):
    code, _, err = nas("watch", tmp_path)
    assert code == 2
    assert "expected a study directory" in err
