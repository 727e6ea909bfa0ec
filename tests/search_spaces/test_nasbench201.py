"""NAS-Bench-201's networks against the published figures, and their cells by hand."""

import itertools

import numpy as np
import pytest

from latency_models import Op
from search_spaces import NasBench201Options, NasBench201Space
from search_spaces.base import BLOCKS
from search_spaces.nasbench201_cell import (
    EDGES,
    OPERATIONS,
    NasBench201Cell,
    cell_text,
    live_edges,
    read_cells,
)

SPACE = NasBench201Space(NasBench201Options(), (32, 32, 3), 10)
NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
ALL = np.indices((5,) * 6).reshape(6, -1).T

# Millions of multiply-accumulates and of parameters, CIFAR-10: NAS-Bench-201 v1.1 via NASLib.
PUBLISHED = [
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        15.64736,
        0.129306,
    ),
    (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
        113.95136,
        0.802426,
    ),
    (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        184.73024,
        1.288506,
    ),
    # Disconnected: its convolution counts all the same.
    ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|", 47.10464, 0.344346),
    (NOTHING, 7.78304, 0.073306),
    (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        220.11968,
        1.531546,
    ),
]


@pytest.mark.parametrize(("text", "macs_m", "params_m"), PUBLISHED)
def test_a_network_as_written_has_its_published_size(
    text: str, macs_m: float, params_m: float
) -> None:
    written = SPACE.as_written
    architecture = written.decode(read_cells([text])[0])
    workload = written.workload(architecture, batch_size=1, dtype="float32")
    assert workload.macs == round(macs_m * 1e6)
    assert workload.params == round(params_m * 1e6)


def test_a_network_has_fifteen_cells_and_two_reductions() -> None:
    architecture = SPACE.decode(SPACE.largest)
    kinds = [block.kind.removeprefix("nasbench201_") for block in architecture.blocks]
    stage = ["cell"] * 5
    assert kinds == ["stem", *stage, "reduction", *stage, "reduction", *stage, "head"]
    assert architecture.slots[:3] == ("stem", "stage1.cell1", "stage1.cell2")
    workload = SPACE.workload(architecture, batch_size=2, dtype="float32")
    assert workload.ops[-1].output_shape == (2, 10)
    assert [op.input_shapes[0] for op in workload.ops if op.kind == "pool"] == [
        (2, 32, 32, 16),
        (2, 16, 16, 32),
        (2, 8, 8, 64),
    ]


def test_every_cell_survives_its_text() -> None:
    texts = [cell_text(genotype) for genotype in ALL]
    assert len(set(texts)) == 15_625
    np.testing.assert_array_equal(read_cells(texts), ALL)
    assert texts[0] == NOTHING
    assert OPERATIONS[ALL[1][5]] == "skip_connect"
    assert texts[1] == "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def test_no_texts_are_no_genotypes() -> None:
    assert read_cells([]).shape == (0, 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTHING[:-1],
        NOTHING.replace("none~2", "max_pool_3x3~2"),
        NOTHING.replace("none~2", "none~1"),
        NOTHING + "\n",
    ],
)
def test_a_text_that_is_no_cell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^cell: expected .* one of none, skip_connect, "):
        read_cells([text])


def test_edges_matter_that_lie_on_a_path_from_input_to_output() -> None:
    """Against the definition: all paths, one by one."""
    paths = [
        {EDGES.index(edge) for edge in itertools.pairwise((0, *between, 3))}
        for between in ((), (1,), (2,), (1, 2))
    ]
    expected = np.zeros(ALL.shape, bool)
    for row, genotype in enumerate(ALL):
        for path in paths:
            if all(genotype[edge] > 0 for edge in path):
                expected[row, list(path)] = True
    np.testing.assert_array_equal(live_edges(ALL), expected)
    np.testing.assert_array_equal(SPACE.canonical(ALL), np.where(expected, ALL, 0))


def test_as_written_every_genotype_is_canonical() -> None:
    np.testing.assert_array_equal(SPACE.as_written.canonical(ALL), ALL)


def cell_ops(text: str, *, as_written: bool = False) -> tuple[Op, ...]:
    return NasBench201Cell(4, text, as_written).ops((1, 6, 6, 4), dtype="float32")


