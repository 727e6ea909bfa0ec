"""Looking up a cost table's rows for whole populations.

Slots whose decisions overlap are looked up as one: their values are combined beforehand for every
choice of options that they depend on together. Two blocks of a stage become one look-up, and slots
that depend on the same decisions, or on some of another's, cost no look-up of their own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

# Combined tables of this many rows stay in the cache, ten columns or so wide.
_GROUP_ROWS = 1024
# Genotypes handled at once: the intermediate arrays stay in the cache.
_CHUNK = 8192


@dataclass(frozen=True)
class RowGroup:
    """Slots that are looked up as one.

    Attributes:
        decisions: Genotype columns that all of them together depend on, ascending.
        rows: For each slot the global row of each choice of options, the last decision varying
            fastest.
        repeats: How many times each slot runs.
    """

    decisions: tuple[int, ...]
    rows: tuple[Int[np.ndarray, " c"], ...]
    repeats: tuple[int, ...]


def group_slots(
    cardinalities: Sequence[int],
    decisions: Sequence[tuple[int, ...]],
    first_rows: Sequence[int],
    repeats: Sequence[int],
) -> tuple[RowGroup, ...]:
    """Groups slots so that few look-ups in small tables remain.

    Args:
        cardinalities: Options of each decision.
        decisions: Of each slot, in the order that its rows are numbered by.
        first_rows: The global row that each slot begins at.
        repeats: How many times each slot runs.
    """

    def size(columns: set[int]) -> int:
        return math.prod(cardinalities[column] for column in columns)

    groups: list[tuple[set[int], list[int]]] = []
    for slot in sorted(range(len(decisions)), key=lambda slot: -size(set(decisions[slot]))):
        columns = set(decisions[slot])
        joined = [
            (size(found | columns) - size(found), position)
            for position, (found, _) in enumerate(groups)
            if size(found | columns) <= max(_GROUP_ROWS, size(found))
        ]
        if joined:
            found, members = groups[min(joined)[1]]
            found |= columns
            members.append(slot)
        else:
            groups.append((columns, [slot]))
    return tuple(
        RowGroup(
            decisions=tuple(sorted(columns)),
            rows=tuple(
                first_rows[slot] + _local_rows(cardinalities, sorted(columns), decisions[slot])
                for slot in members
            ),
            repeats=tuple(repeats[slot] for slot in members),
        )
        for columns, members in groups
    )


def _local_rows(
    cardinalities: Sequence[int], columns: Sequence[int], decisions: Sequence[int]
) -> Int[np.ndarray, " c"]:
    """The slot's row for every choice of the group's options."""
    sizes = [cardinalities[column] for column in columns]
    count = math.prod(sizes)
    options = dict(zip(columns, np.indices(sizes).reshape(len(sizes), count), strict=True))
    rows = np.zeros(count, np.int64)
    for decision in decisions:
        rows = rows * cardinalities[decision] + options[decision]
    return rows


def gather(
    values: Float[np.ndarray, "r f"],
    genotypes: Int[np.ndarray, "n d"],
    groups: Sequence[RowGroup],
    cardinalities: Sequence[int],
    *,
    combine: Literal["sum", "max"],
) -> Float[np.ndarray, "n f"]:
    """Adds up, or takes the greatest of, the values of the rows that each genotype takes.

    A row that runs several times counts as often in a sum. Options are taken to be in range.
    """
    tables = [_combined(values, group, combine) for group in groups]
    total = np.empty((len(genotypes), values.shape[1]))
    for start in range(0, len(genotypes), _CHUNK):
        columns = np.ascontiguousarray(genotypes[start : start + _CHUNK].T)
        part = total[start : start + _CHUNK]
        part[:] = 0 if combine == "sum" else -np.inf
        for group, table in zip(groups, tables, strict=True):
            found = np.take(table, choices(columns, group.decisions, cardinalities), axis=0)
            if combine == "sum":
                part += found
            else:
                np.maximum(part, found, out=part)
    return total


def choices(
    columns: Int[np.ndarray, "d n"], decisions: Sequence[int], cardinalities: Sequence[int]
) -> Int[np.ndarray, " n"]:
    """The number of each genotype's choice among all of the decisions', the last one fastest."""
    # Integer steps column by column: a matrix product would be handed to BLAS threads, whose
    # waking alone takes longer than this on a busy machine.
    found = np.zeros(columns.shape[1], np.int64)
    for decision in decisions:
        found *= cardinalities[decision]
        found += columns[decision]
    return found


def _combined(
    values: np.ndarray, group: RowGroup, combine: Literal["sum", "max"]
) -> Float[np.ndarray, "c f"]:
    if combine == "max":
        return np.max([values[rows] for rows in group.rows], axis=0)
    table = np.zeros((len(group.rows[0]), values.shape[1]))
    for rows, repeat in zip(group.rows, group.repeats, strict=True):
        table += repeat * values[rows]
    return table
