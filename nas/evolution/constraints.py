"""Bounds on what a network may cost: `latency_ms <= 5`, `params <= 2e6`.

A violation is relative, value / bound - 1 and 0 where the bound is kept, so that violations of
different quantities add up.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

QUANTITIES: Mapping[str, tuple[str, float]] = {
    "latency_s": ("latency_s", 1.0),
    "latency_ms": ("latency_s", 1e-3),
    "latency_us": ("latency_s", 1e-6),
    "params": ("params", 1.0),
    "macs": ("macs", 1.0),
    "flops": ("flops", 1.0),
    "peak_memory_kb": ("peak_activation_bytes", 1e3),
    "peak_memory_mb": ("peak_activation_bytes", 1e6),
}
"""What may be bounded: the quantity in SI units that a name means, and the size of the name's unit.
Memory is the activations' peak, 1 MB = 10^6 bytes."""

_PATTERN = re.compile(r"\s*(?P<name>\w+)\s*(?P<sign><=|>=|==|=|<|>)\s*(?P<bound>\S+)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """An upper bound.

    Attributes:
        quantity: "latency_s", "params", "macs", "flops" or "peak_activation_bytes".
        bound: Largest value allowed, in the quantity's unit.
        text: As the user wrote it.
    """

    quantity: str
    bound: float
    text: str

    def violation(self, values: Shaped[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """How far each value is above the bound, relative to it; 0 where it is kept."""
        return np.maximum(np.asarray(values, dtype=np.float64) / self.bound - 1.0, 0.0)


def parse_constraint(text: str) -> Constraint:
    """Reads `NAME <= BOUND`.

    Raises:
        ValueError: If the text has another form, the name is unknown, or the bound is not positive.
    """
    found = _PATTERN.fullmatch(text)
    if found is None or found["sign"] != "<=":
        raise ValueError(f"constraint must look like 'latency_ms <= 5', got {text!r}")
    if found["name"] not in QUANTITIES:
        names = ", ".join(QUANTITIES)
        raise ValueError(f"constraint {text!r}: the quantity must be one of {names}")
    try:
        bound = float(found["bound"])
    except ValueError:
        bound = math.nan
    if not 0 < bound < math.inf:
        raise ValueError(
            f"constraint {text!r}: the bound must be a positive number, got {found['bound']}"
        )
    quantity, unit = QUANTITIES[found["name"]]
    return Constraint(quantity, bound * unit, " ".join(text.split()))


def total_violation(
    constraints: Sequence[Constraint], quantities: Mapping[str, Shaped[np.ndarray, " n"]], *, n: int
) -> Float[np.ndarray, " n"]:
    """Sum of the relative violations of `n` networks; 0 where all constraints are kept.

    Args:
        constraints: What to respect.
        quantities: The values of each constrained quantity, one a network.
        n: Number of networks.

    Raises:
        ValueError: If a constrained quantity is missing.
    """
    total = np.zeros(n)
    for constraint in constraints:
        if constraint.quantity not in quantities:
            known = ", ".join(sorted(quantities))
            raise ValueError(f"constraint {constraint.text!r}: only {known} are known here")
        total += constraint.violation(quantities[constraint.quantity])
    return total
