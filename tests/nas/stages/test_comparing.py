"""Finished studies beside each other, against rectangles added up from the fronts' files."""

import json

import pandas as pd
import pytest

from nas.errors import UserError
from nas.stages.comparing import compare_studies
from nas.study import Study
from tests.nas.stages import tiny


@pytest.fixture(name="twins")
def twins_fixture(finished, tmp_path):
    """The finished study, and one that differs from it in its seed."""
    other = tiny.copy_study(finished, tmp_path / "other")
    with Study.open(other) as study:
        study.write_config({**study.config, "seed": 7})
    return [finished, other]


def rectangles(front: pd.DataFrame, latency: str, accuracy: str, limit_s: float) -> float:
    """Area below the best accuracy at each latency up to the limit, over the limit."""
    area, best = 0.0, 0.0
    rows = front.sort_values(latency)
    ends = [*rows[latency].tolist()[1:], limit_s]
    for start, end, height in zip(rows[latency], ends, rows[accuracy], strict=True):
        best = max(best, height)
        area += best * max(0.0, min(end, limit_s) - min(start, limit_s))
    return area / limit_s


def test_hypervolumes_are_those_of_the_fronts_in_the_common_box(twins, finished):
    first, second = compare_studies(twins)
    with Study.open(finished, read_only=True) as study:
        summary = next(stage.summary for stage in study.stages() if stage.name == "search")
    for name, (_, limit_s) in summary["reference"].items():
        front = pd.read_csv(finished / f"fronts/{name}.csv")
        target = first.targets[name]
        expected = rectangles(front, "predicted_s", "search_accuracy", limit_s)
        assert target.hypervolume[-1] == (10, pytest.approx(expected))
        measured = "predicted_s" if name == "pi" else "measured_s"
        expected = rectangles(front, measured, "test_accuracy", limit_s)
        assert target.verified_hypervolume == pytest.approx(expected)
    assert [first.seed, second.seed] == [0, 7]
    assert first.group == second.group
    assert first.targets == second.targets


def test_studies_of_different_searches_are_groups_of_their_own(nas, twins):
    other = twins[1]
    with Study.open(other) as study:
        config = study.config
        study.write_config({**config, "search": {**config["search"], "mutation_rate": 0.3}})
    code, out, _ = nas("compare", "--json", *twins)
    assert code == 0
    groups = [(one["target"], one["group"], one["studies"]) for one in json.loads(out)]
    names = [path.name for path in twins]
    assert groups == [(target, name, 1) for target in ("xla", "onnx", "pi") for name in names]


def test_a_comparison_needs_two_studies_that_have_evaluations(nas, finished, tmp_path):
    assert nas("compare", finished)[0] == 2
    with pytest.raises(UserError, match="each study must be given once"):
        compare_studies([finished, finished])
    early = tiny.copy_study(finished, tmp_path / "early", before="search")
    with pytest.raises(UserError, match="has no evaluations yet; `nas search"):
        compare_studies([finished, early])
