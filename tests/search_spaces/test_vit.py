"""Vision transformers against published figures, and their layers by hand."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from latency_models import Op
from search_spaces import AUTOFORMER, Architecture, ViTOptions, ViTSpace
from search_spaces.base import cardinalities
from search_spaces.vit import ViTHead, ViTLayer, ViTStem

IMAGE = (224, 224, 3)
TINY = ViTSpace(AUTOFORMER["tiny"], IMAGE, 1000)
SMALL = ViTSpace(AUTOFORMER["small"], IMAGE, 1000)
BASE = ViTSpace(AUTOFORMER["base"], IMAGE, 1000)


def genotype(space: ViTSpace, width: int, heads: list[int], mlp_ratios: list[float]) -> np.ndarray:
    """One layer for each number of heads."""
    found = space.smallest
    found[:2] = space.options.widths.index(width), space.options.depths.index(len(heads))
    for layer, (count, ratio) in enumerate(zip(heads, mlp_ratios, strict=True)):
        found[2 + 2 * layer] = space.options.heads.index(count)
        found[3 + 2 * layer] = space.options.mlp_ratios.index(ratio)
    return found


def uniform(width: int, heads: int) -> Architecture:
    """The networks of ViT and DeiT: 12 layers alike, heads 64 wide, MLPs 4 times the tokens."""
    space = ViTSpace(ViTOptions(16, [width], [12], [heads], [4.0]), IMAGE, 1000)
    return space.decode(space.largest)


@pytest.mark.parametrize(
    ("width", "heads", "params", "macs"),
    [
        # Touvron et al. 2021, table 1: 5M and 22M; timm's deit_*_patch16_224: 5,717,416 and
        # 22,050,664. Products by hand: 196 * 768 * w for the patches, for each layer
        # 197 * 12 * w * w + 2 * 197 * 197 * w, and 1000 * w.
        (192, 3, 5_717_416, 1_253_683_200),
        (384, 6, 22_050_664, 4_598_882_304),
        # torchvision's vit_b_16: 86,567,656 parameters and 17.56 GFLOPS, a product and its
        # addition counted as one.
        (768, 12, 86_567_656, 17_563_828_224),
    ],
)
def test_the_published_networks_have_their_parameters_and_products(
    width: int, heads: int, params: int, macs: int
) -> None:
    workload = uniform(width, heads).workload(batch_size=1, dtype="float32")
    assert workload.params == params
    assert workload.macs == macs


RELATIVE_POSITIONS = 2 * 2 * 30 * 64
"""What AutoFormer's networks have more in each layer: for keys and for values one table of rows and
one of columns, 2 * 14 + 2 distances, 64 wide."""


@pytest.mark.parametrize(
    ("space", "width", "heads", "tenth_ratios", "millions"),
    # The authors' configurations of the searched networks; the paper's abstract has the sizes.
    [
        (SMALL, 384, "6 6 5 7 5 5 5 6 6 7 7 6 7", "30 35 30 35 40 40 40 40 40 40 40 35 40", 22.9),
        (
            BASE,
            576,
            "9 9 9 9 9 10 9 9 10 9 10 9 9 10",
            "35 35 40 35 40 35 35 30 40 40 30 40 30 35",
            53.7,
        ),
    ],
)
def test_autoformers_networks_have_their_published_size_less_their_relative_positions(
    space: ViTSpace, width: int, heads: str, tenth_ratios: str, millions: float
) -> None:
    ratios = [int(ratio) / 10 for ratio in tenth_ratios.split()]
    found = genotype(space, width, [int(count) for count in heads.split()], ratios)
    params = space.cost_table(batch_size=1, dtype="float32").params(found[None])[0]
    assert round((params + len(ratios) * RELATIVE_POSITIONS) / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("space", "networks"),
    [
        # Width, then for each depth the choices of its layers: 2 * 2 or 3 * 3 each.
        (TINY, 3 * (4**12 + 4**13 + 4**14)),
        (SMALL, 3 * (9**12 + 9**13 + 9**14)),
        (BASE, 3 * (9**14 + 9**15 + 9**16)),
    ],
)
def test_the_papers_spaces_have_their_number_of_networks(space: ViTSpace, networks: int) -> None:
    counts = cardinalities(space.decisions).tolist()
    found = sum(math.prod(counts[2 : 2 + 2 * depth]) for depth in space.options.depths)
    assert counts[0] * found == networks


def test_canonical_genotypes_and_networks_are_one_to_one() -> None:
    # Two widths, and one or two layers of 2 * 2 choices: 2 * (4 + 16).
    space = ViTSpace(ViTOptions(4, [8, 16], [1, 2], [1, 2], [1.0, 2.0], 4), (8, 8, 1), 10)
    every = np.array(list(itertools.product(range(2), repeat=6)))
    canonical = np.unique(space.canonical(every), axis=0)
    assert len(canonical) == 40
    assert len({space.decode(row) for row in every}) == 40


def costs(found: tuple[Op, ...]) -> tuple[int, int]:
    return sum(op.macs for op in found), sum(op.params for op in found)


def test_a_stem_makes_a_token_of_each_patch_and_one_for_the_class() -> None:
    # CIFAR: 32x32 in patches of 4 are 64 tokens, each a product of 4 * 4 * 3 with 16.
    found = ViTStem(3, 16, 4, 65).ops((2, 32, 32, 3), dtype="float32")
    assert [op.kind for op in found] == ["conv", "concat", "elementwise"]
    assert costs(found) == (2 * 64 * 48 * 16, (48 * 16 + 16) + 16 + 65 * 16)
    assert found[-1].output_shape == (2, 65, 16)
    assert found[-1].flops == 2 * 65 * 16


def test_a_layer_costs_its_attention_and_its_mlp() -> None:
    # 5 tokens of 16; 3 heads of 8, so that queries, keys and values are 24 wide; an MLP of 40.
    found = ViTLayer(16, 3, 8, 40).ops((2, 5, 16), dtype="float32")
    projections, mlp = 16 * 72 + 24 * 16, 2 * 16 * 40
    logits_and_sums = 2 * 3 * 5 * 5 * 8
    assert costs(found) == (
        2 * (5 * (projections + mlp) + logits_and_sums),
        projections + 72 + 16 + mlp + 40 + 16 + 2 * 2 * 16,
    )
    assert [op.kind for op in found] == [
        *["layer_norm", "linear", "attention", "linear", "elementwise"],
        *["layer_norm", "linear", "activation", "linear", "elementwise"],
    ]
    assert found[4].inputs == (3, -1)
    assert found[9].inputs == (8, 4)
    assert found[-1].output_shape == (2, 5, 16)


def test_a_head_reads_the_class_token_alone() -> None:
    found = ViTHead(16, 10).ops((2, 5, 16), dtype="float32")
    assert costs(found) == (2 * 16 * 10, 2 * 16 + 16 * 10 + 10)
    assert found[0].bytes_read == 2 * 16 * 4
    assert found[-1].output_shape == (2, 10)


def test_the_width_is_that_of_all_layers_and_depth_keeps_the_first() -> None:
    heads, ratios = [3] * 11 + [4], [4.0] * 11 + [3.5]
    architecture = TINY.decode(genotype(TINY, 216, heads, ratios))
    assert architecture.slots == ("stem", *(f"layer{i}" for i in range(1, 13)), "head")
    assert architecture.blocks == (
        ViTStem(3, 216, 16, 197),
        *[ViTLayer(216, 3, 64, 864)] * 11,
        ViTLayer(216, 4, 64, 756),
        ViTHead(216, 1000),
    )


def test_a_layer_refuses_tokens_of_another_width() -> None:
    with pytest.raises(ValueError, match="vit_layer: expected 16 input channels, got 24"):
        ViTLayer(16, 2, 8, 32).ops((1, 5, 24), dtype="float32")


def test_a_stem_refuses_images_of_another_size() -> None:
    with pytest.raises(ValueError, match="vit_stem: expected an image of 64 patches, got 49"):
        ViTStem(3, 16, 4, 65).ops((1, 28, 28, 3), dtype="float32")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": []}, r"space\.widths must have at least one option, got none"),
        ({"depths": [12, 12]}, r"space\.depths must be positive and ascending, got \[12, 12\]"),
        ({"heads": [0, 3]}, r"space\.heads must be positive and ascending, got \[0, 3\]"),
        ({"mlp_ratios": [4.0, 3.5]}, r"space\.mlp_ratios must be positive and ascending, got \[4"),
        (
            {"widths": [192, 201], "mlp_ratios": [3.5]},
            r"space\.mlp_ratios must give every width a whole number of channels, got 3\.5, with "
            r"which 201 has 703\.5",
        ),
        ({"patch": 0}, r"space\.patch must be at least 1, got 0"),
        ({"head_width": 0}, r"space\.head_width must be at least 1, got 0"),
    ],
)
def test_options_that_name_no_network_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViTOptions(**options)


def test_a_ratio_that_binary_fractions_miss_is_still_whole() -> None:
    # 1.1 * 30 is 33.000000000000004 in floating point.
    assert ViTOptions(widths=[30], mlp_ratios=[1.1]).mlp_channels(30, 1.1) == 33


def test_images_that_patches_do_not_fill_are_refused() -> None:
    with pytest.raises(ValueError, match=r"space\.patch must divide .* sides, got 16 for 32x40"):
        ViTSpace(ViTOptions(), (32, 40, 3), 10)
