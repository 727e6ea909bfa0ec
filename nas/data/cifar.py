"""CIFAR-10 and CIFAR-100 from their official binary files.

A record is its label bytes followed by the 32x32 image, channel after channel: one label for
CIFAR-10, the coarse and the fine one for CIFAR-100, of which the fine one is the class.

Reference: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html describes the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.data.dataset import DatasetError, SourceDataset, Split

IMAGE_SIZE = 32
IMAGE_BYTES = 3 * IMAGE_SIZE * IMAGE_SIZE


@dataclass(frozen=True, slots=True)
class CifarLayout:
    """How one of the two data sets lies on disk.

    Attributes:
        train_records, test_records: Images expected in every file.
        label_bytes: Labels before each image; the last one is the class.
        folder: The folder that the archive unpacks to.
    """

    name: str
    classes: tuple[str, ...]
    train_records: Mapping[str, int]
    test_records: Mapping[str, int]
    label_bytes: int
    folder: str
    archive: str

    @property
    def source(self) -> str:
        """Where to get the files, as a clause for an error message."""
        return (
            f"get {self.archive} and unpack it;"
            f" data.path is the folder {self.folder} or the one that holds it"
        )


CIFAR10 = CifarLayout(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    train_records={f"data_batch_{batch}.bin": 10_000 for batch in range(1, 6)},
    test_records={"test_batch.bin": 10_000},
    label_bytes=1,
    folder="cifar-10-batches-bin",
    archive="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
)

FINE_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
    crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
    keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
    mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain
    plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""  # in the order of the archive's fine_label_names.txt

CIFAR100 = CifarLayout(
    name="cifar100",
    classes=tuple(FINE_CLASSES.split()),
    train_records={"train.bin": 50_000},
    test_records={"test.bin": 10_000},
    label_bytes=2,
    folder="cifar-100-binary",
    archive="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
)


def load_cifar(layout: CifarLayout, path: Path | None, image_size: int | None) -> SourceDataset:
    """Reads every file of the layout; 50,000 training and 10,000 test images.

    Args:
        layout: Which of the two, and how it lies on disk.
        path: The folder with the binary files, or the one that holds that folder.
        image_size: None or 32, what the images have.

    Raises:
        DatasetError: If a file is missing, has another size than expected, or holds a label outside
            the classes.
    """
    if image_size not in (None, IMAGE_SIZE):
        raise DatasetError(
            f"{layout.name}: expected data.image_size {IMAGE_SIZE} or none, got {image_size}"
        )
    if path is None:
        raise DatasetError(f"{layout.name}: expected data.path, got none; {layout.source}")
    folder = path / layout.folder if (path / layout.folder).is_dir() else path
    return SourceDataset(
        classes=layout.classes,
        train=read_files(folder, layout.train_records, layout),
        test=read_files(folder, layout.test_records, layout),
    )


def load_cifar10(path: Path | None, image_size: int | None, cache: Path | None) -> SourceDataset:
    """CIFAR-10, see `load_cifar`."""
    del cache  # the files are read as they are
    return load_cifar(CIFAR10, path, image_size)


def load_cifar100(path: Path | None, image_size: int | None, cache: Path | None) -> SourceDataset:
    """CIFAR-100 with its fine labels, see `load_cifar`."""
    del cache  # the files are read as they are
    return load_cifar(CIFAR100, path, image_size)


def read_files(folder: Path, records: Mapping[str, int], layout: CifarLayout) -> Split:
    """Joins the records of several files, in their order."""
    total = sum(records.values())
    images = np.empty((total, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    labels = np.empty(total, dtype=np.int32)
    start = 0
    for name, count in records.items():
        rows = read_records(folder / name, count, layout)
        planes = rows[:, layout.label_bytes :].reshape(count, 3, IMAGE_SIZE, IMAGE_SIZE)
        images[start : start + count] = planes.transpose(0, 2, 3, 1)
        labels[start : start + count] = rows[:, layout.label_bytes - 1]
        start += count
    return Split(images, labels)


def read_records(file: Path, count: int, layout: CifarLayout) -> np.ndarray:
    """The file's bytes, one row a record, its size and labels checked."""
    record_bytes = layout.label_bytes + IMAGE_BYTES
    try:
        content = np.fromfile(file, dtype=np.uint8)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            f"{layout.name}: {file} is missing; expected {count} records of {record_bytes} bytes;"
            f" {layout.source}"
        ) from None
    if content.size != count * record_bytes:
        raise DatasetError(
            f"{layout.name}: {file}: expected {count * record_bytes} bytes"
            f" ({count} records of {record_bytes}), got {content.size}; {layout.source}"
        )
    rows = content.reshape(count, record_bytes)
    labels = rows[:, layout.label_bytes - 1]
    if (labels >= len(layout.classes)).any():
        record = int(np.argmax(labels >= len(layout.classes)))
        raise DatasetError(
            f"{layout.name}: {file}: expected labels 0..{len(layout.classes) - 1},"
            f" got {labels[record]} in record {record}; {layout.source}"
        )
    return rows
