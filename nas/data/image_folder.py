"""Class folders of JPEG and PNG files, for ImageNet-like data.

    train/CLASS/*.jpg, and with official test images test/CLASS/*.jpg or val/CLASS/*.jpg

Images are decoded once, scaled and cropped to a square, into memory-mapped arrays in a cache
folder. The cache is keyed by every file's name, size and time of change, and appears only when
complete. Orientation tags are ignored, as is usual for ImageNet.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8
from numpy.lib.format import open_memmap
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from nas.data.dataset import DatasetError, SourceDataset, Split, content_digest
from nas.data.memory_map import locked

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
TEST_FOLDERS = ("test", "val")  # the first that exists; ImageNet's labelled one is val
CACHE_VERSION = 1  # raised when decoding changes, so that older caches are not read
DECODED_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class ImageFiles:
    """Files of one part, class after class.

    Attributes:
        fingerprint: Name, size and time of change of every file.
    """

    files: tuple[Path, ...]
    labels: Int32[np.ndarray, " n"]
    fingerprint: str


def load_image_folder(
    path: Path | None, image_size: int | None, cache: Path | None
) -> SourceDataset:
    """Decodes the images, or opens what was decoded before.

    Args:
        path: The folder that holds `train`. Classes are the folders in it, sorted by name; files
            other than JPEG and PNG are passed over.
        image_size: Side in pixels: the central square of every image is scaled to it, antialiased.
        cache: Where decoded images are kept, 3 image_size^2 bytes an image, twice for
            training images; None for the user's cache folder.

    Raises:
        DatasetError: If a folder is missing or empty, a test class is unknown, or an image cannot
            be decoded.
    """
    classes, parts = find_images(path, image_size)
    assert image_size is not None
    key = hashlib.sha256(repr((CACHE_VERSION, image_size)).encode())
    for name, part in parts.items():
        key.update(f"{name}\0{part.fingerprint}\0".encode())
    folder = (cache or user_cache()) / f"image_folder-{key.hexdigest()[:32]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not folder.is_dir():
            decode_all(parts, classes, image_size, folder)
    splits = {
        name: Split(np.load(folder / f"{name}.npy", mmap_mode="r"), part.labels)
        for name, part in parts.items()
    }
    digest = json.loads((folder / "content.json").read_text())["digest"]
    return SourceDataset(classes, splits["train"], splits.get("test"), digest)


def find_images(
    path: Path | None, image_size: int | None
) -> tuple[tuple[str, ...], dict[str, ImageFiles]]:
    """Names of the classes, and the files of the parts train and test; nothing is decoded.

    Args:
        path: As of `load_image_folder`.
        image_size: Likewise.

    Raises:
        DatasetError: If a folder is missing or empty, or a test class is unknown.
    """
    if path is None:
        raise DatasetError(
            "image_folder: expected data.path, a folder with train/CLASS/*.jpg, got none"
        )
    if image_size is None or image_size < 1:
        raise DatasetError(
            "image_folder: expected data.image_size, the side in pixels to scale to,"
            f" got {image_size}"
        )
    classes = class_names(path / "train")
    parts = {"train": list_images(path / "train", classes)}
    for name in TEST_FOLDERS:
        if (path / name).is_dir():
            parts["test"] = list_images(path / name, classes)
            break
    return classes, parts


def user_cache() -> Path:
    """The user's cache folder for decoded images (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ridgeline"


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the class folders, sorted."""
    if not folder.is_dir():
        raise DatasetError(
            f"image_folder: {folder} is missing; expected a folder that holds one folder of"
            " JPEG or PNG files a class"
        )
    names = sorted(entry.name for entry in visible(folder) if entry.is_dir())
    if len(names) < 2:
        raise DatasetError(
            f"image_folder: {folder}: expected at least 2 class folders, got {len(names)}"
        )
    return tuple(names)


def visible(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder by name, without the hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith(".")),
            key=lambda entry: entry.name,
        )


def list_images(folder: Path, classes: Sequence[str]) -> ImageFiles:
    """Image files of every class folder."""
    files: list[Path] = []
    labels: list[int] = []
    fingerprint = hashlib.sha256()
    for class_folder in (entry for entry in visible(folder) if entry.is_dir()):
        if class_folder.name not in classes:
            raise DatasetError(
                f"image_folder: {class_folder.path}: expected one of the {len(classes)} classes"
                f" in train, got {class_folder.name!r}"
            )
        images = [
            entry
            for entry in visible(Path(class_folder.path))
            if Path(entry.name).suffix.lower() in SUFFIXES
        ]
        if not images:
            raise DatasetError(
                f"image_folder: {class_folder.path}: expected JPEG or PNG files"
                f" ({', '.join(sorted(SUFFIXES))}), got none"
            )
        for entry in images:
            status = entry.stat()
            name = f"{class_folder.name}/{entry.name}"
            fingerprint.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
            files.append(Path(entry.path))
        labels += [classes.index(class_folder.name)] * len(images)
    if not files:
        raise DatasetError(f"image_folder: {folder}: expected class folders with images, got none")
    return ImageFiles(tuple(files), np.array(labels, dtype=np.int32), fingerprint.hexdigest())


def decode_all(
    parts: dict[str, ImageFiles], classes: Sequence[str], image_size: int, folder: Path
) -> None:
    """Decodes all parts into a new cache folder that appears under its name when complete."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        splits: list[Split] = []
        with Progress(console=Console(stderr=True)) as progress:
            for name, part in parts.items():
                task = progress.add_task(f"decoding {name} images", total=len(part.files))
                shape = (len(part.files), image_size, image_size, 3)
                images = open_memmap(partial / f"{name}.npy", "w+", dtype=np.uint8, shape=shape)
                for position, image in enumerate(decoded(part.files, image_size)):
                    images[position] = image
                    progress.advance(task)
                images.flush()
                splits.append(Split(images, part.labels))
        digest = content_digest(classes, splits)
        (partial / "content.json").write_text(json.dumps({"digest": digest}))
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def decoded(files: Sequence[Path], image_size: int) -> Iterator[UInt8[np.ndarray, "s s 3"]]:
    """Decodes on all available cores, in the order of the files; Pillow releases the GIL."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(files), DECODED_AT_ONCE):
            batch = files[start : start + DECODED_AT_ONCE]
            yield from pool.map(decode, batch, itertools.repeat(image_size))


def decode(file: Path, image_size: int) -> UInt8[np.ndarray, "s s 3"]:
    """The central square of an image in RGB, scaled (bilinear, antialiased).

    Raises:
        DatasetError: If Pillow cannot decode the file.
    """
    try:
        with Image.open(file) as image:
            # JPEGs decode faster at a half, a quarter ... of their size; twice what is needed stays
            width, height = image.size
            needed = 2 * image_size / min(width, height)
            image.draft(None, (round(width * needed), round(height * needed)))
            rgb = to_rgb(image)
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise DatasetError(
            f"image_folder: {file}: expected a readable JPEG or PNG image, got"
            f" {type(error).__name__}: {error}; replace or remove the file"
        ) from error
    width, height = rgb.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    square = rgb.resize(
        (image_size, image_size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
    )
    return np.asarray(square)


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts any mode; 16-bit grey is scaled, transparency dropped."""
    if image.mode.startswith("I"):
        high_bytes = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(high_bytes).convert("RGB")
    if image.mode == "P":
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")
