"""How many genotypes a second the latency predictor predicts, beside a loop over a look-up table.

Ways to the latencies of the same random genotypes, in turn, on the networks of NAS-Bench-201 and
of the mobilenet space (Once-for-All's sizes): `predict_population` of the pretrained predictor
adapted to ten networks, its intervals included, and Python loops that add up a table's entries
block by block for each network: entries found by number, the least that a loop can do, and by a
text that says what the block is, as in tables kept in files.
Genotypes a second are the median of the rounds; the ratio is that of the medians.

    python experiments/benchmarks/population_prediction.py

Takes half a minute. Writes population_prediction.json beside it.
"""

import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from latency_models import DEVICES, Measurements
from latency_models.meta import MetaLatencyPredictor, load_pretrained
from latency_models.roofline import RooflinePredictor, roofline
from latency_models.workload import CostTable
from search_spaces import MobileNetOptions, MobileNetSpace, NasBench201Options, NasBench201Space
from search_spaces.mobilenet import MobileNetStage

SPEC = DEVICES["raspberry-pi-5"]
PREDICTOR = "predict_population"
GENOTYPES = {PREDICTOR: 200_000, "loop, by number": 5_000, "loop, by text": 2_000}
ROUNDS = 7
SAMPLES = 10


def main() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for name, space in spaces().items():
        table = space.cost_table(batch_size=1, dtype="float32")
        genotypes = space.sample(max(GENOTYPES.values()), rng)
        predictor = _adapted(table, genotypes[:SAMPLES])
        by_number, by_text = _entries(table)
        ways: dict[str, Callable[[np.ndarray], object]] = {
            PREDICTOR: lambda g, p=predictor, t=table: p.predict_population(t, g),
            "loop, by number": lambda g, e=by_number, t=table: _by_number(g, e, t),
            "loop, by text": lambda g, e=by_text, t=table: _by_text(g, e, t),
        }
        rates = {way: [] for way in ways}
        for call in ways.values():
            call(genotypes[:1000])
        for _ in range(ROUNDS):
            for way, call in ways.items():
                part = genotypes[: GENOTYPES[way]]
                started = time.perf_counter()
                call(part)
                rates[way].append(len(part) / (time.perf_counter() - started))
        medians = {way: statistics.median(found) for way, found in rates.items()}
        ratios = {way: medians[PREDICTOR] / medians[way] for way in ways}
        rows.append(
            {
                "space": name,
                "members": len(predictor.members),
                "genotypes_per_s": medians,
                "ratio": ratios,
            }
        )
        for way in ways:
            print(f"{name}: {way} {medians[way]:,.0f} genotypes/s, {ratios[way]:.0f}", flush=True)
    found = {"machine": platform.processor() or platform.machine(), "rounds": ROUNDS, "rows": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")


def spaces() -> dict:
    image = (32, 32, 3)
    stages = [
        MobileNetStage(24, 2),
        MobileNetStage(40, 2, squeeze_excite=True),
        MobileNetStage(80, 2, "hard_swish"),
        MobileNetStage(112, 1, "hard_swish", squeeze_excite=True),
        MobileNetStage(160, 2, "hard_swish", squeeze_excite=True),
    ]
    options = MobileNetOptions(stages, width_multipliers=[0.75, 1.0])
    return {
        "nasbench201": NasBench201Space(NasBench201Options(), image, classes=10),
        "mobilenet": MobileNetSpace(options, image, classes=10),
    }


def _adapted(table: CostTable, genotypes: np.ndarray) -> MetaLatencyPredictor:
    workloads = tuple(table.workload(genotype) for genotype in genotypes)
    noise = np.exp(0.05 * np.random.default_rng(1).standard_normal(len(workloads)))
    latency_s = 3 * RooflinePredictor(SPEC).predict(workloads).mean_s * noise
    return load_pretrained().adapt(Measurements(workloads, latency_s), SPEC)


def _entries(table: CostTable) -> tuple[list[list[float]], dict[str, float]]:
    """The roofline seconds of every row, by slot and number, and by a text as tables in files."""
    times = roofline(table.arrays, SPEC)
    by_row = table.sum_ops(times.total_s[:, None])[:, 0]
    by_number, by_text, start = [], {}, 0
    for slot in table.slots:
        values = by_row[start : start + len(slot.rows)].tolist()
        by_number.append(values)
        sizes = [table.cardinalities[decision] for decision in slot.decisions]
        for row, options in enumerate(np.ndindex(*sizes)):
            by_text[_text(slot.name, options)] = values[row]
        start += len(slot.rows)
    return by_number, by_text


def _text(name: str, options: Sequence[int]) -> str:
    return f"{name}:{'-'.join(map(str, options))}"


def _by_number(genotypes: np.ndarray, entries: list[list[float]], table: CostTable) -> list[float]:
    found = []
    for genotype in genotypes.tolist():
        seconds = 0.0
        for slot, values in zip(table.slots, entries, strict=True):
            for _ in range(slot.repeat):
                row = 0
                for decision in slot.decisions:
                    row = row * table.cardinalities[decision] + genotype[decision]
                seconds += values[row]
        found.append(seconds)
    return found


def _by_text(genotypes: np.ndarray, entries: dict[str, float], table: CostTable) -> list[float]:
    found = []
    for genotype in genotypes.tolist():
        seconds = 0.0
        for slot in table.slots:
            for _ in range(slot.repeat):
                options = [genotype[decision] for decision in slot.decisions]
                seconds += entries[_text(slot.name, options)]
        found.append(seconds)
    return found


if __name__ == "__main__":
    main()
