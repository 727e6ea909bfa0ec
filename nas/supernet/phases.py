"""The phases of training: when each begins, and which options subnets are drawn from in it.

Progressive shrinking trains the largest network first, then lets kernels become smaller, then
depth, then everything that decides widths (Cai et al., "Once-for-All", ICLR 2020, section 3.3). The
kind of a decision is the last part of its name: `stage1.block2.kernel` is of the kind `kernel`. The
resolution is open from the start. The other strategies have one phase, in which all is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas.supernet.recipe import Opening, Phase, Recipe
from search_spaces.base import Genotype, Genotypes, SearchSpace, cardinalities

RESOLUTION, KERNEL, DEPTH = "resolution", "kernel", "depth"

# Once-for-All's schedule on ImageNet, appendix B: the largest network, elastic kernels, and the two
# stages in which first depth and then widths open.
LARGEST = Phase(180, {}, learning_rate=2.6, warmup_epochs=0.0, subnets=1)
ELASTIC_KERNEL = Phase(125, {KERNEL: "all"}, learning_rate=0.96, warmup_epochs=0.0, subnets=1)
TWO_OPTIONS = Phase(25, {}, learning_rate=0.08, warmup_epochs=0.0, subnets=1)
ALL_OPTIONS = Phase(125, {}, learning_rate=0.24, warmup_epochs=0.0, subnets=1)
_DEPTH_SUBNETS, _WIDTH_SUBNETS = 2, 4


@dataclass(frozen=True)
class PlannedPhase:
    """A phase's place in the run.

    Attributes:
        phase: What is trained.
        start: Its first step.
        steps: How many it has.
        low: For each decision the smallest option that is open.
        high: The largest.
        opens_widths: Whether it opens decisions on channels: all but kernel, depth and resolution.
    """

    phase: Phase
    start: int
    steps: int
    low: Genotype
    high: Genotype
    opens_widths: bool

    def sample(self, space: SearchSpace, rng: np.random.Generator) -> Genotypes:
        """A step's subnets: uniform in the open options, of one resolution; canonical."""
        shape = (self.phase.subnets, len(self.low))
        drawn = rng.integers(self.low, self.high, size=shape, endpoint=True, dtype=np.int64)
        column = resolution_column(space)
        if column is not None:
            drawn[:, column] = drawn[0, column]
        return space.canonical(drawn)


def widths_of(space: SearchSpace, phase: PlannedPhase) -> Genotypes:
    """The largest network at each width that is drawn in the phase."""
    kinds = [kind_of(decision.name) for decision in space.decisions]
    wide = np.array([kind not in (KERNEL, DEPTH, RESOLUTION) for kind in kinds])
    below = np.arange(1 + np.max(phase.high - phase.low))[:, None]
    narrowed = np.maximum(phase.high - below, phase.low)
    return np.unique(np.where(wide, narrowed, space.largest), axis=0)


def kind_of(name: str) -> str:
    """The kind of a decision by its name."""
    return name.rpartition(".")[2]


def resolution_column(space: SearchSpace) -> int | None:
    """The genotype's column that decides the resolution, where there is one."""
    names = [decision.name for decision in space.decisions]
    return names.index(RESOLUTION) if RESOLUTION in names else None


def plan_phases(
    space: SearchSpace, recipe: Recipe, *, steps_per_epoch: int
) -> tuple[PlannedPhase, ...]:
    """The run's phases in order.

    Raises:
        ValueError: If the recipe's phases do not fit the space.
    """
    if recipe.strategy != "progressive":
        zeros, top = np.zeros(len(space.decisions), np.int64), cardinalities(space.decisions) - 1
        phase = Phase(recipe.epochs, {}, recipe.learning_rate, recipe.warmup_epochs, 1)
        steps = recipe.epochs * steps_per_epoch
        return (PlannedPhase(phase, 0, steps, zeros, top, opens_widths=False),)
    phases = recipe.phases or default_phases(space, recipe)
    _check(space, phases)
    planned: list[PlannedPhase] = []
    opened: dict[str, Opening] = {RESOLUTION: "all"}
    start = 0
    for phase in phases:
        opened.update(phase.open)
        low, high = _bounds(space, opened)
        widths = any(kind not in (KERNEL, DEPTH) for kind in phase.open)
        steps = phase.epochs * steps_per_epoch
        planned.append(PlannedPhase(phase, start, steps, low, high, opens_widths=widths))
        start += steps
    return tuple(planned)


