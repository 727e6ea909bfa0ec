"""The configs that ship are valid, and the schema beside them is the current one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nas.config import config_schema, load_config

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CONFIGS = sorted(EXPERIMENTS.glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_written_schema_is_current():
    written = json.loads((EXPERIMENTS / "schema.json").read_text(encoding="utf-8"))
    assert written == config_schema(), "renew it: nas schema > experiments/schema.json"


def test_the_schema_command_prints_the_schema():
    command = [sys.executable, "-m", "nas.cli", "schema"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (EXPERIMENTS / "schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_shipped_config_is_valid_and_opens_with_its_purpose(path: Path):
    config = load_config(path)
    assert sum(target.measurable for target in config.targets) >= 2
    header = path.read_text(encoding="utf-8").partition("\nname:")[0]
    assert all(word in header for word in ("Purpose", "Cost", "Expected"))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_the_schema_accepts_what_ships(path: Path, validator: Any):
    validator.validate(load_config(path).to_document())


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": "1"},
        {"targets": []},
        {"space": {"name": "mobilenet"}},
        {"space": {"name": "alexnet", "stages": []}},
        {"search": {"evals": 3}},
        {"export": {"members": "some"}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_the_config_refuses(wrong: dict[str, Any], validator: Any):
    document = load_config(EXPERIMENTS / "quickstart.yaml").to_document()
    assert not validator.is_valid({**document, **wrong})
