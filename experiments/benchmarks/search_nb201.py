"""How few evaluations find the accuracy-latency fronts of NAS-Bench-201, beside other libraries?

All 15,625 networks have been trained by others, and timed on 27 devices, so the true fronts are
known. DIR holds `nb201_accuracy.parquet` (columns `arch`, `{cifar10,cifar100,in16}_test_200` and
`_valid_12`, percent) and `nb201_latency.parquet` (columns `arch`, `device`, `source`, `latency_ms`;
the devices of source HELP are taken).

A front's hypervolume is given relative to the true front's: error scaled from its minimum to 100 %,
latency from its minimum to its 99.9th percentile, reference point (1, 1). A search's front is that
of everything it has evaluated. The protocols:

- one: one device at a time, latency from the table, beside the peers;
- all: all devices at once, evaluations in total;
- predicted: one device at a time, latency predicted from ten measured networks of the device by the
  general prior (the pretrained predictor has seen these tables); the front by predicted latency is
  scored on true latency;
- early: one device at a time, the search sees 12-epoch validation accuracy; its front is scored on
  200-epoch test accuracy, beside the front by early accuracy of all networks, were they known.

    python experiments/benchmarks/search_nb201.py --data DIR --evaluations 300 --seeds 10 --json F

The peers need `pip install '.[benchmarks]'`; `--peer-seeds 0` leaves them out. Times are those of
one process with one thread: set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import moocore
import numpy as np
import pandas as pd
from search_nb201_peers import PEERS, PLACES, search

from latency_models.meta import MetaModel
from latency_models.tables import LatencyTable, read_table
from nas.evolution.features import SpaceFeatures
from nas.evolution.gain import Box
from nas.evolution.guided import GuidedEvolution
from nas.evolution.sorting import non_dominated_mask
from search_spaces import NasBench201Options, NasBench201Space
from search_spaces.nasbench201_cell import read_cells

CHECKPOINTS = (50, 100, 150, 200, 300, 500, 1000)
MEASURED = 10
SPACE = NasBench201Space(NasBench201Options(as_written=True), (32, 32, 3), classes=10)


@dataclass(frozen=True, eq=False)
class Tables:
    """What is known of every network, in the order of their numbers.

    Attributes:
        error: After 200 epochs, on the test images.
        early: After 12 epochs, on the validation images.
        latency_s: On each device.
        devices: Their names.
        latencies: The latencies with what ran them.
    """

    error: np.ndarray
    early: np.ndarray
    latency_s: np.ndarray
    devices: list[str]
    latencies: LatencyTable

    @property
    def scaled_error(self) -> np.ndarray:
        return scaled(self.error, 1.0)

    def scaled_latency(self, latency_s: np.ndarray) -> np.ndarray:
        """On the scale of the true latencies, a column a device."""
        low = self.latency_s.min(axis=0)
        return (latency_s - low) / (np.percentile(self.latency_s, 99.9, axis=0) - low)


def scaled(values: np.ndarray, most: float) -> np.ndarray:
    return (values - values.min()) / (most - values.min())


def read(data: Path, dataset: str) -> Tables:
    accuracy = pd.read_parquet(data / "nb201_accuracy.parquet")
    accuracy = accuracy.iloc[np.argsort(read_cells(accuracy["arch"].tolist()) @ PLACES)]
    of = pd.read_parquet(data / "nb201_latency.parquet", columns=["device", "source"])
    devices = sorted(of["device"][of["source"] == "HELP"].unique())
    latencies = read_table(data / "nb201_latency.parquet", "nb201")
    order = np.argsort(latencies.genotypes @ PLACES)
    return Tables(
        error=1 - accuracy[f"{dataset}_test_200"].to_numpy() / 100,
        early=1 - accuracy[f"{dataset}_valid_12"].to_numpy() / 100,
        latency_s=np.stack([latencies.latency_s[device][order] for device in devices], axis=1),
        devices=devices,
        latencies=latencies,
    )


def volume(error: np.ndarray, latency: np.ndarray) -> float:
    points = np.column_stack((error, latency))
    points = points[(points < 1).all(axis=1)]
    return float(moocore.hypervolume(points, ref=[1, 1])) if len(points) else 0.0


def ours(
    error: np.ndarray, latency_s: np.ndarray, evaluations: int, seed: int, batch: int
) -> tuple[np.ndarray, float]:
    """The networks evaluated, in order, and the seconds that proposing one took.

    Latencies of all networks are known to the search, errors only of those it evaluates.
    """

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = latency_s[genotypes @ PLACES]
        return found, np.zeros(found.shape)

    low, high = latency_s.min(axis=0), np.percentile(latency_s, 99.9, axis=0)
    boxes = [Box(np.array([0.0, a]), np.array([1.0, b])) for a, b in zip(low, high, strict=True)]
    found = GuidedEvolution(SPACE, costs, boxes=boxes, features=features(), seed=seed)
    evaluated: list[int] = []
    started = time.process_time()
    while len(evaluated) < evaluations:
        asked = found.ask(min(batch, evaluations - len(evaluated)))
        numbers = asked @ PLACES
        found.tell(asked, error[numbers])
        evaluated += numbers.tolist()
    return np.array(evaluated), (time.process_time() - started) / evaluations


@cache
def features() -> SpaceFeatures:
    return SpaceFeatures(SPACE)


def predicted_latency(tables: Tables, device: int, seed: int) -> np.ndarray:
    """Seconds of every network, predicted from ten that were measured."""
    rng = np.random.default_rng([seed, device])
    name, latencies = tables.devices[device], tables.latencies
    rows = rng.choice(latencies.measured(name), MEASURED, replace=False)
    data = latencies.target(name, rows)
    predictor = MetaModel().adapt_counts(data.counts, data.latency_s)
    table, _ = latencies.costs(name)
    every = np.arange(len(tables.error))[:, None] // PLACES % 5
    return predictor.predict_population(table, every).median_s


def front(error: np.ndarray, latency: np.ndarray, among: np.ndarray) -> np.ndarray:
    points = np.column_stack((error, latency))[among]
    return among[non_dominated_mask(points)]


Shares = dict[str, list[list[float]]]
"""Relative hypervolumes at the checkpoints: for each method a row for each run."""


@dataclass(frozen=True, eq=False)
class Run:
    """What a protocol needs.

    Attributes:
        checkpoints: Evaluations after which the front is scored.
        devices: Positions of the devices.
        seeds: Of our searches.
        peer_seeds: Of the peers' searches.
        batch: How many networks ours proposes at a time.
    """

    tables: Tables
    checkpoints: Sequence[int]
    devices: Sequence[int]
    seeds: Sequence[int]
    peer_seeds: Sequence[int]
    batch: int

    def shares(self, order: np.ndarray, device: int) -> list[float]:
        """Of everything evaluated up to each checkpoint."""
        return [self.share(order[:count], device) for count in self.checkpoints]

    def share(self, networks: np.ndarray, device: int) -> float:
        error, latency = self.objectives(device).T
        return volume(error[networks], latency[networks]) / self.true_volume(device)

    @cache  # noqa: B019 - lives as long as the program
    def true_volume(self, device: int) -> float:
        return volume(*self.objectives(device).T)

    @cache  # noqa: B019
    def objectives(self, device: int) -> np.ndarray:
        tables = self.tables
        latency = tables.scaled_latency(tables.latency_s)[:, device]
        return np.column_stack((tables.scaled_error, latency))

    def ours(self, error: np.ndarray, latency_s: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
        return ours(error, latency_s, max(self.checkpoints), seed, self.batch)


def one(run: Run) -> dict:
    shares: Shares = {"ridgeline": []}
    seconds: dict[str, list[float]] = {"ridgeline": []}
    most = max(run.checkpoints)
    for device in run.devices:
        for seed in run.seeds:
            order, each = run.ours(run.tables.error, run.tables.latency_s[:, [device]], seed)
            shares["ridgeline"].append(run.shares(order, device))
            seconds["ridgeline"].append(each)
        for name in PEERS:
            for seed in run.peer_seeds:
                started = time.process_time()
                order = search(name, run.objectives(device), most, seed)
                seconds.setdefault(name, []).append((time.process_time() - started) / most)
                shares.setdefault(name, []).append(run.shares(order, device))
        told(f"one: {run.tables.devices[device]}", shares, run, len(run.seeds))
    return {"shares": shares, "seconds_per_proposal": seconds}


def all_at_once(run: Run) -> dict:
    shares: Shares = {}
    seconds: list[float] = []
    for seed in run.seeds:
        order, each = run.ours(run.tables.error, run.tables.latency_s[:, list(run.devices)], seed)
        seconds.append(each)
        for device in run.devices:
            found = run.shares(order, device)
            shares.setdefault(run.tables.devices[device], []).append(found)
        told(f"all: seed {seed}", {"devices": [rows[-1] for rows in shares.values()]}, run)
    return {"shares": shares, "seconds_per_proposal": seconds}


def predicted(run: Run) -> dict:
    shares: Shares = {"true latency": [], "predicted latency": []}
    for device in run.devices:
        for seed in run.seeds:
            true_s = run.tables.latency_s[:, device]
            guess_s = predicted_latency(run.tables, device, seed)
            for name, latency_s in (("true latency", true_s), ("predicted latency", guess_s)):
                order, _ = run.ours(run.tables.error, latency_s[:, None], seed)
                fronts = [
                    front(run.tables.error, latency_s, order[:count]) for count in run.checkpoints
                ]
                shares[name].append([run.share(members, device) for members in fronts])
        told(f"predicted: {run.tables.devices[device]}", shares, run, len(run.seeds))
    return {"shares": shares}


def early(run: Run) -> dict:
    shares: Shares = {"ridgeline": [], "all networks known": []}
    every = np.arange(len(run.tables.error))
    for device in run.devices:
        latency_s = run.tables.latency_s[:, device]
        known = front(run.tables.early, latency_s, every)
        shares["all networks known"].append([run.share(known, device)] * len(run.checkpoints))
        for seed in run.seeds:
            order, _ = run.ours(run.tables.early, latency_s[:, None], seed)
            fronts = [front(run.tables.early, latency_s, order[:n]) for n in run.checkpoints]
            shares["ridgeline"].append([run.share(members, device) for members in fronts])
        told(f"early: {run.tables.devices[device]}", shares, run, len(run.seeds))
    return {"shares": shares}


PROTOCOLS: dict[str, Callable[[Run], dict]] = {
    "one": one,
    "all": all_at_once,
    "predicted": predicted,
    "early": early,
}


def told(what: str, shares: Shares, run: Run, last: int | None = None) -> None:
    name, rows = next(iter(shares.items()))
    mean = np.mean(rows[-last:] if last else rows, axis=0)
    cells = " ".join(f"{n}:{s:.4f}" for n, s in zip(run.checkpoints, mean, strict=True))
    print(f"{what}: {name} {cells}", flush=True)


def print_table(title: str, found: dict, run: Run) -> None:
    print(f"\n{title:<34}" + "".join(f"{count:>8}" for count in run.checkpoints))
    for name, rows in found["shares"].items():
        print(f"{name:<34}" + "".join(f"{value:>8.4f}" for value in np.mean(rows, axis=0)))
    for name, values in dict(found.get("seconds_per_proposal", {})).items():
        print(f"{name:<34}{np.mean(values) * 1e3:8.1f} ms a proposal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--peer-seeds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dataset", choices=("cifar100", "cifar10", "in16"), default="cifar100")
    parser.add_argument("--protocols", nargs="+", choices=[*PROTOCOLS], default=[*PROTOCOLS])
    parser.add_argument("--devices", nargs="+", help="all 27 by default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    tables = read(arguments.data, arguments.dataset)
    names = arguments.devices or tables.devices
    first = arguments.first_seed
    run = Run(
        tables=tables,
        checkpoints=[n for n in CHECKPOINTS if n <= arguments.evaluations],
        devices=[tables.devices.index(name) for name in names],
        seeds=range(first, first + arguments.seeds),
        peer_seeds=range(first, first + arguments.peer_seeds),
        batch=arguments.batch,
    )
    document = {
        "dataset": arguments.dataset,
        "devices": list(names),
        "evaluations": list(run.checkpoints),
        "seeds": list(run.seeds),
        "peer_seeds": list(run.peer_seeds),
        "batch": run.batch,
        "machine": platform.processor() or platform.machine(),
    }
    for name in arguments.protocols:
        document[name] = PROTOCOLS[name](run)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(document) + "\n")
    for name in arguments.protocols:
        if name != "all":
            print_table(f"{arguments.dataset}, {name}", document[name], run)
            continue
        rows = np.mean(list(document["all"]["shares"].values()), axis=1)
        print_table(
            f"{arguments.dataset}, {len(names)} devices at once",
            {"shares": {"mean": rows, "worst device": [rows.min(axis=0)]}},
            run,
        )


if __name__ == "__main__":
    main()
