"""Does what is learned on one space's networks help to predict another's?

Trains on the latencies of one public table and adapts to devices of another space's table that
are not among them, with 3 and 10 measurements; beside it the method that has learned nothing, and
the one trained on the same space. Devices are those of the published splits: trained on FBNet's
split FD, tested on NAS-Bench-201's ND, and the other way round.

    python experiments/benchmarks/latency_across_spaces.py NB201_TABLE FBNET_TABLE SPLITS

Takes about five minutes on one core. Writes latency_across_spaces.json beside it.
"""

import argparse
import json
from pathlib import Path

from latency_models.evaluation import METHOD, evaluate, summary, train_on_split
from latency_models.meta import MetaModel
from latency_models.tables import LatencyTable, Split, read_split, read_table

SAMPLES = (3, 10)
SEEDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nb201", type=Path, help="latencies of NAS-Bench-201's networks")
    parser.add_argument("fbnet", type=Path, help="latencies of FBNet's networks")
    parser.add_argument("splits", type=Path, help="the published splits")
    given = parser.parse_args()
    cases: dict[str, tuple[LatencyTable, Split]] = {}
    for name, path, space in (("ND", given.nb201, "nb201"), ("FD", given.fbnet, "fbnet")):
        table = read_table(path, space)
        cases[name] = table, read_split(given.splits, name, list(table.latency_s))
    models = {name: train_on_split(*case) for name, case in cases.items()}
    rows = []
    for name, (table, split) in cases.items():
        other = next(key for key in cases if key != name)
        learned = {
            "nothing": MetaModel(),
            f"the other space ({other})": models[other],
            f"the same space ({name})": models[name],
        }
        for samples in SAMPLES:
            for source, model in learned.items():
                scores = list(
                    evaluate(table, split, model, samples=samples, seeds=SEEDS, ablation=False)
                )
                found = summary(scores)["mean"][METHOD]
                figures = {metric: values["mean"] for metric, values in found.items()}
                rows.append({"tested": name, "samples": samples, "learned": source, **figures})
                print(
                    f"{name} {samples:2} samples, learned from {source:22}"
                    f" Spearman {figures['spearman']:.3f}  within 10 % {figures['within_10']:.2f}"
                    f"  median error {figures['median_error']:.1%}",
                    flush=True,
                )
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
