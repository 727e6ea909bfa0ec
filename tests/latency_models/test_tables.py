"""Tables and splits from small files; the toy space is offered by an entry point of the test's."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from synthetic_targets import BranchySpace

from latency_models import DEVICES, spaces
from latency_models.op_counts import FORMS
from latency_models.spaces import find_space
from latency_models.tables import Split, read_split, read_table

A, B, C = "16:conv3-conv1-skip-pool", "32:dead-skip-skip-skip", "48:conv1-constant-pool-pool"


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("branchy", "synthetic_targets:BranchySpace", spaces.GROUP)

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [entry] if group == spaces.GROUP else []

    monkeypatch.setattr(spaces, "entry_points", entry_points)


ROWS = {
    "arch": [B, A, C, A, B],
    "device": ["1080ti_32", "1080ti_32", "1080ti_32", "mine", "mine"],
    "latency_ms": [2.0, 1.0, 4.0, 10.0, 0.0],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return _write(tmp_path, ROWS)


def _write(folder: Path, columns: dict[str, Any]) -> Path:
    parquet.write_table(pa.table(columns), folder / "table.parquet")
    return folder / "table.parquet"


def test_latencies_are_seconds_and_missing_ones_nan(path: Path) -> None:
    table = read_table(path, "branchy")
    assert isinstance(table.space, BranchySpace)
    assert table.latency_s["1080ti_32"].tolist() == [1e-3, 2e-3, 4e-3]
    np.testing.assert_array_equal(table.latency_s["mine"], [10e-3, 0.0, np.nan])
    assert table.genotypes.tolist() == BranchySpace().read([A, B, C]).tolist()


def test_what_took_no_time_was_not_measured(path: Path) -> None:
    table = read_table(path, "branchy")
    assert table.measured("1080ti_32").tolist() == [0, 1, 2]
    assert table.measured("mine").tolist() == [0]


def test_dictionary_columns_and_whole_milliseconds_are_read(tmp_path: Path) -> None:
    columns = {
        "arch": pa.array(ROWS["arch"]).dictionary_encode(),
        "device": pa.array(ROWS["device"]).dictionary_encode(),
        "latency_ms": pa.array([2, 1, None, 10, 3], pa.int32()),
        "source": ["x"] * 5,
    }
    table = read_table(_write(tmp_path, columns), "branchy")
    np.testing.assert_array_equal(table.latency_s["1080ti_32"], [1e-3, 2e-3, np.nan])
    assert table.latency_s["mine"][:2].tolist() == [10e-3, 3e-3]


def test_targets_bring_what_is_known_of_their_device(path: Path) -> None:
    table = read_table(path, "branchy")
    known, unknown = table.target("1080ti_32"), table.target("mine")
    assert known.spec is DEVICES["gtx-1080-ti"]
    assert known.hardware == "gtx-1080-ti"
    assert known.info is not None
    assert (known.info.batch_size, known.info.kind) == (32, "gpu")
    assert (unknown.spec, unknown.info, unknown.hardware) == (None, None, "mine")
    assert known.counts.ops[0].output_shape[0] == 32
    assert unknown.counts.ops[0].output_shape[0] == 1
    assert unknown.latency_s.tolist() == [10e-3]


def test_a_targets_networks_are_those_of_the_rows(path: Path) -> None:
    table = read_table(path, "branchy")
    some = table.target("1080ti_32", np.array([2, 0]))
    assert some.latency_s.tolist() == [4e-3, 1e-3]
    for i, row in enumerate([2, 0]):
        workload = table.costs("1080ti_32")[0].workload(table.genotypes[row])
        ops = [len(workload.ops), len(workload.live().ops)]
        for form, expected in zip(FORMS, ops, strict=False):
            assert some.counts.dense(form)[i].sum() == expected


def test_unknown_spaces_and_networks_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown space 'other', valid: branchy"):
        find_space("other")
    with pytest.raises(ValueError, match="unknown space 'other', valid: branchy"):
        read_table(path, "other")
    path = _write(tmp_path, {**ROWS, "arch": [B, A, C, A, "x"]})
    with pytest.raises(ValueError, match=r"table.parquet: expected a network such as .*, got 'x'"):
        read_table(path, "branchy")


@pytest.mark.parametrize("column", ["arch", "device", "latency_ms"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = _write(tmp_path, {name: rows for name, rows in ROWS.items() if name != column})
    expected = f"table.parquet: expected the columns arch, device, latency_ms, no {column}"
    with pytest.raises(ValueError, match=expected):
        read_table(path, "branchy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latency_ms": ["1", "2", "fast", "4", "5"]}, "latency_ms must be numbers"),
        ({"latency_ms": [[1.0]] * 5}, "latency_ms must be numbers"),
        ({"device": ["a", None, "b", "b", "b"]}, "device"),
        ({"arch": [A, B, None, A, B]}, "arch"),
        ({"device": ["a"] * 5}, f"{B!r} .*'a'"),
    ],
    ids=["no number", "lists", "no device", "no network", "twice"],
)
def test_rows_that_say_nothing_or_contradict_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = _write(tmp_path, {**ROWS, **changes})
    with pytest.raises(ValueError, match=rf"table.parquet: .*{message}") as error:
        read_table(path, "branchy")
    assert "\n" not in str(error.value)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_text("a text")
    with pytest.raises(ValueError, match=r"table.parquet: expected a Parquet file"):
        read_table(tmp_path / "table.parquet", "branchy")
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.parquet", "branchy")


SPLITS = {
    "one": {"space": "branchy", "train": ["a", "b", "x"], "test": ["c", "y"]},
    "mixed": {"space": "branchy", "train": ["a", "b"], "test": ["b"]},
    "short": {"space": "branchy", "train": ["a"]},
    "number": {"space": "branchy", "train": 3, "test": ["a"]},
    "text": {"space": "branchy", "train": "a", "test": ["b"]},
}


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"about": "x", "splits": SPLITS}))
    return path


def test_a_split_is_read_by_its_name(splits: Path) -> None:
    assert read_split(splits, "one") == Split("one", "branchy", ("a", "b", "x"), ("c", "y"))


def test_devices_that_a_table_lacks_are_left_out(splits: Path) -> None:
    found = read_split(splits, "one", ["a", "b", "c"])
    assert (found.train, found.test) == (("a", "b"), ("c",))


@pytest.mark.parametrize(
    ("name", "devices", "message"),
    [
        ("two", None, "unknown split 'two', valid: one, mixed"),
        ("mixed", None, "'mixed' needs devices .* to train on and others to test"),
        ("one", ["a", "b"], "got 2 and 0"),
        ("one", ["c"], "got 0 and 1"),
        ("short", None, "'short' needs space, train and test"),
        ("number", None, "'number' needs lists of devices"),
        ("text", None, "'text' needs lists of devices"),
    ],
)
def test_splits_that_cannot_be_used_are_refused(
    splits: Path, name: str, devices: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"splits.json: .*{message}"):
        read_split(splits, name, devices)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"splits": []}'])
def test_files_without_splits_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(ValueError, match=r"splits.json: expected"):
        read_split(tmp_path / "splits.json", "one")
