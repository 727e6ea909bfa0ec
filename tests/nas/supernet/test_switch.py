"""Choices while the program runs: what is run, what is kept, and the gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nas.supernet.switch import switch


def test_only_the_chosen_branch_runs_in_both_directions() -> None:
    ran: list[str] = []

    def branch(name: str, factor: float) -> Any:
        def run(x: jax.Array) -> jax.Array:
            jax.debug.callback(lambda: ran.append(name))
            return factor * jnp.sin(x)

        return run

    @jax.jit
    def gradient(choice: jax.Array, x: jax.Array) -> jax.Array:
        return jax.grad(lambda x: switch(choice, [branch("a", 2.0), branch("b", 3.0)], x))(x)

    found = gradient(jnp.int32(1), jnp.float32(0.5))
    jax.effects_barrier()
    np.testing.assert_allclose(found, 3 * np.cos(0.5), rtol=1e-6)
    assert set(ran) == {"b"}
    np.testing.assert_allclose(gradient(jnp.int32(0), 0.5), 2 * np.cos(0.5), rtol=1e-6)
    jax.effects_barrier()
    assert set(ran) == {"a", "b"}


def test_the_backward_pass_keeps_the_operands_alone() -> None:
    operands = {"x": jnp.ones((4, 3)), "w": jnp.ones((3, 5))}

    def deep(operands: Any) -> jax.Array:
        return jnp.sin(jnp.exp(operands["x"] @ operands["w"])).sum()

    branches = [deep, lambda operands: operands["x"].sum()]
    shapes = jax.eval_shape(
        lambda operands: jax.vjp(lambda o: switch(jnp.int32(1), branches, o), operands)[1],
        operands,
    )
    assert sorted(leaf.shape for leaf in jax.tree.leaves(shapes)) == [(), (3, 5), (4, 3)]
