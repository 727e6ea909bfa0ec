"""Data that are not there, not whole, or not of the space's size."""

from pathlib import Path

import pytest
from PIL import Image

from nas.doctor.check import Check
from nas.doctor.data import check_data, check_trackers
from tests.nas.doctor.configs import config


def only(**sections: object) -> Check:
    (found,) = check_data(config(**sections))
    return found


def test_whole_data_are_counted():
    # scikit-learn's digits are 1797; a fifth of each class is the test split.
    data, space = check_data(config())
    assert (data.state, space.state) == ("ok", "ok")
    assert data.found.startswith("digits: ")
    assert sum(int(word) for word in data.found.split() if word.isdigit()) == 1797
    assert space.found == "mobilenet, of images 8x8"


def test_a_path_that_is_missing_is_told():
    found = only(data={"name": "cifar10"})
    assert found.state == "fail"
    assert "expected data.path, got none" in found.found


def test_a_path_that_does_not_exist_is_told(tmp_path: Path):
    found = only(data={"name": "cifar10", "path": str(tmp_path / "none")})
    assert found.state == "fail"
    assert f"{tmp_path}/none/data_batch_1.bin is missing" in found.found


def test_a_file_that_is_cut_short_is_told(tmp_path: Path):
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3073))
    found = only(data={"name": "cifar10", "path": str(tmp_path)})
    assert found.state == "fail"
    assert "expected 30730000 bytes (10000 records of 3073), got 3073" in found.found


def test_images_in_folders_are_counted_and_not_decoded(tmp_path: Path):
    for split, classes in {"train": "ab", "val": "ab"}.items():
        for name in classes:
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "0.png").write_bytes(b"no image")
    data = {"name": "image_folder", "path": str(tmp_path), "image_size": 8}
    assert next(check_data(config(data=data))).found == "image_folder: 2 train, 2 test files"
    (tmp_path / "val/c").mkdir()
    assert "expected one of the 2 classes in train, got 'c'" in only(data=data).found


def test_images_that_do_not_fit_the_space_are_told(tmp_path: Path):
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "train" / name / "0.png")
    data = {"name": "image_folder", "path": str(tmp_path), "image_size": 8}
    stages = [{"width": 16, "stride": 2}] * 4
    space = {"stages": stages, "resolutions": [8]}
    _, found = check_data(config(data=data, space=space))
    assert (found.name, found.state) == ("space", "fail")
    assert found.advice == "change the space's options, or data.image_size"


def test_a_tracker_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch):
    from nas.tracking import opening

    monkeypatch.setitem(opening.PACKAGES, "tensorboard", "no_such_module_anywhere")
    (found,) = check_trackers(config(tracking={"tensorboard": True}))
    assert found.state == "fail"
    assert found.advice.startswith("pip install 'ridgeline-nas[tensorboard]'")
    assert list(check_trackers(config())) == []
