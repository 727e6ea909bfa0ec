"""What a data set is here: labelled uint8 images in three disjoint splits.

Images stay uint8 until they are on the device, where `nas.data.batches` turns them into floats: a
quarter of the memory and of the transfer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, UInt8

from nas.errors import UserError

CHUNK_BYTES = 1 << 24  # how much of a (possibly memory-mapped) image array is touched at a time


class DatasetError(UserError):
    """A data set cannot be loaded: which file, what was expected, what came, where to get it."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images with their labels.

    Attributes:
        images: One row an image, channels last; an `np.memmap` where they may be larger
            than memory.
        labels: Class positions, 0 <= label < number of classes.
    """

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int32[np.ndarray, " n"]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(
                f"expected one label an image, got {len(self.images)} images"
                f" and {len(self.labels)} labels"
            )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A data set ready for training, searching and the final test.

    Attributes:
        name: The name it is loaded by.
        classes: Class names in the order of the labels.
        train: What the weights are trained on.
        search: What architectures are compared on; disjoint from `train`.
        test: What is reported at the end; the search never sees it.
        mean: Mean of every channel over `train`, pixels scaled to 0..1.
        std: Standard deviation likewise; 1 for a channel that never varies.
        digest: SHA-256 of the images, labels and class names before the split, for provenance.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    search: Split
    test: Split
    mean: Float64[np.ndarray, " c"]
    std: Float64[np.ndarray, " c"]
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class SourceDataset:
    """A data set as its files have it, before its training images are divided.

    Attributes:
        test: The official test images, or None where there are none.
        digest: Filled in where computing it again would mean reading a large cache; else None.
    """

    classes: tuple[str, ...]
    train: Split
    test: Split | None
    digest: str | None = None


def stratified_holdout(
    labels: Int32[np.ndarray, " n"], *, fraction: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Draws the same fraction of every class: whole images, at least one and never all of them.

    Args:
        labels: Class positions; the result depends on nothing else of the images.
        fraction: Of every class, between 0 and 1.
        rng: Decides which images.

    Returns:
        True where the image is held out.

    Raises:
        ValueError: If the fraction is not between 0 and 1, or a class has a single image.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"expected a fraction between 0 and 1 (exclusive), got {fraction}")
    counts = np.bincount(labels)
    if (counts == 1).any():
        label = int(np.flatnonzero(counts == 1)[0])
        raise ValueError(
            f"expected at least 2 images of class {label} to divide between two splits, got 1"
        )
    held_out = np.clip(np.rint(counts * fraction).astype(np.int64), 1, np.maximum(counts - 1, 0))
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    rank_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    mask = np.zeros(len(labels), dtype=np.bool_)
    mask[by_class[rank_in_class < np.repeat(held_out, counts)]] = True
    return mask


def channel_statistics(
    images: UInt8[np.ndarray, "n h w c"],
) -> tuple[Float64[np.ndarray, " c"], Float64[np.ndarray, " c"]]:
    """Mean and standard deviation of every channel, pixels scaled to 0..1.

    Sums are integers, so the result does not depend on the order or the chunks. A channel that
    never varies gets the standard deviation 1, so that normalising maps it to 0.
    """
    channels = images.shape[-1]
    rows = max(1, CHUNK_BYTES // max(1, images[0].nbytes))
    total = np.zeros(channels, dtype=np.int64)
    total_squares = np.zeros(channels, dtype=np.int64)
    for start in range(0, len(images), rows):
        chunk = np.asarray(images[start : start + rows])
        for channel in range(channels):
            histogram = np.bincount(chunk[..., channel].ravel(), minlength=256).astype(np.int64)
            total[channel] += histogram @ np.arange(256)
            total_squares[channel] += histogram @ np.arange(256) ** 2
    pixels = images.size // channels
    mean = total / pixels
    variance = total_squares / pixels - mean**2
    varies = total_squares * pixels != total**2
    std = np.sqrt(np.where(varies, variance, 255.0**2))
    return mean / 255.0, std / 255.0


def content_digest(classes: Sequence[str], splits: Sequence[Split | None]) -> str:
    """SHA-256 over class names, image shapes, images and labels."""
    digest = hashlib.sha256("\0".join(classes).encode())
    for split in splits:
        if split is None:
            continue
        digest.update(repr(split.images.shape).encode())
        rows = max(1, CHUNK_BYTES // max(1, split.images[0].nbytes))
        for start in range(0, len(split), rows):
            digest.update(np.ascontiguousarray(split.images[start : start + rows]).data)
        digest.update(np.ascontiguousarray(split.labels, dtype="<i4").data)
    return digest.hexdigest()
