"""Guided search: for all targets together, at any time, with any number of evaluations pending."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.evolution.features import SpaceFeatures
from nas.evolution.gain import Box
from nas.evolution.goals import Goal, one_cost_each
from nas.evolution.guided import GuidedEvolution
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.pool import Pool, Pools
from nas.evolution.proposals import CostFunction, sample_over_cost
from tests.nas.evolution.spaces import GridSpace, error_of, linear_costs

SMALL = GridSpace(3, 4, 3, 4, 3)
LARGE = GridSpace(*[4] * 9)
FEW = 3000
TWO = linear_costs([[1] * 9, [2] * 4 + [0.2] * 5], [99, 99])


def narrowed(costs: CostFunction, decisions: int) -> CostFunction:
    return lambda genotypes: costs(np.pad(genotypes, ((0, 0), (0, 9 - decisions))))


def advance(search: GuidedEvolution, evaluations: int, size: int) -> np.ndarray:
    asked: list[np.ndarray] = []
    while sum(map(len, asked)) < evaluations:
        asked.append(search.ask(size))
        search.tell(asked[-1], error_of(asked[-1]))
    return np.concatenate(asked)


@pytest.mark.parametrize("space", [SMALL, LARGE], ids=["whole", "bred"])
def test_workers_may_finish_in_any_order_at_any_time(space: GridSpace) -> None:
    """Four workers, of whom a drawn one finishes next: all networks differ, and calls decide."""
    decisions = len(space.counts)

    def run() -> np.ndarray:
        search = GuidedEvolution(space, narrowed(TWO, decisions), initial=6, candidates=FEW, seed=4)
        rng = np.random.default_rng(0)
        busy = list(search.ask(4))
        every = list(busy)
        for _ in range(16):
            done = busy.pop(int(rng.integers(len(busy))))
            search.tell(done[None], error_of(done[None]))
            busy += list(search.ask(1))
            every.append(busy[-1])
        return np.stack(every)

    first = run()
    assert len(np.unique(first, axis=0)) == len(first) == 20
    np.testing.assert_array_equal(run(), first)


def test_candidates_are_bred_anew_when_evaluations_have_grown_by_a_twentieth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From 40 evaluations on at 42, 45, 48 and 51, if one more is told before every proposal."""
    search = GuidedEvolution(LARGE, TWO, initial=12, candidates=FEW, seed=0)
    advance(search, 40, 40)
    bred_at: list[int] = []
    breed = Pools.breed

    def counted(*args: Any, **options: Any) -> Pool:
        bred_at.append(len(search.archive))
        return breed(*args, **options)

    monkeypatch.setattr(Pools, "breed", counted)
    advance(search, 12, 1)
    assert bred_at == [40, 42, 45, 48, 51]
    copy = GuidedEvolution.from_state(search.state_dict(), LARGE, TWO)
    np.testing.assert_array_equal(advance(copy, 3, 1), advance(search, 3, 1))


def test_a_batch_does_not_crowd_where_one_network_would_do() -> None:
    """Believing a choice evaluated lowers what its neighbours can still gain."""
    search = GuidedEvolution(LARGE, TWO, initial=12, candidates=FEW, seed=0)
    advance(search, 24, 12)
    batch = search.ask(8)
    distances = np.abs(batch[:, None] - batch).sum(axis=2)[np.triu_indices(8, 1)]
    assert distances.min() >= 1
    assert np.median(distances) >= 3


def test_fronts_are_better_than_those_of_nsga2_at_the_same_budget() -> None:
    reference = np.array([1.0, 28.0])
    volumes: dict[str, list[float]] = {"guided": [], "nsga2": []}
    for seed in range(2):
        guided = GuidedEvolution(LARGE, TWO, initial=10, candidates=FEW, seed=seed)
        nsga2 = MultiTargetEvolution(LARGE, TWO, population_size=16, seed=seed)
        for name, search in (("guided", guided), ("nsga2", nsga2)):
            for _ in range(5):
                asked = search.ask(10)
                search.tell(asked, error_of(asked))
            volumes[name].append(sum(search.archive.hypervolume(t, reference) for t in range(2)))
    assert min(volumes["guided"]) > max(volumes["nsga2"])


def test_weight_zero_leaves_the_choice_to_the_others() -> None:
    """Cheap networks are of no use to the first target, whose costs are the reverse."""
    costs = linear_costs([[1] * 9, [-0.1] * 9], [99, 99])
    counts = {}
    for weights in ((1.0, 0.0), (0.0, 1.0)):
        goals = [Goal((target,), weight) for target, weight in enumerate(weights)]
        boxes = [Box(np.array([0.0, -9.0]), np.array([1.0, 40.0]))] * 2
        search = GuidedEvolution(
            LARGE, costs, goals=goals, boxes=boxes, initial=8, candidates=FEW, seed=0
        )
        chosen = advance(search, 32, 8)[8:]
        counts[weights] = float(chosen.sum(axis=1).mean())
    # For the second target the largest network is the best in both: no other is worth a thing.
    assert counts[(1.0, 0.0)] < counts[(0.0, 1.0)]


