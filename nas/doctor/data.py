"""The config's data: the files are there and whole, and the space can be built for them."""

from __future__ import annotations

from collections.abc import Iterator

from nas.config import Config
from nas.data import DatasetError, load_dataset
from nas.data.image_folder import find_images
from nas.doctor.check import Check
from nas.errors import UserError
from nas.tracking import check_tracking


def check_data(config: Config) -> Iterator[Check]:
    """Loads the data as a run would; images in folders are only counted, not decoded."""
    data = config.data
    try:
        shape, classes, text = _look(config)
    except (DatasetError, OSError) as error:
        yield Check(
            "data", "fail", str(error), "set data.path to where the files are, or put them there"
        )
        return
    yield Check("data", "ok", f"{data.name}: {text}")
    try:
        config.space.build(image_shape=shape, classes=classes)
    except ValueError as error:
        advice = "change the space's options, or data.image_size"
        yield Check("space", "fail", f"{config.space.name}: {error}", advice)
    else:
        yield Check("space", "ok", f"{config.space.name}, of images {shape[0]}x{shape[1]}")


def check_trackers(config: Config) -> Iterator[Check]:
    """Whether the trackers that the config asks for can be used."""
    asked = [name for name, value in config.tracking if value]
    if not asked:
        return
    try:
        check_tracking(config.tracking)
    except UserError as error:
        found, _, advice = str(error).partition("; ")
        yield Check("tracking", "fail", found, advice)
    else:
        yield Check("tracking", "ok", ", ".join(asked))


def _look(config: Config) -> tuple[tuple[int, int, int], int, str]:
    """Height, width and channels of the images, the number of classes, and what there is."""
    data = config.data
    if data.name == "image_folder":
        classes, parts = find_images(data.path, data.image_size)
        assert data.image_size is not None
        counts = ", ".join(f"{len(part.files)} {name}" for name, part in parts.items())
        return (data.image_size, data.image_size, 3), len(classes), f"{counts} files"
    dataset = load_dataset(
        data.name,
        path=data.path,
        search_fraction=data.search_fraction,
        seed=config.seed,
        image_size=data.image_size,
    )
    height, width, channels = dataset.train.images.shape[1:]
    parts = {"train": dataset.train, "search": dataset.search, "test": dataset.test}
    counts = ", ".join(f"{len(split)} {name}" for name, split in parts.items())
    return (height, width, channels), len(dataset.classes), f"{counts} images"
