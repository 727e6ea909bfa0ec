"""How random subnets are drawn, and what the online estimate of their losses learns."""

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from nas.supernet.sampling import (
    FADING,
    AttentiveSampler,
    SamplerState,
    UniformMacsSampler,
    UniformSampler,
    build_sampler,
)
from search_spaces import MobileNetOptions, MobileNetSpace, SearchSpace
from search_spaces.mobilenet import MobileNetStage
from tests.nas.supernet import tiny


@cache
def space() -> SearchSpace:
    """Fifteen decisions; the second has but one option."""
    stages = [MobileNetStage(16, 2), MobileNetStage(24, 2)]
    return MobileNetSpace(MobileNetOptions(stages, depths=[1, 2, 3]), (32, 32, 3), 10)


def attentive(*, best: bool = True) -> AttentiveSampler:
    return AttentiveSampler(space(), candidates=20, best=best, observed=3)


def sizes() -> list[int]:
    return [len(decision.options) for decision in space().decisions]


@cache
def costs() -> list[np.ndarray]:
    """What each option adds to a made-up loss."""
    rng = np.random.default_rng(7)
    return [rng.uniform(0, 1, size) for size in sizes()]


def cost(genotypes: np.ndarray) -> np.ndarray:
    return np.array(
        [sum(c[o] for c, o in zip(costs(), row, strict=True)) for row in genotypes.tolist()]
    )


def observed(sampler: AttentiveSampler, steps: int) -> SamplerState:
    """After steps in which the largest subnet's loss varies and all others' exceed it by cost."""
    rng = np.random.default_rng(3)
    state = sampler.initial_state()
    for _ in range(steps):
        genotypes = space().sample(3, rng)
        base = rng.uniform(1, 5)
        losses = [jnp.asarray(base), *jnp.asarray(base + cost(genotypes))]
        state = sampler.observe(state, [space().largest, *genotypes], losses)
    return state


@cache
def late() -> SamplerState:
    return observed(attentive(), 120)


def test_each_name_has_its_sampler() -> None:
    made: Any = {
        name: build_sampler(space(), tiny.recipe(sampling=name))
        for name in ("uniform", "macs", "best_up", "worst_up")
    }
    assert [type(sampler) for sampler in made.values()] == [
        UniformSampler,
        UniformMacsSampler,
        AttentiveSampler,
        AttentiveSampler,
    ]
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(
        made["uniform"].draw(5, rng, {}), space().sample(5, np.random.default_rng(0))
    )
    table = space().cost_table(batch_size=1, dtype="float32")
    low, high = table.macs(np.stack([space().smallest, space().largest]))
    middle = table.macs(made["macs"].draw(2000, rng, {})).mean()
    # Of a uniform distribution; its deviation over the range is 1 / sqrt(12).
    assert abs(middle - (low + high) / 2) < 5 * (high - low) / (12 * 2000) ** 0.5


def test_the_sums_are_those_of_all_steps_but_the_last_older_ones_faded() -> None:
    sampler = attentive()
    rng = np.random.default_rng(0)
    steps = [(space().sample(3, rng), rng.uniform(0, 1, 3)) for _ in range(3)]
    state = sampler.initial_state()
    for genotypes, excess in steps:
        losses = [jnp.asarray(2.0), *jnp.asarray(2.0 + excess)]
        state = sampler.observe(state, [space().largest, *genotypes], losses)
    rows, targets = [], []
    for (genotypes, excess), faded in zip(steps[:2], (FADING, 1.0), strict=True):
        one_hot = [np.eye(size)[genotypes[:, i]] for i, size in enumerate(sizes())]
        rows.append(np.hstack([np.ones((3, 1)), *one_hot]) * faded**0.5)
        targets.append(excess * faded**0.5)
    x, y = np.vstack(rows), np.concatenate(targets)
    np.testing.assert_allclose(state["moments"], x.T @ x, rtol=1e-12)
    np.testing.assert_allclose(state["products"], x.T @ y, rtol=1e-5)
    np.testing.assert_allclose(state["seen"], 3 + 3 * FADING, rtol=1e-12)


def test_the_estimate_learns_what_each_option_costs() -> None:
    sampler = attentive()
    assert not sampler.ready(observed(sampler, 5))
    assert sampler.ready(late())
    coefficients = sampler.coefficients(late())
    others = space().sample(200, np.random.default_rng(9))
    one_hot = [np.eye(size)[others[:, i]] for i, size in enumerate(sizes())]
    estimated = np.hstack([np.ones((200, 1)), *one_hot]) @ coefficients
    assert np.corrcoef(estimated, cost(others))[0, 1] > 0.99


def test_best_up_draws_cheap_losses_and_worst_up_dear_ones_at_equal_macs() -> None:
    table = space().cost_table(batch_size=1, dtype="float32")
    drawn = {
        name: sampler.draw(40, np.random.default_rng(1), late())
        for name, sampler in (("best", attentive()), ("worst", attentive(best=False)))
    }
    drawn["macs"] = UniformMacsSampler(space()).draw(40, np.random.default_rng(1), {})
    means = {name: cost(genotypes).mean() for name, genotypes in drawn.items()}
    deviation = cost(drawn["macs"]).std()
    assert means["best"] < means["macs"] - deviation / 2
    assert means["worst"] > means["macs"] + deviation / 2
    low, high = table.macs(np.stack([space().smallest, space().largest]))
    for name, genotypes in drawn.items():
        assert abs(table.macs(genotypes).mean() - (low + high) / 2) < (high - low) / 4, name


def test_draws_are_those_of_macs_until_enough_was_seen() -> None:
    sampler = attentive()
    early = observed(sampler, 2)
    expected = UniformMacsSampler(space()).draw(6, np.random.default_rng(4), {})
    np.testing.assert_array_equal(sampler.draw(6, np.random.default_rng(4), early), expected)
    assert (sampler.draw(6, np.random.default_rng(4), late()) != expected).any()
    assert sampler.draw(0, np.random.default_rng(4), late()).shape == (0, len(sizes()))


def test_losses_that_are_not_finite_teach_nothing() -> None:
    sampler = attentive()
    state = late()
    genotypes = space().sample(3, np.random.default_rng(0))
    losses = [jnp.asarray(1.0), jnp.asarray(jnp.nan), jnp.asarray(jnp.inf), jnp.asarray(2.0)]
    spoilt = sampler.observe(state, [space().largest, *genotypes], losses)
    after = sampler.observe(spoilt, [space().largest, *genotypes], losses)
    assert np.isfinite(after["products"]).all()
    np.testing.assert_allclose(after["seen"], FADING * spoilt["seen"] + 1)
