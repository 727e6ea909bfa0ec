"""How MACs of drawn networks are distributed, against the uniform distribution and by hand."""

from functools import cache

import numpy as np
import pytest

from latency_models import CostTable
from search_spaces import (
    FBNetOptions,
    FBNetSpace,
    MacsSampler,
    MobileNetOptions,
    MobileNetSpace,
    SearchSpace,
)
from search_spaces.macs_sampling import TOLERANCE
from search_spaces.measured import NASBENCH201
from search_spaces.mobilenet import MobileNetStage

STAGES = [MobileNetStage(16, 2), MobileNetStage(24, 2, squeeze_excite=True), MobileNetStage(40, 1)]
MOBILENET = MobileNetSpace(
    MobileNetOptions(STAGES, width_multipliers=[0.75, 1.0], resolutions=[24, 32]), (32, 32, 3), 10
)
FBNET = FBNetSpace(FBNetOptions(), (32, 32, 3), 100)
# NAS-Bench-201 in 16*16*32*32 products, those of a 1x1 convolution: what is there besides cells
# comes first, then 15 cells of up to six edges, each nothing, a 1x1 (1) or a 3x3 convolution (9).
UNIT, REST, CELLS = 16 * 16 * 32 * 32, 7_783_040, 15
LEVELS = sorted({a + 9 * b for a in range(7) for b in range(7 - a)})

SPACES: dict[str, SearchSpace] = {
    "mobilenet": MOBILENET,
    "fbnet": FBNET,
    "nasbench201": NASBENCH201,
}

large_spaces = pytest.mark.parametrize("name", ["mobilenet", "fbnet"])
every_space = pytest.mark.parametrize("name", SPACES)


@cache
def table(name: str) -> CostTable:
    return SPACES[name].cost_table(batch_size=1, dtype="float32")


@cache
def sampler(name: str) -> MacsSampler:
    return MacsSampler(SPACES[name])


def macs(space: SearchSpace, genotypes: np.ndarray) -> np.ndarray:
    return table(space.name).macs(genotypes)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ends(space: SearchSpace) -> list[float]:
    return macs(space, np.stack([space.smallest, space.largest])).tolist()


def distance(found: np.ndarray, low: float, high: float) -> float:
    """Kolmogorov and Smirnov's, from the uniform distribution."""
    uniform = (np.sort(found) - low) / (high - low)
    steps = np.arange(len(found) + 1) / len(found)
    return max((steps[1:] - uniform).max(), (uniform - steps[:-1]).max())


@large_spaces
def test_macs_are_uniform_between_the_smallest_and_the_largest(name: str) -> None:
    space = SPACES[name]
    count, (low, high) = 4000, ends(space)
    drawn = sampler(name).sample(count, rng())
    # Of uniform draws one in a thousand lies further away than 1.95 / sqrt(n); targets are missed
    # by up to the tolerance.
    assert distance(macs(space, drawn), low, high) < 1.95 / count**0.5 + TOLERANCE
    bins = np.histogram(macs(space, drawn), 20, (low, high))[0]
    assert abs(bins - count / 20).max() < 5 * (count / 20) ** 0.5
    # Which is not so of plain samples.
    plain = macs(space, space.sample(count, rng()))
    assert np.histogram(plain, 20, (low, high))[0][-5:].sum() < count / 100


def test_each_level_of_nasbench201_has_the_targets_that_are_nearest_to_it() -> None:
    count = 20_000
    found = (macs(NASBENCH201, sampler("nasbench201").sample(count, rng())) - REST) / UNIT / CELLS
    levels, counts = np.unique(found, return_counts=True)
    # 0 to 6, 9 to 14, ..., 45 to 46, 54: all are there, since skips put every edge on a path.
    assert levels.tolist() == LEVELS
    assert len(LEVELS) == 28
    borders = np.array([0, *(levels[1:] + levels[:-1]) / 2, 54])
    expected = np.diff(borders) / 54 * count
    assert abs(counts - expected).max() < 5 * expected.max() ** 0.5


