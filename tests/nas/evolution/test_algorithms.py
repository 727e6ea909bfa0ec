"""What all algorithms promise, and how survivors of many targets are chosen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.evolution.driver import SearchAlgorithm
from nas.evolution.guided import GuidedEvolution
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.proposals import REMEMBERED, CostFunction, RecentCosts, spread_over_cost
from nas.evolution.random_search import RandomSearch
from nas.evolution.sorting import non_dominated_mask
from tests.nas.evolution.spaces import GridSpace, error_of, linear_costs

SPACE = GridSpace(3, 4, 3, 5, 2, 4, 3)
COSTS = linear_costs([[1, 1, 1, 1, 1, 1, 1], [6, 1, 0, 3, 0, 0, 2]], [99, 99])
Make = Callable[..., Any]


def evolution(space: GridSpace, costs: CostFunction, *, seed: int) -> MultiTargetEvolution:
    return MultiTargetEvolution(space, costs, population_size=16, seed=seed)


def guided(space: GridSpace, costs: CostFunction, *, seed: int) -> GuidedEvolution:
    return GuidedEvolution(space, costs, initial=8, seed=seed)


every = pytest.mark.parametrize("make", [guided, evolution, RandomSearch])


def advance(search: SearchAlgorithm, generations: int, size: int = 8) -> list[np.ndarray]:
    asked: list[np.ndarray] = []
    for _ in range(generations):
        asked.append(search.ask(size))
        search.tell(asked[-1], error_of(asked[-1]))
    return asked


@every
def test_proposals_are_canonical_in_the_space_and_never_repeated(make: Make) -> None:
    asked = np.concatenate(advance(make(SPACE, COSTS, seed=0), 40))
    assert len(asked) == 320
    assert len(np.unique(asked, axis=0)) == 320
    assert ((asked >= 0) & (asked < SPACE.counts)).all()
    np.testing.assert_array_equal(SPACE.canonical(asked), asked)


@every
def test_a_seed_decides_everything(make: Make) -> None:
    runs = [np.concatenate(advance(make(SPACE, COSTS, seed=s), 10)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


@every
def test_every_genotype_of_a_small_space_is_found_and_then_no_more(make: Make) -> None:
    space = GridSpace(3, 4, 3)
    costs = linear_costs([[1, 1, 1]], [4])
    asked = np.concatenate(advance(make(space, costs, seed=0), 10))
    assert {tuple(g) for g in asked} == {tuple(g) for g in space.every()}
    assert len(asked) == len(space.every())


@every
def test_what_every_target_forbids_waits_until_nothing_else_is_left(make: Make) -> None:
    costs = linear_costs([[1] * 7, [6, 1, 0, 3, 0, 0, 2]], [6, 4])
    asked = np.concatenate(advance(make(SPACE, costs, seed=0), 15))
    assert (costs(asked)[1] <= 0).any(axis=1).all()


@every
def test_an_unsatisfiable_constraint_leads_to_the_closest(make: Make) -> None:
    costs = linear_costs([[1] * 7], [0.5])
    search = make(SPACE, costs, seed=0)
    advance(search, 4)
    assert len(search.archive.front(0)) == 0
    assert search.archive.costs[search.archive.closest(0), 0] <= 3


@every
def test_failed_evaluations_are_kept_out_and_not_proposed_again(make: Make) -> None:
    search = make(SPACE, COSTS, seed=0)
    failed: set[tuple[int, ...]] = set()
    for _ in range(20):
        genotypes = search.ask(8)
        assert failed.isdisjoint(map(tuple, genotypes))
        error = error_of(genotypes)
        error[::2] = np.nan
        failed |= set(map(tuple, genotypes[::2]))
        search.tell(genotypes, error)
    assert failed.isdisjoint(map(tuple, search.archive.genotypes))
    assert len(search.archive) == 80


@every
def test_a_search_goes_on_from_its_state_exactly(make: Make) -> None:
    for generations in (0, 1, 5):
        search = make(SPACE, COSTS, seed=3)
        advance(search, generations)
        copy = type(search).from_state(search.state_dict(), SPACE, COSTS)
        for expected, got in zip(advance(search, 5), advance(copy, 5), strict=True):
            np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(copy.archive.error, search.archive.error)


@every
def test_a_state_taken_between_ask_and_tell_does_not_ask_again(make: Make) -> None:
    search = make(SPACE, COSTS, seed=3)
    asked = search.ask(8)
    copy = type(search).from_state(search.state_dict(), SPACE, COSTS)
    assert set(map(tuple, asked)).isdisjoint(map(tuple, copy.ask(100)))


@every
def test_evaluations_from_elsewhere_are_a_warm_start(make: Make) -> None:
    known = SPACE.every()[::50]
    search = make(SPACE, COSTS, seed=0)
    search.tell(known, error_of(known))
    assert len(search.archive) == len(known)
    asked = np.concatenate(advance(search, 20))
    assert set(map(tuple, known)).isdisjoint(map(tuple, asked))


def test_the_first_population_spans_the_space() -> None:
    asked = evolution(SPACE, COSTS, seed=0).ask(16)
    assert {tuple(SPACE.smallest), tuple(SPACE.largest)} <= set(map(tuple, asked))


def test_a_spread_is_even_in_log_cost_on_every_target() -> None:
    space = GridSpace(*[5] * 10)
    costs = linear_costs([[0.3] * 10, [0.1] * 5 + [0.5] * 5], [99, 99])
    spread = spread_over_cost(24, space=space, costs=costs, rng=np.random.default_rng(0))
    assert len(np.unique(spread, axis=0)) == 24
    for column in np.log(costs(spread)[0]).T:
        gaps = np.diff(np.sort(column))
        assert gaps.max() <= 4 * (column.max() - column.min()) / 23


def test_a_spread_leaves_out_what_no_target_allows() -> None:
    costs = linear_costs([[1] * 7, [1] * 7], [9, 6])
    spread = spread_over_cost(12, space=SPACE, costs=costs, rng=np.random.default_rng(0))
    assert (costs(spread)[1] <= 0).any(axis=1).all()
    assert costs(spread)[0][:, 0].max() > 8


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 40))
def test_survivors_hold_every_targets_front_while_it_fits(
    seed: int, targets: int, population: int
) -> None:
    rng = np.random.default_rng(seed)
    space = GridSpace(4, 4, 4, 4)
    weights = rng.random((targets, 4)).tolist()
    costs = linear_costs(weights, rng.uniform(2, 8, targets).tolist())
    genotypes = rng.permutation(space.every())[:40]
    error = rng.random(40)
    search = MultiTargetEvolution(space, costs, population_size=population, seed=0)
    search.tell(genotypes, error)
    survivors = set(search.population)
    assert len(survivors) == min(population, 40)
    fronts: set[int] = set()
    cost, violation = costs(genotypes)
    for target in range(targets):
        feasible = np.flatnonzero(violation[:, target] <= 0)
        points = np.column_stack((error, cost[:, target]))[feasible]
        fronts |= set(feasible[non_dominated_mask(points)])
        if len(feasible) == 0:
            fronts.add(int(violation[:, target].argmin()))
    assert fronts <= survivors if len(fronts) <= population else survivors <= fronts


def test_evolution_finds_better_fronts_than_random_search() -> None:
    space = GridSpace(*[4] * 12)
    costs = linear_costs([[1] * 12, [2] * 6 + [0.2] * 6], [99, 99])
    reference = np.array([1.0, 37.0])
    volumes: dict[str, list[float]] = {"evolution": [], "random": []}
    for seed in range(3):
        for name, search in (
            ("evolution", evolution(space, costs, seed=seed)),
            ("random", RandomSearch(space, costs, seed=seed)),
        ):
            advance(search, 25)
            volumes[name].append(
                sum(search.archive.hypervolume(target, reference) for target in range(2))
            )
    assert min(volumes["evolution"]) > max(volumes["random"])


def test_a_population_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="population_size must be at least 2, got 1"):
        MultiTargetEvolution(SPACE, COSTS, population_size=1, seed=0)


def test_what_is_told_is_not_predicted_again() -> None:
    predicted: list[int] = []

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicted.append(len(genotypes))
        return COSTS(genotypes)

    search = evolution(SPACE, costs, seed=0)
    for size in (16, 1, 5):
        asked = search.ask(size)
        predicted.clear()
        search.tell(asked, error_of(asked))
        assert predicted == []
    cost, violation = COSTS(search.archive.genotypes)
    np.testing.assert_allclose(search.archive.costs, cost)
    np.testing.assert_allclose(search.archive.violation, violation)


def test_costs_are_remembered_of_a_bounded_number_of_genotypes() -> None:
    predicted: list[int] = []

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicted.append(len(genotypes))
        return genotypes.astype(float), np.zeros(genotypes.shape)

    recent = RecentCosts(costs)
    genotypes = np.arange(2 * REMEMBERED, dtype=np.int64)[:, None]
    for batch in np.array_split(genotypes, 8):
        np.testing.assert_array_equal(recent(batch)[0], batch)
    recent(genotypes[-10:])
    recent(genotypes[:10])
    recent(genotypes)
    assert predicted == [REMEMBERED // 4] * 8 + [10, 2 * REMEMBERED]
