"""What `measure_dataset.py` writes: rows, the choice between repeated ones, and the card.

Of a network that was timed again because it was noisy, the quieter measurement counts. A
measurement is noisy too where the machine's reference loop took longer, before or after it, than it
usually does in the campaign: a process that starts on a slowed machine cannot know.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from latency_models.dataset import DATASET_VERSION
from latency_models.measure import Measured, TimingPlan

SLOWDOWN = 0.15
_VARYING = ("date", "cpus")


def row(network: Any, target: Any, result: Measured) -> dict[str, Any]:
    """A line of the campaign's log."""
    low, high = result.confidence_interval_s or (None, None)
    before, after = result.reference_s or (None, None)
    return {
        "space": network.space,
        "genotype": list(network.genotype),
        "target": target.name,
        "runtime": target.runtime,
        "dtype": target.dtype,
        "threads": target.threads,
        "batch_size": target.batch_size,
        "input_shape": [target.batch_size, *network.architecture.input_shape],
        "status": result.status,
        "latency_s": result.latency_s,
        "ci_low_s": low,
        "ci_high_s": high,
        "samples_s": [float(f"{sample:.5g}") for sample in result.samples_s],
        "marks": list(result.marks),
        "attempts": result.attempts,
        "compile_s": result.compile_s,
        "reference_before_s": before,
        "reference_after_s": after,
        "error": result.error,
        "environment": dict(result.environment),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def noisy_keys(rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, tuple[int, ...], str]]:
    """Networks and targets whose first measurement was noisy."""
    judged = _judged(rows)
    return {_key(row) for row in judged if (row["phase"], row["status"]) == ("main", "noisy")}


def final_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a network and target, with the environment's name in place of the environment."""
    best: dict[Any, dict[str, Any]] = {}
    for row in _judged(rows):
        if row["phase"] == "repeat":
            continue
        kept = best.get(_key(row))
        if kept is None or _rank(row) < _rank(kept):
            best[_key(row)] = row
    made: list[dict[str, Any]] = []
    for row in best.values():
        values = {name: value for name, value in row.items() if name != "phase"}
        made.append({**values, "environment": _name(row["environment"])})
    return made


