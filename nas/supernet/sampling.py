"""How the random subnets of a training step are drawn.

- `uniform`: each option of each decision equally often.
- `macs`: uniform over multiply-accumulates (`search_spaces.MacsSampler`).
- `best_up`, `worst_up`: attentive sampling. A number of MACs is drawn uniformly, then `candidates`
  networks that have it, and the one that is estimated best is trained, which favours the front, or
  the one estimated worst, which lifts it from below (Wang et al., "AttentiveNAS", CVPR 2021,
  sections 3.3 and 4.1).

The paper estimates with the loss of each candidate on the mini-batch, which costs as many forward
passes, or with an accuracy predictor that was fitted beforehand to subnets of an earlier supernet.
Here a ridge regression learns along: it predicts from the options that a subnet takes how much
larger its loss on the labels is than the largest subnet's in the same step. Old steps fade, since
weights that have learned differ less. It knows no interplay of options; among networks of equal
MACs it ranks by the sum of what each option costs. Until it has seen enough, draws are those of
`macs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Array, Float, Float64

from nas.supernet.recipe import Recipe
from search_spaces import MacsSampler
from search_spaces.base import Genotype, Genotypes, SearchSpace, cardinalities

SamplerState = dict[str, Any]
"""What a sampler has seen; arrays, for checkpoints. Empty where draws do not depend on it."""

RIDGE = 1.0
"""Weight of the regression's squared coefficients, in observations."""

FADING = 0.999
"""What an earlier step counts of a later one's weight; half after 700 steps."""

ENOUGH = 5.0
"""Observations, faded ones counted as what is left of them, for each free coefficient."""


class SubnetSampler(Protocol):
    """What every way of drawing offers."""

    def initial_state(self) -> SamplerState:
        """Before the first step."""
        ...

    def draw(self, n: int, rng: np.random.Generator, state: SamplerState) -> Genotypes:
        """`n` canonical genotypes, from the generator and what was seen."""
        ...

    def observe(
        self, state: SamplerState, genotypes: Sequence[Genotype], losses: Sequence[Array]
    ) -> SamplerState:
        """Takes a step's subnets and their losses on the labels, those of the largest first."""
        ...


class UniformSampler:
    """Each option equally often."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def initial_state(self) -> SamplerState:
        """Nothing."""
        return {}

    def draw(self, n: int, rng: np.random.Generator, state: SamplerState) -> Genotypes:
        """As the space samples."""
        return self._space.sample(n, rng)

    def observe(
        self, state: SamplerState, genotypes: Sequence[Genotype], losses: Sequence[Array]
    ) -> SamplerState:
        """Nothing is kept."""
        return state


class UniformMacsSampler(UniformSampler):
    """Uniform over MACs."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self._macs = MacsSampler(space)

    def draw(self, n: int, rng: np.random.Generator, state: SamplerState) -> Genotypes:
        """As `MacsSampler` does."""
        return _agreed(self._macs.sample(n, rng))


class AttentiveSampler:
    """Of candidates with equal MACs the one with the least (best up) or largest (worst up) loss.

    Losses are read a step late, when they have long been computed: nothing waits for them.

    Args:
        space: What is drawn from.
        candidates: Networks to choose among.
        best: Whether the best is chosen, else the worst.
        observed: Subnets that `observe` takes a step, besides the largest.
    """

    def __init__(self, space: SearchSpace, *, candidates: int, best: bool, observed: int) -> None:
        self._space, self._candidates, self._best = space, candidates, best
        self._observed = observed
        self._macs = MacsSampler(space)
        self._sizes = cardinalities(space.decisions)

    def initial_state(self) -> SamplerState:
        """Sums of nothing; a loss that is not a number stands for none."""
        width = int(self._sizes.sum()) + 1
        return {
            "moments": np.zeros((width, width)),
            "products": np.zeros(width),
            "seen": 0.0,
            "genotypes": np.zeros((self._observed, len(self._sizes)), np.int64),
            "excesses": jnp.full(self._observed, jnp.nan),
        }

    def draw(self, n: int, rng: np.random.Generator, state: SamplerState) -> Genotypes:
        """Each for a number of MACs of its own."""
        if not self.ready(state):
            return _agreed(self._macs.sample(n, rng))
        coefficients = self.coefficients(state)
        chosen: list[Genotype] = []
        for target in rng.uniform(*self._macs.macs_range, n):
            candidates = self._macs.sample_near(float(target), self._candidates, rng)
            excess = self._features(candidates) @ coefficients
            chosen.append(candidates[excess.argmin() if self._best else excess.argmax()])
        return _agreed(np.stack(chosen) if chosen else self._space.sample(0, rng))

    def observe(
        self, state: SamplerState, genotypes: Sequence[Genotype], losses: Sequence[Array]
    ) -> SamplerState:
        """Adds the step before to the sums, and keeps this one for the next time."""
        excesses = np.asarray(state["excesses"], np.float64)
        known = np.isfinite(excesses)
        x = self._features(state["genotypes"][known])
        return {
            "moments": FADING * state["moments"] + x.T @ x,
            "products": FADING * state["products"] + x.T @ excesses[known],
            "seen": FADING * state["seen"] + float(known.sum()),
            "genotypes": np.stack(genotypes[1:]),
            "excesses": jnp.stack([loss - losses[0] for loss in losses[1:]]),
        }

    def ready(self, state: Mapping[str, Any]) -> bool:
        """Whether enough has been seen to choose by."""
        free = int((self._sizes - 1).sum()) + 1
        return state["seen"] >= ENOUGH * free

    def coefficients(self, state: Mapping[str, Any]) -> Float64[np.ndarray, " p"]:
        """Of the constant, then of each decision's options in order."""
        penalty = RIDGE * np.eye(len(state["products"]))
        penalty[0, 0] = 1e-6  # The mean is not drawn towards zero.
        return np.linalg.solve(state["moments"] + penalty, state["products"])

    def _features(self, genotypes: Genotypes) -> Float[np.ndarray, "n p"]:
        """A one, then for each option whether it is taken."""
        ends = np.cumsum(self._sizes)
        features = np.zeros((len(genotypes), int(ends[-1]) + 1))
        features[:, 0] = 1.0
        columns = 1 + (ends - self._sizes) + genotypes
        np.put_along_axis(features, columns, 1.0, axis=1)
        return features


def build_sampler(space: SearchSpace, recipe: Recipe) -> SubnetSampler:
    """The recipe's way of drawing."""
    if recipe.sampling == "uniform":
        return UniformSampler(space)
    if recipe.sampling == "macs":
        return UniformMacsSampler(space)
    return AttentiveSampler(
        space,
        candidates=recipe.candidates,
        best=recipe.sampling == "best_up",
        observed=recipe.random_subnets + 1,
    )


def _agreed(genotypes: Genotypes) -> Genotypes:
    """The first process's draws in all: those of another machine may differ in a last bit."""
    if jax.process_count() == 1:
        return genotypes
    return np.asarray(multihost_utils.broadcast_one_to_all(genotypes), np.int64)
