"""What holds for every data set, shown on the bundled digits; and the division into splits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from nas.data import DATASETS, Dataset, DatasetError, Split, load_dataset
from nas.data.dataset import channel_statistics, content_digest, stratified_holdout


def digits(*, search_fraction: float = 0.2, seed: int = 0) -> Dataset:
    return load_dataset("digits", path=None, search_fraction=search_fraction, seed=seed)


def rows(split: Split) -> list[bytes]:
    return [image.tobytes() for image in split.images]


def test_digits_are_divided_without_loss_or_overlap():
    dataset = digits()
    from sklearn.datasets import load_digits

    bundle = load_digits()
    original = np.rint(bundle.images * 255 / 16).astype(np.uint8)  # pyright: ignore
    parts = rows(dataset.train) + rows(dataset.search) + rows(dataset.test)
    assert sorted(parts) == sorted(image.tobytes() for image in original)
    assert len(set(parts)) == 1797  # no digit occurs twice, so no overlap either


def test_every_split_has_its_share_of_every_class():
    dataset = digits(search_fraction=0.25)
    test, search = np.bincount(dataset.test.labels), np.bincount(dataset.search.labels)
    train = np.bincount(dataset.train.labels)
    np.testing.assert_allclose(test, 0.2 * (train + search + test), atol=0.5)
    np.testing.assert_allclose(search, 0.25 * (train + search), atol=0.5)


def test_the_seed_moves_the_search_split_but_not_the_test_split():
    first, second = digits(seed=0), digits(seed=1)
    assert rows(first.test) == rows(second.test)
    assert rows(first.search) != rows(second.search)
    assert first.digest == second.digest
    assert rows(first.search) == rows(digits(seed=0).search)


def test_digits_span_the_whole_range():
    dataset = digits()
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.images.shape[1:] == (8, 8, 1)
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 255)
    assert dataset.classes == tuple("0123456789")


def test_mean_and_std_are_those_of_the_training_split():
    dataset = digits()
    pixels = dataset.train.images / 255.0
    np.testing.assert_allclose(dataset.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_statistics_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch):
    images = np.random.default_rng(0).integers(0, 256, (37, 5, 4, 3), dtype=np.uint8)
    whole = channel_statistics(images)
    monkeypatch.setattr("nas.data.dataset.CHUNK_BYTES", 130)
    np.testing.assert_array_equal(channel_statistics(images), whole)
    np.testing.assert_allclose(whole[1], (images / 255.0).std(axis=(0, 1, 2)), rtol=1e-12)


def test_a_channel_without_variation_has_unit_std():
    images = np.full((3, 4, 4, 2), 51, dtype=np.uint8)
    images[..., 1] = np.arange(48).reshape(3, 4, 4)
    mean, std = channel_statistics(images)
    assert mean[0] == pytest.approx(0.2)
    assert std[0] == 1.0
    assert std[1] < 1.0


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda half: half + half),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_a_holdout_takes_the_rounded_fraction_of_each_class(
    labels: list[int], fraction: float, seed: int
):
    array = np.array(labels, dtype=np.int32)
    mask = stratified_holdout(array, fraction=fraction, rng=np.random.default_rng(seed))
    for label in set(labels):
        count = labels.count(label)
        held_out = int(mask[array == label].sum())
        assert held_out == min(max(round(count * fraction), 1), count - 1)


def test_a_class_with_one_image_cannot_be_divided():
    with pytest.raises(ValueError, match=r"at least 2 images of class 1 .*, got 1"):
        stratified_holdout(
            np.array([0, 0, 1], dtype=np.int32), fraction=0.5, rng=np.random.default_rng(0)
        )


def test_the_digest_sees_pixels_labels_and_classes():
    images = np.zeros((4, 2, 2, 1), dtype=np.uint8)
    labels = np.zeros(4, dtype=np.int32)
    other_images, other_labels = images.copy(), labels.copy()
    other_images[3, 1, 1, 0], other_labels[3] = 1, 1
    digests = {
        content_digest(("a", "b"), [Split(images, labels), None]),
        content_digest(("a", "c"), [Split(images, labels), None]),
        content_digest(("a", "b"), [Split(other_images, labels), None]),
        content_digest(("a", "b"), [Split(images, other_labels), None]),
        content_digest(("a", "b"), [Split(images, labels), Split(images, labels)]),
    }
    assert len(digests) == 5


def test_a_split_needs_one_label_an_image():
    """Refused by the annotations where they are checked, by the class everywhere else."""
    with pytest.raises((ValueError, TypeCheckError)):
        Split(np.zeros((2, 1, 1, 1), dtype=np.uint8), np.zeros(3, dtype=np.int32))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DatasetError) as error:
        load_dataset("mnist", path=None, search_fraction=0.1, seed=0)
    assert str(error.value) == (
        "data.name: expected one of cifar10, cifar100, digits, fashion_mnist, image_folder,"
        " got 'mnist'"
    )


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_search_fraction_outside_0_and_1_is_refused(fraction: float):
    with pytest.raises(DatasetError, match=r"data\.search_fraction: expected between 0 and 1"):
        digits(search_fraction=fraction)


def test_digits_refuse_what_they_do_not_use(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"digits: expected no data\.path"):
        load_dataset("digits", path=tmp_path, search_fraction=0.1, seed=0)
    with pytest.raises(DatasetError, match=r"expected data\.image_size 8 or none, got 16"):
        load_dataset("digits", path=None, search_fraction=0.1, seed=0, image_size=16)


def test_listing_data_sets_loads_no_jax():
    program = "import sys, nas.data; assert nas.data.DATASETS; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert set(DATASETS) == {"digits", "cifar10", "cifar100", "fashion_mnist", "image_folder"}
