"""Drawing networks whose multiply-accumulates are spread evenly, from the smallest to the largest.

`SearchSpace.sample` takes each option equally often, so sums over many decisions pile up in the
middle and small and large networks hardly come up. Here a target is drawn uniformly, and a network
that meets it is looked for.

Small spaces are enumerated. In others, options of each decision are drawn with chances tilted
exponentially by what they add to the expected MACs, as strongly as makes the target the expected
value, until a network comes near enough. Were MACs a sum over decisions, networks of one level
would keep the chances that they have in `sample`, since all are tilted alike; where decisions
multiply (resolution and width) they keep them roughly.

References: Wang et al., "AttentiveNAS", CVPR 2021, section 4 (a FLOPs target, then rejection until
a network meets it); Cover, Thomas, "Elements of Information Theory", section 11.5 (tilting).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float64, Int

from latency_models.workload import CostTable
from search_spaces.base import Genotypes, SearchSpace

ENUMERATED = 1 << 16
"""Spaces of at most this many genotypes are enumerated."""

TOLERANCE = 1 / 256
"""How near to its target a network has to be, as a part of the range, to be looked for no more."""

_TILTS = 257
_ROUNDS = 32
# Candidates of a round: at least so many a target, and in all where few targets are left.
_CANDIDATES, _BATCH = 4, 2048
# Targets handled at once, which bounds the memory.
_CHUNK = 1 << 14

Range = tuple[float, float]


class MacsSampler:
    """Draws canonical genotypes whose MACs are nearly uniform over a range.

    In spaces of up to `ENUMERATED` genotypes a draw has the number of MACs that is nearest to a
    uniform target, of all that networks in the range have, exactly. In larger ones it is within
    `TOLERANCE` of the range from its target where 32 rounds of candidates have such a network, and
    else the nearest found; where networks are rare (next to the smallest and the largest, or in a
    narrow range) that may not be the nearest there is. No draw is outside the range.

    MACs are uniform, networks are not: among those with the same MACs the chances are, exactly in
    enumerated spaces and roughly in larger ones, those of `SearchSpace.sample`. Networks may come
    up again. The draws follow from the generator.

    Attributes:
        macs_range: Least and most MACs of one image that a draw can have.
    """

    def __init__(self, space: SearchSpace, macs_range: Range | None = None) -> None:
        """Takes the space's smallest and largest where no range is given, and where it is wider.

        Raises:
            ValueError: If the range is not ascending, does not overlap the space's, or, in an
                enumerated space, has no network.
        """
        if macs_range is not None and not macs_range[0] <= macs_range[1]:
            raise ValueError(
                f"macs_range: expected two ascending numbers, got {macs_range[0]:g} and "
                f"{macs_range[1]:g}"
            )
        table = space.cost_table(batch_size=1, dtype="float32")
        self._space = space
        self._networks: _Networks
        if math.prod(table.cardinalities) <= ENUMERATED:
            self._networks = _Enumerated.of(table, space.name, macs_range)
        else:
            smallest, largest = table.macs(np.stack([space.smallest, space.largest])).tolist()
            found = _overlap(macs_range, (smallest, largest), space.name)
            self._networks = _Tilted(table, space.name, found)
        self.macs_range = self._networks.macs_range

    def sample(self, n: int, rng: np.random.Generator) -> Genotypes:
        """`n` canonical genotypes.

        Raises:
            ValueError: If the range is so narrow that no network was found in it.
        """
        parts = [np.zeros((0, len(self._space.decisions)), np.int64)]
        for start in range(0, n, _CHUNK):
            targets = rng.uniform(*self.macs_range, min(_CHUNK, n - start))
            parts.append(self._networks.near(targets, rng))
        return self._space.canonical(np.concatenate(parts))

    def sample_near(self, target: float, n: int, rng: np.random.Generator) -> Genotypes:
        """`n` canonical genotypes, each as near to one number of MACs as a draw of `sample` is.

        Raises:
            ValueError: If the target is outside `macs_range`, or the range is so narrow that no
                network was found in it.
        """
        low, high = self.macs_range
        if not low <= target <= high:
            raise ValueError(f"target: expected {low:.0f} to {high:.0f} MACs, got {target:g}")
        return self._space.canonical(self._networks.near(np.full(n, target), rng))


class _Networks(Protocol):
    """Where networks near a target come from."""

    @property
    def macs_range(self) -> Range: ...

    def near(self, targets: Float64[np.ndarray, " n"], rng: np.random.Generator) -> Genotypes:
        """A network inside the range for each target, as near as can be found."""
        ...


def _overlap(given: Range | None, known: Range, name: str) -> Range:
    low, high = given or known
    if high < known[0] or low > known[1]:
        raise ValueError(
            f"macs_range: expected an overlap with {name}'s, {known[0]:.0f} to {known[1]:.0f}, "
            f"got {low:g} to {high:g}"
        )
    return max(low, known[0]), min(high, known[1])


@dataclass(frozen=True)
class _Enumerated:
    """All genotypes in the range, by their MACs.

    Attributes:
        genotypes: In ascending order of MACs.
        levels: The different numbers of MACs, ascending.
        starts: The first genotype of each level, and the number of genotypes.
    """

    macs_range: Range
    genotypes: Genotypes
    levels: Float64[np.ndarray, " l"]
    starts: Int[np.ndarray, " l1"]

    @staticmethod
    def of(table: CostTable, name: str, given: Range | None) -> _Enumerated:
        sizes = table.cardinalities
        genotypes = np.indices(sizes).reshape(len(sizes), -1).T
        macs = table.macs(genotypes)
        low, high = _overlap(given, (float(macs.min()), float(macs.max())), name)
        inside = np.flatnonzero((low <= macs) & (macs <= high))
        if not len(inside):
            below, above = macs[macs < low].max(), macs[macs > high].min()
            raise ValueError(
                f"macs_range: no network of {name} has {low:g} to {high:g} MACs, the nearest have "
                f"{below:.0f} and {above:.0f}"
            )
        order = inside[np.argsort(macs[inside], kind="stable")]
        levels, starts = np.unique(macs[order], return_index=True)
        return _Enumerated((low, high), genotypes[order], levels, np.append(starts, len(order)))

    def near(self, targets: Float64[np.ndarray, " n"], rng: np.random.Generator) -> Genotypes:
        level = np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, targets)
        return self.genotypes[rng.integers(self.starts[level], self.starts[level + 1])]


@dataclass(frozen=True)
class _Tilted:
    """Candidates from independent options with tilted chances, kept where they are near."""

    table: CostTable
    name: str
    macs_range: Range

    def near(self, targets: Float64[np.ndarray, " n"], rng: np.random.Generator) -> Genotypes:
        low, high = self.macs_range
        nearest = np.zeros((len(targets), len(self.table.cardinalities)), np.int64)
        error = np.full(len(targets), np.inf)
        for _ in range(_ROUNDS):
            pending = np.flatnonzero(error > TOLERANCE * (high - low))
            if not len(pending):
                break
            share = max(_CANDIDATES, _BATCH // len(pending))
            asked = np.repeat(targets[pending], share)
            candidates = self._draw(asked, rng)
            macs = self.table.macs(candidates)
            errors = np.where((low <= macs) & (macs <= high), np.abs(macs - asked), np.inf)
            best = np.arange(len(pending)) * share + errors.reshape(-1, share).argmin(axis=1)
            better = errors[best] < error[pending]
            nearest[pending[better]] = candidates[best[better]]
            error[pending[better]] = errors[best[better]]
        found = np.flatnonzero(np.isfinite(error))
        if not len(found):
            raise ValueError(f"macs_range: found no network of {self.name} of {low:g} to {high:g}")
        # Targets that nothing was found for share what others found.
        lost = np.flatnonzero(np.isinf(error))
        nearest[lost] = nearest[rng.choice(found, len(lost))]
        return nearest

    def _draw(self, targets: Float64[np.ndarray, " n"], rng: np.random.Generator) -> Genotypes:
        """A genotype for each target, from the tilt whose expected MACs the target is."""
        means, bounds = self._tilts
        tilt = np.searchsorted((means[1:] + means[:-1]) / 2, targets)
        columns = np.zeros((len(bounds), len(targets)), np.int64)
        for column, bound in zip(columns, bounds, strict=True):
            chance = rng.random(len(targets), dtype=np.float32)
            for option in bound:
                column += chance >= option[tilt]
        return columns.T

    @cached_property
    def _tilts(self) -> tuple[Float64[np.ndarray, " t"], list[Float[np.ndarray, "_ t"]]]:
        """Expected MACs of each tilt, ascending, and each decision's cumulated chances."""
        values, sizes = _slot_macs(self.table), self.table.cardinalities
        effects = [_effect(self.table, values, decision) for decision in range(len(sizes))]
        span = sum(float(np.ptp(effect)) for effect in effects) / len(sizes)
        strength = np.sinh(np.linspace(-7.0, 7.0, _TILTS)) / span
        chances = [_softmax(strength[:, None] * effect) for effect in effects]
        means = np.maximum.accumulate(_expected(self.table, values, chances))
        bounds = [c.cumsum(axis=1)[:, :-1].T.astype(np.float32) for c in chances]
        return means, bounds


