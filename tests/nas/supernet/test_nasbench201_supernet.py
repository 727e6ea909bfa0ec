"""NAS-Bench-201's cells with shared weights: one compiled template for all of them."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.supernet.elastic import Weights, cut_network
from nas.supernet.engine import BlockChain, distillation_loss
from nas.supernet.standalone import subnet
from nas.supernet.warm_up import Purpose, configurations, warm_up
from search_spaces import Architecture, NasBench201Options, NasBench201Space
from search_spaces.nasbench201_cell import read_cells
from tests.nas.supernet import tiny
from tests.nas.supernet.compilations import counted_compilations
from tests.nas.supernet.executed import assert_subnet_equals_standalone

SPACE = NasBench201Space(NasBench201Options(widths=[4], cells=2), (4, 4, 3), 10)
CHAIN = BlockChain()
PURPOSES: tuple[Purpose, ...] = ("training", "evaluation")

# Every operation, and an edge that leads nowhere.
MIXED = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|none~2|"
DISCONNECTED = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|avg_pool_3x3~2|"
DENSE = "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|skip_connect~1|nor_conv_3x3~2|"


@cache
def shared_weights() -> Weights:
    return tiny.random_weights(SPACE)


def architecture(text: str, space: NasBench201Space = SPACE) -> Architecture:
    return space.decode(read_cells([text])[0])


@pytest.mark.parametrize("text", [MIXED, DISCONNECTED, DENSE])
def test_the_executed_subnet_equals_the_standalone_network(text: str) -> None:
    assert_subnet_equals_standalone(CHAIN, architecture(text), shared_weights())


def test_as_written_edges_that_lead_nowhere_run_too() -> None:
    made = architecture(DISCONNECTED, SPACE.as_written)
    cut = cut_network(shared_weights(), made)["blocks"]
    assert list(cut["stage1.cell1"]["convs"]) == ["node1_from0_nor_conv_3x3"]
    assert_subnet_equals_standalone(CHAIN, made, shared_weights())


@pytest.mark.slow
@given(st.tuples(*[st.integers(0, 4)] * 6).map(np.array))
@settings(max_examples=20)
def test_many_executed_subnets_equal_their_standalone_networks(genotype: np.ndarray) -> None:
    assert_subnet_equals_standalone(CHAIN, SPACE.decode(genotype), shared_weights())


def test_a_cell_takes_the_weights_and_statistics_of_its_edges_operations() -> None:
    weights, made = shared_weights(), architecture(MIXED)
    images = jnp.asarray(np.random.default_rng(0).standard_normal((5, 4, 4, 3)), jnp.float32)
    network = subnet(weights, made, CHAIN.calibrate(weights, made, [images, images]))
    names = ["node1_from0_nor_conv_3x3", "node3_from0_nor_conv_1x1"]
    for place in ("stage1.cell1", "stage1.cell2"):
        assert len(weights[place]["block"]["convs"]) == 6 * 2
        assert sorted(network.params[place]["convs"]) == names
        assert sorted(network.statistics[place]["convs"]) == names
        for name in names:
            jax.tree.map(
                np.testing.assert_array_equal,
                network.params[place]["convs"][name],
                weights[place]["block"]["convs"][name],
            )
    inferred = CHAIN.infer(weights, made, network.statistics, images)
    shipped = jax.jit(network.function())(images)
    np.testing.assert_allclose(shipped, inferred, rtol=1e-4, atol=1e-4)


def test_a_new_cell_compiles_nothing_once_the_templates_are_warm() -> None:
    made, chain = SPACE, BlockChain()
    weights = jax.tree.map(jnp.asarray, shared_weights())
    found = configurations(made, weights)
    # The stem, one template for both places of a cell, the head.
    assert len(found) == 3
    for purpose in PURPOSES:
        warm_up(chain, found, weights, batch_size=4, purpose=purpose)
    images = jnp.asarray(np.random.default_rng(0).standard_normal((4, 4, 4, 3)), jnp.float32)

    def use(genotype: np.ndarray) -> Any:
        architecture = made.decode(genotype)
        logits, tape = chain.forward(weights, architecture, images)
        _, d_logits = distillation_loss(logits, jax.nn.softmax(logits))
        chain.backward(tape, d_logits, jax.tree.map(jnp.zeros_like, weights))
        statistics = chain.calibrate(weights, architecture, [images, images])
        chain.infer(weights, architecture, statistics, images).block_until_ready()

    use(made.largest)
    sampled = np.unique(made.sample(40, np.random.default_rng(0)), axis=0)
    with counted_compilations() as compiled:
        for genotype in sampled:
            use(genotype)
    assert compiled == []
    assert len(sampled) > 30
