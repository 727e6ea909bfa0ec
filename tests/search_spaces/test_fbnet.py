"""FBNet's networks against published figures, and their layers by hand."""

import numpy as np
import pytest

from latency_models import Op
from search_spaces import FBNetOptions, FBNetSpace
from search_spaces.fbnet import BLOCK_NAMES, FBNetBlock, FBNetSkip

SPACE = FBNetSpace(FBNetOptions(), (32, 32, 3), 100)
IMAGENET = FBNetSpace(
    FBNetOptions(strides=[1, 2, 2, 2, 1, 2, 1], stem_stride=2, head_width=1984), (224, 224, 3), 1000
)

# Wu et al. 2019, as in the authors' code (fbnet_modeldef.py).
FBNET_A = """
    skip k3_e3 k3_e1 skip skip k5_e6 k3_e3 k5_e1 k3_e3 k5_e6 k5_e3 k5_e1_g2 k5_e6
    k3_e6 k5_e1_g2 k5_e1 k3_e1_g2 k5_e6 k5_e6 k5_e3 k5_e6 k5_e6
"""
FBNET_B = """
    k3_e1 k3_e6 k5_e1 k3_e1 k3_e1 k5_e6 k5_e3 k3_e6 k5_e6 k5_e6 k5_e1 skip k5_e3
    k5_e6 k3_e1 k5_e1 k5_e3 k5_e6 k5_e1 k5_e6 k5_e6 k3_e6
"""
FBNET_C = """
    k3_e1 k3_e6 skip k3_e1 k3_e1 k5_e6 k5_e3 k5_e6 k3_e6 k5_e6 k5_e3 k5_e6 k5_e6
    k5_e6 k5_e6 k5_e6 k5_e3 k5_e6 k5_e6 k5_e6 k5_e6 k3_e6
"""


def published(text: str) -> np.ndarray:
    return IMAGENET.read(["-".join(text.split())])[0]


@pytest.mark.parametrize(
    ("text", "macs", "tolerance"),
    # Wu et al. 2019, the table of ImageNet results.
    [(FBNET_A, 249e6, 0.01), (FBNET_B, 295e6, 0.01), (FBNET_C, 375e6, 0.03)],
)
def test_the_papers_networks_have_their_published_macs(
    text: str, macs: float, tolerance: float
) -> None:
    table = IMAGENET.cost_table(batch_size=1, dtype="float32")
    assert table.macs(published(text)[None])[0] == pytest.approx(macs, rel=tolerance)


def test_fbnet_c_has_the_parameters_of_its_best_known_implementation() -> None:
    # timm's results for fbnetc_100: 5.57 million.
    workload = IMAGENET.cost_table(batch_size=1, dtype="float32").workload(published(FBNET_C))
    assert round(workload.params / 1e6, 2) == 5.57


def costs(found: tuple[Op, ...]) -> tuple[int, int]:
    return sum(op.macs for op in found), sum(op.params for op in found)


def test_a_block_costs_its_three_convolutions() -> None:
    # 8x8, 16 -> 24 at stride 2, three times expanded: 16 -> 48, 5x5 to 4x4, 48 -> 24.
    found = FBNetBlock(16, 24, 5, 2, 3, 1).ops((1, 8, 8, 16), dtype="float32")
    assert costs(found) == (
        64 * 16 * 48 + 16 * 48 * 25 + 16 * 48 * 24,
        16 * 48 + 48 * 25 + 48 * 24 + 2 * (48 + 48 + 24),
    )
    assert [op.name for op in found if op.kind == "activation"] == ["expand_relu", "depthwise_relu"]
    assert found[-1].name == "project_norm"
    assert found[-1].output_shape == (1, 4, 4, 24)


def test_groups_halve_both_pointwise_convolutions_and_shuffle_between() -> None:
    found = FBNetBlock(16, 16, 3, 1, 1, 2).ops((1, 8, 8, 16), dtype="float32")
    assert costs(found) == (
        64 * (16 * 8 + 16 * 9 + 16 * 8),
        16 * 8 + 16 * 9 + 16 * 8 + 2 * 3 * 16,
    )
    names = [op.name for op in found]
    assert names[2:5] == ["expand_relu", "shuffle", "depthwise"]
    (shuffle,) = (op for op in found if op.name == "shuffle")
    assert shuffle.kind == "layout"
    assert shuffle.bytes_read == shuffle.bytes_written == 64 * 16 * 4
    assert names[-1] == "identity"
    assert found[-1].inputs == (len(found) - 2, -1)


