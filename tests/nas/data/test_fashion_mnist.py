"""Fashion-MNIST's IDX files, at a size that a test can write."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from nas.data import DatasetError, load_dataset

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write(folder: Path, *, packed: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        TRAIN_IMAGES: rng.integers(0, 256, (40, 28, 28)),
        TRAIN_LABELS: np.arange(40) % 10,
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (20, 28, 28)),
        "t10k-labels-idx1-ubyte": np.arange(20) % 10,
    }
    for name, array in arrays.items():
        content = gzip.compress(idx(array)) if packed else idx(array)
        (folder / (f"{name}.gz" if packed else name)).write_bytes(content)
    return arrays


def load(folder: Path):
    return load_dataset("fashion_mnist", path=folder, search_fraction=0.25, seed=1)


@pytest.mark.parametrize("packed", [False, True])
def test_official_parts_become_the_splits(tmp_path: Path, packed: bool):
    arrays = write(tmp_path, packed=packed)
    dataset = load(tmp_path)
    assert (len(dataset.train), len(dataset.search), len(dataset.test)) == (30, 10, 20)
    assert np.array_equal(dataset.test.images[..., 0], arrays["t10k-images-idx3-ubyte"])
    assert dataset.test.labels.tolist() == arrays["t10k-labels-idx1-ubyte"].tolist()
    assert dataset.classes[9] == "Ankle boot"


def test_gzipped_and_plain_files_are_the_same_data(tmp_path: Path):
    for name in ("plain", "packed"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, packed=name == "packed")
    assert load(tmp_path / "plain").digest == load(tmp_path / "packed").digest


def test_a_missing_file_says_which_and_where_to_get_it(tmp_path: Path):
    write(tmp_path, packed=False)
    (tmp_path / TRAIN_LABELS).unlink()
    with pytest.raises(DatasetError) as error:
        load(tmp_path)
    assert str(error.value) == (
        f"fashion_mnist: {tmp_path}/{TRAIN_LABELS} is missing; expected that file or"
        f" {TRAIN_LABELS}.gz; get it from https://github.com/zalandoresearch/fashion-mnist, or from"
        " Debian's package dataset-fashion-mnist (data.path: /usr/share/datasets/fashion-mnist)"
    )
    with pytest.raises(DatasetError, match=r"expected data.path, got none; get it from https"):
        load_dataset("fashion_mnist", path=None, search_fraction=0.1, seed=0)


def damage(kind: str, content: bytes) -> bytes:
    match kind:
        case "truncated":
            return content[:1000]
        case "header cut":
            return content[:9]
        case "empty":
            return b""
        case "too long":
            return content + b"\0"
        case "wrong magic":
            return b"\x89PNG" + content[4:]
        case "labels instead":
            return idx(np.arange(40) % 10)
        case _:
            return idx(np.zeros((40, 27, 28)))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", r"expected 31376 bytes \(the header announces 40x28x28\), got 1000;"),
        ("too long", r"expected 31376 bytes .*, got 31377;"),
        ("header cut", r"expected a header of 16 bytes, got 9 bytes in all;"),
        ("empty", r"expected the IDX magic 00 00 08 03, got an empty file;"),
        ("wrong magic", r"expected the IDX magic 00 00 08 03, got 89 50 4e 47;"),
        ("labels instead", r"expected the IDX magic 00 00 08 03, got 00 00 08 01;"),
        ("wrong size", r"expected images of 28x28, got the shape \(40, 27, 28\);"),
    ],
)
def test_a_damaged_file_says_what_was_expected(tmp_path: Path, kind: str, message: str):
    write(tmp_path, packed=False)
    file = tmp_path / TRAIN_IMAGES
    file.write_bytes(damage(kind, file.read_bytes()))
    with pytest.raises(DatasetError, match=rf"{file}: {message}"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["truncated", "wrong magic"])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, kind: str):
    write(tmp_path, packed=True)
    file = tmp_path / f"{TRAIN_IMAGES}.gz"
    file.write_bytes(damage(kind, file.read_bytes()))
    with pytest.raises(DatasetError, match=rf"{file}: expected a complete gzip file, got \d+ byt"):
        load(tmp_path)


def test_labels_must_match_the_images_and_the_classes(tmp_path: Path):
    write(tmp_path, packed=False)
    file = tmp_path / TRAIN_LABELS
    file.write_bytes(idx(np.arange(39) % 10))
    with pytest.raises(DatasetError, match=rf"{file}: expected 40 labels, one an image, got 39;"):
        load(tmp_path)
    file.write_bytes(idx(np.arange(40)))
    with pytest.raises(
        DatasetError, match=rf"{file}: expected labels 0\.\.9, got 10 at position 10"
    ):
        load(tmp_path)
