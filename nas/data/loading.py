"""The table of data sets, and the division into train, search and test.

Test images are the official ones. Where a data set has none, a fifth of every class is set aside,
always the same one whatever the seed, so that test accuracies of different runs compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from nas.data.cifar import load_cifar10, load_cifar100
from nas.data.dataset import Dataset, DatasetError, SourceDataset, content_digest
from nas.data.digits import load_digits
from nas.data.fashion_mnist import load_fashion_mnist
from nas.data.image_folder import load_image_folder
from nas.data.memory_map import divide, statistics

Loader = Callable[[Path | None, int | None, Path | None], SourceDataset]
"""Reads a data set from (path, image size, cache folder)."""

DATASETS: Mapping[str, Loader] = {
    "digits": load_digits,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "fashion_mnist": load_fashion_mnist,
    "image_folder": load_image_folder,
}

TEST_FRACTION = 0.2
TEST_SEED = 0


def load_dataset(
    name: str,
    *,
    path: Path | None,
    search_fraction: float,
    seed: int,
    image_size: int | None = None,
    cache: Path | None = None,
) -> Dataset:
    """Loads a data set and divides its training images, class by class, into train and search.

    Args:
        name: A key of `DATASETS`.
        path: Where the files lie; None for data sets that come with a library.
        search_fraction: The part of every class's training images that the search is given.
        seed: Decides which images those are.
        image_size: Side in pixels to which `image_folder` scales its images; others have their own.
        cache: Where decoded images are kept; only `image_folder` needs it.

    Raises:
        DatasetError: If the name is unknown, a file is missing or not what it should be, or an
            option does not apply.
    """
    if name not in DATASETS:
        raise DatasetError(
            f"data.name: expected one of {', '.join(sorted(DATASETS))}, got {name!r}"
        )
    if not 0.0 < search_fraction < 1.0:
        raise DatasetError(
            f"data.search_fraction: expected between 0 and 1 (exclusive), got {search_fraction}"
        )
    source = DATASETS[name](path.expanduser() if path else None, image_size, cache)
    training, test = source.train, source.test
    counts = np.bincount(training.labels, minlength=len(source.classes))
    needed = 2 if test is not None else 3
    if counts.min() < needed:
        raise DatasetError(
            f"{name}: expected at least {needed} training images of every class, one for each of"
            f" the splits they are divided into, got {counts.min()} of"
            f" {source.classes[int(counts.argmin())]!r}"
        )
    if test is None:
        training, test = divide(training, fraction=TEST_FRACTION, seed=TEST_SEED)
    train, search = divide(training, fraction=search_fraction, seed=seed)
    mean, std = statistics(train.images)
    digest = source.digest or content_digest(source.classes, (source.train, source.test))
    return Dataset(name, source.classes, train, search, test, mean, std, digest)
