"""Augmentation and preparation against plain NumPy, pixel by pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.data import augment, epoch_order, prepare

ZERO, ONE = np.zeros(1), np.ones(1)


def ramp(batch: int, height: int, width: int) -> np.ndarray:
    """Images in which every pixel is different and none is black."""
    pixels = 1 + np.arange(height * width).reshape(1, height, width, 1)
    return np.repeat(pixels, batch, axis=0).astype(np.uint8)


def test_preparing_at_the_same_resolution_only_normalises():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.25, 2.0])
    prepared = prepare(images, mean=mean, std=std, resolution=8)
    np.testing.assert_allclose(prepared, (images / 255.0 - mean) / std, rtol=1e-5, atol=1e-6)
    assert prepared.dtype == jnp.float32


def test_pixels_pass_exactly_when_nothing_is_asked():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    prepared = prepare(images, mean=ZERO, std=ONE / 255.0, resolution=16)
    assert np.array_equal(prepared, images)


def test_halving_weighs_neighbours_as_the_triangle_filter_does():
    """An interior output pixel sees 4 input pixels with weights 1/8, 3/8, 3/8, 1/8."""
    row = np.array([0, 0, 80, 160, 240, 40, 0, 0], dtype=np.uint8)
    images = np.broadcast_to(row[None, None, :, None], (1, 8, 8, 1))
    prepared = prepare(images, mean=ZERO, std=ONE / 255.0, resolution=4)
    assert prepared[0, 1, 1, 0] == pytest.approx((0 + 3 * 80 + 3 * 160 + 240) / 8, abs=1e-3)
    assert prepared[0, 1, 2, 0] == pytest.approx((160 + 3 * 240 + 3 * 40 + 0) / 8, abs=1e-3)


@pytest.mark.parametrize("resolution", [5, 12, 24])
def test_resizing_is_jax_image_resize(resolution: int):
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 20, 3), dtype=np.uint8)
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.4])
    normalised = ((images / 255.0 - mean) / std).astype(np.float32)
    shape = (2, resolution, resolution, 3)
    expected = jax.image.resize(normalised, shape, method="bilinear", antialias=True)
    prepared = prepare(images, mean=mean, std=std, resolution=resolution)
    np.testing.assert_allclose(prepared, expected, atol=2e-5)


def test_augmenting_with_nothing_is_the_identity():
    images = ramp(4, 8, 8)
    same = augment(jax.random.key(0), images, crop_padding=0, flip=False, cutout=0)
    assert np.array_equal(same, images)


def shifts(image: np.ndarray, padding: int, *, flip: bool) -> set[bytes]:
    """All crops of the padded image, mirrored or not."""
    height, width, _ = image.shape
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    crops = [
        padded[row : row + height, column : column + width]
        for row in range(2 * padding + 1)
        for column in range(2 * padding + 1)
    ]
    return {crop.tobytes() for crop in crops + [crop[:, ::-1] for crop in crops if flip]}


@pytest.mark.parametrize("flip", [False, True])
def test_every_crop_of_the_padded_image_occurs_and_nothing_else(flip: bool):
    images = ramp(2000, 6, 9)
    results = augment(jax.random.key(1), images, crop_padding=2, flip=flip, cutout=0)
    seen = {np.asarray(result).tobytes() for result in np.asarray(results)}
    assert seen == shifts(images[0], 2, flip=flip)
    assert len(seen) == (50 if flip else 25)


def test_half_of_the_images_are_mirrored():
    images = ramp(4000, 2, 3)
    results = np.asarray(augment(jax.random.key(2), images, crop_padding=0, flip=True, cutout=0))
    mirrored = (results == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (results == images).all(axis=(1, 2, 3))
    assert (mirrored | kept).all()
    assert 1800 < mirrored.sum() < 2200  # 6 standard deviations


@pytest.mark.parametrize("side", [1, 3, 4])
def test_cutout_blackens_one_square_centred_anywhere(side: int):
    height, width = 6, 8
    images = ramp(3000, height, width)
    results = np.asarray(
        augment(jax.random.key(3), images, crop_padding=0, flip=False, cutout=side)
    )
    seen = {(result[..., 0] == 0).tobytes() for result in results}
    expected: set[bytes] = set()
    for row in range(height):
        for column in range(width):
            square = np.zeros((height, width), dtype=np.bool_)
            top, left = row - side // 2, column - side // 2
            square[max(top, 0) : top + side, max(left, 0) : left + side] = True
            expected.add(square.tobytes())
    assert seen == expected
    untouched = results != 0
    assert np.array_equal(results[untouched], images[untouched])


def test_augmentation_follows_from_its_key():
    images = ramp(64, 8, 8)

    def run(seed: int) -> np.ndarray:
        key = jax.random.key(seed)
        return np.asarray(augment(key, images, crop_padding=2, flip=True, cutout=2))

    assert np.array_equal(run(5), run(5))
    assert not np.array_equal(run(5), run(6))


@pytest.mark.parametrize("options", [{"crop_padding": -1}, {"cutout": -1}])
def test_negative_sizes_are_refused(options: dict[str, int]):
    given_options = {"crop_padding": 0, "cutout": 0} | options
    with pytest.raises(ValueError, match="expected crop_padding and cutout of at least 0"):
        augment(jax.random.key(0), ramp(1, 4, 4), flip=False, **given_options)


@settings(max_examples=50)
@given(n=st.integers(0, 300), seed=st.integers(0, 2**40), epoch=st.integers(0, 10_000))
def test_an_epoch_visits_every_image_once_and_always_in_the_same_order(
    n: int, seed: int, epoch: int
):
    order = epoch_order(n, seed=seed, epoch=epoch)
    assert sorted(order.tolist()) == list(range(n))
    assert np.array_equal(order, epoch_order(n, seed=seed, epoch=epoch))


def test_epochs_and_seeds_have_different_orders():
    orders = {
        epoch_order(50, seed=seed, epoch=epoch).tobytes() for seed in range(4) for epoch in range(4)
    }
    assert len(orders) == 16


def test_a_negative_epoch_is_refused():
    with pytest.raises(ValueError, match="at least 0, got 5, 0 and -1"):
        epoch_order(5, seed=0, epoch=-1)