@every_space
def test_draws_are_canonical_networks_and_follow_from_the_generator(name: str) -> None:
    space = SPACES[name]
    drawn = sampler(name).sample(300, rng(1))
    assert drawn.dtype == np.int64
    np.testing.assert_array_equal(space.canonical(drawn), drawn)
    np.testing.assert_array_equal(MacsSampler(space).sample(300, rng(1)), drawn)
    assert (sampler(name).sample(300, rng(2)) != drawn).any()
    assert sampler(name).sample(0, rng()).shape == (0, len(space.decisions))


@every_space
def test_a_range_holds_all_draws(name: str) -> None:
    space = SPACES[name]
    low, high = ends(space)
    given = (low + 0.7 * (high - low), 2 * high)
    narrowed = MacsSampler(space, given)
    assert narrowed.macs_range == (given[0], high)
    found = macs(space, narrowed.sample(1000, rng()))
    assert given[0] <= found.min() <= found.max() <= high
    # The mean of a uniform distribution; nasbench201's levels are up to 8 of 54 apart.
    assert found.mean() == pytest.approx((given[0] + high) / 2, rel=0.05)


@large_spaces
def test_networks_near_a_target_differ_and_are_near_it(name: str) -> None:
    space = SPACES[name]
    low, high = ends(space)
    for share in (0.3, 0.7):
        target = low + share * (high - low)
        found = sampler(name).sample_near(target, 50, rng())
        assert abs(macs(space, found) - target).max() <= TOLERANCE * (high - low)
        assert len(np.unique(found, axis=0)) > 25
        np.testing.assert_array_equal(space.canonical(found), found)
    with pytest.raises(ValueError, match=f"expected {low:.0f} to {high:.0f} MACs, got 0"):
        sampler(name).sample_near(0.0, 1, rng())


@large_spaces
def test_the_ends_can_be_asked_for(name: str) -> None:
    space = SPACES[name]
    low, high = ends(space)
    for end, genotype in ((low, space.smallest), (high, space.largest)):
        drawn = MacsSampler(space, (end, end)).sample(3, rng())
        assert macs(space, drawn).tolist() == [end] * 3
        assert macs(space, genotype[None])[0] == end


def test_networks_of_a_level_have_the_chances_that_samples_have() -> None:
    level = REST + 6 * UNIT * CELLS
    drawn = MacsSampler(NASBENCH201, (level, level)).sample(2000, rng())
    # Six products: every edge a 1x1 convolution, the only such genotype.
    assert (drawn == 3).all()
    plain = NASBENCH201.sample(400_000, rng(1))
    level = REST + 5 * UNIT * CELLS
    plain = plain[macs(NASBENCH201, plain) == level]
    drawn = MacsSampler(NASBENCH201, (level, level)).sample(20_000, rng(2))
    for column in range(6):
        found, expected = (np.bincount(g[:, column], minlength=5) / len(g) for g in (drawn, plain))
        assert abs(found - expected).max() < 5 * 0.5 / len(plain) ** 0.5


def test_a_range_without_networks_is_refused() -> None:
    low, high = ends(MOBILENET)
    with pytest.raises(ValueError, match=r"expected two ascending numbers, got 2 and 1"):
        MacsSampler(MOBILENET, (2, 1))
    with pytest.raises(ValueError, match=r"expected two ascending numbers, got nan and 1"):
        MacsSampler(MOBILENET, (float("nan"), 1))
    for given in ((0, low - 1), (high + 1, 2 * high)):
        with pytest.raises(
            ValueError, match=f"an overlap with mobilenet's, {low:.0f} to {high:.0f}"
        ):
            MacsSampler(MOBILENET, given)
    with pytest.raises(ValueError, match="found no network of mobilenet of"):
        MacsSampler(MOBILENET, (low + 0.1, low + 0.2)).sample(2, rng())
    between = (REST + 46.5 * UNIT * CELLS, REST + 53.5 * UNIT * CELLS)
    nearest = f"{REST + 46 * UNIT * CELLS} and {REST + 54 * UNIT * CELLS}"
    with pytest.raises(ValueError, match=f"no network of nasbench201 has .* have {nearest}"):
        MacsSampler(NASBENCH201, between)
