"""Dividing and summarising image arrays that may be larger than memory.

What is derived from a memory-mapped array is kept in files beside it, so that the next run maps it
again at once. Files appear under their names only when complete.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy.lib.format import open_memmap

from nas.data.dataset import CHUNK_BYTES, Split, channel_statistics, stratified_holdout


@contextmanager
def locked(target: Path) -> Generator[None]:
    """Lets one process at a time write the target; the lock ends with the process."""
    with target.with_name(f"{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def file_of(images: UInt8[np.ndarray, "n h w c"]) -> Path | None:
    """The file of a memory-mapped array, None for an array in memory."""
    if isinstance(images, np.memmap) and images.filename is not None:
        return Path(images.filename)
    return None


def divide(split: Split, *, fraction: float, seed: int) -> tuple[Split, Split]:
    """Holds out a fraction of every class; both parts keep the images' order.

    Args:
        split: Memory-mapped images give memory-mapped parts, in files beside theirs.
        fraction: Of every class, held out.
        seed: Decides which images.

    Returns:
        What is kept, and what is held out.
    """
    mask = stratified_holdout(split.labels, fraction=fraction, rng=np.random.default_rng(seed))
    name = f"{fraction!r}-{seed}"
    kept = Split(select(split.images, ~mask, name=f"without-{name}"), split.labels[~mask])
    return kept, Split(select(split.images, mask, name=f"held-out-{name}"), split.labels[mask])


def select(
    images: UInt8[np.ndarray, "n h w c"], mask: Bool[np.ndarray, " n"], *, name: str
) -> UInt8[np.ndarray, "k h w c"]:
    """The marked images, in memory or memory-mapped as the given ones are."""
    source = file_of(images)
    if source is None:
        return images[mask]
    file = source.with_name(f"{source.stem}-{name}.npy")
    with locked(file):
        if not file.exists():
            partial = file.with_name(f"{file.name}.partial")
            rows = np.flatnonzero(mask)
            copied = open_memmap(
                partial, "w+", dtype=np.uint8, shape=(len(rows), *images.shape[1:])
            )
            step = max(1, CHUNK_BYTES // images[0].nbytes)
            for start in range(0, len(rows), step):
                copied[start : start + step] = images[rows[start : start + step]]
            copied.flush()
            partial.replace(file)
    return np.load(file, mmap_mode="r")


def statistics(
    images: UInt8[np.ndarray, "n h w c"],
) -> tuple[Float64[np.ndarray, " c"], Float64[np.ndarray, " c"]]:
    """`channel_statistics`, remembered beside a memory-mapped array."""
    source = file_of(images)
    if source is None:
        return channel_statistics(images)
    file = source.with_suffix(".statistics.json")
    if not file.exists():
        mean, std = channel_statistics(images)
        with locked(file):
            partial = file.with_name(f"{file.name}.partial")
            partial.write_text(json.dumps({"mean": mean.tolist(), "std": std.tolist()}))
            partial.replace(file)
    remembered = json.loads(file.read_text())
    return np.array(remembered["mean"]), np.array(remembered["std"])
