"""Does the NAS-Bench-201 supernet rank cells as training each of them alone does?

Takes studies whose NAS-Bench-201 supernet is trained, and the public table of the accuracies that
cells reach when trained alone for 200 epochs. Cells are evenly spread over the table's ranks, one
of those that are canonically equal. Each is tested with a supernet's weights, BatchNorm
recalibrated. Prints Kendall's tau with the table for each study, beside those of the number of
multiply-accumulates and of parameters, for all cells and for the better half. The JSON is written
as it goes, and what it holds is not evaluated again.

    nas train experiments/nasbench201.yaml --output runs/sandwich
    nas train experiments/nasbench201.yaml --set train.strategy=single_path --output runs/single
    python experiments/benchmarks/supernet_fairness.py runs/sandwich runs/single --table TABLE \
        --json FILE
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from latency_models.metrics import kendall
from nas.config import parse_config
from nas.data import Split
from nas.stages.measuring import Measuring
from nas.stages.setting import Setting
from nas.study import Study
from search_spaces import NasBench201Space
from search_spaces.nasbench201_cell import read_cells

SAVE_EVERY = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--column", default="cifar10_test_200")
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--images", type=int, default=2000, help="test images of an evaluation")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    cells = spread_over_accuracy(
        pd.read_parquet(arguments.table), arguments.column, arguments.networks
    )
    found = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    known = {"macs": cells["macs_m"].to_numpy(), "params": cells["params_m"].to_numpy()}
    for path in arguments.studies:
        accuracies = found.setdefault(str(path), {})
        evaluate(path, cells["arch"].tolist(), arguments.images, accuracies, save(arguments, found))
        known[str(path)] = np.array([accuracies[arch] for arch in cells["arch"]])
    truth = cells[arguments.column].to_numpy()
    half = len(cells) // 2
    print(f"Kendall's tau with {arguments.column}: {len(cells)} cells, and the better {half}")
    for name, values in known.items():
        taus = kendall(values, truth), kendall(values[-half:], truth[-half:])
        print(f"{name:40} {taus[0]:.3f} {taus[1]:.3f}")


def spread_over_accuracy(table: pd.DataFrame, column: str, count: int) -> pd.DataFrame:
    """Rows in ascending order of accuracy."""
    space = NasBench201Space(NasBench201Space.Options(), (32, 32, 3), 10)
    canonical = space.canonical(read_cells(table["arch"].tolist()))
    first = np.unique(canonical, axis=0, return_index=True)[1]
    table = table.iloc[first].sort_values(column, kind="stable")
    rows = np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))
    return table.iloc[rows]


def evaluate(path: Path, texts: list[str], images: int, accuracies: dict, keep) -> None:
    """Adds the test accuracies that are missing."""
    with Study.open(path, read_only=True) as study:
        setting = Setting(study, parse_config(study.config, source=f"{path}/config.yaml"))
        test = setting.dataset.test
        split = Split(test.images[:images], test.labels[:images])
        evaluation = Measuring(setting).evaluation
        for position, text in enumerate(texts):
            if text in accuracies:
                continue
            genotype = setting.space.canonical(read_cells([text]))[0]
            found = evaluation.accuracy(setting.space.decode(genotype), split)
            accuracies[text] = found.accuracy
            if position % SAVE_EVERY == 0 or position == len(texts) - 1:
                keep()
            print(f"\r{path} {position + 1}/{len(texts)} ", end="", file=sys.stderr, flush=True)
        keep()


def save(arguments: argparse.Namespace, found: dict):
    return lambda: arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
