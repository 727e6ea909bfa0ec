"""How surely an accuracy is known from so many images."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(correct: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share, from how many of how many it was counted.

    The score interval: it stays within 0 to 1 and holds its confidence near both ends and for few
    images, where the usual one about the mean does not.

    Reference: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    JASA 22(158), 1927; compared with others in Newcombe, Statistics in Medicine 17(8), 1998.

    Raises:
        ValueError: If there are none, or more correct ones than there are.
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"expected 0 <= correct <= total, total > 0, got {correct} of {total}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = correct / total, z * z / total
    centre = share + weight / 2
    half = z * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max((centre - half) / (1 + weight), 0.0), min((centre + half) / (1 + weight), 1.0)
