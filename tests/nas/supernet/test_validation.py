"""Which networks are validated after every epoch."""

import numpy as np

from nas.supernet.validation import validated_networks
from search_spaces import MobileNetOptions, MobileNetSpace
from search_spaces.mobilenet import MobileNetStage

SPACE = MobileNetSpace(
    MobileNetOptions([MobileNetStage(16, 2), MobileNetStage(24, 2)]), (32, 32, 3), 10
)


def test_the_sample_is_spread_over_macs_in_ascending_order() -> None:
    found = validated_networks(SPACE, 4, seed=1)
    assert list(found) == ["largest", "smallest", "subnet1", "subnet2", "subnet3", "subnet4"]
    np.testing.assert_array_equal(found["largest"], SPACE.largest)
    np.testing.assert_array_equal(found["smallest"], SPACE.smallest)
    table = SPACE.cost_table(batch_size=1, dtype="float32")
    high, low, *macs = table.macs(np.stack(list(found.values()))).tolist()
    shares = [(one - low) / (high - low) for one in macs]
    np.testing.assert_allclose(shares, [1 / 8, 3 / 8, 5 / 8, 7 / 8], atol=1 / 64)


def test_the_sample_follows_from_the_seed() -> None:
    first, again, other = (validated_networks(SPACE, 4, seed=seed) for seed in (1, 1, 2))
    for name, genotype in first.items():
        np.testing.assert_array_equal(genotype, again[name])
    assert any((first[name] != other[name]).any() for name in first)
    assert list(validated_networks(SPACE, 0, seed=1)) == ["largest", "smallest"]
