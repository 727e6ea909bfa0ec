"""Measured latencies of many networks on many targets, as a Parquet file.

One row is one measurement: a network, which its space and genotype name, on a target, which is a
device with a runtime, a precision, threads and a batch size. Raw samples are kept, and what failed
or was noisy is marked rather than left out. A card beside the file (JSON) says what the
measurements depend on: machine, versions, date.

pyarrow is loaded when a file is read or written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int

from latency_models.table_targets import TableTarget

DATASET_VERSION = 1
_KEY = b"ridgeline-latencies"
STATUSES = ("ok", "noisy", "failed")


@dataclass(frozen=True)
class MeasuredLatencies:
    """The networks of one space by the targets that they were measured on.

    Attributes:
        space: What the genotypes are of.
        genotypes: One row a network, in the order of the file.
        targets: One column of the latencies each, in the order of the file.
        latency_s: Medians; NaN where a network was not measured or failed.
        noisy: Where the samples scattered, drifted, or the machine was slowed.
        settings: How each target ran its networks; its device is the machine of the file.
    """

    space: str
    genotypes: Int[np.ndarray, "n d"]
    targets: tuple[str, ...]
    latency_s: Float64[np.ndarray, "n t"]
    noisy: Bool[np.ndarray, "n t"]
    settings: Mapping[str, TableTarget]

    def of(self, target: str) -> Float64[np.ndarray, " n"]:
        """One target's latencies.

        Raises:
            ValueError: If there is no such target.
        """
        if target not in self.targets:
            raise ValueError(f"unknown target {target!r}, valid: {', '.join(self.targets)}")
        return self.latency_s[:, self.targets.index(target)]


def read_latencies(path: Path, *, space: str) -> MeasuredLatencies:
    """Reads the measurements of one space.

    Args:
        path: A file that `write_latencies` wrote.
        space: Which networks.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is no data set of a known version, or has nothing of that space.
    """
    rows = _read(path)
    spaces = sorted({row["space"] for row in rows})
    if space not in spaces:
        raise ValueError(f"{path}: no measurement of space {space!r}, it has: {', '.join(spaces)}")
    rows = [row for row in rows if row["space"] == space]
    networks = {key: i for i, key in enumerate(dict.fromkeys(tuple(r["genotype"]) for r in rows))}
    targets = {key: i for i, key in enumerate(dict.fromkeys(row["target"] for row in rows))}
    if len({len(network) for network in networks}) != 1:
        raise ValueError(f"{path}: genotypes of space {space!r} differ in length")
    latency_s = np.full((len(networks), len(targets)), np.nan)
    noisy = np.zeros(latency_s.shape, dtype=bool)
    for row in rows:
        place = networks[tuple(row["genotype"])], targets[row["target"]]
        if row["latency_s"] is not None:
            latency_s[place] = row["latency_s"]
        noisy[place] = row["status"] == "noisy"
    genotypes = np.array(list(networks), dtype=np.int64)
    settings = {row["target"]: _setting(row, path) for row in rows}
    return MeasuredLatencies(space, genotypes, tuple(targets), latency_s, noisy, settings)


def is_data_set(path: Path) -> bool:
    """Whether a Parquet file is such a data set, of any version.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is no Parquet file.
    """
    return _KEY in _metadata(path)


def write_latencies(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes measurements, one mapping a row, with the columns of the file's schema.

    Raises:
        ValueError: If a row has other columns, an unknown status, or a network was measured on a
            target twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    for row in rows:
        if set(row) != set(schema.names):
            raise ValueError(f"{path}: expected the columns {schema.names}, got {sorted(row)}")
        if row["status"] not in STATUSES:
            raise ValueError(
                f"{path}: status must be one of {', '.join(STATUSES)}, got {row['status']!r}"
            )
    keys = [(row["space"], tuple(row["genotype"]), row["target"]) for row in rows]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{path}: measured twice: {twice}")
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    pq.write_table(table, path, compression="zstd")


def _schema() -> Any:
    """Columns and their types."""
    import pyarrow as pa

    columns = {
        "space": pa.string(),
        "genotype": pa.list_(pa.int16()),
        "target": pa.string(),
        "runtime": pa.string(),
        "dtype": pa.string(),
        "threads": pa.int16(),
        "batch_size": pa.int16(),
        "input_shape": pa.list_(pa.int32()),
        "status": pa.string(),
        "latency_s": pa.float64(),
        "ci_low_s": pa.float64(),
        "ci_high_s": pa.float64(),
        "samples_s": pa.list_(pa.float32()),
        "marks": pa.list_(pa.string()),
        "attempts": pa.int16(),
        "compile_s": pa.float32(),
        "reference_before_s": pa.float32(),
        "reference_after_s": pa.float32(),
        "error": pa.string(),
        "environment": pa.string(),
        "measured_at": pa.string(),
    }
    return pa.schema(list(columns.items()), metadata={_KEY: json.dumps(DATASET_VERSION).encode()})


def _read(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    version = _metadata(path).get(_KEY, b"none").decode()
    if version != str(DATASET_VERSION):
        raise ValueError(
            f"{path}: expected latencies of version {DATASET_VERSION}, got version {version}"
        )
    network = ["space", "genotype", "status", "latency_s"]
    target = ["target", "runtime", "dtype", "threads", "batch_size"]
    return pq.read_table(path, columns=[*network, *target]).to_pylist()


def _metadata(path: Path) -> dict[bytes, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path).metadata or {}
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: expected a Parquet file: {error}") from None


def _setting(row: Mapping[str, Any], path: Path) -> TableTarget:
    return TableTarget(
        device=f"the machine of {path.name}",
        batch_size=row["batch_size"],
        dtype=row["dtype"],
        threads=row["threads"],
        runtime=row["runtime"],
        source="the data set's columns",
    )