def _slot_macs(table: CostTable) -> list[Float64[np.ndarray, " _"]]:
    """The MACs of each slot's rows, repeats included."""
    rows = table.sum_ops(table.arrays.macs[:, None].astype(float))[:, 0]
    parts = np.split(rows, np.cumsum([len(slot.rows) for slot in table.slots])[:-1])
    return [slot.repeat * part for slot, part in zip(table.slots, parts, strict=True)]


def _expected(
    table: CostTable,
    values: Sequence[Float64[np.ndarray, " _"]],
    chances: Sequence[Float64[np.ndarray, "t _"]],
) -> Float64[np.ndarray, " t"]:
    """Expected MACs where each decision's options have these chances, independently."""
    total = np.zeros(len(chances[0]))
    for slot, value in zip(table.slots, values, strict=True):
        weights = np.ones((len(total), 1))
        for decision in slot.decisions:
            weights = (weights[:, :, None] * chances[decision][:, None]).reshape(len(total), -1)
        total += (weights * value).sum(axis=1)
    return total


def _effect(
    table: CostTable, values: Sequence[Float64[np.ndarray, " _"]], decision: int
) -> Float64[np.ndarray, " o"]:
    """Expected MACs given each option of one decision, all others equally likely."""
    sizes = table.cardinalities
    chances = [np.full((sizes[decision], size), 1 / size) for size in sizes]
    chances[decision] = np.eye(sizes[decision])
    return _expected(table, values, chances)


def _softmax(exponents: Float64[np.ndarray, "t o"]) -> Float64[np.ndarray, "t o"]:
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
