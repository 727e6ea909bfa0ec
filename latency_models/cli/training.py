"""python -m latency_models meta-train: a model of all targets of some tables."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_models.cli.arguments import Commands
from latency_models.cli.progress import Progress

if TYPE_CHECKING:
    from latency_models.tables import LatencyTable, Split

_PACKAGE = "ridgeline-nas"


@dataclass(frozen=True)
class _Source:
    """A table, and the devices of it that are learnt from."""

    space: str
    path: Path
    table: LatencyTable
    devices: tuple[str, ...]


def add_command(commands: Commands) -> None:
    """Adds `meta-train`."""
    parser = commands.add_parser("meta-train", help="learn from tables of many targets' latencies")
    parser.add_argument(
        "--table",
        action="append",
        required=True,
        type=_named_path,
        metavar="SPACE=PATH",
        help="a Parquet table of latencies, and the space of its networks; may be repeated",
    )
    parser.add_argument("--splits", type=Path, metavar="PATH", help="JSON of splits of devices")
    parser.add_argument("--split", metavar="NAME", help="learn from its training devices only")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="DEVICE", help="may be repeated"
    )
    parser.add_argument(
        "--machine",
        metavar="DEVICE",
        help="what data sets were measured on; `host` is this machine",
    )
    parser.add_argument(
        "--card", type=Path, metavar="FILE", help="JSON object that the model's card is to have too"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the model with its card."""
    from latency_models.meta import meta_train, save_model

    extra = _read_card(options.card)
    split = _split(options)
    sources = _sources(options, split)
    targets = (
        replace(source.table.target(name), name=f"{source.space}/{name}")
        for source in sources
        for name in source.devices
    )
    progress = Progress()
    model = meta_train(targets, on_step=progress)
    save_model(model, options.output, card=_card(sources, split) | extra)
    size = sum(path.stat().st_size for path in options.output.iterdir())
    print(
        f"{options.output}: {len(model.without_spec)} targets, {len(model.with_spec)} of them with"
        f" a datasheet, {size / 1e6:.1f} MB, learnt in {progress.elapsed_s:.0f} s"
    )
    return 0


def _split(options: argparse.Namespace) -> Split | None:
    from latency_models.tables import read_split

    if (options.split is None) != (options.splits is None):
        raise ValueError("--split NAME and --splits PATH go together")
    return None if options.split is None else read_split(options.splits, options.split)


def _sources(options: argparse.Namespace, split: Split | None) -> list[_Source]:
    from latency_models.dataset import is_data_set
    from latency_models.device import find_device
    from latency_models.tables import read_table

    spaces = [space for space, _ in options.table]
    if len(set(spaces)) != len(spaces):
        raise ValueError(f"--table: expected one table a space, got {', '.join(spaces)}")
    tables = [(space, path, read_table(path, space)) for space, path in options.table]
    if options.machine is not None:
        machine = find_device(options.machine)
        if not any(is_data_set(path) for _, path, _ in tables):
            raise ValueError("--machine goes with a data set of one machine, none was given")
        tables = [
            (space, path, replace(table, machine=machine) if is_data_set(path) else table)
            for space, path, table in tables
        ]
    there = {name for _, _, table in tables for name in table.latency_s}
    if unknown := sorted(set(options.exclude) - there):
        raise ValueError(f"--exclude: no such device in the tables: {', '.join(unknown)}")
    order = split.train if split is not None else sorted(there)
    wanted = [name for name in order if name in there and name not in options.exclude]
    sources = [
        _Source(space, path, table, tuple(name for name in wanted if name in table.latency_s))
        for space, path, table in tables
    ]
    if not wanted:
        raise ValueError("expected at least one device to learn from, none of the tables' is left")
    return [source for source in sources if source.devices]


def _card(sources: Sequence[_Source], split: Split | None) -> dict[str, Any]:
    """What the model was made of."""
    return {
        "package": f"{_PACKAGE} {version(_PACKAGE)}",
        "trained": datetime.now(UTC).isoformat(timespec="seconds"),
        "split": None if split is None else split.name,
        "tables": [
            {
                "file": source.path.name,
                "sha256": hashlib.sha256(source.path.read_bytes()).hexdigest(),
                "space": source.space,
                "networks": len(source.table.genotypes),
                "devices": list(source.devices),
            }
            for source in sources
        ],
    }


def _read_card(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, {error}") from error
    if not isinstance(card, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(card).__name__}")
    if taken := {"package", "trained", "split", "tables"} & set(card):
        raise ValueError(f"{path}: {', '.join(sorted(taken))} are written by the training itself")
    return card


def _named_path(text: str) -> tuple[str, Path]:
    space, _, path = text.partition("=")
    if not space or not path:
        raise argparse.ArgumentTypeError(f"expected SPACE=PATH, such as nb201=t.parquet: {text!r}")
    return space, Path(path)
