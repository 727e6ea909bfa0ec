"""Parameters and multiply-accumulates of all 15,625 cells of NAS-Bench-201, against a table.

The table is a Parquet file with the columns `arch` (`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`),
`params_m` and `macs_m`: millions, for CIFAR-10. Networks are costed as they are written. Two
numbers are equal if they are the same whole number once the millions are multiplied out; `decimals`
is the most that a column has: six, or less where all numbers end in zeros, lose nothing.

    python experiments/benchmarks/nasbench201_exactness.py TABLE

Takes seconds. Writes nasbench201_exactness.json beside it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from search_spaces.nasbench201_cell import read_cells
from search_spaces.tables import NasBench201Table

SHOWN = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="parameters and MACs of the cells")
    found = compare(pd.read_parquet(parser.parse_args().table))
    text = json.dumps(found, indent=2)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


def compare(data: pd.DataFrame) -> dict:
    genotypes = read_cells(data["arch"].tolist())
    table = NasBench201Table().cost_table(batch_size=1, dtype="float32")
    found = {"cells": len(np.unique(genotypes, axis=0))}
    for column, ours in (("params_m", table.params(genotypes)), ("macs_m", table.macs(genotypes))):
        published = data[column].to_numpy()
        differences = ours - np.round(1e6 * published)
        worst = np.argsort(-abs(differences), kind="stable")[:SHOWN]
        found[column] = {
            "decimals": max(decimals(value) for value in published.tolist()),
            "equal": int((differences == 0).sum()),
            "largest_differences": {
                data["arch"].iloc[row]: int(differences[row]) for row in worst if differences[row]
            },
        }
    return found


def decimals(value: float) -> int:
    return len(repr(value).partition(".")[2])


if __name__ == "__main__":
    main()
