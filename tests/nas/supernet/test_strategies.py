"""Which subnets a step runs, and what they learn from."""

import jax
import jax.numpy as jnp
import numpy as np

from nas.supernet.phases import plan_phases
from nas.supernet.recipe import Phase, Recipe
from nas.supernet.sampling import build_sampler
from nas.supernet.strategies import Strategy, build_strategy
from nas.supernet.trainer import subnet_loss
from tests.nas.supernet import tiny

SPACE = tiny.space()


def strategy(recipe: Recipe) -> Strategy:
    phases = plan_phases(SPACE, recipe, steps_per_epoch=4)
    return build_strategy(SPACE, build_sampler(SPACE, recipe), phases, recipe, seed=5)


def test_a_sandwich_is_the_largest_on_labels_and_others_on_its_predictions() -> None:
    made = strategy(tiny.recipe(random_subnets=2))
    lessons = made.lessons(3, {})
    assert [(lesson.labels, lesson.soft) for lesson in lessons] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    np.testing.assert_array_equal(lessons[0].genotype, SPACE.largest)
    np.testing.assert_array_equal(lessons[1].genotype, SPACE.smallest)
    assert made.teacher(lessons) is None


def test_a_single_path_is_one_subnet_on_the_labels() -> None:
    made = strategy(tiny.recipe(strategy="single_path", random_subnets=0))
    lessons = [made.lessons(step, {}) for step in range(300)]
    assert all(len(one) == 1 and (one[0].labels, one[0].soft) == (1, 0) for one in lessons)
    assert made.teacher(lessons[0]) is None
    width = np.array([one[0].genotype[1] for one in lessons])
    assert abs(width.mean() - 0.5) < 5 * 0.5 / 300**0.5


def test_subnets_follow_from_the_seed_and_the_step() -> None:
    for recipe in (tiny.recipe(), tiny.recipe(strategy="single_path")):
        drawn = [strategy(recipe).lessons(step, {})[-1].genotype for step in (3, 3, 4, 5)]
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert any((drawn[0] != other).any() for other in drawn[2:])


def test_the_first_phase_learns_from_labels_and_later_ones_also_from_the_largest() -> None:
    phases = Phase(1, {}, 0.1, 0.0, 1), Phase(2, {"kernel": "all"}, 0.1, 0.0, 2)
    recipe = tiny.recipe(strategy="progressive", phases=phases, kd_ratio=0.7)
    made = strategy(recipe)
    first, second = made.lessons(3, {}), made.lessons(4, {})
    assert [(lesson.labels, lesson.soft) for lesson in first] == [(1, 0)]
    np.testing.assert_array_equal(first[0].genotype[1:], SPACE.largest[1:])
    assert made.teacher(first) is None
    assert [(lesson.labels, lesson.soft) for lesson in second] == [(1, 0.7), (1, 0.7)]
    teachers = []
    for step in range(4, 12):
        lessons = made.lessons(step, {})
        teacher = made.teacher(lessons)
        assert teacher is not None
        np.testing.assert_array_equal(teacher[1:], SPACE.largest[1:])
        assert {lesson.genotype[0] for lesson in lessons} == {teacher[0]}
        teachers.append(teacher[0])
    assert set(teachers) == {0, 1}


def test_what_is_learned_is_the_weighted_sum_of_both_cross_entropies() -> None:
    rng = np.random.default_rng(0)
    z, soft = rng.standard_normal((2, 5, 4))
    soft = np.exp(soft) / np.exp(soft).sum(1, keepdims=True)
    labels = np.array([0, 3, 1, 1, 2])
    with jax.enable_x64(True):
        loss, gradient = subnet_loss(
            jnp.asarray(z), jnp.asarray(labels), jnp.asarray(soft), 0.5, 2.0, 0.2
        )
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    hard = 0.8 * np.eye(4)[labels] + 0.05
    np.testing.assert_allclose(loss, -(hard * logs).sum(1).mean(), rtol=1e-12)
    # Of -sum(t log p) for targets that add up to w: w p - t.
    expected = (2.5 * np.exp(logs) - (0.5 * hard + 2 * soft)) / 5
    np.testing.assert_allclose(gradient, expected, rtol=1e-10)
