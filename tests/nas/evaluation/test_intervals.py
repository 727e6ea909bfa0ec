"""Wilson's interval against published values and a second implementation."""

import pytest
from scipy.stats import binomtest

from nas.evaluation.intervals import wilson_interval


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    # Newcombe, Statistics in Medicine 17(8), 1998, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals_are_found(correct: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("correct", "total"), [(0, 1), (1, 1), (355, 359), (7000, 10000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_it_is_scipys(correct: int, total: int, confidence: float) -> None:
    expected = binomtest(correct, total).proportion_ci(confidence, method="wilson")
    found = wilson_interval(correct, total, confidence=confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"got {correct} of {total}"):
        wilson_interval(correct, total)
