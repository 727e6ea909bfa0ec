"""Search spaces that tables of latencies are about, by name.

A package offers one through the entry point group `latency_models.spaces`: the name is the table's,
the object has the two methods of `TableSpace`.
"""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Protocol

import numpy as np
from jaxtyping import Int

from latency_models.workload import CostTable

GROUP = "latency_models.spaces"


class TableSpace(Protocol):
    """The networks of a table."""

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        """The operators of all networks as they are written."""
        ...

    def read(self, networks: Sequence[str]) -> Int[np.ndarray, "n d"]:
        """The genotypes that the table's texts stand for.

        Raises:
            ValueError: If a text is no network of the space.
        """
        ...


def find_space(name: str) -> TableSpace:
    """The space of that name.

    Raises:
        ValueError: If no installed package offers it; says which there are.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise ValueError(f"unknown space {name!r}, valid: {', '.join(sorted(found)) or 'none'}")
    return found[name].load()()
