"""CIFAR's binary files, at a size that a test can write."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.data import DatasetError, load_dataset
from nas.data.cifar import CIFAR10, CIFAR100, CifarLayout, load_cifar

SMALL10 = replace(
    CIFAR10,
    train_records={f"data_batch_{batch}.bin": 4 for batch in range(1, 6)},
    test_records={"test_batch.bin": 3},
)
SMALL100 = replace(CIFAR100, train_records={"train.bin": 5}, test_records={"test.bin": 2})


def write(folder: Path, layout: CifarLayout, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, np.ndarray] = {}
    for name, count in {**layout.train_records, **layout.test_records}.items():
        rows = rng.integers(0, 256, (count, layout.label_bytes + 3072), dtype=np.uint8)
        rows[:, : layout.label_bytes] %= min(10, len(layout.classes))
        rows.tofile(folder / name)
        written[name] = rows
    return written


def test_pixels_and_labels_are_where_the_format_puts_them(tmp_path: Path):
    write(tmp_path, SMALL10)
    record = np.zeros(3073, dtype=np.uint8)
    record[0] = 9
    record[1 + 1024 * 2 + 32 * 5 + 7] = 200  # blue plane, row 5, column 7
    file = tmp_path / "data_batch_2.bin"
    file.write_bytes(record.tobytes() + file.read_bytes()[3073:])
    train = load_cifar(SMALL10, tmp_path, None).train
    assert train.labels[4] == 9  # the first of the second file
    assert train.images[4, 5, 7].tolist() == [0, 0, 200]
    assert train.images[4].sum() == 200


def test_files_are_joined_in_order(tmp_path: Path):
    written = write(tmp_path, SMALL10)
    source = load_cifar(SMALL10, tmp_path, None)
    labels = np.concatenate([written[f"data_batch_{batch}.bin"][:, 0] for batch in range(1, 6)])
    assert source.train.labels.tolist() == labels.tolist()
    assert source.test is not None
    assert source.test.images.shape == (3, 32, 32, 3)


def test_the_folder_above_is_accepted(tmp_path: Path):
    write(tmp_path / "cifar-10-batches-bin", SMALL10)
    below = load_cifar(SMALL10, tmp_path / "cifar-10-batches-bin", None)
    above = load_cifar(SMALL10, tmp_path, 32)
    assert np.array_equal(below.train.images, above.train.images)


def test_cifar100_takes_the_fine_label(tmp_path: Path):
    written = write(tmp_path, SMALL100)["train.bin"]
    assert not np.array_equal(written[:, 0], written[:, 1])
    train = load_cifar(SMALL100, tmp_path, None).train
    assert train.labels.tolist() == written[:, 1].tolist()
    assert train.images[3, 31, 31].tolist() == written[3, 2:].reshape(3, 1024)[:, -1].tolist()


def test_class_counts_are_the_published_ones():
    assert len(CIFAR10.classes) == 10
    assert len(set(CIFAR100.classes)) == 100
    assert CIFAR100.classes[0] == "apple"
    assert CIFAR100.classes[99] == "worm"
    for layout in (CIFAR10, CIFAR100):
        assert sum(layout.train_records.values()) == 50_000
        assert sum(layout.test_records.values()) == 10_000


def test_a_missing_file_says_which_and_where_to_get_it(tmp_path: Path):
    write(tmp_path, SMALL10)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DatasetError) as error:
        load_cifar(SMALL10, tmp_path, None)
    assert str(error.value) == (
        f"cifar10: {tmp_path}/data_batch_3.bin is missing; expected 4 records of 3073 bytes;"
        " get https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and unpack it;"
        " data.path is the folder cifar-10-batches-bin or the one that holds it"
    )


def test_a_path_to_the_archive_itself_is_refused_in_words(tmp_path: Path):
    archive = tmp_path / "cifar-10-binary.tar.gz"
    archive.write_bytes(b"")
    with pytest.raises(DatasetError, match="unpack it"):
        load_cifar(SMALL10, archive, None)


@pytest.mark.parametrize("kept_bytes", [0, 100, 3 * 3073])
def test_a_truncated_file_says_what_was_expected(tmp_path: Path, kept_bytes: int):
    write(tmp_path, SMALL10)
    file = tmp_path / "test_batch.bin"
    file.write_bytes((file.read_bytes() * 2)[:kept_bytes])
    if kept_bytes == 3 * 3073:
        assert len(load_cifar(SMALL10, tmp_path, None).train) == 20
        return
    with pytest.raises(DatasetError, match=rf"{file}: expected 9219 bytes .*, got {kept_bytes};"):
        load_cifar(SMALL10, tmp_path, None)


def test_a_label_outside_the_classes_says_where(tmp_path: Path):
    write(tmp_path, SMALL10)
    file = tmp_path / "data_batch_1.bin"
    content = bytearray(file.read_bytes())
    content[2 * 3073] = 10
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{file}: expected labels 0\.\.9, got 10 in record 2;"):
        load_cifar(SMALL10, tmp_path, None)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_options_that_do_not_apply_are_refused(name: str, tmp_path: Path):
    with pytest.raises(DatasetError, match=rf"{name}: expected data.path, got none; get https"):
        load_dataset(name, path=None, search_fraction=0.1, seed=0)
    with pytest.raises(DatasetError, match=r"expected data.image_size 32 or none, got 64"):
        load_dataset(name, path=tmp_path, search_fraction=0.1, seed=0, image_size=64)
