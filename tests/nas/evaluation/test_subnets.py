"""Recalibrated statistics by definition, accuracy counted right, and the evaluator of tasks."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nas.data import Dataset, prepare
from nas.evaluation.subnets import SubnetEvaluation, SubnetEvaluator, SubnetPayload
from nas.execution.base import Task
from nas.execution.in_process import InProcessExecutor
from nas.supernet.elastic import Weights, cut_network
from nas.supernet.engine import BlockChain
from nas.supernet.standalone import network_definition, subnet
from search_spaces import Architecture
from tests.nas.supernet import tiny

SPACE = tiny.space(width_multipliers=[1.0])
CHAIN = BlockChain()
# At 7 pixels, so that images are resized.
GENOTYPE = SPACE.canonical(np.array([[0, 0, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0]]))[0]


@cache
def weights() -> Weights:
    """Made when first asked for: collecting tests must not start JAX, which Ray has to precede."""
    return tiny.random_weights(SPACE)


def evaluation(dataset: Dataset, *, batch_size: int, calibration_images: int) -> SubnetEvaluation:
    return SubnetEvaluation(
        SPACE,
        weights(),
        dataset,
        calibration_images=calibration_images,
        batch_size=batch_size,
        seed=0,
        chain=CHAIN,
    )


def prepared(dataset: Dataset, images: np.ndarray, architecture: Architecture) -> Any:
    mean, std = dataset.mean.astype(np.float32), dataset.std.astype(np.float32)
    return prepare(images, mean=mean, std=std, resolution=architecture.input_shape[0])


def test_statistics_are_those_of_the_standalone_network_over_all_calibration_batches() -> None:
    dataset = tiny.dataset(train=32)
    architecture = SPACE.decode(GENOTYPE)
    found = evaluation(dataset, batch_size=32, calibration_images=32).statistics(architecture)
    definition, _, shapes = network_definition(architecture, "batch", "native")

    @jax.jit
    def statistics(params: Any, images: jax.Array) -> Any:
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
        network = nnx.merge(definition, params, {"blocks": zeros})
        network(images)
        return nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))["blocks"]

    images = prepared(dataset, dataset.train.images, architecture)
    expected = statistics(cut_network(weights(), architecture), images)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for actual, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("train", "batch_size", "wanted", "batches"),
    [(64, 16, 40, [16, 16]), (40, 16, 64, [16, 16]), (40, 16, 4, [16]), (12, 16, 64, [12])],
)
def test_calibration_takes_whole_batches(
    train: int, batch_size: int, wanted: int, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evaluation(tiny.dataset(train=train), batch_size=batch_size, calibration_images=wanted)
    sizes: list[int] = []
    monkeypatch.setattr(
        CHAIN, "calibrate", lambda _, __, images: sizes.extend(len(batch) for batch in images)
    )
    made.statistics(SPACE.decode(GENOTYPE))
    assert sizes == batches


def test_a_partial_last_batch_counts_each_image_once() -> None:
    dataset = tiny.dataset(search=37)
    architecture = SPACE.decode(GENOTYPE)
    made = evaluation(dataset, batch_size=32, calibration_images=32)
    found = made.accuracy(architecture, dataset.search)
    network = subnet(weights(), architecture, made.statistics(architecture))
    logits = np.asarray(
        jax.jit(network.function())(prepared(dataset, dataset.search.images, architecture)),
        dtype=np.float64,
    )
    labels = dataset.search.labels
    assert found.accuracy == pytest.approx((logits.argmax(1) == labels).sum() / 37)
    likelihood = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found.loss == pytest.approx(-np.log(likelihood[np.arange(37), labels]).mean(), rel=1e-4)


def test_the_evaluator_evaluates_tasks_on_either_split_the_same_way_every_time() -> None:
    dataset = tiny.dataset()
    payload = SubnetPayload(
        load=tiny.dataset,
        space=SPACE,
        weights=weights(),
        calibration_images=32,
        batch_size=32,
        seed=0,
    )
    genotype = tuple(int(option) for option in GENOTYPE)
    with InProcessExecutor(SubnetEvaluator, payload) as executor:
        for split in ("search", "test", "search"):
            executor.submit(Task(genotype, split, seed=0))
        outcomes = [executor.next() for _ in range(3)]
    assert {outcome.status for outcome in outcomes} == {"ok"}
    made = evaluation(dataset, batch_size=32, calibration_images=32)
    for outcome in outcomes:
        split = {"search": dataset.search, "test": dataset.test}[outcome.task.split]
        expected = made.accuracy(SPACE.decode(GENOTYPE), split)
        assert outcome.metrics == {"accuracy": expected.accuracy, "loss": expected.loss}
