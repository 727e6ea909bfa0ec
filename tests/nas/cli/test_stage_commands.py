"""`nas run` and the single stages: what runs, what is left alone, and what a study refuses.

The stages are recorders here; what they do is tested where they are.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from nas.cli import main
from nas.config import Config
from nas.study import Study

CONFIG = """
name: tiny
data: {name: digits}
space: {name: mobilenet, stages: [{width: 16, stride: 1}]}
targets: [{name: here, runtime: xla}]
"""
NAMES = ("train", "adapt", "search", "verify", "export", "report")


class Stages:
    """Six stages that write down that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.config: Config | None = None
        self.interrupt_at = ""

    def table(self) -> dict[str, Callable[[Study, Config], None]]:
        return {name: self._stage(name) for name in NAMES}

    def _stage(self, name: str) -> Callable[[Study, Config], None]:
        def stage(study: Study, config: Config) -> None:
            study.begin_stage(name)
            if name == self.interrupt_at:
                raise KeyboardInterrupt
            self.ran.append(name)
            self.config = config
            study.finish_stage(name, {})

        return stage


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    recorder = Stages()
    module = ModuleType("nas.stages")
    module.__dict__["STAGES"] = recorder.table()
    monkeypatch.setitem(sys.modules, "nas.stages", module)
    return recorder


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_run_goes_through_all_stages_and_says_where_the_report_is(nas, stages, config):
    code, out, _ = nas("run", config)
    assert code == 0
    assert stages.ran == list(NAMES)
    assert out == f"report: {config.parent / 'runs/tiny/report.html'}\n"


def test_a_complete_stage_is_not_run_again(nas, stages, config):
    nas("run", config)
    stages.ran.clear()
    for command in (("run", config), ("run", "runs/tiny"), ("search", "runs/tiny")):
        assert nas(*command)[0] == 0
    assert stages.ran == []


def test_an_interrupted_run_says_how_to_go_on_and_goes_on(nas, stages, config):
    stages.interrupt_at = "search"
    code, _, err = nas("run", config)
    assert code == 130
    assert err == "\nnas: interrupted; `nas run runs/tiny` continues\n"
    stages.interrupt_at = ""
    assert nas("run", "runs/tiny")[0] == 0
    assert stages.ran == list(NAMES)


def test_a_defect_keeps_its_traceback(stages, config, monkeypatch):
    def broken(study: Study, config: Config) -> None:
        int("x")

    monkeypatch.setitem(sys.modules["nas.stages"].__dict__["STAGES"], "train", broken)
    with pytest.raises(ValueError, match="invalid literal"):
        main(["run", str(config)])


def test_overrides_and_output_make_the_study(nas, stages, config):
    assert nas("run", config, "--set", "search.evaluations=5", "--output", "there")[0] == 0
    assert stages.config is not None
    assert stages.config.search.evaluations == 5
    with Study.open(Path("there"), read_only=True) as study:
        assert study.config["search"]["evaluations"] == 5


def test_another_config_is_refused_for_a_study_that_exists(nas, stages, config):
    nas("run", config)
    code, _, err = nas("run", config, "--set", "seed=1", "--set", "targets.0.threads=2")
    assert code == 2
    assert "runs/tiny: holds a study of another config" in err
    assert "(seed: 0 there, 1 here, targets.0.threads: 1 there, 2 here)" in err


def test_overrides_do_not_go_with_a_study(nas, stages, config):
    nas("run", config)
    code, _, err = nas("run", "runs/tiny", "--set", "seed=1")
    assert code == 2
    assert "--set and --output go with a config" in err


def test_a_stage_waits_for_the_ones_before(nas, stages, config):
    assert nas("train", config)[0] == 0
    code, _, err = nas("search", "runs/tiny")
    assert code == 2
    assert "runs/tiny: search needs adapt to be complete; `nas adapt runs/tiny` first" in err


def test_the_stages_one_by_one_are_a_whole_run(nas, stages, config):
    assert nas("train", config)[0] == 0
    for name in NAMES[1:]:
        assert nas(name, "runs/tiny")[0] == 0
    assert stages.ran == list(NAMES)


def test_the_report_is_written_anew_each_time_and_needs_no_export(nas, stages, config):
    assert nas("train", config)[0] == 0
    for name in ("adapt", "search", "verify", "report", "report"):
        assert nas(name, "runs/tiny")[0] == 0
    assert stages.ran[-3:] == ["verify", "report", "report"]


def test_options_of_export_choose_members_of_a_complete_study(nas, stages, config):
    nas("run", config)
    member = ("--target", "here", "--latency-ms", "3")
    options = ("--format", "onnx", "--int8", "--finetune-epochs", "2")
    assert nas("export", "runs/tiny", *member, *options)[0] == 0
    assert stages.ran[-1] == "export"
    assert stages.config is not None
    chosen = stages.config.export
    assert chosen.members != "all"
    assert (chosen.members[0].target, chosen.members[0].latency_ms) == ("here", 3.0)
    assert (chosen.formats, chosen.int8, chosen.finetune_epochs) == (("onnx",), True, 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--target", "there"), "target must be one of here, got 'there'"),
        (("--format", "tflite"), "export.formats.0 must be one of 'onnx', 'stablehlo' or"),
        (("--format", "flax", "--int8"), "export.int8 needs onnx among the formats, got flax"),
        (("--target", "here", "--latency-ms", "-1"), "latency_ms must be greater than 0"),
    ],
)
def test_export_refuses_what_does_not_exist(nas, stages, config, options, expected):
    nas("run", config)
    code, _, err = nas("export", "runs/tiny", *options)
    assert code == 2
    assert expected in err


def test_a_study_in_use_is_refused(nas, stages, config):
    nas("run", config)
    with Study.open(Path("runs/tiny")):
        code, _, err = nas("report", "runs/tiny")
    assert code == 2
    assert "in use" in err


def test_a_study_in_which_nothing_began_takes_the_corrected_config(nas, config):
    missing = ["--set", "data.name=cifar10", "--set"]
    assert "first" in nas("train", config, *missing, "data.path=first")[2]
    code, _, err = nas("train", config, *missing, "data.path=second")
    assert code == 2
    assert "second" in err
    with Study.open(Path("runs/tiny"), read_only=True) as study:
        assert study.config["data"]["path"].endswith("second")
