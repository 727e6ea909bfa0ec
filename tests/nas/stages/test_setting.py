"""What stages hand to workers, which run in a directory of their own."""

from pathlib import Path

import pytest

from nas.config import parse_config
from nas.stages.setting import Setting, compilation_cache
from nas.stages.train import training_job
from nas.study import Study


def test_workers_get_absolute_paths_from_a_study_that_is_named_relatively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = {
        "name": "relative",
        "data": {"name": "digits"},
        "space": {"name": "mobilenet", "stages": [{"width": 16, "stride": 1}]},
        "targets": [{"name": "here"}],
    }
    config = parse_config(document, source="test")
    with Study.create(Path("study"), config.to_document()) as study:
        setting = Setting(study, config)
        job = training_job(setting)
        assert job.checkpoints == tmp_path / "study" / "checkpoints"


def test_compiled_functions_are_not_taken_from_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert compilation_cache() == tmp_path / "caches/ridgeline/compiled"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "shared"))
    assert compilation_cache() == tmp_path / "shared"
