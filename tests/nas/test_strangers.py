"""A config or a study directory from a stranger: an error that says what is wrong, never more."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nas.config import Config, load_config
from nas.errors import StudyError, UserError
from nas.execution.base import Outcome, Task
from nas.live import read_status
from nas.records import Measurement
from nas.study import Study
from nas.yaml_text import MOST_BYTES, YamlError, read_yaml, write_yaml
from tests.nas.cli.conftest import nas

__all__ = ["nas"]


def steady(examples: int) -> settings:
    """The same examples every time."""
    harmless = [HealthCheck.function_scoped_fixture]
    return settings(
        derandomize=True, deadline=None, max_examples=examples, suppress_health_check=harmless
    )


def refusal(call: Callable[[], object], kind: type[Exception] = UserError) -> str:
    """What a call is refused with; nothing where it is not."""
    try:
        call()
    except kind as error:
        return str(error)
    return ""


CONFIG = {
    "name": "given",
    "data": {"name": "digits"},
    "space": {"name": "mobilenet", "stages": [{"width": 16, "stride": 1}]},
    "targets": [{"name": "here"}],
}
TEXT = yaml.safe_dump(CONFIG)

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
NASTY: dict[str, tuple[bytes, str]] = {
    "code": (b"name: !!python/object/apply:os.system [touch ran]", "constructor for the tag"),
    "a name in Python": (b"name: !!python/name:os.system", "constructor for the tag"),
    "laughs": (LAUGHS.encode(), "expected at most 20,000 entries, got"),
    "long laughs": (
        f"name: &a {'x' * 100_000}\nlist: [{', '.join(['*a'] * 900)}]".encode(),
        "expected at most 20,000 entries",
    ),
    "merged laughs": (b"a: &a {b: 1}\nc: {? !!merge x : [*a, *a]}", "constructor for the tag"),
    "depth": (b"[" * 100_000, "is nested too deeply"),
    "depth of mappings": (b"{a: " * 50_000, "is nested too deeply"),
    "itself": (b"name: &a [*a]", "an entry contains itself"),
    "digits": (b"seed: " + b"9" * 5000, "is not YAML"),
    "infinity": (b"seed: .inf", "seed must be"),
    "NUL": (b"name: a\x00b", "is not YAML"),
    "no text": (b"\xff\xfe\x00", "is not text in UTF-8"),
    "twice": (b"name: a\nname: b", "name is given twice"),
    "a tag that does not fit": (b"seed: !!int ''", "is not YAML"),
    "a truth that is none": (b"seed: !!bool maybe", "is not YAML"),
    "a date": (b"seed: !!timestamp x", "constructor for the tag"),
    "a mapping that is none": (b"!!map 5", "expected a mapping node"),
    "a lone surrogate": (b'name: "\\ud800"', "name"),
    "two documents": (b"name: a\n---\nname: b", "but found another document"),
    "no end": (b"name: " + b"a" * (MOST_BYTES + 1), "expected YAML of at most 262,144 bytes"),
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_configs_are_told_in_one_line(nas, name: str, tmp_path, monkeypatch):
    content, told = NASTY[name]
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_bytes(content)
    code, out, err = nas("run", "config.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("nas: error: config.yaml: ")
    assert told in err
    assert err.count("\n") == 1
    assert len(err) < 2200
    assert os.listdir() == ["config.yaml"]


def scalars() -> st.SearchStrategy[Any]:
    numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(2**63), 2**31, 1e308])
    words = st.text(max_size=9) | st.sampled_from(["../../x", "/etc/passwd", "\x1b[2J", "all"])
    return st.none() | st.booleans() | numbers | words


def anything() -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    )


PLACES = [
    *[(section, key) for section in ("data", "train", "search", "export", "tracking", "verify")
      for key in Config.model_json_schema()["$defs"][f"{section.title()}Config"]["properties"]],
    *[("targets", 0, key) for key in
      Config.model_json_schema()["$defs"]["TargetConfig"]["properties"]],
    *[("space", key) for key in ("name", "stages", "kernel_sizes", "depths", "resolutions")],
    *[(key,) for key in CONFIG], ("output",), ("seed",),
]  # fmt: skip


@steady(200)
@given(st.sampled_from(PLACES), anything())
def test_any_value_anywhere_makes_a_config_or_one_line(tmp_path: Path, place: Any, value: Any):
    document: Any = json.loads(json.dumps(CONFIG))
    inner = document
    for part in place[:-1]:
        inner = inner.setdefault(part, {}) if isinstance(inner, dict) else inner[part]
    inner[place[-1]] = value
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8", newline="")
    told = refusal(lambda: load_config(path))
    assert "\n" not in told
    if not told:
        for target in load_config(path).targets:
            assert (tmp_path / f"{target.name}.csv").parent == tmp_path


@steady(100)
@given(st.text(alphabet="[]{}:,-&*!|>%@`'\"#? \nab1\t\\", max_size=60))
@example("? [a]\n: b")
@example("%YAML 2.0\n---\na")
def test_any_text_is_yaml_or_an_error(text: str):
    assert "\n" not in refusal(lambda: read_yaml(text), YamlError)


@steady(60)
@given(anything())
@example({"a": "1e5", "b": "on", "c": "0o7", "d": "~", "e": "012", "f": "1_0", "g": "2001-01-01"})
def test_what_is_written_as_yaml_is_read_back(value: Any):
    text = write_yaml({"key": value})
    try:
        found = read_yaml(text)["key"]
    except ValueError:
        assert "e" in text or "\\" in text or any(len(word) > 4000 for word in text.split())
        return
    assert json.dumps(found) == json.dumps(value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a row in every table."""
    path = tmp_path_factory.mktemp("made") / "study"
    with Study.create(path, CONFIG) as study:
        study.begin_stage("train")
        study.record_training(1, 0.5, {"loss": 1.0})
        study.finish_stage("train", {"duration_s": 1.0})
        for option in range(20):
            task = Task((option, 1, 2), "search", 0)
            study.record_evaluation(
                Outcome(task, "ok", {"accuracy": 0.5, "loss": 1.0}, 0.1, "worker")
            )
        study.record_measurement(Measurement("here", (1, 2), "adapt", "ok", 1e-3, (1e-3, 2e-3)))
        study.set_metadata(
            "progress", {"stage": "train", "done": 1, "total": 2, "updated_at": "2026-01-01T00Z"}
        )
    return path


