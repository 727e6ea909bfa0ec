"""What arrives in each tracker, and that none of them can hurt a run."""

import importlib.util
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.config import Config, parse_config
from nas.study import Study
from nas.tracking import BackgroundTracker, TrackingError, check_tracking, open_tracker
from tests.nas.stages import tiny
from tests.nas.tracking.events import read_events


def config(**tracking: Any) -> Config:
    return parse_config({**yaml.safe_load(tiny.CONFIG), "tracking": tracking}, source="test")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", config().to_document()) as made:
        yield made


def follow(study: Study, chosen: Config) -> None:
    """Two sessions of training, the second from an earlier step, and a search."""
    for stage, points in (
        ("train", {5: {"loss": 2.0}, 10: {"loss": 1.5, "largest": 0.25}}),
        ("train", {8: {"loss": 1.25}}),
        ("search", {3: {"hypervolume/pi": 0.5}}),
    ):
        with open_tracker(study, chosen, stage) as tracker:
            for step, metrics in points.items():
                tracker.log(step, metrics)


def test_tensorboard_reads_each_stages_scalars_and_where_a_session_began(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    follow(study, config(tensorboard=True))
    training = read_events(study.path / "tensorboard/train")
    points = sorted((e.step, *item) for e in training for item in e.scalars.items())
    assert points == [
        (5, "train/loss", 2.0),
        (8, "train/loss", 1.25),
        (10, "train/largest", 0.25),
        (10, "train/loss", 1.5),
    ]
    # TensorBoard drops what came before from that step on.
    assert sorted(e.step for e in training if e.session_start) == [5, 8]
    (found,) = [e for e in read_events(study.path / "tensorboard/search") if e.scalars]
    assert (found.step, found.scalars) == (3, {"search/hypervolume/pi": 0.5})
    assert capsys.readouterr().err == ""


def wandb_records(file: Path) -> Iterator[Any]:
    """Of a file in the form of LevelDB's logs, after a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts = file.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record: Any = wandb_internal_pb2.Record()  # pyright: ignore[reportAttributeAccessIssue]
            record.ParseFromString(parts)
            yield record
            parts = b""


def kind(record: Any) -> str:
    return record.WhichOneof("record_type")


def history_row(record: Any) -> dict[str, float]:
    """What was logged, without W&B's own entries."""
    items = {"".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
    return {name: value for name, value in items.items() if not name.startswith("_")}


def test_wandb_gets_one_run_with_the_stages_steps_as_axes(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(study.path))
    chosen = config(wandb={"project": "ours"})
    check_tracking(chosen.tracking)
    follow(study, chosen)
    # Its own process writes the last records after the run is finished.
    deadline = time.monotonic() + 30
    found, rows = [], []
    while len(rows) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
        files = study.path.glob("wandb/offline-run-*/*.wandb")
        found = [record for file in files for record in wandb_records(file)]
        rows = [history_row(record) for record in found if kind(record) == "history"]
    assert sorted(rows, key=lambda row: sorted(row.items())[-1]) == [
        {"search/step": 3, "search/hypervolume/pi": 0.5},
        {"train/step": 5, "train/loss": 2.0},
        {"train/step": 8, "train/loss": 1.25},
        {"train/step": 10, "train/loss": 1.5, "train/largest": 0.25},
    ]
    runs = [record.run for record in found if kind(record) == "run"]
    assert {(run.run_id, run.project, run.display_name) for run in runs} == {
        (study.metadata()["tracking.run"], "ours", "tiny")
    }
    settings = {item.key: json.loads(item.value_json) for item in runs[0].config.update}
    assert settings["train"]["learning_rate"] == 0.5
    axes = {
        record.metric.glob_name: record.metric.step_metric
        for record in found
        if kind(record) == "metric" and record.metric.glob_name
    }
    assert axes == {"train/*": "train/step", "search/*": "search/step"}
    assert capsys.readouterr().err == ""


def test_wandb_without_a_login_is_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(TrackingError, match=r"tracking\.wandb: expected a login.*WANDB_API_KEY"):
        check_tracking(config(wandb={}).tracking)


def test_mlflow_gets_one_run_whatever_the_stages_and_sessions(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (study.path / "mlflow").as_uri()
    chosen = config(mlflow={"experiment": "ours", "uri": uri})
    check_tracking(chosen.tracking)
    follow(study, chosen)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("ours")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("tiny", "FINISHED")
    assert run.data.params["train.learning_rate"] == "0.5"
    assert run.data.params["name"] == '"tiny"'

    def points(name: str) -> list[tuple[int, float]]:
        history = client.get_metric_history(run.info.run_id, name)
        return [(point.step, point.value) for point in history]

    assert points("train/loss") == [(5, 2.0), (10, 1.5), (8, 1.25)]
    assert points("train/largest") == [(10, 0.25)]
    assert points("search/hypervolume/pi") == [(3, 0.5)]
    assert capsys.readouterr().err == ""


def test_a_password_has_no_place_in_a_config() -> None:
    with pytest.raises(ValueError, match=r"tracking\.mlflow\.uri must hold no password"):
        config(mlflow={"uri": "https://me:secret@mlflow.example.org"})


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_told_with_its_extra_before_anything_runs(
    name: str, nas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(tiny.CONFIG, encoding="utf-8")
    find: Any = importlib.util.find_spec
    packages = ("tensorboardX", "wandb", "mlflow")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda found: None if found in packages else find(found)
    )
    value = "true" if name == "tensorboard" else "{}"
    code, _, err = nas("run", "tiny.yaml", "--set", f"tracking={{{name}: {value}}}")
    assert code == 2
    assert f"pip install 'ridgeline-nas[{name}]'" in err
    with Study.open(Path("runs/tiny"), read_only=True) as made:
        assert made.stages() == []


class Server:
    """Refuses what it is told to, and keeps the rest."""

    def __init__(self, refuses: Callable[[int], bool]) -> None:
        self.refuses = refuses
        self.kept: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if self.refuses(step):
            raise ConnectionError(f"no route at {step}")
        self.kept.append((step, dict(metrics)))

    def close(self) -> None:
        self.closed = True


def test_a_server_that_is_away_for_a_while_is_told_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(lambda step: 2 <= step < 5)
    tracker = BackgroundTracker("server", lambda: server)
    for step in range(7):
        tracker.log(step, {"loss": 1.0})
    tracker.close()
    assert [step for step, _ in server.kept] == [0, 1, 5, 6]
    assert server.closed
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "nas: tracking with server failed: ConnectionError: no route at 2; the run goes on"
    )


def test_a_tracker_that_cannot_be_opened_is_told_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build() -> Server:
        raise OSError("no such host")

    tracker = BackgroundTracker("server", build)
    for step in range(3):
        tracker.log(step, {"loss": 1.0})
    tracker.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert "tracking with server failed: OSError: no such host" in line


def test_a_server_that_never_answers_holds_nothing_up(capsys: pytest.CaptureFixture[str]) -> None:
    answer = threading.Event()
    server = Server(lambda step: not answer.wait(60))
    tracker = BackgroundTracker("server", lambda: server, close_timeout_s=0.05)
    tracker.log(0, {"loss": 1.0})
    tracker.close()
    assert server.kept == []
    assert "not all was sent within 0.05 s; the run goes on" in capsys.readouterr().err
    answer.set()
