"""Which images a space of square maps takes."""

from collections.abc import Sequence


def check_images(
    space: str, image_shape: tuple[int, int, int], resolutions: Sequence[int], *, shrink: int
) -> None:
    """Raises ValueError where images are not square, or a resolution leaves no map.

    Args:
        space: Its name, for the message.
        image_shape: `(height, width, channels)` of the data's images.
        resolutions: Input sizes in pixels.
        shrink: Product of the strides.
    """
    height, width, _ = image_shape
    if height != width:
        raise ValueError(f"space {space}: images must be square, got {height}x{width}")
    if min(resolutions) < shrink:
        raise ValueError(
            f"space.resolutions must be at least the product of the strides, {shrink}, "
            f"got {min(resolutions)}"
        )
