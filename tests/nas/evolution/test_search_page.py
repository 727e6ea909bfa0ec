"""The page on the search: its code runs."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from nas.config import parse_config
from nas.evolution.sorting import non_dominated_mask
from search_spaces import NasBench201Space
from tests.nas.stages import tiny

PAGE = (Path(__file__).parents[3] / "docs/search.md").read_text()
(CODE,) = re.findall(r"^```python\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
(TARGETS,) = re.findall(r"^```yaml\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def test_a_table_is_searched_for_two_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = list(itertools.product(OPS, repeat=6))
    accuracy = [10 + 10 * cell.count("nor_conv_3x3") + cell.count("skip_connect") for cell in cells]
    arch = ["|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*cell) for cell in cells]
    columns = {"cifar100_valid_12": accuracy, "cifar100_test_200": accuracy}
    pd.DataFrame({"arch": arch, **columns}).to_parquet(tmp_path / "nb201_accuracy.parquet")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(CODE, names)
    archive, space = names["result"].archive, names["space"]
    assert isinstance(space, NasBench201Space)
    assert len(archive) == 100
    for target in range(2):
        front = archive.front(target)
        points = np.column_stack((archive.error, archive.costs[:, target]))
        assert set(front) <= set(np.flatnonzero(non_dominated_mask(points)))
        # Six 3x3 convolutions are the most accurate of all.
        assert archive.error[front].min() == pytest.approx(0.3)


def test_the_targets_of_the_page_are_a_config() -> None:
    document = yaml.safe_load(tiny.CONFIG) | yaml.safe_load(TARGETS)
    (target,) = parse_config(document, source="page").targets
    assert target.objectives == ("latency", "energy")
    assert (target.weight, target.confidence) == (2.0, 0.9)
