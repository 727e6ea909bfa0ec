"""Strategies: which subnets a training step runs, and what each of them learns from.

- `sandwich`: the largest subnet learns from the labels, the smallest and some random ones from the
  largest one's predictions on the same images (Yu and Huang, "Universally Slimmable Networks", ICCV
  2019, sections 3.2 and 3.4; soft labels only for the smaller ones as in Yu et al., "BigNAS", ECCV
  2020, section 3).
- `single_path`: one random subnet a step, on the labels (Guo et al., "Single Path One-Shot", ECCV
  2020, section 3.3).
- `progressive`: phases that open ever more options (`nas.supernet.phases`); subnets of the first
  one learn from the labels, later ones also from the frozen largest network as it was at the end of
  the first phase (Cai et al., "Once-for-All", ICLR 2020, section 3.3).

A step's gradients are added up over its subnets, as in the papers (Yu and Huang, algorithm 1), so
that weights which few subnets have learn as fast as in a network alone.

What is drawn is a function of the seed, the step and what a sampler has seen, which checkpoints
hold, so that training resumes anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nas.supernet.phases import PlannedPhase, resolution_column
from nas.supernet.recipe import Recipe
from nas.supernet.sampling import SamplerState, SubnetSampler
from search_spaces.base import Genotype, SearchSpace


@dataclass(frozen=True, eq=False)
class Lesson:
    """A subnet of a step, and how much it learns from what.

    Attributes:
        genotype: The subnet.
        labels: Weight of the cross-entropy on the labels.
        soft: Weight of the cross-entropy on soft labels: the teacher's, or where there is none
            those of the step's first subnet.
        drops: Whether drop-connect applies, which is for the largest subnet only.
    """

    genotype: Genotype
    labels: float
    soft: float
    drops: bool = False


class Strategy(Protocol):
    """What every strategy offers."""

    def lessons(self, step: int, seen: SamplerState) -> list[Lesson]:
        """The step's subnets, in the order in which they run; what was `seen` guides samplers."""
        ...

    def teacher(self, lessons: Sequence[Lesson]) -> Genotype | None:
        """The frozen network that teaches these; None where none does."""
        ...


class Sandwich:
    """Largest, smallest, and `random_subnets` others."""

    def __init__(
        self, space: SearchSpace, sampler: SubnetSampler, recipe: Recipe, *, seed: int
    ) -> None:
        self._space, self._sampler = space, sampler
        self._count, self._seed = recipe.random_subnets, seed

    def lessons(self, step: int, seen: SamplerState) -> list[Lesson]:
        """The largest first, then the smallest."""
        rng = np.random.default_rng([self._seed, 1, step])
        others = [self._space.smallest, *self._sampler.draw(self._count, rng, seen)]
        taught = [Lesson(genotype, 0.0, 1.0) for genotype in others]
        return [Lesson(self._space.largest, 1.0, 0.0, drops=True), *taught]

    def teacher(self, lessons: Sequence[Lesson]) -> None:
        """None: the largest subnet of the step teaches."""


class SinglePath:
    """One subnet, on the labels."""

    def __init__(self, sampler: SubnetSampler, *, seed: int) -> None:
        self._sampler, self._seed = sampler, seed

    def lessons(self, step: int, seen: SamplerState) -> list[Lesson]:
        """The only one."""
        rng = np.random.default_rng([self._seed, 1, step])
        return [Lesson(self._sampler.draw(1, rng, seen)[0], 1.0, 0.0)]

    def teacher(self, lessons: Sequence[Lesson]) -> None:
        """None: all is learned from the labels."""


class Progressive:
    """Subnets drawn uniformly in the options that are open at the step."""

    def __init__(
        self, space: SearchSpace, phases: Sequence[PlannedPhase], recipe: Recipe, *, seed: int
    ) -> None:
        self._space, self._phases, self._seed = space, phases, seed
        self._kd_ratio = recipe.kd_ratio
        self._resolution = resolution_column(space)

    def lessons(self, step: int, seen: SamplerState) -> list[Lesson]:
        """As many as the phase says, all of one resolution."""
        rng = np.random.default_rng([self._seed, 1, step])
        phase = next(phase for phase in reversed(self._phases) if phase.start <= step)
        soft = self._kd_ratio if phase.start else 0.0
        drawn = phase.sample(self._space, rng)
        return [Lesson(genotype, 1.0, soft, drops=phase.start == 0) for genotype in drawn]

    def teacher(self, lessons: Sequence[Lesson]) -> Genotype | None:
        """The largest network at the subnets' resolution; none in the first phase."""
        if not lessons[0].soft:
            return None
        genotype = np.asarray(self._space.largest).copy()
        if self._resolution is not None:
            genotype[self._resolution] = lessons[0].genotype[self._resolution]
        return genotype


def build_strategy(
    space: SearchSpace,
    sampler: SubnetSampler,
    phases: Sequence[PlannedPhase],
    recipe: Recipe,
    *,
    seed: int,
) -> Strategy:
    """The recipe's strategy."""
    if recipe.strategy == "sandwich":
        return Sandwich(space, sampler, recipe, seed=seed)
    if recipe.strategy == "single_path":
        return SinglePath(sampler, seed=seed)
    return Progressive(space, phases, recipe, seed=seed)
