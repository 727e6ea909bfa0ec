"""The mobilenet space: laws of genotypes, costs by hand and as published, bad options."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from search_spaces import Architecture, MobileNetOptions, MobileNetSpace
from search_spaces.base import cardinalities
from search_spaces.channels import round_channels
from search_spaces.mobilenet import (
    InvertedResidual,
    MobileNetStage,
)
from tests.search_spaces.published import mobilenet_v3_large
from tests.search_spaces.strategies import spaces, spaces_and_genotypes


def space(**options: Any) -> MobileNetSpace:
    stages = [MobileNetStage(8, 1), MobileNetStage(16, 2, "hard_swish", squeeze_excite=True)]
    given_options: dict[str, Any] = {
        "stages": stages,
        "stem_width": 8,
        "head_width": 16,
        "feature_width": 16,
        "kernel_sizes": [3, 5],
        "expand_ratios": [1.0, 2.0],
        "depths": [1, 2],
        **options,
    }
    return MobileNetSpace(MobileNetOptions(**given_options), (8, 8, 1), 10)


@given(spaces_and_genotypes())
def test_a_decoded_network_stays_in_the_space(case: tuple[MobileNetSpace, np.ndarray]) -> None:
    made, genotype = case
    architecture = made.decode(genotype)
    values: dict[str, Any] = {
        decision.name: decision.options[option]
        for decision, option in zip(made.decisions, genotype, strict=True)
    }
    options = made.options
    blocks = dict(zip(architecture.slots, architecture.blocks, strict=True))
    assert architecture.input_shape[0] == values["resolution"]
    expected = {"stem", "head"}
    for position, stage in enumerate(options.stages, start=1):
        width = round_channels(stage.width * values["width"])
        for number in range(1, int(values[f"stage{position}.depth"]) + 1):
            name = f"stage{position}.block{number}"
            expected.add(name)
            block = blocks[name]
            assert isinstance(block, InvertedResidual)
            assert block.kernel == values[f"{name}.kernel"]
            assert block.stride == (stage.stride if number == 1 else 1)
            assert block.out_channels == width
            ratio = values[f"{name}.expand"]
            assert block.expanded_channels == round_channels(block.in_channels * ratio)
            assert (block.squeeze_channels > 0) == stage.squeeze_excite
    assert set(blocks) == expected


@given(spaces_and_genotypes())
def test_a_decoded_chain_fits_together(case: tuple[MobileNetSpace, np.ndarray]) -> None:
    made, genotype = case
    architecture = made.decode(genotype)
    workload = made.workload(architecture, batch_size=2, dtype="float32")
    strides = [made.options.stem_stride, *(stage.stride for stage in made.options.stages)]
    size = architecture.input_shape[0]
    for stride in strides:
        size = math.ceil(size / stride)
    assert workload.ops[-1].output_shape == (2, 10)
    pool = next(op for op in reversed(workload.ops) if op.kind == "pool")
    assert pool.input_shapes[0][1:3] == (size, size)


@given(spaces_and_genotypes())
def test_canonical_genotypes_name_the_same_network_and_are_fixed(
    case: tuple[MobileNetSpace, np.ndarray],
) -> None:
    made, genotype = case
    (canonical,) = made.canonical(genotype[None])
    assert made.decode(canonical) == made.decode(genotype)
    np.testing.assert_array_equal(made.canonical(canonical[None])[0], canonical)


@given(spaces_and_genotypes())
def test_encoding_a_decoded_network_gives_its_canonical_genotype(
    case: tuple[MobileNetSpace, np.ndarray],
) -> None:
    made, genotype = case
    np.testing.assert_array_equal(
        made.encode(made.decode(genotype)), made.canonical(genotype[None])[0]
    )


@given(spaces_and_genotypes())
def test_an_architecture_survives_json(case: tuple[MobileNetSpace, np.ndarray]) -> None:
    made, genotype = case
    architecture = made.decode(genotype)
    assert Architecture.from_json(architecture.to_json()) == architecture


@given(spaces())
@settings(max_examples=15)
def test_the_cost_table_costs_what_the_decoded_networks_cost(made: MobileNetSpace) -> None:
    genotypes = made.sample(8, np.random.default_rng(0))
    table = made.cost_table(batch_size=3, dtype="float32")
    workloads = [
        made.workload(made.decode(genotype), batch_size=3, dtype="float32")
        for genotype in genotypes
    ]
    np.testing.assert_array_equal(table.flops(genotypes), [w.flops for w in workloads])
    np.testing.assert_array_equal(table.macs(genotypes), [w.macs for w in workloads])
    np.testing.assert_array_equal(table.params(genotypes), [w.params for w in workloads])


@given(spaces())
@settings(max_examples=15)
def test_no_network_costs_less_than_the_smallest_or_more_than_the_largest(
    made: MobileNetSpace,
) -> None:
    genotypes = np.stack([made.smallest, *made.sample(8, np.random.default_rng(0)), made.largest])
    flops = made.cost_table(batch_size=1, dtype="float32").flops(genotypes)
    assert flops.min() == flops[0]
    assert flops.max() == flops[-1]


def test_every_option_is_sampled_about_equally_often() -> None:
    made = space(width_multipliers=[0.5, 1.0, 1.5])
    genotypes = made.sample(3000, np.random.default_rng(0))
    width = np.bincount(genotypes[:, 1])
    np.testing.assert_allclose(width, 1000, atol=4 * math.sqrt(3000 * 2 / 9))
    np.testing.assert_array_equal(genotypes, made.canonical(genotypes))
    assert (genotypes < cardinalities(made.decisions)).all()


def test_costs_of_a_small_network_equal_the_hand_worked_ones() -> None:
    made = MobileNetSpace(
        MobileNetOptions(
            stages=[MobileNetStage(8, 2)],
            stem_width=8,
            head_width=16,
            feature_width=16,
            kernel_sizes=[3],
            expand_ratios=[2.0],
            depths=[1],
        ),
        (8, 8, 1),
        10,
    )
    workload = made.workload(made.decode(made.largest), batch_size=1, dtype="float32")
    # 8x8: conv 3x3 1->8, depthwise 3x3, 1x1 8->8; expand 8->16, depthwise 3x3 to 4x4;
    # 4x4: project 16->8, head 8->16; then features 16->16, classifier 16->10.
    stem = [64 * 8 * 9, 64 * 8 * 9, 64 * 8 * 8]
    block = [64 * 16 * 8, 16 * 16 * 9, 16 * 8 * 16]
    head = [16 * 16 * 8, 16 * 16, 16 * 10]
    assert workload.macs == sum(stem + block + head) == 28_320
    kernels = [72, 72, 64, 128, 144, 128, 128, 256, 160]
    norms = 2 * (8 + 8 + 8 + 16 + 16 + 8 + 16)
    assert workload.params == sum(kernels) + norms + 10 == 1_322
    # Besides, an element: two for a norm, one for the pool and the addition; ten biases.
    norms = 2 * (64 * (8 + 8 + 8 + 16) + 16 * (16 + 8 + 16))
    activations = sum(op.flops for op in workload.ops if op.kind == "activation")
    assert workload.flops == 2 * 28_320 + norms + 16 * 16 + 64 * 8 + 10 + activations


def test_squeeze_excite_costs_two_small_layers_with_bias() -> None:
    shape = (1, 4, 4, 8)
    plain = InvertedResidual(8, 32, 8, 3, 1, "relu", 0)
    gated = InvertedResidual(8, 32, 8, 3, 1, "relu", 8)
    params = [sum(op.params for op in b.ops(shape, dtype="float32")) for b in (plain, gated)]
    assert params[1] - params[0] == (32 * 8 + 8) + (8 * 32 + 32)


def test_mobilenet_v3_large_has_its_published_size() -> None:
    # torchvision's mobilenet_v3_large has 5,483,032 parameters, 1,280 of which are the bias of the
    # feature layer that the paper's network and this head do without. The paper has 219 million
    # MACs, its authors' table of trained networks (in Keras's documentation) 217 million.
    workload = mobilenet_v3_large().workload(batch_size=1, dtype="float32")
    assert workload.params == 5_483_032 - 1_280
    assert round(workload.macs / 1e6) == 217


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(1, 8), (11.9, 16), (12, 16), (20, 24), (36, 40), (17.6, 16), (18, 24)],
)
def test_channels_round_to_multiples_of_eight(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": []}, r"space\.stages must have at least one stage"),
        ({"kernel_sizes": []}, r"space\.kernel_sizes must have at least one option"),
        ({"kernel_sizes": [3, 4]}, r"space\.kernel_sizes must be odd, got \[3, 4\]"),
        ({"kernel_sizes": [5, 3]}, r"space\.kernel_sizes must be positive and ascending"),
        ({"depths": [0, 1]}, r"space\.depths must be positive and ascending, got \[0, 1\]"),
        ({"expand_ratios": [2.0, 2.0]}, r"space\.expand_ratios must be positive and ascending"),
        ({"stem_width": 0}, r"space\.stem_width must be at least 1, got 0"),
        ({"stages": [MobileNetStage(0, 1)]}, r"space\.stages\.0\.width must be at least 1, got 0"),
        ({"resolutions": [1, 8]}, r"at least the product of the strides, 2, got 1"),
        ({"width_multipliers": [0.9, 1.0]}, r"space\.width_multipliers: .* round to the same"),
        (
            {"expand_ratios": [1.0, 1.1]},
            r"space\.expand_ratios: .* of 8 channels round to \[8, 8\]",
        ),
    ],
)
def test_options_that_name_no_space_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space(**options)


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="images must be square, got 8x6"):
        MobileNetSpace(space().options, (8, 6, 1), 10)


def test_a_genotype_outside_the_space_is_refused_by_the_decisions_name() -> None:
    made = space()
    wrong = made.largest.copy()
    wrong[4] += 1
    with pytest.raises(ValueError, match=r"stage1\.block1\.expand must be from 0 to 1, got 2"):
        made.decode(wrong)
    with pytest.raises(ValueError, match=r"expected 12 integers, got int64 \(11,\)"):
        made.decode(made.largest[:-1])
    with pytest.raises(ValueError, match="stage1"):
        made.canonical(wrong[None])


def test_a_network_of_another_space_is_refused() -> None:
    foreign = space(kernel_sizes=[3, 5, 7])
    with pytest.raises(ValueError, match=r"stage1\.block1 is not of this space: .*kernel=7"):
        space().encode(foreign.decode(foreign.largest))
    longer = space(depths=[1, 2, 3])
    with pytest.raises(ValueError, match="not of this space"):
        space().encode(longer.decode(longer.largest))
    larger = MobileNetSpace(space().options, (16, 16, 1), 10)
    with pytest.raises(ValueError, match="not of this space"):
        space().encode(larger.decode(larger.largest))
