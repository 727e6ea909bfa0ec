"""Studies beside each other, worked out by hand, and the page of them."""

import numpy as np
import pytest

from nas.report.comparison import (
    ComparedStudy,
    ComparedTarget,
    group_figures,
    render_comparison,
    spread,
)


def study(label: str, group: str, seed: int, *volumes: float, verified: float | None = None):
    target = ComparedTarget(
        front=((1e-3, 0.7), (2e-3, 0.8 + seed / 100)),
        verified=verified is not None,
        hypervolume=tuple(enumerate(volumes, start=1)),
        verified_hypervolume=verified,
        best_search_accuracy=0.8 + seed / 100,
    )
    return ComparedStudy(
        label=label, group=group, seed=seed, evaluations=len(volumes), targets={"pi": target}
    )


STUDIES = (
    study("a", "ours", 0, 0.1, 0.3, 0.5, verified=0.4),
    study("b", "ours", 1, 0.2, 0.2, 0.4, verified=0.3),
    study("c", "ours", 2, 0.0, 0.4, 0.45, verified=0.2),
    study("d", "<b>random</b>", 0, 0.1, 0.2),
)


def test_the_spread_of_staircases_is_that_of_their_values_at_each_count():
    counts, values = spread([[(1, 0.1), (4, 0.5), (6, 0.5)], [(1, 0.2), (3, 0.3), (5, 0.9)]])
    assert counts.tolist() == [1, 3, 4, 5]
    expected = [[0.1, 0.15, 0.2], [0.1, 0.2, 0.3], [0.3, 0.4, 0.5], [0.5, 0.7, 0.9]]
    np.testing.assert_allclose(values, expected)


def test_a_group_has_the_median_of_its_seeds_and_their_ends():
    ours, random = group_figures(STUDIES)
    assert (ours.studies, ours.evaluations) == (3, 3)
    assert (ours.lowest, ours.median, ours.highest) == (0.4, 0.45, 0.5)
    assert (ours.verified_median, ours.search_accuracy) == (0.3, pytest.approx(0.81))
    assert (random.studies, random.median, random.verified_median) == (1, 0.2, None)


def test_the_page_shows_every_group_and_draws_its_spread(open_page):
    page = open_page(render_comparison(STUDIES))
    rows = page.locator("#figures tbody tr").all_inner_texts()
    assert [row.split("\t")[:3] for row in rows] == [
        ["pi", "ours", "3"],
        ["pi", "<b>random</b>", "1"],
    ]
    assert page.locator(".band").count() == 1
    # Three fronts of ours and one of random search, two members each.
    assert page.locator("#targets figure").first.locator(".plot .curve-dot").count() == 8
    assert page.locator("b").count() == 0
