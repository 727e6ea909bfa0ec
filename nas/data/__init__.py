"""Data sets in disjoint train, search and test splits, and their way into a network.

`load_dataset` needs no JAX; the functions that run on the device are imported from
`nas.data.batches` on first use, so that validating a config stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.data.dataset import Dataset, DatasetError, Split
from nas.data.loading import DATASETS, load_dataset

if TYPE_CHECKING:
    from nas.data.batches import augment, epoch_order, prepare

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetError",
    "Split",
    "augment",
    "epoch_order",
    "load_dataset",
    "prepare",
]

ON_DEVICE = ("augment", "epoch_order", "prepare")


def __getattr__(name: str) -> Any:
    if name in ON_DEVICE:
        from nas.data import batches

        return getattr(batches, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
