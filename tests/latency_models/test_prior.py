"""What known targets teach: closed forms where they exist, and drawn populations of targets."""

import numpy as np
import pytest

from latency_models.meta.op_features import CLASSES, FEATURES
from latency_models.meta.posterior import Gaussian
from latency_models.meta.prior import KnownTarget, broad_prior, hypotheses, learn

# As in the module: targets that the broad prior's mean counts for, relative to its covariance.
MEAN_SHARE = 0.5


def _known(coefficients: np.ndarray, precision: float | np.ndarray, name: str = "x") -> KnownTarget:
    matrix = np.diag(np.broadcast_to(precision, coefficients.shape))
    return KnownTarget(name, "written", matrix, matrix @ coefficients, 0.02)


def test_exactly_known_targets_give_their_own_mean_and_covariance() -> None:
    rng = np.random.default_rng(0)
    thetas = rng.standard_normal((4, 3)) * [1.0, 0.2, 3.0] + [0.5, 0.0, -2.0]
    # Wider than the targets in every direction.
    broad, weight = Gaussian(np.array([0.1, 0.2, 0.3]), np.diag([4.0, 1.0, 36.0])), 3.0
    learned, means = learn([_known(theta, 1e12) for theta in thetas], broad, weight=weight)
    mean = (weight * MEAN_SHARE * broad.mean + thetas.sum(axis=0)) / (weight * MEAN_SHARE + 4)
    scatter = sum(np.outer(theta - mean, theta - mean) for theta in thetas)
    np.testing.assert_allclose(means, thetas, rtol=1e-6)
    np.testing.assert_allclose(learned.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(
        learned.covariance, (weight * broad.covariance + scatter) / (weight + 4), rtol=1e-6
    )


def test_targets_far_apart_do_not_make_a_direction_wider_than_the_broad_prior() -> None:
    # Along the first coefficient they lie 10 standard deviations apart, along the second .1.
    broad, weight = Gaussian(np.zeros(2), np.diag([4.0, 1.0])), 3.0
    known = [_known(theta, 1e12) for theta in np.array([[-10.0, 0.05], [10.0, 0.05]])]
    learned, means = learn(known, broad, weight=weight)
    np.testing.assert_allclose(means, [[-10.0, 0.05], [10.0, 0.05]], rtol=1e-6)
    second = 0.1 / (weight * MEAN_SHARE + 2)
    scatter = 2 * (0.05 - second) ** 2
    np.testing.assert_allclose(learned.mean, [0.0, second], atol=1e-6)
    narrow = (weight * 1.0 + scatter) / (weight + 2)
    np.testing.assert_allclose(learned.covariance, np.diag([4.0, narrow]), atol=1e-6)


def test_targets_of_which_nothing_is_known_teach_nothing() -> None:
    broad = Gaussian(np.array([0.1, 0.2]), np.array([[1.0, 0.3], [0.3, 2.0]]))
    learned, means = learn([_known(np.zeros(2), 0.0)] * 5, broad, weight=3.0)
    np.testing.assert_allclose(learned.mean, broad.mean)
    np.testing.assert_allclose(learned.covariance, broad.covariance)
    np.testing.assert_allclose(means, np.tile(broad.mean, (5, 1)))


def test_many_targets_recover_the_population_that_they_are_drawn_from() -> None:
    rng = np.random.default_rng(1)
    true = Gaussian(np.array([0.5, -1.0]), np.array([[0.5, 0.3], [0.3, 0.4]]))
    broad = Gaussian(np.zeros(2), np.eye(2))
    # Each target's measurements say something of one coefficient only, with a std of 0.3.
    known: list[KnownTarget] = []
    for i, theta in enumerate(rng.multivariate_normal(true.mean, true.covariance, 400)):
        seen = np.array([1.0, 1.0]) if i % 2 else np.array([1.0, 0.01])
        estimate = theta + 0.3 / np.sqrt(seen) * rng.standard_normal(2)
        known.append(_known(estimate, seen / 0.3**2))
    learned, _ = learn(known, broad, weight=3.0)
    np.testing.assert_allclose(learned.mean, true.mean, atol=0.12)
    np.testing.assert_allclose(learned.covariance, true.covariance, atol=0.12)


def test_hypotheses_are_the_broad_prior_two_learned_ones_and_one_a_target() -> None:
    rng, broad = np.random.default_rng(2), broad_prior(scale_std=1.0)
    thetas = broad.mean + 0.3 * rng.standard_normal((3, len(FEATURES)))
    known = [_known(theta, 1e9, name) for theta, name in zip(thetas, "abc", strict=True)]
    found = hypotheses(known, broad)
    assert [h.like.name if h.like else None for h in found] == [None, None, None, "a", "b", "c"]
    assert found[0].prior is broad
    little, much = learn(known, broad, weight=3.0)[0], learn(known, broad, weight=15.0)[0]
    for hypothesis, expected in zip(found[1:3], (little, much), strict=True):
        assert hypothesis.prior.mean.tolist() == expected.mean.tolist()
        assert hypothesis.prior.covariance.tolist() == expected.covariance.tolist()
    for hypothesis, theta in zip(found[3:], thetas, strict=True):
        np.testing.assert_allclose(hypothesis.prior.mean, theta, atol=1e-6)
        assert (np.diag(hypothesis.prior.covariance) < np.diag(little.covariance) / 5).all()


def test_without_known_targets_there_is_only_the_broad_prior() -> None:
    broad = broad_prior(scale_std=1.0)
    (only,) = hypotheses([], broad)
    assert (only.prior, only.like) == (broad, None)


@pytest.mark.parametrize("scale_std", [1.0, 2.5])
def test_broad_prior_has_the_scale_asked_for_and_believes_the_roofline(scale_std: float) -> None:
    broad = broad_prior(scale_std=scale_std)
    by_name = dict(zip(FEATURES, np.sqrt(np.diag(broad.covariance)), strict=True))
    means = dict(zip(FEATURES, broad.mean, strict=True))
    assert by_name["scale"] == pytest.approx(scale_std)
    assert all(means[name] == 0 for name in CLASSES)
    assert means["start.elementwise"] < means["start.spatial_conv"] < 0
