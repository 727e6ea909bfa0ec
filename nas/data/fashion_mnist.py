"""Fashion-MNIST from its official IDX files, plain or gzipped.

IDX is two zero bytes, the element type (8: unsigned byte), the number of dimensions, every
dimension as a big-endian 32-bit integer, then the elements in C order.

References: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747; LeCun, Cortes, Burges, "The
MNIST database of handwritten digits", for IDX.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from nas.data.dataset import DatasetError, SourceDataset, Split

IMAGE_SIZE = 28
UNSIGNED_BYTE = 8
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SOURCE = (
    "get it from https://github.com/zalandoresearch/fashion-mnist, or from Debian's package"
    " dataset-fashion-mnist (data.path: /usr/share/datasets/fashion-mnist)"
)


def load_fashion_mnist(
    path: Path | None, image_size: int | None, cache: Path | None
) -> SourceDataset:
    """The official training and test files; as many images as their headers say.

    Args:
        path: The folder with the four files, each as it is or with `.gz`.
        image_size: None or 28, what the images have.
        cache: Not needed, the files are read as they are.

    Raises:
        DatasetError: If a file is missing, truncated, no IDX file of the expected kind, or holds a
            label outside the classes.
    """
    del cache
    if image_size not in (None, IMAGE_SIZE):
        raise DatasetError(
            f"fashion_mnist: expected data.image_size {IMAGE_SIZE} or none, got {image_size}"
        )
    if path is None:
        raise DatasetError(f"fashion_mnist: expected data.path, got none; {SOURCE}")
    return SourceDataset(CLASSES, train=read_pair(path, "train"), test=read_pair(path, "t10k"))


def read_pair(folder: Path, prefix: str) -> Split:
    """Images and labels of one of the two official parts."""
    image_file = folder / f"{prefix}-images-idx3-ubyte"
    label_file = folder / f"{prefix}-labels-idx1-ubyte"
    images = read_idx(image_file, dimensions=3)
    labels = read_idx(label_file, dimensions=1)
    if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE) or not len(images):
        raise DatasetError(
            f"fashion_mnist: {image_file}: expected images of"
            f" {IMAGE_SIZE}x{IMAGE_SIZE}, got the shape {images.shape}; {SOURCE}"
        )
    if len(labels) != len(images):
        raise DatasetError(
            f"fashion_mnist: {label_file}: expected {len(images)} labels, one an image,"
            f" got {len(labels)}; {SOURCE}"
        )
    if (labels >= len(CLASSES)).any():
        record = int(np.argmax(labels >= len(CLASSES)))
        raise DatasetError(
            f"fashion_mnist: {label_file}: expected labels 0..{len(CLASSES) - 1},"
            f" got {labels[record]} at position {record}; {SOURCE}"
        )
    return Split(images[..., np.newaxis], labels.astype(np.int32))


def read_idx(file: Path, *, dimensions: int) -> np.ndarray:
    """The array of an IDX file of unsigned bytes.

    Args:
        file: Name without `.gz`; the gzipped file is read where the plain one is not there.
        dimensions: How many the array must have.

    Raises:
        DatasetError: If the file is missing, truncated or of another kind.
    """
    file, content = read_bytes(file)
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if content[:4] != magic:
        raise DatasetError(
            f"fashion_mnist: {file}: expected the IDX magic {magic.hex(' ')},"
            f" got {content[:4].hex(' ') or 'an empty file'}; {SOURCE}"
        )
    header_bytes = 4 + 4 * dimensions
    if len(content) < header_bytes:
        raise DatasetError(
            f"fashion_mnist: {file}: expected a header of {header_bytes} bytes,"
            f" got {len(content)} bytes in all; {SOURCE}"
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    expected_bytes = header_bytes + math.prod(shape)
    if len(content) != expected_bytes:
        raise DatasetError(
            f"fashion_mnist: {file}: expected {expected_bytes} bytes (the header announces"
            f" {'x'.join(map(str, shape))}), got {len(content)}; {SOURCE}"
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def read_bytes(file: Path) -> tuple[Path, bytes]:
    """The file that was found, plain or gzipped, and its unpacked content."""
    if file.is_file():
        return file, file.read_bytes()
    packed = file.with_name(f"{file.name}.gz")
    if not packed.is_file():
        raise DatasetError(
            f"fashion_mnist: {file} is missing; expected that file or {packed.name}; {SOURCE}"
        )
    try:
        return packed, gzip.decompress(packed.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(
            f"fashion_mnist: {packed}: expected a complete gzip file,"
            f" got {packed.stat().st_size} bytes that do not unpack ({error}); {SOURCE}"
        ) from error