def default_phases(space: SearchSpace, recipe: Recipe) -> tuple[Phase, ...]:
    """Once-for-All's phases for any space, its epochs and learning rates scaled to the recipe's.

    The largest network; then kernels, one subnet a step; then depth, two subnets; then all other
    kinds together, four subnets. Kernels open at once, and the others first to their two largest
    options and then to all, where some decision has more than two. Steps without a decision are
    left out. Epochs are divided as 180 : 125 : 25 : 125 : 25 : 125, learning rates are as
    2.6 : 0.96 : 0.08 : 0.24 : 0.08 : 0.24 (Cai et al., "Once-for-All", ICLR 2020, appendix B).

    Raises:
        ValueError: If there are fewer epochs than phases.
    """
    sizes = _sizes(space)
    widths = [kind for kind in sizes if kind not in (KERNEL, DEPTH)]
    phases = [LARGEST]
    if KERNEL in sizes:
        phases.append(ELASTIC_KERNEL)
    for kinds, subnets in (([DEPTH], _DEPTH_SUBNETS), (widths, _WIDTH_SUBNETS)):
        present = [kind for kind in kinds if kind in sizes]
        most = max((sizes[kind] for kind in present), default=0)
        if most > 2:
            phases.append(replace(TWO_OPTIONS, open=dict.fromkeys(present, 2), subnets=subnets))
        if most:
            phases.append(replace(ALL_OPTIONS, open=dict.fromkeys(present, "all"), subnets=subnets))
    if recipe.epochs < len(phases):
        raise ValueError(
            f"train.epochs must be at least {len(phases)}, one for each phase of {space.name} in "
            f"the strategy progressive, got {recipe.epochs}"
        )
    phases[0] = replace(LARGEST, warmup_epochs=recipe.warmup_epochs)
    scale = recipe.learning_rate / LARGEST.learning_rate
    epochs = _divided(recipe.epochs, [phase.epochs for phase in phases])
    return tuple(
        replace(phase, epochs=count, learning_rate=scale * phase.learning_rate)
        for phase, count in zip(phases, epochs, strict=True)
    )


def _divided(total: int, parts: Sequence[int]) -> list[int]:
    """`total` in proportion to the parts, each at least 1."""
    ends = [0]
    for position in range(1, len(parts) + 1):
        end = round(total * sum(parts[:position]) / sum(parts))
        ends.append(min(max(end, ends[-1] + 1), total - (len(parts) - position)))
    return np.diff(ends).tolist()


def _sizes(space: SearchSpace) -> dict[str, int]:
    """The most options of each kind's decisions, of kinds that can be opened."""
    sizes: dict[str, int] = {}
    for decision in space.decisions:
        kind = kind_of(decision.name)
        if kind != RESOLUTION and len(decision.options) > 1:
            sizes[kind] = max(sizes.get(kind, 0), len(decision.options))
    return sizes


def _bounds(space: SearchSpace, opened: Mapping[str, Opening]) -> tuple[Genotype, Genotype]:
    high = np.asarray(space.largest).copy()
    low = high.copy()
    for column, decision in enumerate(space.decisions):
        opening = opened.get(kind_of(decision.name), 1)
        if opening == "all":
            low[column], high[column] = 0, len(decision.options) - 1
        else:
            low[column] = max(high[column] - opening + 1, 0)
    return low, high


def _check(space: SearchSpace, phases: tuple[Phase, ...]) -> None:
    if phases[0].open:
        raise ValueError(
            f"train.phases.0.open must be empty, since the first phase trains the largest network, "
            f"got {dict(phases[0].open)}"
        )
    sizes = _sizes(space)
    opened: dict[str, int] = {}
    for position, phase in enumerate(phases):
        for kind, opening in phase.open.items():
            where = f"train.phases.{position}.open"
            if kind not in sizes:
                known = ", ".join(sorted(sizes)) or "none, as it has nothing to decide"
                raise ValueError(
                    f"{where}: the kinds that {space.name} can open are {known}; got {kind!r}"
                )
            count = sizes[kind] if opening == "all" else opening
            least = opened.get(kind, 2)
            if not least <= count <= sizes[kind]:
                raise ValueError(
                    f"{where}.{kind} must be from {least} to {sizes[kind]}, or all, got {opening}"
                )
            opened[kind] = count
