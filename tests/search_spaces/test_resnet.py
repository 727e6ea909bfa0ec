"""The resnet space: laws of genotypes, costs by hand and as published, bad options."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from search_spaces import Architecture, ResNetOptions, ResNetSpace
from search_spaces.base import cardinalities
from search_spaces.channels import round_channels
from search_spaces.resnet import ResNetStage
from search_spaces.resnet_blocks import ResNetBottleneck, ResNetConv
from tests.search_spaces.published import resnet50
from tests.search_spaces.strategies import resnet_spaces_and_genotypes

PUBLISHED = ResNetSpace(ResNetOptions(), (224, 224, 3), 1000)


def space(**options: Any) -> ResNetSpace:
    chosen: dict[str, Any] = {
        "stages": [ResNetStage(64, 1, 2)],
        "stem_width": 32,
        "stem_stride": 1,
        "stem_pool": False,
        "extra_depths": [0, 1],
        "expand_ratios": [0.25, 0.5],
        "width_multipliers": [0.5, 1.0],
        **options,
    }
    return ResNetSpace(ResNetOptions(**chosen), (8, 8, 3), 10)


def genotype(made: ResNetSpace, **options: Any) -> np.ndarray:
    """By decision name, with `_` for `.`; decisions that are not named take their last option."""
    chosen = made.largest
    names = [decision.name.replace(".", "_") for decision in made.decisions]
    for name, option in options.items():
        column = names.index(name)
        chosen[column] = made.decisions[column].options.index(option)
    return chosen


@given(resnet_spaces_and_genotypes())
def test_a_decoded_network_stays_in_the_space(case: tuple[ResNetSpace, np.ndarray]) -> None:
    made, drawn = case
    architecture = made.decode(drawn)
    values: dict[str, Any] = {
        decision.name: decision.options[option]
        for decision, option in zip(made.decisions, drawn, strict=True)
    }
    blocks: dict[str, Any] = dict(zip(architecture.slots, architecture.blocks, strict=True))
    assert architecture.input_shape[0] == values["resolution"]
    expected = {"stem.conv", "stem.project", "head"}
    if values["stem.block"] == "conv":
        expected.add("stem.block")
        assert blocks["stem.block"].has_identity
    channels = round_channels(made.options.stem_width * values["stem.width"])
    assert blocks["stem.project"].out_channels == channels
    for position, stage in enumerate(made.options.stages, start=1):
        width = round_channels(stage.width * values[f"stage{position}.width"])
        for number in range(1, int(values[f"stage{position}.depth"]) + 1):
            name = f"stage{position}.block{number}"
            expected.add(name)
            block = blocks[name]
            assert block.stride == (stage.stride if number == 1 else 1)
            assert block.shortcut == ("pool_conv" if number == 1 else "identity")
            assert (block.in_channels, block.out_channels) == (channels, width)
            assert block.inner_channels == round_channels(width * values[f"{name}.expand"])
            channels = width
    assert set(blocks) == expected


@given(resnet_spaces_and_genotypes())
def test_a_decoded_chain_fits_together_and_encodes_back(
    case: tuple[ResNetSpace, np.ndarray],
) -> None:
    made, drawn = case
    architecture = made.decode(drawn)
    size = architecture.input_shape[0]
    pool = [2] if made.options.stem_pool else []
    for stride in [made.options.stem_stride, *pool, *(s.stride for s in made.options.stages)]:
        size = math.ceil(size / stride)
    workload = made.workload(architecture, batch_size=2, dtype="float32")
    assert workload.ops[-1].output_shape == (2, 10)
    assert workload.ops[-2].input_shapes[0][1:3] == (size, size)
    np.testing.assert_array_equal(made.encode(architecture), made.canonical(drawn[None])[0])
    table = made.cost_table(batch_size=2, dtype="float32")
    assert table.workload(drawn) == workload


def test_a_small_space_has_its_hand_counted_networks() -> None:
    # Inner and outer width of the stem, its block, the stage's width; then one block with two
    # expand ratios or two blocks with two each.
    made = space()
    counts = cardinalities(made.decisions)
    every = np.array(list(itertools.product(*map(range, counts))), np.int64)
    assert len(every) == 2 * 2 * 2 * 2 * 2 * 2 * 2
    networks = np.unique(made.canonical(every), axis=0)
    assert len(networks) == 2 * 2 * 2 * 2 * (2 + 4) == 96
    assert len({made.decode(network) for network in networks}) == 96


def test_the_published_space_has_the_published_decisions() -> None:
    # Once-for-All's code: [2, 2, 4, 2] blocks and up to two more, 18 expand ratios and four depths
    # of three options, six widths; 32 * 0.65 and 32 * 0.8 channels both round to 24.
    options = {decision.name: decision.options for decision in PUBLISHED.decisions}
    expands = [name for name in options if name.endswith(".expand")]
    assert len(expands) == 18
    assert {options[name] for name in expands} == {(0.2, 0.25, 0.35)}
    depths = [options[f"stage{number}.depth"] for number in range(1, 5)]
    assert depths == [(2, 3, 4), (2, 3, 4), (4, 5, 6), (2, 3, 4)]
    widths = [options[f"{part}.width"] for part in ("stem", *(f"stage{i}" for i in range(1, 5)))]
    assert widths == [(0.65, 0.8, 1.0)] * 5
    assert options["stem.inner_width"] == (0.65, 1.0)
    assert options["stem.block"] == ("skip", "conv")
    assert len(options) == 18 + 4 + 5 + 3


def test_channels_are_the_published_ones() -> None:
    # 64 * 0.65 = 41.6, 256 * 0.65 = 166.4, 0.35 * 168 = 58.8 and so on, to the nearest multiple of
    # 8; but 0.2 * 168 = 33.6 goes down to 32.
    small = PUBLISHED.decode(PUBLISHED.smallest)
    blocks: dict[str, Any] = dict(zip(small.slots, small.blocks, strict=True))
    assert "stem.block" not in blocks
    assert blocks["stem.conv"] == ResNetConv(3, 24, 3, 2, False, False)
    assert blocks["stem.project"] == ResNetConv(24, 40, 3, 1, False, True)
    assert blocks["stage1.block1"] == ResNetBottleneck(40, 32, 168, 1, "pool_conv")
    assert blocks["stage1.block2"] == ResNetBottleneck(168, 32, 168, 1, "identity")
    assert blocks["stage2.block1"] == ResNetBottleneck(168, 64, 336, 2, "pool_conv")
    assert [name for name in blocks if name.startswith("stage3")] == [
        f"stage3.block{number}" for number in range(1, 5)
    ]
    large = PUBLISHED.decode(PUBLISHED.largest)
    assert large.blocks[large.slots.index("stage1.block2")] == ResNetBottleneck(
        256, 88, 256, 1, "identity"
    )


def test_costs_of_a_small_network_equal_the_hand_worked_ones() -> None:
    made = space(
        stages=[ResNetStage(16, 1, 1), ResNetStage(32, 2, 2)],
        stem_width=16,
        stem_pool=True,
        extra_depths=[0],
        expand_ratios=[0.5],
        width_multipliers=[1.0],
    )
    workload = made.workload(made.decode(made.largest), batch_size=1, dtype="float32")
    # 8x8: 3x3 3->8, 8->8, 8->16; max pool to 4x4.
    stem = [64 * 8 * 27, 64 * 8 * 72, 64 * 16 * 72]
    # 4x4: 1x1 16->8, 3x3 8->8, 1x1 8->16, shortcut 1x1 16->16.
    first = [16 * 8 * 16, 16 * 8 * 72, 16 * 16 * 8, 16 * 16 * 16]
    # 1x1 16->16 at 4x4; at 2x2 3x3 16->16, 1x1 16->32, pooled shortcut 1x1 16->32.
    second = [16 * 16 * 16, 4 * 16 * 144, 4 * 32 * 16, 4 * 32 * 16]
    third = [4 * 16 * 32, 4 * 16 * 144, 4 * 32 * 16]
    assert workload.macs == sum(stem + first + second + third) + 32 * 10 == 172_864
    kernels = [216, 576, 1152, 128, 576, 128, 256, 256, 2304, 512, 512, 512, 2304, 512, 320]
    normalised = [8, 8, 16, 8, 8, 16, 16, 16, 16, 32, 32, 16, 16, 32]
    assert workload.params == sum(kernels) + 2 * sum(normalised) + 10 == 10_754
    # Besides, an element: two for a norm, one for an addition, a window for a pool; ten biases.
    positions = [64, 64, 64, 16, 16, 16, 16, 16, 4, 4, 4, 4, 4, 4]
    norms = 2 * sum(c * n for c, n in zip(normalised, positions, strict=True))
    additions = 64 * 8 + 16 * 16 + 4 * 32 + 4 * 32
    pools = 16 * 16 * 9 + 4 * 16 * 4 + 4 * 32
    activations = sum(op.flops for op in workload.ops if op.kind == "activation")
    assert workload.flops == 2 * 172_864 + norms + additions + pools + 10 + activations


def test_resnet_50_has_its_published_size() -> None:
    # torchvision's resnet50: 25,557,032 parameters, 4.089 G multiply-accumulates.
    workload = resnet50().workload(batch_size=1, dtype="float32")
    assert workload.params == 25_557_032
    assert workload.macs == pytest.approx(4.089e9, abs=0.5e6)
    assert Architecture.from_json(resnet50().to_json()) == resnet50()


def test_resnet_50d_is_in_the_space_with_its_published_size() -> None:
    # timm's resnet50d has 25,576,264 parameters; "Bag of Tricks", table 5: 4.3 GFLOPs, where
    # the plain network's are multiply-accumulates.
    depths = {"stage1_depth": 3, "stage2_depth": 4, "stage3_depth": 6, "stage4_depth": 3}
    names = [decision.name for decision in PUBLISHED.decisions]
    expands = {name.replace(".", "_"): 0.25 for name in names if name.endswith(".expand")}
    found = PUBLISHED.decode(genotype(PUBLISHED, **depths, **expands))
    workload = found.workload(batch_size=1, dtype="float32")
    assert workload.params == 25_576_264
    assert workload.macs == pytest.approx(4.3e9, abs=0.05e9)


def test_a_map_of_odd_size_keeps_its_last_row_in_both_branches() -> None:
    block = ResNetBottleneck(16, 8, 32, 2, "pool_conv")
    found = {op.name: op.output_shape for op in block.ops((1, 5, 7, 16), dtype="float32")}
    assert found["conv"] == (1, 3, 4, 8)
    assert found["pool"] == (1, 3, 4, 16)
    assert found["shortcut"] == found["sum"] == (1, 3, 4, 32)


def test_a_plain_shortcut_strides_where_the_other_pools() -> None:
    shape = (1, 8, 8, 16)
    plain = ResNetBottleneck(16, 8, 32, 2, "conv").ops(shape, dtype="float32")
    pooled = ResNetBottleneck(16, 8, 32, 2, "pool_conv").ops(shape, dtype="float32")
    assert [op.stride for op in plain if op.name == "shortcut"] == [2]
    assert [op.stride for op in pooled if op.name in ("pool", "shortcut")] == [2, 1]
    assert sum(op.macs for op in plain) == sum(op.macs for op in pooled)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ResNetBottleneck(8, 8, 8, 1, "pool"),
            r"resnet_bottleneck: shortcut must be one of identity, conv, pool_conv, got 'pool'",
        ),
        (
            lambda: ResNetBottleneck(8, 8, 16, 1, "identity"),
            r"resnet_bottleneck: an identity needs .*, got stride 1, 8 -> 16 channels",
        ),
        (
            lambda: ResNetConv(8, 8, 3, 2, True, False),
            r"resnet_conv: an identity needs .*, got stride 2, 8 -> 8 channels",
        ),
        (
            lambda: ResNetConv(8, 8, 3, 1, True, True),
            r"resnet_conv: expected an identity or a max pool, got both",
        ),
    ],
)
def test_a_block_whose_branches_do_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": []}, r"space\.stages must have at least one stage, got none"),
        ({"expand_ratios": []}, r"space\.expand_ratios must have at least one option, got none"),
        ({"extra_depths": [1, 0]}, r"space\.extra_depths must be ascending, got \[1, 0\]"),
        ({"extra_depths": [-1, 0]}, r"space\.extra_depths must be at least 0, got \[-1, 0\]"),
        ({"width_multipliers": [1.0, 1.0]}, r"space\.width_multipliers must be ascending"),
        ({"expand_ratios": [0.0, 0.5]}, r"space\.expand_ratios must be positive, got \[0\.0"),
        ({"stem_width": 0}, r"space\.stem_width must be at least 1, got 0"),
        ({"stages": [ResNetStage(0, 1, 1)]}, r"space\.stages\.0\.width must be at least 1, got 0"),
        ({"stages": [ResNetStage(8, 0, 1)]}, r"space\.stages\.0\.depth must be at least 1, got 0"),
        ({"resolutions": [1, 8]}, r"at least the product of the strides, 2, got 1"),
        (
            {"width_multipliers": [0.9, 1.0]},
            r"space\.width_multipliers: .* of 32 channels round to \[32, 32\]",
        ),
        (
            {"expand_ratios": [0.25, 0.27]},
            r"space\.expand_ratios: .* channels round to \[.*\], multiples of 8",
        ),
    ],
)
def test_options_that_name_no_space_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space(**options)


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="space resnet: images must be square, got 8x6"):
        ResNetSpace(space().options, (8, 6, 1), 10)


def test_a_network_of_another_space_is_refused() -> None:
    wider = space(expand_ratios=[0.25, 1.0])
    with pytest.raises(ValueError, match=r"stage1\.block1 is not of this space: .*channels=64"):
        space().encode(wider.decode(wider.largest))
    deeper = space(extra_depths=[0, 2])
    with pytest.raises(ValueError, match="not of this space"):
        space().encode(deeper.decode(deeper.largest))
