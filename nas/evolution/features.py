"""What an accuracy surrogate sees of a network: numbers in groups, for whole populations at once.

Five groups, each of which says something that the others do not:

- options: which option each decision takes;
- operators: how many of each kind run;
- paths: how often each sequence of operators lies on a way from a block's input to its output, as
  square roots;
- shape: how many operators with weights such ways have, at the most, at the least and in the mean,
  how far the widest of them sees, how many ways there are, and whether the network is a constant;
- size: the logarithms of parameters and multiply-accumulates.

All but the first are read off the operators that a network needs (what its output depends on, and
what depends on its input), so that networks which differ in dead parts alone, or in the order of
like branches, look alike. Only operators that mix values count: convolutions, products, poolings.
A network's numbers are sums over its blocks, looked up in the space's cost table.

Paths as features: White, Neiswanger, Savani, "BANANAS", AAAI 2021, section 3.2.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from latency_models.op_counts import form_masks
from latency_models.workload import CostTable, Op
from search_spaces import SearchSpace
from search_spaces.base import Decision

GROUPS = ("options", "operators", "paths", "shape", "size")
"""The groups in the order of their columns. Those of shape and size hold different quantities, each
of which counts as much as the others."""

MIXING = frozenset(
    {"conv", "depthwise_conv", "linear", "pool", "transposed_conv", "matmul", "attention"}
)
"""Kinds of operators that are counted and that paths consist of."""

MOST_PATHS = 256
"""Sequences that are followed through one block, the most frequent ones."""

_ALIKE = ("options", "operators", "paths")
_LEAST_DEVIATION = 1e-6
_WEIGHTLESS = ("pool", "matmul", "attention")
_SAMPLE = 2048
_SHAPE_COLUMNS = 6

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class BlockStructure:
    """What one block's operators look like, whatever their widths.

    Attributes:
        needed: Positions of the operators that the output depends on and that depend on the input.
        operators: How many of each kind are needed.
        paths: How often each sequence of operators leads from the block's input to its output;
            empty where the output does not depend on the input.
        reach: Kernel sides less one along the way that adds up most of them.
    """

    needed: tuple[int, ...]
    operators: Counter[str]
    paths: Counter[Path]
    reach: int

    @property
    def shape(self) -> tuple[float, ...]:
        """Weighted operators on the longest, the shortest and the mean way, reach, ways, constant.

        The last is 1 where the output does not depend on the input, and all the others are 0.
        """
        ways = sum(self.paths.values())
        if not ways:
            return (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        lengths = {
            path: sum(not label.startswith(_WEIGHTLESS) for label in path) for path in self.paths
        }
        mean = sum(lengths[path] * count for path, count in self.paths.items()) / ways
        return max(lengths.values()), min(lengths.values()), mean, self.reach, ways, 0.0


def block_structure(ops: Sequence[Op]) -> BlockStructure:
    """Reads the structure off a block's operators, of which only those needed count."""
    if not ops:
        return BlockStructure((), Counter(), Counter({(): 1}), 0)
    needed = tuple(int(position) for position in np.flatnonzero(form_masks(ops)["folded"]))
    operators: Counter[str] = Counter()
    paths: dict[int, Counter[Path]] = {-1: Counter({(): 1})}
    reach = {-1: 0}
    for position in needed:
        op = ops[position]
        sources = [i for i in op.inputs if i in paths]
        found: Counter[Path] = Counter()
        for source in sources:
            found.update(paths[source])
        farthest = max((reach[source] for source in sources), default=0)
        if op.kind in MIXING:
            label = f"{op.kind}{op.kernel}"
            operators[label] += 1
            found = Counter({(*path, label): count for path, count in found.items()})
            side = op.kernel if isinstance(op.kernel, int) else max(op.kernel)
            farthest += side - 1
        paths[position] = Counter(dict(found.most_common(MOST_PATHS)))
        reach[position] = farthest
    last = len(ops) - 1
    return BlockStructure(needed, operators, paths.get(last, Counter()), reach.get(last, 0))