def card(
    rows: Sequence[Mapping[str, Any]],
    *,
    spaces: Mapping[str, Any],
    plan: TimingPlan,
    classes: int,
    seed: int,
) -> dict[str, Any]:
    """What the data set is, what it depends on, and how far its figures can be trusted."""
    final = final_rows(rows)
    environments = {_name(row["environment"]): _fixed(row["environment"]) for row in rows}
    measured = sorted(row["measured_at"] for row in rows)
    targets = list(dict.fromkeys(row["target"] for row in final))
    return {
        "name": "latencies of networks on one machine's runtimes",
        "version": DATASET_VERSION,
        "licence": "CC0-1.0",
        "measured": [measured[0], measured[-1]],
        "seed": seed,
        "machine": {
            "processors": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "environments": environments,
        "spaces": {
            name: {
                "options": dataclasses.asdict(space.options),
                "image_shape": list(space.image_shape),
                "classes": classes,
                "networks": len({_key(row)[1] for row in final if row["space"] == name}),
            }
            for name, space in spaces.items()
        },
        "weights": "random; latency does not depend on them as long as no activation is denormal",
        "timing": dataclasses.asdict(plan),
        "reference_s": _quantiles(
            [row["reference_before_s"] for row in rows if row["reference_before_s"] is not None]
        ),
        "targets": {name: _summary(rows, final, name) for name in targets},
    }


def show(card: Mapping[str, Any]) -> None:
    """Prints the card's table."""
    print(f"{'target':28}{'ok':>6}{'noisy':>7}{'failed':>8}", end="")
    print(f"{'median ms':>11}{'spread':>8}{'interval':>10}{'repeat':>8}{'compile s':>11}")
    for name, found in card["targets"].items():
        counts = (found["statuses"].get(status, 0) for status in ("ok", "noisy", "failed"))
        print("{:28}{:6d}{:7d}{:8d}".format(name, *counts), end="")
        cells = (
            (found["latency_s"], 1e3, 11, ".3f"),
            (found["sample_spread"], 1e2, 8, ".1f"),
            (found["interval_half_width"], 1e2, 10, ".2f"),
            (found["repeat_difference"], 1e2, 8, ".1f"),
            (found["compile_s"], 1, 11, ".2f"),
        )
        for quantiles, factor, width, form in cells:
            value = quantiles and quantiles["median"]
            print(f"{'-':>{width}}" if value is None else f"{factor * value:{width}{form}}", end="")
        print()
    print("spread, interval, repeat: medians in % of the latency")


def _summary(
    rows: Sequence[Mapping[str, Any]], final: Sequence[Mapping[str, Any]], target: str
) -> dict[str, Any]:
    """How many, how long, and how far samples, intervals and repeats lie apart."""
    own = [row for row in final if row["target"] == target]
    timed = [row for row in own if row["latency_s"] is not None]
    spreads: list[float] = []
    for row in timed:
        low, middle, high = statistics.quantiles(row["samples_s"], n=4)
        spreads.append((high - low) / middle)
    return {
        "statuses": dict(Counter(row["status"] for row in own)),
        "marks": dict(Counter(mark for row in own for mark in row["marks"])),
        "latency_s": _quantiles([row["latency_s"] for row in timed]),
        "sample_spread": _quantiles(spreads),
        "interval_half_width": _quantiles(
            [(row["ci_high_s"] - row["ci_low_s"]) / 2 / row["latency_s"] for row in timed]
        ),
        "repeat_difference": _quantiles(_repeat_differences(rows, timed)),
        "compile_s": _quantiles([row["compile_s"] for row in timed]),
    }


def _repeat_differences(
    rows: Sequence[Mapping[str, Any]], timed: Sequence[Mapping[str, Any]]
) -> list[float]:
    """Relative differences to the measurement made a second time, in another process and hour."""
    first = {_key(row): row["latency_s"] for row in timed}
    return [
        abs(math.log(row["latency_s"] / first[_key(row)]))
        for row in rows
        if row["phase"] == "repeat" and row["latency_s"] is not None and _key(row) in first
    ]


def _judged(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows, those marked too that were made on a machine slower than in most of the campaign."""
    references = [row["reference_before_s"] for row in rows if row["reference_before_s"]]
    usual = statistics.median(references) if references else math.inf
    judged: list[dict[str, Any]] = []
    for row in rows:
        ends = (row["reference_before_s"] or 0.0, row["reference_after_s"] or 0.0)
        slowed = max(ends) > (1 + SLOWDOWN) * usual and row["status"] != "failed"
        marks = [*row["marks"], *(["slowed"] if slowed and "slowed" not in row["marks"] else [])]
        judged.append({**row, "marks": marks, "status": "noisy" if slowed else row["status"]})
    return judged


def _rank(row: Mapping[str, Any]) -> tuple[bool, float]:
    """Orders measurements of a network on a target, the best one first."""
    if row["latency_s"] is None:
        return True, math.inf
    return row["status"] != "ok", (row["ci_high_s"] - row["ci_low_s"]) / row["latency_s"]


def _key(row: Mapping[str, Any]) -> tuple[str, tuple[int, ...], str]:
    return row["space"], tuple(row["genotype"]), row["target"]


def _fixed(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What does not differ between two processes of a runtime."""
    return {name: value for name, value in environment.items() if name not in _VARYING}


def _name(environment: Mapping[str, Any]) -> str:
    """Equal environments have equal names."""
    text = json.dumps(_fixed(environment), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Median and tails; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    places = {"p05": 0.05, "median": 0.5, "p95": 0.95}
    return {
        name: float(f"{ordered[round(place * (len(ordered) - 1))]:.4g}")
        for name, place in places.items()
    }