def test_a_skip_that_changes_the_shape_is_a_pointwise_convolution() -> None:
    found = FBNetSkip(16, 24, 2).ops((1, 8, 8, 16), dtype="float32")
    assert [op.kind for op in found] == ["conv", "norm", "activation"]
    assert costs(found) == (16 * 16 * 24, 16 * 24 + 48)
    assert found[-1].output_shape == (1, 4, 4, 24)


def test_the_layers_have_the_published_shapes() -> None:
    # HW-NAS-Bench for CIFAR-100: stages of 1, 4, 4, 4, 4, 4, 1 layers, strides 1, 1, 2, 2, 1, 2, 1.
    architecture = SPACE.decode(SPACE.largest)
    workload = SPACE.workload(architecture, batch_size=1, dtype="float32")
    shapes = [op.output_shape[1:] for op in workload.ops if op.name == "project_norm"]
    assert shapes == [
        (32, 32, 16),
        *[(32, 32, 24)] * 4,
        *[(16, 16, 32)] * 4,
        *[(8, 8, 64)] * 4,
        *[(8, 8, 112)] * 4,
        *[(4, 4, 184)] * 4,
        (4, 4, 352),
    ]
    assert workload.ops[-1].output_shape == (1, 100)
    assert workload.ops[-2].output_shape == (1, 1504)


def test_a_skip_that_keeps_the_shape_is_not_there() -> None:
    skips = SPACE.read(["-".join(["skip"] * 22)])[0]
    changed = (2, 6, 10, 14, 18, 22)
    assert SPACE.decode(skips).slots == ("stem", *(f"layer{i}" for i in changed), "head")


def test_texts_and_numbers_name_the_same_networks() -> None:
    # The first row of HELP's FBNet table: both forms of one network.
    text = (
        "k5_e6-skip-k3_e1_g2-skip-k5_e1-skip-skip-skip-k5_e6-k5_e1-k3_e1_g2-"
        "k5_e1-k5_e6-k3_e6-k3_e3-k5_e6-k3_e6-k3_e3-k5_e1-k3_e3-k5_e1-k5_e1_g2"
    )
    numbers = "7,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5"
    (genotype,) = SPACE.read([text])
    np.testing.assert_array_equal(SPACE.read_indices([numbers])[0], genotype)
    assert SPACE.text(genotype) == text
    assert SPACE.index_text(genotype) == numbers
    assert [BLOCK_NAMES[option] for option in genotype[:3]] == ["k5_e6", "skip", "k3_e1_g2"]


def test_a_text_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^network: expected 22 of skip, k3_e1_g2, .* got 'skip'"):
        SPACE.read(["skip"])
    with pytest.raises(ValueError, match=r"^network: expected 22"):
        SPACE.read(["-".join(["skip"] * 21 + ["k7_e6"])])
    with pytest.raises(ValueError, match=r"^network: expected 22 of 0, 1, 2"):
        SPACE.read_indices([",".join(["9"] * 22)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [1]}, r"space\.layers must have one entry for each of the 7 widths, got \[1\]"),
        ({"strides": []}, r"space\.strides must have one entry for each of the 7 widths, got \[\]"),
        ({"layers": [1, 4, 4, 0, 4, 4, 1]}, r"space\.layers must be at least one each"),
        ({"widths": [], "layers": [], "strides": []}, r"space\.layers must be at least one each"),
        ({"widths": [16, 24, 32, 64, 112, 184, 351]}, r"space\.widths must be even .*351\]"),
        ({"stem_width": 15}, r"space\.stem_width must be even for two groups, got 15"),
        ({"strides": [1, 1, 2, 3, 1, 2, 1]}, r"space\.strides must be 1 or 2, got \[1, 1, 2, 3"),
        ({"stem_stride": 4}, r"space\.stem_stride must be 1 or 2, got 4"),
        ({"head_width": 0}, r"space\.head_width must be at least 1, got 0"),
    ],
)
def test_options_that_name_no_network_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FBNetOptions(**options)  # pyright: ignore[reportArgumentType]
