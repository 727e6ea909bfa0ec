"""What a space compiles, and that it is all: no subnet afterwards compiles anything."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.supernet.elastic import initial_weights
from nas.supernet.engine import BlockChain, distillation_loss
from nas.supernet.warm_up import Purpose, configurations, warm_up
from search_spaces import MobileNetOptions, MobileNetSpace
from search_spaces.mobilenet import MobileNetStage
from tests.nas.supernet import tiny
from tests.nas.supernet.compilations import counted_compilations

PURPOSES: tuple[Purpose, ...] = ("training", "evaluation")


def test_a_new_subnet_compiles_nothing_once_the_blocks_are_warm() -> None:
    made = tiny.small_space()
    chain = BlockChain()
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(made))
    found = configurations(made, weights)
    # Stem, head, and two kernel sizes of: both blocks of stage 1, which are alike, and each of
    # stage 2.
    assert len(found) == 2 + 2 * 3
    for purpose in PURPOSES:
        warm_up(chain, found, weights, batch_size=4, purpose=purpose)
    images = jnp.asarray(np.random.default_rng(0).standard_normal((4, 8, 8, 1)), jnp.float32)

    def use(genotype: np.ndarray) -> None:
        architecture = made.decode(genotype)
        logits, tape = chain.forward(weights, architecture, images)
        _, d_logits = distillation_loss(logits, jax.nn.softmax(logits))
        chain.backward(tape, d_logits, jax.tree.map(jnp.zeros_like, weights))
        statistics = chain.calibrate(weights, architecture, [images, images])
        chain.infer(weights, architecture, statistics, images).block_until_ready()

    use(made.largest)
    sampled = np.unique(made.sample(200, np.random.default_rng(0)), axis=0)[-30:]
    with counted_compilations() as compiled:
        for genotype in sampled:
            use(genotype)
        assert compiled == []
        jax.jit(lambda x: x * 2.345)(images)
    assert compiled  # the count counts
    assert len(sampled) == 30


def once_for_all(depths: list[int]) -> MobileNetSpace:
    """Cai et al., ICLR 2020, section 4.1, on images of 32x32: the first strides are 1."""
    stages = [
        MobileNetStage(24, 1),
        MobileNetStage(40, 2, squeeze_excite=True),
        MobileNetStage(80, 2, "hard_swish"),
        MobileNetStage(112, 1, "hard_swish", squeeze_excite=True),
        MobileNetStage(160, 2, "hard_swish", squeeze_excite=True),
    ]
    options = MobileNetOptions(
        stages=stages,
        stem_width=16,
        head_width=960,
        feature_width=1280,
        kernel_sizes=[3, 5, 7],
        expand_ratios=[3.0, 4.0, 6.0],
        depths=depths,
        width_multipliers=[1.0],
        resolutions=[32],
    )
    return MobileNetSpace(options, (32, 32, 3), 10)


def test_once_for_alls_space_is_at_most_190_compilations_whatever_its_depth() -> None:
    counts: list[int] = []
    for depths in ([2, 3, 4], [2, 8]):
        made = once_for_all(depths)
        weights = jax.eval_shape(lambda made=made: initial_weights(made, seed=0))
        counts.append(len(configurations(made, weights)))
    # Stem, head, and nine blocks that a stage begins with and nine that it goes on with.
    assert counts == [2 + 5 * 2 * 9] * 2
    forward_and_backward = 2
    assert counts[0] * forward_and_backward <= 190


def test_some_networks_have_the_configurations_of_their_blocks() -> None:
    made = tiny.small_space()
    weights = jax.eval_shape(lambda: initial_weights(made, seed=0))
    found = configurations(made, weights, [made.largest, made.smallest])
    # Their kernels are 5 and 3: nothing in common but stem and head. The largest has two blocks in
    # each stage, those of the first alike.
    assert [one.place for one in found if one.first or one.last] == ["stem", "head"]
    kernels = [getattr(one.compiled, "kernel", 0) for one in found[1:-1]]
    assert sorted(kernels) == [3, 3, 5, 5, 5]


def test_progress_is_told_and_what_does_not_compile_is_raised() -> None:
    made = tiny.small_space(kernel_sizes=[3], depths=[1], stages=tiny.STAGES[:1])
    weights = jax.eval_shape(lambda: initial_weights(made, seed=0))
    found = configurations(made, weights)
    told: list[tuple[int, int]] = []
    warm_up(
        BlockChain(),
        found,
        weights,
        batch_size=2,
        purpose="evaluation",
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, 3) for done in range(4)]
    weights["head"] = weights["stem"]
    with pytest.raises(KeyError):
        warm_up(BlockChain(), found, weights, batch_size=2, purpose="training")
