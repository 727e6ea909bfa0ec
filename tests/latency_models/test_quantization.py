"""Operators after quantisation, against chains written down by hand."""

import numpy as np

from latency_models import Op, activation, add, conv2d, linear, norm, pool, quantized
from latency_models.workload import Workload
from search_spaces.fbnet import FBNetOptions, FBNetSpace
from search_spaces.measured import MOBILENET, MeasuredMobileNet
from search_spaces.tables import FBNetTable

FBNET = FBNetSpace(FBNetOptions(), (32, 32, 3), classes=100)

SHAPE = (1, 8, 8, 4)
F32 = "float32"


def _conv(name: str, reads: int) -> Op:
    return conv2d(name, SHAPE, out_channels=4, kernel=3, dtype=F32, inputs=(reads,))


def _text(ops: tuple[Op, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(op.name, op.dtype, op.inputs) for op in ops]


def test_what_follows_a_product_as_its_range_stays_int8() -> None:
    ops = (
        _conv("a", -1),
        norm("a_norm", SHAPE, dtype=F32, inputs=(0,)),
        activation("a_relu", SHAPE, function="relu", dtype=F32, inputs=(1,)),
        _conv("b", 2),
        activation("b_swish", SHAPE, function="hard_swish", dtype=F32, inputs=(3,)),
    )
    assert _text(quantized(ops)) == [
        ("a.quantize", "int8", (-1,)),
        ("a", "int8", (0,)),
        ("a_norm", "int8", (1,)),
        ("a_relu", "int8", (2,)),
        ("b", "int8", (3,)),
        ("b_swish.dequantize", "float32", (4,)),
        ("b_swish", "float32", (5,)),
    ]


def test_a_tensor_is_converted_once_and_sums_are_float32() -> None:
    ops = (
        activation("relu", SHAPE, function="relu", dtype=F32, inputs=(-1,)),
        _conv("a", 0),
        _conv("b", 0),
        pool("pool", SHAPE, kernel=3, dtype=F32, inputs=(1,)),
        add("sum", SHAPE, dtype=F32, inputs=(1, 2)),
        add("again", SHAPE, dtype=F32, inputs=(4, 3)),
    )
    assert _text(quantized(ops)) == [
        ("relu", "float32", (-1,)),
        ("a.quantize", "int8", (0,)),
        ("a", "int8", (1,)),
        ("b", "int8", (1,)),
        ("pool.dequantize", "float32", (2,)),
        ("pool", "float32", (4,)),
        ("sum.dequantize", "float32", (3,)),
        ("sum", "float32", (4, 6)),
        ("again", "float32", (7, 5)),
    ]


def test_a_chain_that_ends_in_a_product_gives_float32() -> None:
    ops = (linear("classifier", (1, 4), out_features=3, bias=True, dtype=F32),)
    found = quantized(ops)
    assert _text(found) == [
        ("classifier.quantize", "int8", (-1,)),
        ("classifier", "int8", (0,)),
        ("output.dequantize", "float32", (1,)),
    ]
    workload = Workload(found, 1, "int8")
    # 4 x 3 weights and 3 biases of a byte; the product reads 4 bytes and writes 3.
    assert (workload.params, workload.flops) == (15, 2 * 4 * 3 + 3)
    assert [op.bytes_written for op in found] == [4, 3, 12]
    assert quantized(()) == ()


def test_int8_networks_of_a_space_are_costed_as_they_are_exported() -> None:
    for space in (MOBILENET, FBNET):
        genotypes = space.sample(5, np.random.default_rng(0))
        exact = space.cost_table(batch_size=2, dtype="float32")
        table = space.cost_table(batch_size=2, dtype="int8")
        assert table.macs(genotypes).tolist() == exact.macs(genotypes).tolist()
        assert table.params(genotypes).tolist() == exact.params(genotypes).tolist()
        for genotype in genotypes:
            workload = space.decode(genotype).workload(batch_size=2, dtype="int8")
            assert table.workload(genotype).ops == workload.ops
            products = {op.dtype for op in workload.ops if op.macs}
            between = {op.dtype for op in workload.ops if op.kind in ("pool", "scale")}
            assert (products, between) == ({"int8"}, {"float32"})


def test_published_tables_of_int8_targets_compute_in_integers_throughout() -> None:
    published = FBNetTable().cost_table(batch_size=1, dtype="int8")
    assert {op.dtype for op in published.op_counts.ops} == {"int8"}
    for exported in (MeasuredMobileNet(), FBNET):
        ops = exported.cost_table(batch_size=1, dtype="int8").op_counts.ops
        assert {op.dtype for op in ops} == {"int8", "float32"}