class SpaceFeatures:
    """Turns genotypes of one space into rows of numbers.

    Each group is scaled so that two sampled networks are on average at a squared distance of 2.

    Args:
        space: What the genotypes are of.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._table = space.cost_table(batch_size=1, dtype="float32")
        self._codes = [option_codes(decision) for decision in space.decisions]
        self._rows, self._ends = _row_values(self._table)
        options = sum(code.shape[1] for code in self._codes)
        ends = [options, *(options + np.array(self._ends)), options + self._rows.shape[1]]
        self.widths: tuple[int, ...] = tuple(int(width) for width in np.diff([0, *ends]))
        """Columns of each group."""
        self._scales = np.ones(ends[-1], dtype=np.float32)
        deviations = self(space.sample(_SAMPLE, np.random.default_rng(0))).std(axis=0)
        for group, start, end in zip(GROUPS, [0, *ends[:-1]], ends, strict=True):
            self._scales[start:end] = _scales(deviations[start:end], alike=group in _ALIKE)

    def __call__(self, genotypes: Int[np.ndarray, "n d"]) -> Float[np.ndarray, "n f"]:
        """The groups' columns beside each other, in single precision."""
        found = np.empty((len(genotypes), len(self._scales)), dtype=np.float32)
        start = 0
        for code, taken in zip(self._codes, genotypes.T, strict=True):
            found[:, start : start + code.shape[1]] = code[taken]
            start += code.shape[1]
        sums = self._table.sum_rows(self._rows, genotypes)
        _, paths, shape = self._ends
        np.sqrt(sums[:, self._ends[0] : paths], out=sums[:, self._ends[0] : paths])
        # One constant block makes a network constant.
        np.minimum(sums[:, shape - 1], 1.0, out=sums[:, shape - 1])
        np.log(np.maximum(sums[:, shape:], 1.0), out=sums[:, shape:])
        found[:, start:] = sums
        found *= self._scales
        return found


def _scales(deviations: Float[np.ndarray, " c"], *, alike: bool) -> Float[np.ndarray, " c"]:
    """What makes a group's variances add up to 1: one factor for all columns, or one for each."""
    varies = deviations > _LEAST_DEVIATION
    found = np.zeros(len(deviations))
    if alike and varies.any():
        found[varies] = 1 / np.sqrt((deviations[varies].astype(np.float64) ** 2).sum())
    elif varies.any():
        found[varies] = 1 / (deviations[varies] * math.sqrt(varies.sum()))
    return found


def option_codes(decision: Decision) -> Float[np.ndarray, "o c"]:
    """Numbers for each option: a column for each step up where they are numbers, else for each.

    Two networks then differ in as many columns as there are steps between their options.
    """
    count = len(decision.options)
    if any(isinstance(option, str) for option in decision.options):
        return np.eye(count, dtype=np.float32)
    return np.tri(count, count - 1, k=-1, dtype=np.float32)


def _row_values(table: CostTable) -> tuple[Float[np.ndarray, "r f"], list[int]]:
    """The summable columns of every row of a cost table, and where the groups but the last end."""
    by_form: dict[tuple[object, ...], BlockStructure] = {}
    structures: list[BlockStructure] = []
    size = np.zeros((len(table.rows), 2))
    for i, ops in enumerate(table.rows):
        form = tuple((op.kind, op.kernel, op.inputs) for op in ops)
        if form not in by_form:
            by_form[form] = block_structure(ops)
        found = by_form[form]
        structures.append(found)
        needed = [ops[position] for position in found.needed]
        size[i] = sum(op.params for op in needed), sum(op.macs for op in needed)
    labels = sorted({label for found in by_form.values() for label in found.operators})
    paths = sorted({path for found in by_form.values() for path in found.paths})
    columns: dict[str | Path, int] = {name: i for i, name in enumerate([*labels, *paths])}
    values = np.zeros((len(structures), len(columns) + _SHAPE_COLUMNS))
    for row, found in zip(values, structures, strict=True):
        for name, count in (*found.operators.items(), *found.paths.items()):
            row[columns[name]] = count
        row[len(columns) :] = found.shape
    ends = [len(labels), len(columns), len(columns) + _SHAPE_COLUMNS]
    return np.column_stack((values, size)), ends
