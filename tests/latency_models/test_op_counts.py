"""Counts of operators by hand, and those of a table's networks against the networks' own."""

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic_targets import OPTIONS, BranchySpace

from latency_models import CostTable, Op, activation, add, conv2d
from latency_models.op_counts import FORMS, OpCounts, count_ops, form_masks
from latency_models.tensor_operators import fill

SHAPE = (1, 4, 4, 8)


def _conv(inputs: tuple[int, ...] = (-1,), kernel: int = 3) -> Op:
    return conv2d("conv", SHAPE, out_channels=8, kernel=kernel, dtype="float32", inputs=inputs)


def _fill(inputs: tuple[int, ...] = (-1,)) -> Op:
    return fill("fill", SHAPE, dtype="float32", inputs=inputs)


def _add(*inputs: int) -> Op:
    return add("add", SHAPE, dtype="float32", inputs=inputs)


TABLE = Op("layout", "table", (), SHAPE, 0, 0, "float32", ())
DEAD = (_conv(), _conv(kernel=1))
CONSTANT = (_conv(), _fill((0,)), _conv((1,)), _conv(kernel=1), _add(2, 3))


@pytest.mark.parametrize(
    ("ops", "needed", "folded"),
    [
        ((_conv(), _conv((0,))), [1, 1], [1, 1]),
        (DEAD, [0, 1], [0, 1]),
        # What a fill reads is not needed; what is made of a fill alone is constant.
        (CONSTANT, [0, 1, 1, 1, 1], [0, 0, 0, 1, 1]),
        ((_conv(), _fill((0,))), [0, 1], [0, 0]),
        # Further inputs of a network vary like the first one.
        ((_conv((-2,)), _fill(), _add(0, 1)), [1, 1, 1], [1, 0, 1]),
    ],
)
def test_forms_of_a_network_by_hand(
    ops: Sequence[Op], needed: list[int], folded: list[int]
) -> None:
    masks = form_masks(ops)
    assert masks["written"].all()
    assert masks["needed"].tolist() == [bool(n) for n in needed]
    assert masks["folded"].tolist() == [bool(n) for n in folded]
    counts = count_ops([ops])
    for form, kept in (("written", [1] * len(ops)), ("needed", needed), ("folded", folded)):
        assert counts.dense(form).sum() == sum(kept)


def test_equal_operators_are_counted_together_wherever_they_stand() -> None:
    other = conv2d("elsewhere", SHAPE, out_channels=8, kernel=3, dtype="float32", inputs=(0,))
    wide = conv2d("conv", SHAPE, out_channels=16, kernel=3, dtype="float32")
    counts = count_ops([(_conv(), other), (wide,), (_conv(), other, _conv((1,), kernel=1))])
    assert counts.ops == (_conv(), wide, _conv((1,), kernel=1))
    assert counts.dense("written").tolist() == [[2, 0, 0], [0, 1, 0], [2, 0, 1]]


@pytest.mark.parametrize(
    ("rows", "forms"),
    [
        ([(_conv(), _conv((0,)))], ("written",)),
        ([(_conv(),), DEAD], ("written", "needed")),
        ([(_fill(), _add(0, -1))], ("written", "folded")),
        ([(_conv(),), CONSTANT], FORMS),
        # A second input must not hide the branch that nothing reads.
        ([(_conv((-2,)), _conv((-2,)), _add(0, -1))], ("written", "needed")),
        ([(_conv(), TABLE, _add(0, 1))], ("written", "folded")),
        ([(), (_conv(),)], ("written",)),
        ([], ("written",)),
    ],
)
def test_forms_in_which_nothing_differs_are_one(
    rows: Sequence[Sequence[Op]], forms: tuple[str, ...]
) -> None:
    counts = count_ops(rows)
    assert counts.forms == forms
    assert len({id(found) for found in counts.counts.values()}) == len(forms)
    assert counts.take(np.arange(len(rows))[::-1]).forms == forms


def test_rows_are_taken_in_the_order_asked_for() -> None:
    counts = count_ops([(_conv(),), DEAD, CONSTANT])
    some = counts.take(np.array([2, 0]))
    for form in FORMS:
        assert some.dense(form).tolist() == counts.dense(form)[[2, 0]].tolist()


@pytest.fixture(scope="module")
def branchy() -> CostTable:
    return BranchySpace().cost_table(batch_size=1, dtype="float32")


def _by_operator(counts: OpCounts, form: str) -> list[dict[tuple[object, ...], float]]:
    keys = [(op.kind, op.kernel, op.input_shapes, op.output_shape) for op in counts.ops]
    return [
        {key: n for key, n in zip(keys, row, strict=True) if n}
        for row in counts.dense(form).tolist()
    ]


@pytest.mark.parametrize("options", [OPTIONS[:-2], OPTIONS], ids=["connected", "with cut ones"])
def test_networks_of_a_table_count_as_their_workloads(
    branchy: CostTable, options: tuple[str, ...]
) -> None:
    genotypes = BranchySpace().sample(100, np.random.default_rng(0), options)
    of_table = branchy.count_networks(genotypes)
    of_workloads = count_ops([branchy.workload(genotype).ops for genotype in genotypes])
    for form in FORMS:
        assert _by_operator(of_table, form) == _by_operator(of_workloads, form)


def test_counts_of_a_cut_network_by_hand(branchy: CostTable) -> None:
    # Nothing before the last cut is needed, and nothing behind it varies.
    genotypes = BranchySpace().read(["16:conv3-zero-conv1-pool", "16:zero-conv3-zero-conv1"])
    counts = branchy.count_networks(genotypes)
    assert [len(branchy.workload(g).ops) for g in genotypes] == [10, 11]
    assert counts.dense("written").sum(axis=1).tolist() == [10, 11]
    assert counts.dense("needed").sum(axis=1).tolist() == [6, 5]
    assert counts.dense("folded").sum(axis=1).tolist() == [0, 0]


def test_an_activation_counts_by_what_it_costs() -> None:
    relu, swish = (
        activation("act", SHAPE, function=f, dtype="float32") for f in ("relu", "hard_swish")
    )
    assert len(count_ops([(relu, swish)]).ops) == 2
