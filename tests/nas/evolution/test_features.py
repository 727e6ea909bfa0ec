"""What a surrogate sees of networks, against what their operators say."""

from collections import Counter

import numpy as np
import pytest

from latency_models import Op, activation, add, conv2d, linear, pool
from latency_models.tensor_operators import fill
from nas.evolution.features import SpaceFeatures, block_structure, option_codes
from search_spaces.base import Decision
from search_spaces.nasbench201_cell import NasBench201Cell
from tests.nas.evolution.spaces import GridSpace

SHAPE = (1, 8, 8, 4)


def conv(kernel: int, *inputs: int) -> Op:
    return conv2d("c", SHAPE, out_channels=4, kernel=kernel, dtype="float32", inputs=inputs)


def cell(*operations: str, as_written: bool) -> tuple[Op, ...]:
    text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*operations)
    return NasBench201Cell(4, text, as_written).ops(SHAPE, dtype="float32")


def test_a_residual_block_has_a_short_and_a_long_way() -> None:
    ops = (
        conv(3, -1),
        activation("a", SHAPE, function="relu", dtype="float32", inputs=(0,)),
        conv(1, 1),
        add("s", SHAPE, dtype="float32", inputs=(2, -1)),
    )
    found = block_structure(ops)
    assert found.operators == Counter({"conv3": 1, "conv1": 1})
    assert found.paths == Counter({("conv3", "conv1"): 1, (): 1})
    # Two convolutions or none, 3x3 and 1x1; two ways.
    assert found.shape == (2, 0, 1, 2, 2, 0)


def test_like_branches_are_counted_together() -> None:
    ops = (conv(3, -1), conv(3, -1), add("s", SHAPE, dtype="float32", inputs=(0, 1)), conv(3, 2))
    assert block_structure(ops).paths == Counter({("conv3", "conv3"): 2})


def test_what_nobody_reads_and_what_is_constant_does_not_count() -> None:
    ops = (
        conv(5, -1),
        fill("z", SHAPE, dtype="float32", inputs=(-1,)),
        conv(3, -1),
        add("s", SHAPE, dtype="float32", inputs=(1, 2)),
    )
    found = block_structure(ops)
    assert found.operators == Counter({"conv3": 1})
    assert found.paths == Counter({("conv3",): 1})


def test_a_block_that_hands_its_input_on_is_one_empty_way() -> None:
    assert block_structure(()).paths == Counter({(): 1})
    assert block_structure(()).shape == (0, 0, 0, 0, 1, 0)


def test_a_constant_block_has_no_way() -> None:
    found = block_structure((fill("z", SHAPE, dtype="float32", inputs=(-1,)),))
    assert not found.paths
    assert found.shape == (0, 0, 0, 0, 0, 1)


def test_cells_are_the_same_as_written_and_as_compiled() -> None:
    operations = ("nor_conv_3x3", "none", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "none")
    written = block_structure(cell(*operations, as_written=True))
    compiled = block_structure(cell(*operations, as_written=False))
    # Ways that reach the output: node 0 to 1 to 3, and 0 to 3; the pooling leads to a dead end.
    assert written.paths == Counter({("conv3", "conv1"): 1, (): 1})
    assert (compiled.paths, compiled.operators) == (written.paths, written.operators)


def test_options_that_are_numbers_are_as_far_apart_as_their_steps() -> None:
    codes = option_codes(Decision("depth", (2, 3, 4)))
    distances = np.square(codes[:, None] - codes).sum(axis=2)
    np.testing.assert_array_equal(distances, [[0, 1, 2], [1, 0, 1], [2, 1, 0]])


def test_options_that_are_names_are_equally_far_apart() -> None:
    codes = option_codes(Decision("edge", ("none", "skip", "conv")))
    distances = np.square(codes[:, None] - codes).sum(axis=2)
    np.testing.assert_array_equal(distances, [[0, 2, 2], [2, 0, 2], [2, 2, 0]])


def test_groups_that_vary_have_a_mean_squared_distance_of_two() -> None:
    space = GridSpace(3, 4, 3, 5)
    features = SpaceFeatures(space)
    found = features(space.sample(4096, np.random.default_rng(5)))
    assert found.shape == (4096, sum(features.widths))
    spreads = [
        float(group.var(axis=0).sum())
        for group in np.split(found, np.cumsum(features.widths)[:-1], axis=1)
    ]
    # Every network is a chain of as many layers: only options and sizes vary.
    assert spreads == pytest.approx([1, 0, 0, 0, 1], abs=0.05)


def test_sizes_are_logarithms_of_parameters_and_of_multiply_accumulates() -> None:
    space = GridSpace(2, 2)
    sizes = SpaceFeatures(space)(np.array([[0, 0], [1, 0], [1, 1]]))[:, -2:]
    # A layer of 4 or 5 outputs from 4 inputs: 20 or 25 parameters with biases, 16 or 20 products.
    params = np.log([40, 45, 50])
    macs = np.log([32, 36, 40])
    steps = np.diff(sizes, axis=0)
    ratio = steps / np.diff(np.stack([params, macs], axis=1), axis=0)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_pooling_and_linear_layers_are_on_ways() -> None:
    ops = (
        pool("p", SHAPE, kernel=3, dtype="float32", inputs=(-1,)),
        linear("l", SHAPE, out_features=4, dtype="float32", inputs=(0,)),
    )
    found = block_structure(ops)
    assert found.paths == Counter({("pool3", "linear1"): 1})
    # Of the two only the linear layer has weights.
    assert found.shape == (1, 1, 1, 2, 1, 0)