def listing(found: tuple[Op, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [(op.name, op.inputs) for op in found]


def test_a_cell_as_compiled_runs_what_its_output_depends_on() -> None:
    # Node 1 pools the input; node 2 is the input and a convolution of node 1; node 3 adds a
    # convolution of the input to node 2. The edge from node 1 to node 3 is not there.
    text = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|skip_connect~2|"
    assert listing(cell_ops(text)) == [
        ("avg_pool_3x3", (-1,)),
        ("relu", (0,)),
        ("node2.from1.nor_conv_3x3", (1,)),
        ("norm", (2,)),
        ("sum", (3, -1)),
        ("relu", (-1,)),
        ("node3.from0.nor_conv_1x1", (5,)),
        ("norm", (6,)),
        ("sum", (7, 4)),
    ]


def test_a_cell_as_compiled_does_the_same_to_a_node_once() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|none~1|avg_pool_3x3~2|"
    found = [op.name for op in cell_ops(text)]
    assert found.count("relu") == 1
    assert found.count("avg_pool_3x3") == 3
    shared = text.replace("nor_conv_3x3~0|avg", "avg_pool_3x3~0|avg")
    assert [op.name for op in cell_ops(shared)].count("avg_pool_3x3") == 3
    found = [op.name for op in cell_ops(text, as_written=True)]
    assert found.count("relu") == 2


def test_a_cell_as_written_runs_every_edge_and_every_sum() -> None:
    text = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|"
    found = cell_ops(text, as_written=True)
    assert listing(found) == [
        ("relu", (-1,)),
        ("node1.from0.nor_conv_1x1", (0,)),
        ("norm", (1,)),
        ("sum", (2,)),
        ("none", (-1,)),
        ("sum", (4,)),
        ("sum", (5, 3)),
        ("none", (-1,)),
        ("none", (3,)),
        ("none", (6,)),
        ("sum", (7,)),
        ("sum", (10, 8)),
        ("sum", (11, 9)),
    ]
    # 6x6x4 outputs: a relu, four products a convolution's, a norm's two, and one each for others.
    assert sum(op.flops for op in found) == 144 * (1 + 2 * 4 + 2 + 10)
    assert listing(cell_ops(text)) == [("none", (-1,))]


def test_a_cell_that_hands_its_input_on_runs_nothing() -> None:
    text = "|skip_connect~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
    assert cell_ops(text) == ()
    twice = text.replace("none~1|skip_connect~2", "skip_connect~1|skip_connect~2")
    assert listing(cell_ops(twice)) == [("sum", (-1, -1))]


def test_the_reduction_costs_three_convolutions() -> None:
    found = BLOCKS["nasbench201_reduction"](4, 8).ops((1, 6, 6, 4), dtype="float32")  # pyright: ignore[reportCallIssue]
    assert sum(op.params for op in found) == 9 * 4 * 8 + 16 + 9 * 8 * 8 + 16 + 4 * 8
    assert sum(op.macs for op in found) == 9 * (9 * 4 * 8 + 9 * 8 * 8 + 4 * 8)
    assert found[-1].output_shape == (1, 3, 3, 8)
    assert [op.inputs for op in found if op.name == "pool"] == [(-1,)]


def test_fewer_and_narrower_cells_can_be_asked_for() -> None:
    space = NasBench201Space(NasBench201Options(widths=[4], cells=1), (8, 8, 1), 2)
    workload = space.workload(space.decode(space.smallest), batch_size=1, dtype="float32")
    assert workload.params == (9 * 4 + 8) + 8 + (4 * 2 + 2)
    assert space.decode(space.smallest).slots == ("stem", "stage1.cell", "head")


def test_a_cell_that_does_not_fit_the_one_before_is_refused() -> None:
    with pytest.raises(ValueError, match="nasbench201_cell: expected 4 input channels, got 8"):
        NasBench201Cell(4, NOTHING, False).ops((1, 6, 6, 8), dtype="float32")


def test_options_that_name_no_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"space\.cells must be at least 1, got 0"):
        NasBench201Options(cells=0)
    with pytest.raises(ValueError, match=r"space\.widths must be .*, got \[16, 0\]"):
        NasBench201Options(widths=[16, 0])
    with pytest.raises(ValueError, match=r"space\.widths must be .*, got \[\]"):
        NasBench201Options(widths=[])
    with pytest.raises(ValueError, match="multiples of 4 pixels, got 30x32"):
        NasBench201Space(NasBench201Options(), (30, 32, 3), 10)
