"""How long does proposing take: candidates bred, predicted and chosen from, for 1 to 16 targets?

The space is mobilenet (Once-for-All's sizes). A search that has been told 300 evaluations is asked
for one network: it breeds 50,000 candidates, predicts the error of each by the surrogate and the
latency on every target by a predictor adapted to ten measurements, intervals included, and chooses
the one that is expected to add most to the fronts. The seconds of such calls, hyperparameters being
fitted beforehand as they are in nine of ten calls, are medians over rounds in which the numbers of
targets take turns; beside them those of the processors, which other programs disturb less, and
their ratio to one target's. Where they go is shown for the parts that have a function of their own.

    python experiments/benchmarks/inner_search.py --json FILE

Takes one to two minutes. Errors are made up: a smooth function of the size, with noise.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from population_prediction import spaces

from latency_models import DEVICES, Measurements
from latency_models.meta import MetaLatencyPredictor, load_pretrained
from latency_models.roofline import RooflinePredictor
from nas.evolution import pool
from nas.evolution.goals import one_cost_each
from nas.evolution.guided import GuidedEvolution
from nas.evolution.pool import Pools
from nas.evolution.surrogate import ErrorSurrogate
from search_spaces import MobileNetSpace

TARGETS = (1, 2, 4, 8, 16)
TOLD = 300
SAMPLES = 10
PARTS: dict[str, tuple[type, str]] = {
    "children": (Pools, "_children"),
    "features and latency": (Pools, "_new"),
    "survivors": (Pools, "_survivors"),
    "surrogate": (ErrorSurrogate, "log_error"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    space = spaces()["mobilenet"]
    names = [name for name, spec in DEVICES.items() if "float32" in spec.peak_flops_per_s]
    names = names[: max(TARGETS)]
    predictors = [adapted(space, name, seed) for seed, name in enumerate(names)]
    searches = {n: searched(space, predictors[:n]) for n in TARGETS}
    seconds: dict[int, list[float]] = {n: [] for n in TARGETS}
    cpu: dict[int, list[float]] = {n: [] for n in TARGETS}
    for _ in range(arguments.rounds):
        for n, search in searches.items():
            started, used = time.perf_counter(), time.process_time()
            search.ask(1)
            seconds[n].append(time.perf_counter() - started)
            cpu[n].append(time.process_time() - used)
    medians = {n: statistics.median(found) for n, found in seconds.items()}
    processor = {n: statistics.median(found) for n, found in cpu.items()}
    parts = {n: part_seconds(search) for n, search in searches.items()}
    print(f"{pool.CANDIDATES} candidates, {TOLD} evaluations told")
    print(f"{'targets':>8}{'median s':>10}{'CPU s':>10}{'ratio':>8}   parts")
    for n in TARGETS:
        cells = ", ".join(f"{name} {value:.3f}" for name, value in parts[n].items())
        ratio = processor[n] / processor[1]
        print(f"{n:>8}{medians[n]:>10.3f}{processor[n]:>10.3f}{ratio:>8.2f}   {cells}")
    if arguments.json is not None:
        document = {
            "candidates": pool.CANDIDATES,
            "told": TOLD,
            "machine": platform.processor() or platform.machine(),
            "seconds": seconds,
            "cpu_seconds": cpu,
            "parts": parts,
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


def adapted(space: MobileNetSpace, device: str, seed: int) -> MetaLatencyPredictor:
    """A predictor as the adapt stage makes it, from made-up measurements near the roofline."""
    rng = np.random.default_rng(seed)
    table = space.cost_table(batch_size=1, dtype="float32")
    workloads = tuple(table.workload(genotype) for genotype in space.sample(SAMPLES, rng))
    noise = np.exp(0.05 * rng.standard_normal(SAMPLES))
    spec = DEVICES[device]
    latency_s = 3 * RooflinePredictor(spec).predict(workloads).mean_s * noise
    return load_pretrained().adapt(Measurements(workloads, latency_s), spec)


def searched(space: MobileNetSpace, predictors: list[MetaLatencyPredictor]) -> GuidedEvolution:
    """A search that was told random networks, and has fitted its surrogate to them."""
    table = space.cost_table(batch_size=1, dtype="float32")

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        columns = [p.predict_population(table, genotypes).median_s for p in predictors]
        return np.stack(columns, axis=1), np.zeros((len(genotypes), len(columns)))

    rng = np.random.default_rng(0)
    search = GuidedEvolution(space, costs, goals=one_cost_each(len(predictors)), seed=0)
    genotypes = np.unique(space.sample(2 * TOLD, rng), axis=0)[:TOLD]
    macs = table.macs(genotypes)
    search.tell(genotypes, 0.5 * (macs / macs.min()) ** -0.3 + 0.005 * rng.random(TOLD))
    search.ask(16)
    return search


def part_seconds(search: GuidedEvolution) -> dict[str, float]:
    """What one call spends in each part; the rest chooses among the survivors."""
    spent = dict.fromkeys(PARTS, 0.0)
    originals: dict[str, Callable[..., Any]] = {}
    for name, (owner, method) in PARTS.items():
        originals[name] = getattr(owner, method)

        def timed(*args: Any, name: str = name, **options: Any) -> Any:
            started = time.process_time()
            found = originals[name](*args, **options)
            spent[name] += time.process_time() - started
            return found

        setattr(owner, method, timed)
    try:
        search.ask(1)
    finally:
        for name, (owner, method) in PARTS.items():
            setattr(owner, method, originals[name])
    return spent


if __name__ == "__main__":
    main()
