"""Accuracy from a table of the user's: networks that others have trained, read from a file.

A Parquet or CSV file with a row a network, and a column of accuracies for each split. Networks are
named in a column `arch` in the notation of their space where it has one (NAS-Bench-201:
`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`), or in a column `genotype` as a JSON list of option numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Int

from nas.execution.base import Task
from search_spaces.nasbench201 import NasBench201Space
from search_spaces.nasbench201_cell import read_cells

if TYPE_CHECKING:
    import pandas as pd

NOTATIONS: Mapping[str, Callable[[Sequence[str]], Int[np.ndarray, "n d"]]] = {
    NasBench201Space.name: read_cells
}
"""Spaces with a notation of their own, and what reads it."""

UNITS: Mapping[str, float] = {"fraction": 1.0, "percent": 0.01}
"""What an accuracy of 1 in the file means."""


@dataclass(frozen=True)
class TablePayload:
    """Which table, and what of it.

    Attributes:
        path: Of the Parquet or CSV file.
        space: Name of the networks' space.
        columns: For each split, "search" or "test", the column of its accuracies.
        unit: Of the accuracies.
    """

    path: Path
    space: str
    columns: Mapping[str, str]
    unit: Literal["fraction", "percent"]


class TableEvaluator:
    """Looks accuracies up instead of measuring them.

    Raises:
        ValueError: If the file cannot be read, lacks a column, has a network twice or an accuracy
            outside 0 to 1.
    """

    def __init__(self, payload: TablePayload) -> None:
        self._path = payload.path
        frame = _read(payload)
        accuracies = {
            split: frame[column].to_numpy(dtype=np.float64) * UNITS[payload.unit]
            for split, column in payload.columns.items()
        }
        for split, values in accuracies.items():
            wrong = (values < 0) | (values > 1)
            if wrong.any():
                raise ValueError(
                    f"{payload.path}: {payload.columns[split]} must be accuracies in "
                    f"{payload.unit}, got {values[wrong][0] / UNITS[payload.unit]:g}"
                )
        self._accuracies = accuracies
        genotypes = _genotypes(payload, frame)
        self._rows = {tuple(genotype): row for row, genotype in enumerate(genotypes)}
        if len(self._rows) < len(genotypes):
            raise ValueError(f"{payload.path}: a network has more than one row")

    def evaluate(self, task: Task) -> dict[str, float]:
        """The accuracy of a genotype, 0 to 1.

        Raises:
            ValueError: If the table has none for it.
        """
        if task.split not in self._accuracies:
            known = ", ".join(self._accuracies)
            raise ValueError(f"{self._path}: has the splits {known}, asked for {task.split}")
        row = self._rows.get(task.genotype)
        accuracy = np.nan if row is None else self._accuracies[task.split][row]
        if np.isnan(accuracy):
            raise ValueError(f"{self._path}: no {task.split} accuracy of {list(task.genotype)}")
        return {"accuracy": float(accuracy)}


def _read(payload: TablePayload) -> pd.DataFrame:
    import pandas as pd

    suffix = payload.path.suffix
    if suffix not in (".parquet", ".csv"):
        raise ValueError(f"{payload.path}: expected a .parquet or .csv file")
    key = "arch" if payload.space in NOTATIONS else "genotype"
    needed = [key, *dict.fromkeys(payload.columns.values())]
    try:
        frame = pd.read_parquet(payload.path) if suffix == ".parquet" else pd.read_csv(payload.path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{payload.path}: cannot be read: {error}") from None
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(
            f"{payload.path}: no column {', '.join(missing)}; there are {', '.join(frame.columns)}"
        )
    return frame.loc[:, needed]


def _genotypes(payload: TablePayload, frame: pd.DataFrame) -> list[list[int]]:
    if payload.space in NOTATIONS:
        return NOTATIONS[payload.space](frame["arch"].tolist()).tolist()
    found = [json.loads(str(text)) for text in frame["genotype"]]
    for genotype in found:
        if not isinstance(genotype, list) or not all(type(option) is int for option in genotype):
            raise ValueError(
                f"{payload.path}: genotype must be a JSON list of integers, got {genotype!r}"
            )
    return found