def test_a_second_cost_is_traded_off_too() -> None:
    """Of two costs one is the number of options in the first half, the other in the second."""
    halves = linear_costs([[1] * 4 + [0] * 5, [0] * 4 + [1] * 5], [99, 99])

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, violation = halves(genotypes)
        return found, violation[:, :1]

    search = GuidedEvolution(LARGE, costs, goals=[Goal((0, 1))], initial=8, seed=0)
    advance(search, 40, 8)
    front = search.archive.front(0)
    share = search.archive.costs[front]
    assert len(front) >= 8
    assert np.ptp(share[:, 0]) > 4
    assert np.ptp(share[:, 1]) > 4
    volume = search.archive.hypervolume(0, np.array([1.0, 13.0, 16.0]))
    assert volume == pytest.approx(
        search.archive.hypervolume_history(0, np.array([1.0, 13.0, 16.0]))[-1]
    )


def test_an_infeasible_target_gets_the_least_violation_and_no_more() -> None:
    costs = linear_costs([[1] * 9, [1] * 9], [99, 0.5])
    search = GuidedEvolution(LARGE, costs, initial=8, candidates=FEW, seed=0)
    advance(search, 24, 8)
    closest = search.archive.closest(1)
    np.testing.assert_array_equal(search.archive.genotypes[closest], LARGE.smallest)
    # Of the networks that the second target cannot use, the first one chose for itself.
    assert len(search.archive.front(0)) > 5


def test_the_first_networks_are_those_given() -> None:
    first = LARGE.canonical(np.array([[1] * 9, [2] * 9]))
    search = GuidedEvolution(LARGE, TWO, initial=6, first=first, candidates=FEW, seed=0)
    asked = search.ask(6)
    np.testing.assert_array_equal(asked[:2], first)
    assert {tuple(LARGE.smallest), tuple(LARGE.largest)} <= {tuple(g) for g in asked}


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 20))
def test_samples_cover_all_costs(seed: int, n: int) -> None:
    space = GridSpace(4, 4, 4, 4, 4)
    costs = narrowed(TWO, 5)
    found = sample_over_cost(
        n, space=space, costs=costs, columns=[0, 1], rng=np.random.default_rng(seed)
    )
    assert len(np.unique(found, axis=0)) == n
    np.testing.assert_array_equal(found[:2], [space.smallest, space.largest])
    np.testing.assert_array_equal(space.canonical(found), found)


def test_codes_tell_genotypes_apart() -> None:
    for space in (SMALL, GridSpace(*[7] * 30)):
        decisions = len(space.counts)

        def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.ones((len(genotypes), 1)), np.zeros((len(genotypes), 1))

        pools = Pools(space, costs, SpaceFeatures(space), one_cost_each(1))
        genotypes = space.sample(500, np.random.default_rng(decisions))
        distinct = np.unique(genotypes, axis=0)
        assert len(np.unique(pools.codes(distinct))) == len(distinct)
        pool = pools.of(distinct[::2])
        rows = pools.rows(pool, distinct)
        np.testing.assert_array_equal(pool.genotypes[rows], distinct[::2])


def test_fewer_than_two_to_begin_with_are_refused() -> None:
    with pytest.raises(ValueError, match="initial must be at least 2, got 1"):
        GuidedEvolution(SMALL, narrowed(TWO, 5), initial=1, seed=0)


def test_goals_without_any_weight_are_refused() -> None:
    goals = [Goal((0,), 0.0), Goal((1,), 0.0)]
    with pytest.raises(ValueError, match="at least one target needs a weight above 0"):
        GuidedEvolution(SMALL, narrowed(TWO, 5), goals=goals, seed=0)


def test_predictions_are_held_against_what_came_of_them() -> None:
    search = GuidedEvolution(LARGE, TWO, initial=12, candidates=FEW, seed=0)
    advance(search, 12, 12)
    quality = search.predictions.quality
    assert quality == []
    advance(search, 30, 5)
    assert [found.evaluations for found in quality] == [
        12 + 10,
        12 + 20,
        12 + 30,
    ]
    last = quality[-1]
    # The error is a smooth function of the options, so that thirty networks say much about it.
    assert last.spearman is not None
    assert last.spearman > 0.5
    assert 0 < last.mean_absolute_error < 0.1
