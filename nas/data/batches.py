"""From uint8 images to a network's input: an epoch's order, augmentation, preparation.

The latter two are jitted and run on the device. Every image of a batch draws its own augmentation.
One gather reads the shifted and mirrored pixels of the whole batch; on XLA's CPU back end it was
faster than a vmapped `dynamic_slice`, one-hot matmuls and log-shifts.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int64, UInt8
from jaxtyping import Key as KeyArray


def epoch_order(n: int, *, seed: int, epoch: int) -> Int64[np.ndarray, " n"]:
    """The order in which an epoch visits n images.

    Computed from its arguments alone, so that training resumes at any step of any epoch.

    Raises:
        ValueError: If an argument is negative.
    """
    if min(n, seed, epoch) < 0:
        raise ValueError(f"expected n, seed and epoch of at least 0, got {n}, {seed} and {epoch}")
    return np.random.default_rng([seed, epoch]).permutation(n).astype(np.int64)


@partial(jax.jit, static_argnames="resolution")
def prepare(
    images: UInt8[Array | np.ndarray, "b h w c"],
    *,
    mean: Float[Array | np.ndarray, " c"],
    std: Float[Array | np.ndarray, " c"],
    resolution: int,
) -> Float[Array, "b {resolution} {resolution} c"]:
    """Normalises pixels and resizes them to a square, in float32.

    Resizing is bilinear and antialiased, as `jax.image.resize` does it; images that have the
    resolution already are not resampled.

    Args:
        images: Pixels 0..255.
        mean: Subtracted, of pixels scaled to 0..1 as in `Dataset`.
        std: Divided by, likewise.
        resolution: Side of the result in pixels; one compilation for each.
    """
    scale = 1.0 / (255.0 * jnp.asarray(std, jnp.float32))
    offset = jnp.asarray(mean, jnp.float32) / jnp.asarray(std, jnp.float32)
    pixels = jnp.asarray(images).astype(jnp.float32)
    batch, height, width, channels = images.shape
    if (height, width) != (resolution, resolution):
        pixels = jax.image.resize(
            pixels, (batch, resolution, resolution, channels), method="bilinear", antialias=True
        )
    return pixels * scale - offset


@partial(jax.jit, static_argnames=("crop_padding", "flip", "cutout"))
def augment(
    key: KeyArray[Array, ""],
    images: UInt8[Array | np.ndarray, "b h w c"],
    *,
    crop_padding: int,
    flip: bool,
    cutout: int,
) -> UInt8[Array, "b h w c"]:
    """Randomly shifts, mirrors and blots every image on its own.

    Args:
        key: A new one for every batch.
        images: Pixels 0..255; the shape is kept.
        crop_padding: Black border in pixels, from which a crop of the original size is taken at a
            uniformly drawn place; 0 for none.
        flip: Whether to mirror left and right with probability 1/2.
        cutout: Side in pixels of a black square, centred on a uniformly drawn pixel and clipped at
            the border (DeVries and Taylor, "Improved Regularization of Convolutional Neural
            Networks with Cutout", arXiv:1708.04552); 0 for none.

    Raises:
        ValueError: If `crop_padding` or `cutout` is negative.
    """
    if crop_padding < 0 or cutout < 0:
        raise ValueError(
            f"expected crop_padding and cutout of at least 0, got {crop_padding} and {cutout}"
        )
    images = jnp.asarray(images)
    batch, height, width, _ = images.shape
    key_shift, key_flip, key_cutout = jax.random.split(key, 3)
    if crop_padding or flip:
        shift = jax.random.randint(key_shift, (2, batch, 1), 0, 2 * crop_padding + 1)
        mirrored = jax.random.bernoulli(key_flip, 0.5 if flip else 0.0, (batch, 1))
        images = shifted(images, shift, mirrored, padding=crop_padding)
    if cutout:
        centre = jax.random.randint(
            key_cutout, (2, batch, 1), 0, jnp.array([height, width]).reshape(2, 1, 1)
        )
        first = centre - cutout // 2
        rows, columns = (
            (jnp.arange(size) >= start) & (jnp.arange(size) < start + cutout)
            for start, size in zip(first, (height, width), strict=True)
        )
        blotted = rows[:, :, None, None] & columns[:, None, :, None]
        images = jnp.where(blotted, jnp.uint8(0), images)
    return images


def shifted(
    images: UInt8[Array, "b h w c"],
    shift: Int[Array, "2 b 1"],
    mirrored: Bool[Array, "b 1"],
    *,
    padding: int,
) -> UInt8[Array, "b h w c"]:
    """Crops every padded image at its own row and column, and mirrors the crop where asked."""
    batch, height, width, _ = images.shape
    padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = jnp.where(mirrored, jnp.arange(width)[::-1], jnp.arange(width))
    image_index = jnp.arange(batch)[:, None, None]
    row_index = (shift[0] + jnp.arange(height))[:, :, None]
    column_index = (shift[1] + columns)[:, None, :]
    return padded.at[image_index, row_index, column_index].get(mode="promise_in_bounds")
