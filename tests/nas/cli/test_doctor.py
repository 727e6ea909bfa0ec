"""`nas doctor`: its table, its JSON, its exit code; what it looks at is tested where it is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.doctor import Check, examination
from nas.study import Study

CONFIG = """
name: small
output: {output}
data: {{name: digits}}
space: {{name: mobilenet, stages: [{{width: 16, stride: 1}}], resolutions: [8]}}
train: {{executor: in_process}}
search: {{executor: in_process}}
targets: [{{name: pi, device: raspberry-pi-5}}]
"""
TITLES = [
    "packages",
    "machine",
    "JAX",
    "latency runtimes",
    "data",
    "study",
    "Ray",
    "worker environment",
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Leaves out what takes its time, and what machine and user of the moment decide."""

    def fine(*arguments: object, **options: object) -> Iterator[Check]:
        yield Check("all", "ok", "well")

    monkeypatch.setattr(examination, "check_jax", fine)
    monkeypatch.setattr(examination, "check_runtimes", fine)
    monkeypatch.setattr(examination, "check_machine", fine)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG.format(output=tmp_path / "runs"), encoding="utf-8")
    return path


def test_a_config_without_faults_passes_and_nothing_is_written(nas, config: Path):
    code, out, err = nas("doctor", config)
    assert (code, err) == (0, "")
    assert [line[:-1] for line in out.splitlines() if line.endswith(":")] == TITLES
    assert "the config does not use it" in out
    assert "  fail  " not in out
    assert list(config.parent.iterdir()) == [config]


def test_each_problem_comes_with_its_advice_and_fails_the_command(nas, config: Path):
    code, out, _ = nas("doctor", config, "--set", "data.name=cifar10", "--set", "output=/proc/runs")
    assert code == 1
    lines = out.splitlines()
    told = {line.split()[1]: number for number, line in enumerate(lines) if "  fail  " in line}
    assert set(told) == {"data", "output"}
    for number in told.values():
        assert lines[number + 1].strip().startswith("-> ")
    assert lines[-1].endswith("checks: 2 failed, 0 with a warning")


def test_json_holds_the_same(nas, config: Path):
    code, out, _ = nas("doctor", config, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["state"] in ("ok", "warn")
    assert list(found["sections"]) == TITLES
    checks = [check for section in found["sections"].values() for check in section]
    assert all(set(check) == {"name", "state", "found", "advice"} for check in checks)
    code, out, _ = nas("doctor", config, "--json", "--set", "data.name=cifar10")
    assert (code, json.loads(out)["state"]) == (1, "fail")


def test_a_cluster_that_is_not_there_is_a_failure(nas, config: Path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    code, out, _ = nas("doctor", config, "--set", "search.executor=ray", "--json")
    assert code == 1
    (found,) = [check for check in json.loads(out)["sections"]["Ray"] if check["name"] == "Ray"]
    assert found["state"] == "fail"
    assert "Ray could not be reached at 127.0.0.1:1" in found["found"]
    assert "RAY_ADDRESS" in found["advice"]


def test_the_worker_environment_is_that_of_the_workers(nas, config: Path, monkeypatch):
    from nas.execution.cluster import worker_environment
    from nas.stages.setting import cache_environment

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    asked = {"search.executor": "ray", "search.cpus_per_worker": "3", "train.executor": "ray"}
    options = [word for item in asked.items() for word in ("--set", "=".join(item))]
    _, out, _ = nas("doctor", config, "--json", *options)
    shown = {
        check["name"]: dict(pair.split("=", 1) for pair in check["found"].split())
        for check in json.loads(out)["sections"]["worker environment"]
        if check["name"].endswith("workers")
    }
    assert shown["search workers"] == worker_environment(cpus=3, gpus=0) | cache_environment()
    assert shown["search workers"]["OMP_NUM_THREADS"] == "3"
    assert shown["train workers"] == worker_environment(cpus=2, gpus=0) | cache_environment()


def test_a_study_is_looked_at_where_it_is(nas, config: Path, tmp_path: Path):
    from nas.config import load_config

    with Study.create(tmp_path / "study", load_config(config).to_document()):
        pass
    code, out, _ = nas("doctor", tmp_path / "study")
    assert code == 0
    assert f"{tmp_path}/study, " in out
    code, _, err = nas("doctor", tmp_path / "study", "--set", "seed=1")
    assert code == 2
    assert "--set goes with a config" in err


def test_a_mistake_in_the_config_is_one_line(nas, config: Path):
    code, out, err = nas("doctor", config, "--set", "search.workers=none")
    assert (code, out) == (2, "")
    assert "search.workers must be an integer" in err
    assert "no such config file" in nas("doctor", "none.yaml")[2]
