"""Accuracies are looked up by network, in the notation of the space or by option numbers."""

from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

from nas.evaluation.table import TableEvaluator, TablePayload
from nas.execution.base import Task

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
GENOTYPE = (4, 0, 1, 2, 3, 0)


def table(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def payload(
    path: Path, *, space: str = "nasbench201", unit: Literal["fraction", "percent"] = "percent"
) -> TablePayload:
    return TablePayload(path, space, {"search": "valid_12", "test": "test_200"}, unit)


def cells(**changes: object) -> pd.DataFrame:
    columns = {"arch": [CELL], "valid_12": [61.5], "test_200": [72.25], **changes}
    return pd.DataFrame(columns)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_each_split_has_its_column(tmp_path: Path, name: str) -> None:
    found = TableEvaluator(payload(table(tmp_path / name, cells())))
    assert found.evaluate(Task(GENOTYPE, "search", 0)) == {"accuracy": pytest.approx(0.615)}
    assert found.evaluate(Task(GENOTYPE, "test", 7)) == {"accuracy": pytest.approx(0.7225)}


def test_spaces_without_a_notation_go_by_option_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"genotype": ["[0, 2]"], "valid_12": [0.5], "test_200": [0.25]})
    chosen = payload(table(tmp_path / "t.csv", frame), space="mobilenet", unit="fraction")
    found = TableEvaluator(chosen).evaluate(Task((0, 2), "test", 0))
    assert found == {"accuracy": 0.25}


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    found = TableEvaluator(payload(table(tmp_path / "t.csv", cells(valid_12=[None]))))
    with pytest.raises(ValueError, match=r"no search accuracy of \[4, 0, 1, 2, 3, 0\]"):
        found.evaluate(Task(GENOTYPE, "search", 0))
    with pytest.raises(ValueError, match=r"no test accuracy of \[0, 0, 0, 0, 0, 0\]"):
        found.evaluate(Task((0,) * 6, "test", 0))
    with pytest.raises(ValueError, match="has the splits search, test, asked for train"):
        found.evaluate(Task(GENOTYPE, "train", 0))


def test_mistakes_in_the_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(ValueError, match=r"t\.csv: cannot be read"):
        TableEvaluator(payload(path))
    with pytest.raises(ValueError, match="no column test_200; there are arch, valid_12"):
        TableEvaluator(payload(table(path, cells().drop(columns="test_200"))))
    with pytest.raises(ValueError, match="test_200 must be accuracies in percent, got 172"):
        TableEvaluator(payload(table(path, cells(test_200=[172]))))
    with pytest.raises(ValueError, match="more than one row"):
        TableEvaluator(payload(table(path, pd.concat([cells(), cells()]))))
    with pytest.raises(ValueError, match=r"expected a \.parquet or \.csv file"):
        TableEvaluator(payload(tmp_path / "t.xlsx"))
    frame = pd.DataFrame({"genotype": ["7"], "valid_12": [0.5], "test_200": [0.25]})
    with pytest.raises(ValueError, match="genotype must be a JSON list of integers, got 7"):
        TableEvaluator(payload(table(path, frame), space="mobilenet", unit="fraction"))
