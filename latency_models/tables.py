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

import numpy as np
from jaxtyping import Float, Int

from latency_models.dataset import is_data_set, read_latencies
from latency_models.device import DEVICES
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
    """

    genotypes: Int[np.ndarray, "n d"]
    latency_s: dict[str, Float[np.ndarray, " n"]]
    space: TableSpace
    targets: Mapping[str, TableTarget] = field(default_factory=lambda: TABLE_TARGETS)

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
        spec = DEVICES.get(known.device)
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
        ValueError: If it is no such table, or a network or the space is unknown.
    """
    from pyarrow import parquet

    if is_data_set(path):
        return _of_data_set(path, space)
    columns = parquet.read_table(path, columns=list(_COLUMNS))
    missing = [name for name in _COLUMNS if name not in columns.column_names]
    if missing:
        raise ValueError(f"{path}: expected the columns {', '.join(_COLUMNS)}, no {missing[0]}")
    texts, rows = np.unique(columns["arch"].cast("string").to_numpy(), return_inverse=True)
    names, device_of_row = np.unique(
        columns["device"].cast("string").to_numpy(), return_inverse=True
    )
    seconds = columns["latency_ms"].to_numpy().astype(float) / 1e3
    latency_s: dict[str, np.ndarray] = {}
    for position, device in enumerate(names.tolist()):
        chosen = device_of_row == position
        latency_s[device] = np.full(len(texts), np.nan)
        latency_s[device][rows[chosen]] = seconds[chosen]
    found = find_space(space)
    try:
        return LatencyTable(found.read(texts.tolist()), latency_s, found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
    train, test = (tuple(d for d in side if devices is None or d in devices) for side in sides)
    if not train or not test or set(train) & set(test):
        raise ValueError(
            f"{path}: split {name!r} needs devices of the table to train on and others to test,"
            f" got {len(train)} and {len(test)}"
        )
    return Split(name, space, train, test)
