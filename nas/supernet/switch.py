"""A choice between functions that is made while the program runs, at the cost of the chosen one.

JAX differentiates `lax.switch` by keeping what the backward pass of every branch would need, zeros
for those not taken. Here only the operands are kept, and the backward pass runs the taken branch
again; Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax
from jaxtyping import Array, Int


def switch(choice: Int[Array, ""], branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[choice](*operands)`; the other branches are neither run nor differentiated.

    Args:
        choice: Which branch, from 0.
        branches: Functions of equal outputs, of the operands alone.
        operands: Pytrees of arrays.
    """

    @jax.custom_vjp
    def run(choice: Array, *operands: Any) -> Any:
        return lax.switch(choice, branches, *operands)

    def forward(choice: Array, *operands: Any) -> tuple[Any, Any]:
        return run(choice, *operands), (choice, operands)

    def backward(kept: Any, cotangents: Any) -> Any:
        choice, operands = kept

        def pullback(branch: Callable[..., Any]) -> Callable[..., Any]:
            return lambda cotangents, *operands: jax.vjp(branch, *operands)[1](cotangents)

        pullbacks = [pullback(branch) for branch in branches]
        return (None, *lax.switch(choice, pullbacks, cotangents, *operands))

    run.defvjp(forward, backward)
    return run(choice, *operands)
