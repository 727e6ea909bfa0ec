"""A data set of latencies reads back, by space, network and target."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latency_models.dataset import is_data_set, read_latencies, write_latencies
from latency_models.tables import read_table


def row(genotype: list[int], target: str, latency_s: float | None, **changes: Any) -> Any:
    return {
        "space": "toy",
        "genotype": genotype,
        "target": target,
        "runtime": "xla",
        "dtype": "float32",
        "threads": 1,
        "batch_size": 1,
        "input_shape": [1, 8, 8, 3],
        "status": "failed" if latency_s is None else "ok",
        "latency_s": latency_s,
        "ci_low_s": latency_s,
        "ci_high_s": latency_s,
        "samples_s": [] if latency_s is None else [latency_s] * 3,
        "marks": [],
        "attempts": 1,
        "compile_s": 0.5,
        "reference_before_s": 1e-3,
        "reference_after_s": 1e-3,
        "error": "crashed" if latency_s is None else None,
        "environment": "e0",
        "measured_at": "2026-01-01T00:00:00+00:00",
        **changes,
    }


ROWS = [
    row([1, 2], "a", 0.5),
    row([0, 2], "b", 0.25),
    row([1, 2], "b", None),
    row([0, 2], "a", 2.0, status="noisy", marks=["slowed"]),
    row([2, 0], "a", 4.0),
    row([9, 9, 9], "a", 8.0, space="other"),
]


def test_networks_are_rows_and_targets_columns(tmp_path: Path) -> None:
    path = tmp_path / "latencies.parquet"
    write_latencies(ROWS, path)
    table = read_latencies(path, space="toy")
    assert table.targets == ("a", "b")
    np.testing.assert_array_equal(table.genotypes, [[1, 2], [0, 2], [2, 0]])
    np.testing.assert_array_equal(table.latency_s, [[0.5, np.nan], [2.0, 0.25], [4.0, np.nan]])
    np.testing.assert_array_equal(table.noisy, [[False, False], [True, False], [False, False]])
    np.testing.assert_array_equal(table.of("a"), [0.5, 2.0, 4.0])
    assert read_latencies(path, space="other").genotypes.shape == (1, 3)


def test_targets_say_how_they_ran_their_networks(tmp_path: Path) -> None:
    path = tmp_path / "latencies.parquet"
    write_latencies([row([1], "a", 0.5, batch_size=8, dtype="int8", threads=2)], path)
    setting = read_latencies(path, space="toy").settings["a"]
    assert (setting.batch_size, setting.dtype, setting.threads) == (8, "int8", 2)
    assert (setting.device, setting.runtime) == ("the machine of latencies.parquet", "xla")


def test_as_a_table_it_leaves_out_what_was_noisy(tmp_path: Path) -> None:
    path = tmp_path / "latencies.parquet"
    networks = np.random.default_rng(0).integers(0, 9, (3, 22)).tolist()
    rows = [row(network, "a", 0.5, space="fbnet", batch_size=2) for network in networks]
    rows[1] = {**rows[1], "status": "noisy"}
    write_latencies(rows, path)
    table = read_table(path, "fbnet")
    assert table.measured("a").tolist() == [0, 2]
    assert table.costs("a")[0].batch_size == 2
    assert table.target("a").hardware == "the machine of latencies.parquet"
    pq.write_table(pa.table({"arch": ["x"], "device": ["a"], "latency_ms": [1.0]}), path)
    assert not is_data_set(path)
    with pytest.raises(ValueError, match=r"latencies\.parquet: "):
        read_table(path, "fbnet")


def test_raw_samples_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "latencies.parquet"
    write_latencies(ROWS, path)
    assert pq.read_table(path)["samples_s"].to_pylist()[:3] == [[0.5] * 3, [0.25] * 3, []]


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latencies.parquet"
    write_latencies(ROWS, path)
    with pytest.raises(ValueError, match="no measurement of space 'mars', it has: other, toy"):
        read_latencies(path, space="mars")
    with pytest.raises(ValueError, match="unknown target 'c', valid: a, b"):
        read_latencies(path, space="toy").of("c")
    with pytest.raises(FileNotFoundError):
        read_latencies(tmp_path / "none.parquet", space="toy")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "latencies.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(ValueError, match="expected a Parquet file"):
        read_latencies(path, space="toy")
    pq.write_table(pa.table({"space": ["toy"]}), path)
    with pytest.raises(ValueError, match="expected latencies of version 1, got version none"):
        read_latencies(path, space="toy")
    newer = {b"ridgeline-latencies": b"2"}
    pq.write_table(pa.table({"space": ["toy"]}).replace_schema_metadata(newer), path)
    with pytest.raises(ValueError, match="expected latencies of version 1, got version 2"):
        read_latencies(path, space="toy")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"space": "toy"}], "expected the columns"),
        ([row([1], "a", 1.0, status="fine")], "status must be one of ok, noisy, failed"),
        ([ROWS[0], ROWS[0]], "measured twice: .*'toy', .1, 2., 'a'"),
    ],
)
def test_wrong_rows_are_not_written(tmp_path: Path, rows: Any, told: str) -> None:
    path = tmp_path / "latencies.parquet"
    with pytest.raises(ValueError, match=told):
        write_latencies(rows, path)
    assert not path.exists()
