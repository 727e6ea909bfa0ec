"""Constraints: what is read, what is refused, and how far a value is off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.evolution.constraints import parse_constraint, total_violation


@pytest.mark.parametrize(
    ("text", "quantity", "bound"),
    [
        ("latency_ms <= 5", "latency_s", 0.005),
        ("latency_us<=250", "latency_s", 250e-6),
        (" params  <= 2e6 ", "params", 2e6),
        ("macs <= 1e8", "macs", 1e8),
        ("peak_memory_mb <= 1.5", "peak_activation_bytes", 1_500_000),
    ],
)
def test_bounds_are_read_in_si_units(text: str, quantity: str, bound: float) -> None:
    constraint = parse_constraint(text)
    assert constraint.quantity == quantity
    assert constraint.bound == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency <= 5", r"'latency <= 5': the quantity must be one of latency_s, latency_ms"),
        ("latency_ms < 5", "must look like 'latency_ms <= 5', got 'latency_ms < 5'"),
        ("latency_ms >= 5", "must look like"),
        ("5", "must look like"),
        ("params <= many", "the bound must be a positive number, got many"),
        ("params <= 0", "the bound must be a positive number, got 0"),
        ("params <= nan", "the bound must be a positive number, got nan"),
        ("params <= inf", "the bound must be a positive number, got inf"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_constraint(text)


def test_a_violation_is_relative_and_zero_where_the_bound_is_kept() -> None:
    violation = parse_constraint("latency_ms <= 4").violation(np.array([0.001, 0.004, 0.006]))
    np.testing.assert_allclose(violation, [0.0, 0.0, 0.5], atol=1e-12)


def test_violations_of_several_constraints_add_up() -> None:
    constraints = [parse_constraint("params <= 100"), parse_constraint("macs <= 10")]
    quantities = {"params": np.array([150, 50, 200]), "macs": np.array([10, 10, 20])}
    np.testing.assert_allclose(total_violation(constraints, quantities, n=3), [0.5, 0.0, 2.0])
    np.testing.assert_array_equal(total_violation([], {}, n=2), [0.0, 0.0])
    with pytest.raises(ValueError, match="'macs <= 10': only params are known here"):
        total_violation(constraints, {"params": np.ones(3)}, n=3)


@given(st.floats(1e-9, 1e12), st.floats(0, 1e12))
def test_a_value_violates_exactly_when_it_is_above_the_bound(bound: float, value: float) -> None:
    constraint = parse_constraint(f"params <= {bound!r}")
    assert (constraint.violation(np.array([value]))[0] > 0) == (value / bound > 1)
