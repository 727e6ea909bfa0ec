"""The optimizer: what decays, how fast it learns, and the average of what it learned."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas.supernet.optimizer import averaged, build_optimizer
from nas.supernet.standalone import train_alone, untrained
from search_spaces import ViTOptions, ViTSpace
from tests.nas.supernet import tiny

SPACE = tiny.small_space(kernel_sizes=[3, 5], depths=[1])


def flattened(weights: Any) -> dict[str, np.ndarray]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(weights)
    }


def test_only_kernels_decay() -> None:
    weights = jax.tree.map(jnp.asarray, tiny.random_weights(SPACE))
    recipe = tiny.recipe(learning_rate=0.5, weight_decay=0.1, momentum=0.0)
    optimizer = build_optimizer(recipe, steps=10, steps_per_epoch=5)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    updates = flattened(optimizer.update(zeros, optimizer.init(weights), weights)[0])
    for name, leaf in flattened(weights).items():
        decays = name.endswith("/kernel")
        np.testing.assert_allclose(updates[name], -0.5 * 0.1 * leaf if decays else 0, rtol=1e-5)
    names = " ".join(updates)
    assert "kernel_transforms/5to3" in names
    assert "reduce/bias" in names
    assert "conv/shift" in names


def test_the_learning_rate_warms_up_and_falls_as_a_cosine() -> None:
    recipe = tiny.recipe(learning_rate=0.4, weight_decay=0.0, momentum=0.0, warmup_epochs=2)
    optimizer = build_optimizer(recipe, steps=12, steps_per_epoch=1)
    weights = {"kernel": jnp.zeros(1)}
    state, rates = optimizer.init(weights), []
    for _ in range(12):
        updates, state = optimizer.update({"kernel": jnp.ones(1)}, state, weights)
        rates.append(-float(updates["kernel"][0]))  # pyright: ignore
    cosine = 0.2 * (1 + np.cos(np.pi * np.arange(10) / 10))
    np.testing.assert_allclose(rates, [0, 0.2, *cosine], rtol=1e-5, atol=1e-7)


def test_nesterov_momentum() -> None:
    recipe = tiny.recipe(learning_rate=1.0, weight_decay=0.0, momentum=0.5, epochs=1000)
    optimizer = build_optimizer(recipe, steps=1_000_000, steps_per_epoch=1000)
    weights = {"kernel": jnp.zeros(1)}
    state, moved = optimizer.init(weights), []
    for _ in range(2):
        updates, state = optimizer.update({"kernel": jnp.ones(1)}, state, weights)
        moved.append(-float(updates["kernel"][0]))  # pyright: ignore
    # v = 0.5 v + g, and the step is g + 0.5 v: 1 + 0.5 * 1, then 1 + 0.5 * 1.5.
    np.testing.assert_allclose(moved, [1.5, 1.75], rtol=1e-5)


def moves(gradients: list[float], **changes: Any) -> list[float]:
    """How far one weight moves at each step, at a learning rate that hardly falls."""
    recipe = tiny.recipe(learning_rate=1.0, epochs=1000, **changes)
    optimizer = build_optimizer(recipe, steps=1_000_000, steps_per_epoch=1000)
    weights: Any = {"kernel": jnp.full(1, 2.0)}
    state, found = optimizer.init(weights), []
    for gradient in gradients:
        updates: Any
        updates, state = optimizer.update({"kernel": jnp.full(1, gradient)}, state, weights)
        found.append(-float(updates["kernel"][0]))
    return found


def test_adamw_divides_by_the_gradients_size_and_decays_apart_from_it() -> None:
    # After bias correction m = g1, v = g1^2; then m = (0.25 + 0.5 * 3) / 0.75 with g = 1, 3 and
    # beta 1 = 0.5, and v = (0.000999 + 0.001 * 9) / (1 - 0.999^2). The decay adds 0.1 * 2.
    second = (0.25 + 1.5) / 0.75 / ((0.000999 + 0.009) / (1 - 0.999**2)) ** 0.5
    found = moves([1.0, 3.0], optimizer="adamw", momentum=0.5, weight_decay=0.1)
    np.testing.assert_allclose(found, [1.2, second + 0.2], rtol=1e-4)


def test_longer_gradients_are_shortened() -> None:
    found = moves([0.3, -8.0], clip_norm=0.5, momentum=0.0, weight_decay=0.0)
    np.testing.assert_allclose(found, [0.3, -0.5], rtol=1e-5)


def test_of_a_vision_transformer_only_products_decay() -> None:
    space = ViTSpace(ViTOptions(4, [8], [1], [1], [2.0], 4), (8, 8, 1), 10)
    weights = untrained(space.decode(space.largest), seed=0).params
    recipe = tiny.recipe(optimizer="adamw", learning_rate=0.5, weight_decay=0.1)
    optimizer = build_optimizer(recipe, steps=10, steps_per_epoch=5)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    updates = flattened(optimizer.update(zeros, optimizer.init(weights), weights)[0])
    moved = {name for name, leaf in updates.items() if leaf.any()}
    assert moved == {
        "stem/kernel",
        "layer1/attention/kernel",
        "layer1/attention/project/kernel",
        "layer1/expand/kernel",
        "layer1/project/kernel",
        "head/classifier/kernel",
    }
    assert {"stem/position", "stem/class_token", "layer1/mlp_norm/scale"} <= set(updates)


def test_the_average_forgets_faster_at_first() -> None:
    average: Any = {"w": jnp.asarray(0.0)}
    # (1 + t) / (10 + t): 0.1, 2/11, then the decay 0.2.
    for updates, weight, expected in (
        (0, 10.0, 9.0),
        (1, 20.0, 9 * 2 / 11 + 20 * 9 / 11),
        (2, 0.0, 0.2 * (9 * 2 / 11 + 20 * 9 / 11)),
    ):
        average = averaged(average, {"w": jnp.asarray(weight)}, decay=0.2, updates=updates)
        assert float(average["w"]) == pytest.approx(expected, rel=1e-6)


def test_a_network_trained_alone_is_averaged_too() -> None:
    space = tiny.small_space(kernel_sizes=[3], depths=[1])
    architecture = space.decode(space.largest)
    first = untrained(architecture, seed=5).params

    def trained(**changes: Any) -> dict[str, np.ndarray]:
        # One step of one batch.
        recipe = tiny.recipe(epochs=1, batch_size=64, **changes)
        found = train_alone(
            architecture,
            tiny.dataset(),
            recipe,
            seed=5,
            calibration_images=8,
            report=lambda done, total, loss: None,
        )
        return flattened(found.params)

    plain, average = trained(), trained(ema_decay=0.99)
    for name, leaf in flattened(first).items():
        expected = 0.1 * leaf + 0.9 * plain[name]
        np.testing.assert_allclose(average[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)
