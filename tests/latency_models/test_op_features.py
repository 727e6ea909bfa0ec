"""Contributions of operators by hand, and their derivatives by finite differences."""

import math

import numpy as np
import pytest

from latency_models import Op, activation, conv2d, global_pool, linear
from latency_models.device_spec import DeviceSpec
from latency_models.meta.op_features import CLASSES, FEATURES, contributions, operator_class
from latency_models.op_counts import count_ops
from latency_models.tensor_operators import fill, matmul

# One FLOP takes 1 ns and one byte 1 ns; nothing is padded.
SPEC = DeviceSpec(
    "plain", "npu", {"float32": 1e9}, memory_bandwidth_bytes_per_s=1e9, launch_overhead_s=2e-6
)
SHAPE = (1, 8, 8, 32)
CONV = conv2d("conv", SHAPE, out_channels=32, kernel=3, dtype="float32")
RELU = activation("relu", SHAPE, function="relu", dtype="float32", inputs=(0,))


def _coefficients(**named: float) -> np.ndarray:
    found = np.zeros(len(FEATURES))
    for name, value in named.items():
        found[FEATURES.index(name.replace("__", "."))] = value
    return found


def test_seconds_at_zero_are_the_rooflines_and_the_starts() -> None:
    terms = contributions([CONV, RELU], SPEC)
    flops = 2 * 64 * 32 * 32 * 9
    moved = 4 * (64 * 32 + 64 * 32)
    assert terms.work_s.tolist() == pytest.approx([flops * 1e-9, moved * 1e-9])
    assert terms.seconds(_coefficients()).tolist() == pytest.approx(
        [flops * 1e-9 + 2e-6, moved * 1e-9 + 2e-6]
    )
    assert terms.constant(_coefficients()) == pytest.approx(5 * 2e-6)


def test_coefficients_scale_what_they_are_named_after() -> None:
    terms = contributions([CONV, RELU], SPEC)
    base, log2 = terms.seconds(_coefficients()), math.log(2)
    whole = _coefficients(scale=log2)
    np.testing.assert_allclose(terms.seconds(whole), 2 * base)
    assert terms.constant(whole) == pytest.approx(2 * terms.constant(_coefficients()))
    conv = terms.seconds(_coefficients(spatial_conv=log2))
    np.testing.assert_allclose(conv, [base[0] + terms.work_s[0], base[1]])
    starts = terms.seconds(_coefficients(start__elementwise=log2))
    np.testing.assert_allclose(starts, [base[0], base[1] + 2e-6])
    assert terms.constant(_coefficients(constant=log2)) == pytest.approx(2 * 5 * 2e-6)


@pytest.mark.parametrize(
    ("size", "factor", "larger"),
    [
        ("width", 2, conv2d("conv", SHAPE, out_channels=64, kernel=3, dtype="float32")),
        ("depth", 2, conv2d("conv", (1, 8, 8, 64), out_channels=32, kernel=3, dtype="float32")),
        (
            "positions",
            4,
            conv2d("conv", (1, 16, 16, 32), out_channels=32, kernel=3, dtype="float32"),
        ),
        ("positions", 3, conv2d("conv", (3, 8, 8, 32), out_channels=32, kernel=3, dtype="float32")),
    ],
)
def test_efficiency_is_a_power_law_in_the_sizes(size: str, factor: int, larger: Op) -> None:
    # A coefficient of 3 makes the exponent 1, around which the features are scaled.
    terms = contributions([CONV, larger], SPEC)
    law = _coefficients(**{f"spatial_conv__{size}": 3.0})
    exponents = terms.features @ law
    assert math.exp(exponents[1] - exponents[0]) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (CONV, "spatial_conv"),
        (conv2d("x", SHAPE, out_channels=8, kernel=1, dtype="float32"), "pointwise_conv"),
        (conv2d("x", SHAPE, out_channels=32, kernel=3, groups=4, dtype="float32"), "grouped_conv"),
        (
            conv2d("x", SHAPE, out_channels=32, kernel=3, groups=32, dtype="float32"),
            "depthwise_conv",
        ),
        (linear("x", (1, 8), out_features=4, dtype="float32"), "matmul"),
        (matmul("x", (1, 4, 8), (1, 8, 4), dtype="float32", inputs=(-1, -2)), "matmul"),
        (global_pool("x", SHAPE, dtype="float32"), "pool"),
        (RELU, "elementwise"),
        (fill("x", SHAPE, dtype="float32"), "fill"),
    ],
)
def test_operators_belong_to_the_class_of_their_kernels(op: Op, expected: str) -> None:
    assert operator_class(op) == expected
    terms = contributions([op], SPEC)
    assert CLASSES[terms.op_class[0]] == expected
    assert [terms.features[0, FEATURES.index(name)] for name in CLASSES] == [
        float(name == expected) for name in CLASSES
    ]


def test_large_and_strided_kernels_are_marked() -> None:
    ops = [
        conv2d("x", SHAPE, out_channels=32, kernel=5, groups=32, dtype="float32"),
        conv2d("x", SHAPE, out_channels=32, kernel=3, groups=32, stride=2, dtype="float32"),
        conv2d("x", SHAPE, out_channels=32, kernel=5, stride=2, dtype="float32"),
    ]
    names = ("large_depthwise", "strided_depthwise", "strided")
    marks = contributions(ops, SPEC).features[:, [FEATURES.index(name) for name in names]]
    assert marks.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_gradient_is_that_of_finite_differences() -> None:
    terms = contributions([CONV, RELU, global_pool("x", SHAPE, dtype="float32")], SPEC)
    b, step = np.random.default_rng(0).standard_normal(len(FEATURES)), 1e-6
    gradient = terms.gradient(b)
    for i, direction in enumerate(np.eye(len(FEATURES)) * step):
        expected = (terms.seconds(b + direction) - terms.seconds(b - direction)) / (2 * step)
        np.testing.assert_allclose(gradient[:, i], expected, rtol=1e-6, atol=1e-12)


def test_columns_add_up_to_the_networks_seconds() -> None:
    counts = count_ops([[CONV, RELU], [CONV, CONV], []])
    terms = contributions(counts.ops, SPEC)
    b = np.random.default_rng(1).standard_normal(len(FEATURES))
    columns, features = terms.columns(counts.dense("written"))
    conv, relu = terms.seconds(b)
    constant = terms.constant(b)
    np.testing.assert_allclose(
        columns @ np.exp(features @ b), [conv + relu + constant, 2 * conv + constant, constant]
    )
