"""The cards of a study's exported networks, as the report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.report import ExportedNetwork, Int8Run, Share


def exported_networks(study: Path) -> tuple[ExportedNetwork, ...]:
    """What the cards under `export/` say, the smallest networks first.

    Cards of versions that did not list a network's files are left out.

    Raises:
        UserError: If a card is damaged.
    """
    found: list[tuple[int, ExportedNetwork]] = []
    for path in sorted((study / "export").glob("*/card.json")):
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            if card.get("formats") is not None:
                found.append((int(card["params"]), _exported(card)))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: expected a card as nas export writes it, got one with {error!r}"
            ) from None
    return tuple(network for _, network in sorted(found, key=lambda pair: pair[0]))


def _exported(card: Mapping[str, Any]) -> ExportedNetwork:
    name, formats = str(card["network"]), tuple(map(str, card["formats"]))
    shipped = card.get("accuracy_finetuned", card["accuracy"])
    if "int8" not in card:
        return ExportedNetwork(name, formats, None if shipped is None else _share(shipped))
    accuracy = card["int8"]["accuracy"]
    return ExportedNetwork(
        name,
        formats,
        _share(accuracy["float32"]),
        _share(accuracy["int8"]),
        tuple(
            Int8Run(
                str(run["runtime"]),
                int(run["batch_size"]),
                int(run["threads"]),
                run["float32"]["latency_s"],
                run["int8"]["latency_s"],
            )
            for run in card["int8"]["latency"]
        ),
    )


def _share(accuracy: Mapping[str, Any]) -> Share:
    low, high = accuracy["interval"]
    return Share(accuracy["value"], low, high, int(accuracy["images"]))
