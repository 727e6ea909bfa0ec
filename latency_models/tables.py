"""Tables of measured latencies: one network and one device a row, in Parquet.

Columns are `arch` (the network in the notation of its space), `device` and `latency_ms`. Splits are
JSON: `{"splits": {name: {"space": ..., "train": [devices], "test": [devices]}}}`. Devices that
`table_targets` knows bring their datasheet, batch size and dtype with them. A data set of one
machine's targets (`dataset`) is read as a table too; what was noisy in it counts as not measured.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from latency_models.dataset import is_data_set, read_latencies
from latency_models.device import DEVICES, DeviceSpec
from latency_models.meta.model import TargetInfo
from latency_models.meta.training import TargetData
from latency_models.op_counts import OpCounts
from latency_models.spaces import TableSpace, find_space
from latency_models.table_targets import TABLE_TARGETS, TableTarget
from latency_models.workload import CostTable

_UNKNOWN_TARGET = TableTarget("", 1, "float32", None, None, "")
_COLUMNS = ("arch", "device", "latency_ms")


@dataclass(frozen=True)
class Split:
    """Devices to learn from, and devices to be adapted to."""

    name: str
    space: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of the networks of one space on many devices.

    Attributes:
        genotypes: Of the networks.
        latency_s: For each device the seconds of each network, NaN where there are none.
        space: That the networks are of.
        targets: How devices ran them, as far as it is known.
        machine: Datasheet of the machine that all targets of a data set ran on, where it is known.
    """

    genotypes: Int[np.ndarray, "n d"]
    latency_s: dict[str, Float[np.ndarray, " n"]]
    space: TableSpace
    targets: Mapping[str, TableTarget] = field(default_factory=lambda: TABLE_TARGETS)
    machine: DeviceSpec | None = None

    @cached_property
    def _costs(self) -> dict[tuple[int, str], tuple[CostTable, OpCounts]]:
        return {}

    def costs(self, device: str) -> tuple[CostTable, OpCounts]:
        """The operators of the space, and of each network, as they run on a device."""
        target = self.targets.get(device, _UNKNOWN_TARGET)
        key = (target.batch_size, target.dtype)
        if key not in self._costs:
            costs = self.space.cost_table(batch_size=target.batch_size, dtype=target.dtype)
            self._costs[key] = costs, costs.count_networks(self.genotypes)
        return self._costs[key]

    def measured(self, device: str) -> Int[np.ndarray, " k"]:
        """Rows with a latency; what took no time at all was not measured."""
        latency_s = self.latency_s[device]
        return np.flatnonzero(np.isfinite(latency_s) & (latency_s > 0))

    def target(self, device: str, rows: Int[np.ndarray, " k"] | None = None) -> TargetData:
        """The measurements of a device, all or those of some rows."""
        rows = self.measured(device) if rows is None else rows
        known = self.targets.get(device, _UNKNOWN_TARGET)
        spec = DEVICES.get(known.device, self.machine)
        info = spec and TargetInfo.of(
            spec, dtype=known.dtype, batch_size=known.batch_size, runtime=known.runtime
        )
        return TargetData(
            name=device,
            hardware=known.device or device,
            counts=self.costs(device)[1].take(rows),
            latency_s=self.latency_s[device][rows],
            spec=spec,
            threads=known.threads,
            info=info,
        )


def read_table(path: Path, space: str) -> LatencyTable:
    """Reads a table of the networks of a space, or what a data set has of that space.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such table, has two latencies of a network on a device, or a network
            or the space is unknown.
    """
    from pyarrow import ArrowInvalid, ArrowNotImplementedError, parquet

    if is_data_set(path):
        return _of_data_set(path, space)
    names = parquet.read_schema(path).names
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{path}: expected the columns {', '.join(_COLUMNS)}, no {missing[0]}")
    columns = parquet.read_table(path, columns=list(_COLUMNS))
    try:
        seconds = columns["latency_ms"].cast("float64").to_numpy() / 1e3
    except (ArrowInvalid, ArrowNotImplementedError) as error:
        raise ValueError(f"{path}: latency_ms must be numbers, {error}") from error
    networks, network_of_row = _names(columns["arch"], f"{path}: arch")
    devices, device_of_row = _names(columns["device"], f"{path}: device")
    values = np.full((len(devices), len(networks)), np.nan)
    values[device_of_row, network_of_row] = seconds
    places = device_of_row * len(networks) + network_of_row
    if len(np.unique(places)) != len(places):
        row = int(np.flatnonzero(np.bincount(places)[places] > 1)[0])
        network, device = networks[network_of_row[row]], devices[device_of_row[row]]
        raise ValueError(f"{path}: more than one latency of {network!r} on {device!r}")
    latency_s = dict(zip(devices, values, strict=True))
    found = find_space(space)
    try:
        return LatencyTable(found.read(networks), latency_s, found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _names(column: Any, where: str) -> tuple[list[str], Int[np.ndarray, " n"]]:
    """The distinct texts of a column of Parquet in order, and which of them each row has."""
    if column.null_count:
        raise ValueError(f"{where} is missing in {column.null_count} rows")
    names, rows = np.unique(column.cast("string").to_numpy(), return_inverse=True)
    return names.tolist(), rows


def _of_data_set(path: Path, space: str) -> LatencyTable:
    measured = read_latencies(path, space=space)
    clean = np.where(measured.noisy, np.nan, measured.latency_s)
    latency_s = {name: clean[:, column] for column, name in enumerate(measured.targets)}
    return LatencyTable(measured.genotypes, latency_s, find_space(space), measured.settings)


def read_split(path: Path, name: str, devices: Sequence[str] | None = None) -> Split:
    """Reads a split of that name, of a file that may hold many; devices not given are left out.

    Raises:
        ValueError: If the file has no such split, or nothing is left to train on or to test.
    """
    try:
        body = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, {error}") from error
    splits = body.get("splits") if isinstance(body, dict) else None
    if not isinstance(splits, dict):
        raise ValueError(f'{path}: expected an object with "splits"')
    if name not in splits:
        raise ValueError(f"{path}: unknown split {name!r}, valid: {', '.join(splits)}")
    try:
        space, *sides = (splits[name][key] for key in ("space", "train", "test"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: split {name!r} needs space, train and test") from error
    if not all(isinstance(side, list) for side in sides):
        raise ValueError(f"{path}: split {name!r} needs lists of devices to train on and to test")
    train, test = (tuple(d for d in side if devices is None or d in devices) for side in sides)
    if not train or not test or set(train) & set(test):
        raise ValueError(
            f"{path}: split {name!r} needs devices of the table to train on and others to test,"
            f" got {len(train)} and {len(test)}"
        )
    return Split(name, space, train, test)
