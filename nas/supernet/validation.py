"""Which networks are validated after every epoch of training."""

from __future__ import annotations

import numpy as np

from search_spaces import MacsSampler
from search_spaces.base import Genotype, SearchSpace

SAMPLED = "subnet"
"""What names of the sample begin with; a number follows."""


def validated_networks(space: SearchSpace, count: int, *, seed: int) -> dict[str, Genotype]:
    """The largest, the smallest, and a fixed sample of subnets, by name.

    The sample is `subnet1` to `subnetN` in ascending order of multiply-accumulates: one near the
    middle of each of `count` equal parts of the space's range.

    Args:
        space: What is drawn from.
        count: Subnets in the sample.
        seed: Decides the sample.
    """
    networks = {"largest": space.largest, "smallest": space.smallest}
    if count:
        rng = np.random.default_rng([seed, 3, 0])
        sampler = MacsSampler(space)
        low, high = sampler.macs_range
        for number in range(1, count + 1):
            target = low + (number - 0.5) / count * (high - low)
            networks[f"{SAMPLED}{number}"] = sampler.sample_near(target, 1, rng)[0]
    return networks
