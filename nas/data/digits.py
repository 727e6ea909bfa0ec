"""Handwritten digits that scikit-learn carries: 1,797 grey images of 8x8 pixels, nothing to fetch.

They are the test part of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI
Machine Learning Repository, 1998 (doi:10.24432/C50P49); scikit-learn does not divide them further.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.data.dataset import DatasetError, SourceDataset, Split

IMAGE_SIZE = 8
INK_LEVELS = 16  # a pixel counts the ink dots in a 4x4 cell, 0..16


def load_digits(path: Path | None, image_size: int | None, cache: Path | None) -> SourceDataset:
    """The 1,797 digits, ink stretched to 0..255.

    Raises:
        DatasetError: If a path or another image size is asked for.
    """
    del cache  # small enough to be read anew
    if path is not None:
        raise DatasetError(
            f"digits: expected no data.path (the images come with scikit-learn), got {path}"
        )
    if image_size not in (None, IMAGE_SIZE):
        raise DatasetError(
            f"digits: expected data.image_size {IMAGE_SIZE} or none, got {image_size}"
        )
    # scikit-learn takes a second to import and only this data set needs it
    from sklearn.datasets import load_digits as bundled_digits  # pyright: ignore

    bundle = bundled_digits()
    ink = np.asarray(bundle.images)  # pyright: ignore
    images = np.rint(ink * (255.0 / INK_LEVELS)).astype(np.uint8)[..., np.newaxis]
    labels = np.asarray(bundle.target, dtype=np.int32)  # pyright: ignore
    return SourceDataset(classes=tuple("0123456789"), train=Split(images, labels), test=None)
