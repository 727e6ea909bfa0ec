"""Class folders of images, written by the tests."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Dataset, DatasetError, load_dataset
from nas.data import image_folder as module

SIZE = 8


def save(file: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file, quality=95)


def write(folder: Path, *, test: str | None = "val") -> None:
    for part, count in (("train", 6), (test, 2)):
        for label, name in enumerate(("cat", "dog")):
            for i in range(count if part else 0):
                suffix = ("jpg", "JPEG", "png")[i % 3]
                save(folder / str(part) / name / f"{i}.{suffix}", (100 * label, 40 * i, 7))


def load(tmp_path: Path, *, seed: int = 0) -> Dataset:
    return load_dataset(
        "image_folder",
        path=tmp_path / "images",
        search_fraction=0.5,
        seed=seed,
        image_size=SIZE,
        cache=tmp_path / "cache",
    )


@pytest.mark.parametrize("test", ["val", "test"])
def test_folders_become_classes_and_splits(tmp_path: Path, test: str):
    write(tmp_path / "images", test=test)
    dataset = load(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert (len(dataset.train), len(dataset.search), len(dataset.test)) == (6, 6, 4)
    assert dataset.train.images.shape == (6, SIZE, SIZE, 3)
    assert dataset.test.labels.tolist() == [0, 0, 1, 1]
    colours = dataset.test.images.mean(axis=(1, 2))
    expected = [(0, 0, 7), (0, 40, 7), (100, 0, 7), (100, 40, 7)]
    np.testing.assert_allclose(colours, expected, atol=3)  # JPEG rounds


def test_without_test_images_a_fixed_part_of_train_is_set_aside(tmp_path: Path):
    write(tmp_path / "images", test=None)
    first, second = load(tmp_path, seed=0), load(tmp_path, seed=1)
    assert np.bincount(first.test.labels).tolist() == [1, 1]
    assert np.array_equal(first.test.images, second.test.images)
    assert len(first.train) + len(first.search) + len(first.test) == 12


def test_images_stay_memory_mapped_through_the_division(tmp_path: Path):
    write(tmp_path / "images", test=None)
    dataset = load(tmp_path)
    for split in (dataset.train, dataset.search, dataset.test):
        assert isinstance(split.images, np.memmap)
    greens = np.concatenate(
        [split.images.mean(axis=(1, 2)) for split in (dataset.train, dataset.search, dataset.test)]
    )
    expected = [(100 * label, 40 * i, 7) for label in range(2) for i in range(6)]
    order = np.lexsort(np.rint(greens / 20).T)
    np.testing.assert_allclose(
        greens[order], np.array(expected)[np.lexsort(np.array(expected).T)], atol=3
    )


def test_images_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "images")
    first = load(tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(module, "decode", refuse)
    again = load(tmp_path)
    assert again.digest == first.digest
    assert np.array_equal(again.train.images, first.train.images)
    assert again.mean.tolist() == first.mean.tolist()
    pixels = first.train.images / 255.0
    np.testing.assert_allclose(again.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_a_changed_image_is_decoded_anew(tmp_path: Path):
    write(tmp_path / "images")
    first = load(tmp_path)
    file = tmp_path / "images/val/cat/0.jpg"
    save(file, (250, 250, 250))
    os.utime(file, ns=(1, 1))
    second = load(tmp_path)
    assert second.test.images[0].mean() > 240
    assert second.digest != first.digest


def test_an_interrupted_decoding_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path / "images")
    with monkeypatch.context() as patch:
        patch.setattr(module, "content_digest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(tmp_path)
    assert [entry for entry in (tmp_path / "cache").iterdir() if entry.is_dir()] == []
    assert len(load(tmp_path).train) == 6


def test_remains_of_a_killed_decoding_are_replaced(tmp_path: Path):
    write(tmp_path / "images")
    load(tmp_path)
    (folder,) = (entry for entry in (tmp_path / "cache").iterdir() if entry.is_dir())
    folder.rename(folder.with_name(f"{folder.name}.partial"))
    assert len(load(tmp_path).train) == 6
    assert folder.is_dir()


def test_the_result_is_the_shorter_side_resized_and_the_centre_cropped(tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 60, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "wide.png")
    resized = Image.fromarray(picture).resize((30, 10), Image.Resampling.BILINEAR)
    expected = np.asarray(resized.crop((10, 0, 20, 10)))
    assert np.array_equal(module.decode(tmp_path / "wide.png", 10), expected)


def test_a_large_jpeg_agrees_with_decoding_it_in_full(tmp_path: Path):
    rows, columns = np.mgrid[:480, :640]
    picture = np.stack([rows * 255 // 479, columns * 255 // 639, (rows + columns) // 5], axis=-1)
    Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "large.jpg", quality=95)
    with Image.open(tmp_path / "large.jpg") as image:
        square = image.crop((80, 0, 560, 480))
    expected = square.resize((32, 32), Image.Resampling.BILINEAR)
    difference = module.decode(tmp_path / "large.jpg", 32).astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "1", "CMYK"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str):
    file = tmp_path / f"image.{'jpg' if mode == 'CMYK' else 'png'}"
    grey = Image.new("L", (9, 9), 255)
    if mode == "I;16":
        image = Image.fromarray(np.full((9, 9), 65535, dtype=np.uint16))
    else:
        image = grey.convert("RGB").convert(mode)
    if mode == "P":
        image.save(file, transparency=b"\x00\x10")
    else:
        image.save(file)
    decoded = module.decode(file, 4)
    assert decoded.shape == (4, 4, 3)
    assert decoded.min() >= 253


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_damaged_image_is_named(tmp_path: Path, damage: str):
    write(tmp_path / "images")
    file = tmp_path / "images/train/dog/0.jpg"
    content = file.read_bytes()
    file.write_bytes(
        {"truncated": content[: len(content) // 2], "text": b"?", "empty": b""}[damage]
    )
    with pytest.raises(DatasetError, match=rf"{file}: expected a readable JPEG or PNG image, got"):
        load(tmp_path)


def test_missing_and_empty_folders_are_named(tmp_path: Path):
    images = tmp_path / "images"
    with pytest.raises(DatasetError, match=rf"{images}/train is missing; expected a folder that"):
        load(tmp_path)
    (images / "train/cat").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"train: expected at least 2 class folders, got 1"):
        load(tmp_path)
    (images / "train/dog").mkdir()
    with pytest.raises(DatasetError, match=r"train/cat: expected JPEG or PNG files .*, got none"):
        load(tmp_path)


def test_a_test_class_must_be_a_training_class(tmp_path: Path):
    write(tmp_path / "images")
    save(tmp_path / "images/val/cow/0.png", (0, 0, 0))
    with pytest.raises(DatasetError, match=r"val/cow: expected one of the 2 classes .*, got 'cow'"):
        load(tmp_path)


@pytest.mark.parametrize(("test", "needed"), [(None, 3), ("val", 2)])
def test_every_class_needs_an_image_for_each_split(tmp_path: Path, test: str | None, needed: int):
    write(tmp_path / "images", test=test)
    for i in range(needed - 1, 6):
        next((tmp_path / "images/train/dog").glob(f"{i}.*")).unlink()
    with pytest.raises(DatasetError, match=rf"at least {needed} .*, got {needed - 1} of 'dog'"):
        load(tmp_path)


def test_path_and_image_size_are_needed(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"expected data\.path, a folder with train/CLASS"):
        load_dataset("image_folder", path=None, search_fraction=0.5, seed=0, image_size=8)
    with pytest.raises(DatasetError, match=r"expected data\.image_size, .* got None"):
        load_dataset("image_folder", path=tmp_path, search_fraction=0.5, seed=0)
