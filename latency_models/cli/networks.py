"""Networks in files, and files of their measured latencies.

Latencies are a CSV file with the columns `path` and `latency_s`, a JSON array of objects with these
keys, or lines of such objects, which is what `measure --json` prints; other columns and keys are
left alone. A path is looked for beside the file, then in the working directory.
"""

import argparse
import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latency_models.predictor import Measurements
from latency_models.workload import Workload

MEASURED_HELP = "CSV or JSON with path and latency_s, or what `measure --json` printed"
_ONNX = ".onnx"


@dataclass(frozen=True)
class Measured:
    """What a file of latencies says.

    Attributes:
        paths: As they stand in the file.
        measurements: Of these networks.
        failed: Number of networks without a latency.
    """

    paths: tuple[str, ...]
    measurements: Measurements
    failed: int


def read_network(path: Path, options: argparse.Namespace) -> Workload:
    """The network in a file, run as the options of `add_network_options` say.

    Raises:
        ValueError: If it is neither kind of file, or a workload that runs otherwise.
        OSError: If it cannot be read.
    """
    if path.suffix.lower() == _ONNX:
        from latency_models.onnx_file import read_onnx

        return read_onnx(
            path,
            batch_size=options.batch_size,
            dtype=options.dtype,
            sizes=dict(options.size),
            unknown=options.unknown,
        )
    try:
        workload = Workload.from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a workload as JSON, or a file named *.onnx") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for name in ("batch_size", "dtype"):
        wanted, has = getattr(options, name), getattr(workload, name)
        if wanted not in (None, has):
            raise ValueError(f"{path}: the workload has {name} {has}, asked for was {wanted}")
    return workload


def read_measured(path: Path, options: argparse.Namespace) -> Measured:
    """The networks of a file of latencies.

    Raises:
        ValueError: If it is no such file, a latency is not positive, or there is none.
        OSError: If it or one of the networks cannot be read.
    """
    failed = 0
    paths: list[str] = []
    workloads: list[Workload] = []
    latencies: list[float] = []
    for place, row in _rows(path):
        where = f"{path}: {place}"
        if not row.get("path") or "latency_s" not in row:
            # A row with more values than the heading has names holds the surplus under None.
            found = ", ".join(str(key) for key in row) or "{}"
            raise ValueError(f"{where}: expected path and latency_s, got {found}")
        if row["latency_s"] in (None, "") or row.get("status") == "failed":
            failed += 1
            continue
        latencies.append(_seconds(row["latency_s"], where))
        paths.append(str(row["path"]))
        workloads.append(read_network(_found(Path(paths[-1]), path.parent), options))
    if not paths:
        raise ValueError(f"{path}: expected at least one latency, {failed} networks failed")
    measurements = Measurements(tuple(workloads), np.array(latencies))
    return Measured(tuple(paths), measurements, failed)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row of a file, with the place where it stands."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            rows = [(f"entry {i}", row) for i, row in enumerate(json.loads(text), start=1)]
        elif text.lstrip().startswith("{"):
            lines = enumerate(text.splitlines(), start=1)
            rows = [(f"line {i}", json.loads(line)) for i, line in lines if line.strip()]
        else:
            table = csv.DictReader(text.splitlines(), skipinitialspace=True)
            rows = [(f"line {table.line_num}", dict(row)) for row in table]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected {MEASURED_HELP}, got a binary file") from error
    except (json.JSONDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected {MEASURED_HELP}: {error}") from error
    for place, row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{path}: {place}: expected an object, got {row!r}")
        yield place, row


def _seconds(value: Any, where: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{where}: latency_s must be positive seconds, got {value!r}")
    return seconds


def _found(path: Path, folder: Path) -> Path:
    beside = folder / path
    return path if path.exists() and not beside.exists() else beside
