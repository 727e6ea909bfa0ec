"""How evenly networks are spread over MACs, and how fast they are drawn, by four ways to draw them.

- `sample`: each option equally likely, what a space does by itself.
- `pool`: uniform targets, each takes the nearest of a pool that `sample` drew.
- `mutation`: uniform targets; a network of `sample` is mutated and kept where it comes nearer.
- `tilt`: `search_spaces.MacsSampler`.

Spread: the Kolmogorov-Smirnov distance of the MACs from the uniform distribution between the
space's smallest and largest. Repeats: the share of draws that came before. Bias: among networks
whose MACs lie around `sample`'s median (a tenth of its draws), the largest difference of an
option's frequency from that in `sample`'s draws; `sample` itself is held against another of its
draws, which tells the noise.

    python experiments/benchmarks/macs_sampling.py

Takes a minute. Writes macs_sampling.json beside it.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latency_models.workload import CostTable
from search_spaces import FBNetOptions, FBNetSpace, MacsSampler, SearchSpace
from search_spaces.base import cardinalities
from search_spaces.measured import MOBILENET, NASBENCH201

DRAWS = 40_000
POOL = 400_000
STEPS = 100
SPACES = {
    "mobilenet": MOBILENET,
    "fbnet": FBNetSpace(FBNetOptions(), (32, 32, 3), 100),
    "nasbench201": NASBENCH201,
}


def main() -> None:
    rows = [row for name, space in SPACES.items() for row in compare(name, space)]
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=2) + "\n")


def compare(name: str, space: SearchSpace) -> list[dict]:
    table = space.cost_table(batch_size=1, dtype="float32")
    sampler = MacsSampler(space)
    ways: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
        "sample": space.sample,
        "pool": lambda n, rng: pool(space, table, n, rng),
        "mutation": lambda n, rng: mutation(space, table, n, rng),
        "tilt": sampler.sample,
    }
    many = space.sample(POOL, np.random.default_rng(1))
    rows = []
    for way, draw in ways.items():
        draw(100, np.random.default_rng(0))
        started = time.perf_counter()
        drawn = draw(DRAWS, np.random.default_rng(0))
        taken_s = time.perf_counter() - started
        row = {
            "space": name,
            "way": way,
            "per_s": DRAWS / taken_s,
            "distance": distance(table, ends(space, table), drawn),
            "repeats": 1 - len(np.unique(drawn, axis=0)) / DRAWS,
            "bias": bias(space, table, drawn, many),
        }
        rows.append(row)
        print(
            f"{name:12}{way:10}{row['per_s']:12,.0f} a second  distance {row['distance']:.3f}  "
            f"repeats {row['repeats']:.3f}  bias {row['bias']:.3f}",
            flush=True,
        )
    return rows


def ends(space: SearchSpace, table: CostTable) -> tuple[float, float]:
    low, high = table.macs(np.stack([space.smallest, space.largest]))
    return float(low), float(high)


def targets(space: SearchSpace, table: CostTable, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(*ends(space, table), n)


def pool(space: SearchSpace, table: CostTable, n: int, rng: np.random.Generator) -> np.ndarray:
    drawn = space.sample(POOL, rng)
    macs = table.macs(drawn)
    order = np.argsort(macs)
    middles = (macs[order][1:] + macs[order][:-1]) / 2
    return drawn[order[np.searchsorted(middles, targets(space, table, n, rng))]]


def mutation(space: SearchSpace, table: CostTable, n: int, rng: np.random.Generator) -> np.ndarray:
    """One or two decisions are drawn anew in each step."""
    wanted, counts = targets(space, table, n, rng), cardinalities(space.decisions)
    genotypes, every = space.sample(n, rng), np.arange(n)
    error = np.abs(table.macs(genotypes) - wanted)
    for _ in range(STEPS):
        mutated = genotypes.copy()
        for _ in range(2):
            column = rng.integers(0, len(counts), n)
            mutated[every, column] = rng.integers(0, counts[column])
        found = np.abs(table.macs(mutated) - wanted)
        better = found < error
        genotypes[better], error[better] = mutated[better], found[better]
    return space.canonical(genotypes)


def distance(table: CostTable, known: tuple[float, float], drawn: np.ndarray) -> float:
    levels, counts = np.unique(table.macs(drawn), return_counts=True)
    share = np.cumsum(counts) / len(drawn)
    uniform = (levels - known[0]) / (known[1] - known[0])
    before = share - counts / len(drawn)
    return float(max(np.abs(share - uniform).max(), np.abs(before - uniform).max()))


def bias(space: SearchSpace, table: CostTable, drawn: np.ndarray, many: np.ndarray) -> float:
    low, high = np.quantile(table.macs(many), [0.45, 0.55])
    found = [g[(table.macs(g) >= low) & (table.macs(g) <= high)] for g in (drawn, many)]
    return max(
        float(abs((found[0][:, column] == option).mean() - (found[1][:, column] == option).mean()))
        for column, decision in enumerate(space.decisions)
        for option in range(len(decision.options))
    )


if __name__ == "__main__":
    main()