def copied(made: Path, place: Path) -> Path:
    place.mkdir(exist_ok=True)
    for name in ("config.yaml", "study.db"):
        (place / name).write_bytes((made / name).read_bytes())
    return place


def read_all(path: Path) -> None:
    with Study.open(path, read_only=True) as study:
        assert study.config
        study.evaluations("search")
        study.evaluations("test")
        study.measurements("here")
        study.stages()
        study.training()
        study.metadata()
        read_status(study)


def test_the_study_that_is_spoilt_below_is_a_good_one(made: Path):
    read_all(made)


@steady(100)
@given(data=st.data())
def test_spoilt_bytes_of_a_database_are_an_error_or_still_a_study(
    made: Path, tmp_path: Path, data: st.DataObject
):
    path = copied(made, tmp_path / "study")
    content = bytearray((path / "study.db").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(change)] = change
    end = data.draw(st.sampled_from([None, None, 100, 4096, len(content) // 2]))
    (path / "study.db").write_bytes(content[:end])
    told = refusal(lambda: read_all(path), StudyError)
    assert told == "" or "study.db" in told


COLUMNS = [
    *[("evaluations", c) for c in ("genotype", "accuracy", "loss", "metrics", "seed")],
    *[("evaluations", c) for c in ("duration_s", "worker", "created_at", "error", "attempts")],
    *[("measurements", c) for c in ("genotype", "latency_s", "samples", "environment")],
    *[("measurements", c) for c in ("error", "created_at")],
    *[("stages", c) for c in ("name", "started_at", "finished_at", "summary", "starts")],
    *[("training", c) for c in ("epoch", "metrics")],
    ("metadata", "value"),
]
HOSTILE = st.sampled_from(
    [
        "", "x", b"\xff\x00", -1, 10**18, 1e308, "[" * 5000, "9" * 5000, "[1e999]", "NaN", "{}",
        "null", '"a"', '{"a": "b"}', "[-1]", "[1.5]", "[99999999999999999999]", '{"a": null}',
        "0001-01-01", "9999-12-31T23:59:59-23:59", "2026-01-01", "\x1b]0;gone\x07",
    ]
)  # fmt: skip


@steady(150)
@given(st.sampled_from(COLUMNS), HOSTILE)
def test_wrong_values_in_a_column_are_an_error_or_harmless(
    made: Path, tmp_path: Path, column: tuple[str, str], value: Any
):
    path = copied(made, tmp_path / "study")
    connection = sqlite3.connect(path / "study.db")
    connection.execute("PRAGMA ignore_check_constraints = ON")
    with connection:
        last = f"(SELECT max(rowid) FROM {column[0]})"
        connection.execute(f"UPDATE {column[0]} SET {column[1]} = ? WHERE rowid = {last}", (value,))
    connection.close()
    told = refusal(lambda: read_all(path), StudyError)
    if told:
        assert str(path) in told
        return
    with Study.open(path, read_only=True) as study:
        for one in study.evaluations("search"):
            assert all(option >= 0 for option in one.genotype)
            assert (one.worker + (one.error or "")).isprintable()
        for one in study.measurements("here"):
            assert one.latency_s is None or one.latency_s > 0


ALTERATIONS = {
    "trigger": "CREATE TRIGGER t AFTER INSERT ON training BEGIN DELETE FROM evaluations; END",
    "view": """DROP TABLE training;
        CREATE VIEW training AS WITH RECURSIVE n(step) AS (SELECT 1 UNION ALL SELECT step FROM n)
        SELECT step, 1.0 AS epoch, '{}' AS metrics FROM n""",
    "table": "CREATE TABLE more (a)",
    "column": "ALTER TABLE metadata ADD COLUMN more",
    "missing": "DROP TABLE stages",
    "index": "CREATE INDEX i ON training (abs(step))",
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_database_of_other_tables_is_refused(made: Path, tmp_path: Path, name: str):
    path = copied(made, tmp_path / "study")
    connection = sqlite3.connect(path / "study.db")
    connection.executescript(ALTERATIONS[name])
    connection.close()
    for read_only in (True, False):
        with pytest.raises(StudyError, match="expected a study's tables, other ones are"):
            Study.open(path, read_only=read_only)


def test_a_page_that_is_its_own_child_ends(made: Path, tmp_path: Path):
    path = copied(made, tmp_path / "study")
    connection = sqlite3.connect(path / "study.db")
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'training'"
    ).fetchone()
    connection.close()
    content = bytearray((path / "study.db").read_bytes())
    # An interior table page (type 5) of 300 cells that all lead to the page itself.
    page = bytearray(size)
    cells = 300
    page[0:12] = bytes([5, 0, 0]) + cells.to_bytes(2) + (size - 6).to_bytes(2) + bytes(1)
    page[8:12] = root.to_bytes(4)
    page[size - 6 :] = root.to_bytes(4) + bytes([1, 0])
    for cell in range(cells):
        page[12 + 2 * cell : 14 + 2 * cell] = (size - 6).to_bytes(2)
    content[(root - 1) * size : root * size] = page
    (path / "study.db").write_bytes(content)
    with pytest.raises(StudyError, match=r"damaged|malformed"):
        read_all(path)


def link(at: Path, to: Path) -> None:
    at.unlink(missing_ok=True)
    at.symlink_to(to)


LINKED: dict[str, Callable[[Path, Path], None]] = {
    "lock": lambda study, outside: link(study / "study.lock", outside / "file"),
    "config": lambda study, outside: link(study / "config.yaml", outside / "file"),
    "half-written config": lambda study, outside: link(
        study / "config.yaml.partial", outside / "file"
    ),
    "directory": lambda study, outside: link(study / "fronts", outside),
    "deep": lambda study, outside: link(study / "predictors/here.csv.part", outside / "new"),
    "pipe": lambda study, _: os.mkfifo(study / "report.html"),
}


@pytest.mark.parametrize("name", LINKED)
def test_a_link_out_of_the_study_is_refused_before_anything_is_written(
    made: Path, tmp_path: Path, name: str
):
    study, outside = copied(made, tmp_path / "study"), tmp_path / "outside"
    outside.mkdir()
    (study / "predictors").mkdir()
    (outside / "file").write_text("mine")
    LINKED[name](study, outside)
    for read_only in (True, False):
        with pytest.raises(StudyError, match=r"expected a (study without links|file or a dir)"):
            Study.open(study, read_only=read_only)
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "mine"


def test_a_study_whose_parts_are_linked_inside_is_opened(made: Path, tmp_path: Path):
    study = copied(made, tmp_path / "study")
    (study / "runs").mkdir()
    (study / "latest").symlink_to("runs")
    (tmp_path / "named").symlink_to(study)
    read_all(tmp_path / "named")


@pytest.mark.parametrize(
    ("target", "tracking", "told"),
    [
        ({"runtime": "command", "command": ["touch", "ran"]}, {}, "runs the program touch ran"),
        ({}, {"mlflow": {"uri": "https://evil.example"}}, "logs in to https://evil.example"),
    ],
)
@pytest.mark.parametrize("command", ["run", "train", "adapt", "search", "verify", "export"])
def test_a_study_starts_no_program_and_uses_no_login_unless_trusted(
    nas, tmp_path: Path, monkeypatch, target: Any, tracking: Any, told: str, command: str
):
    monkeypatch.chdir(tmp_path)
    targets = [{"name": "here", **target}]
    with Study.create(Path("study"), {**CONFIG, "targets": targets, "tracking": tracking}):
        pass
    code, _, err = nas(command, "study")
    assert code == 2
    assert told in err
    assert "--trust" in err
    assert not Path("ran").exists()
    if command == "search":
        assert "needs train to be complete" in nas(command, "study", "--trust")[2]


def test_a_message_from_a_file_cannot_steer_the_terminal(nas, tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("name: given", 'name: "\\e]0;owned\\a\\e[2J"'))
    code, _, err = nas("run", path)
    assert code == 2
    assert err[:-1].isprintable()
