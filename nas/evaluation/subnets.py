"""Accuracy of subnets: recalibrates BatchNorm on training images, then classifies a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nas.data import Dataset, Split, prepare
from nas.execution.base import Task
from nas.supernet.elastic import Weights
from nas.supernet.engine import BlockChain
from nas.supernet.precision import compute_dtype
from search_spaces.base import Architecture, SearchSpace


@dataclass(frozen=True)
class Accuracy:
    """Of a split: top-1 accuracy (0 to 1) and mean cross-entropy."""

    accuracy: float
    loss: float


class SubnetEvaluation:
    """Evaluates subnets with shared weights; holds the compiled blocks.

    Args:
        space: What the genotypes are of.
        weights: The supernet's.
        dataset: Calibrates on `train`.
        calibration_images: Training images for the statistics; the same ones every time. At least
            one batch is used, and only whole batches unless there are fewer images than that.
        batch_size: Images at a time.
        seed: Decides which training images.
        chain: Compiled blocks to share with earlier evaluations.
    """

    def __init__(
        self,
        space: SearchSpace,
        weights: Weights,
        dataset: Dataset,
        *,
        calibration_images: int,
        batch_size: int,
        seed: int,
        chain: BlockChain | None = None,
    ) -> None:
        self.space, self.dataset = space, dataset
        self._weights = jax.tree.map(jnp.asarray, weights)
        self._batch_size = batch_size
        self._chain = chain or BlockChain()
        rng = np.random.default_rng([seed, 2])
        batches = max(min(calibration_images, len(dataset.train)) // batch_size, 1)
        count = min(batches * batch_size, len(dataset.train))
        rows = np.sort(rng.choice(len(dataset.train), count, replace=False))
        self._calibration = Split(dataset.train.images[rows], dataset.train.labels[rows])

    def statistics(self, architecture: Architecture) -> dict[str, Any]:
        """The subnet's recalibrated statistics."""
        batches = (
            images for images, _, _ in self._batches(self._calibration, architecture, whole=False)
        )
        return self._chain.calibrate(self._weights, architecture, batches)

    def logits(self, architecture: Architecture, statistics: Any, images: Array) -> Array:
        """The subnet's logits for prepared images."""
        return self._chain.infer(self._weights, architecture, statistics, images)

    def accuracy(self, architecture: Architecture, split: Split) -> Accuracy:
        """Of the recalibrated subnet on a split."""
        statistics = self.statistics(architecture)
        counted = [
            _count(self.logits(architecture, statistics, images), labels, valid)
            for images, labels, valid in self._batches(split, architecture, whole=True)
        ]
        correct, loss = np.sum(np.array(jax.device_get(counted)), axis=0)
        return Accuracy(accuracy=float(correct) / len(split), loss=float(loss) / len(split))

    def _batches(
        self, split: Split, architecture: Architecture, *, whole: bool
    ) -> Iterator[tuple[Array, Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]]:
        """Prepared batches, their labels, and which rows count.

        With `whole` the last batch is filled up with repeats that do not count, so that all shapes
        are equal.
        """
        for start in range(0, len(split), self._batch_size):
            rows = np.arange(start, start + self._batch_size)
            if not whole:
                rows = rows[rows < len(split)]
            valid = rows < len(split)
            rows = np.minimum(rows, len(split) - 1)
            images = prepare(
                split.images[rows],
                mean=self.dataset.mean.astype(np.float32),
                std=self.dataset.std.astype(np.float32),
                resolution=architecture.input_shape[0],
            )
            yield images, split.labels[rows], valid


@jax.jit
def _count(
    logits: Float[Array, "n classes"], labels: Int[Array, " n"], valid: Bool[Array, " n"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Correct ones, and the sum of the cross-entropies."""
    correct = jnp.sum((jnp.argmax(logits, axis=-1) == labels) & valid)
    log_likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]
    return correct.astype(jnp.float32), -jnp.sum(log_likelihood * valid)


@dataclass(frozen=True)
class SubnetPayload:
    """What a worker needs to evaluate subnets; the weights are NumPy arrays.

    Attributes:
        compute_dtype: What blocks compute in where the worker runs, see `nas.supernet.precision`.
    """

    load: Callable[[], Dataset]
    space: SearchSpace
    weights: Weights
    calibration_images: int
    batch_size: int
    seed: int
    compute_dtype: str = "float32"


class SubnetEvaluator:
    """Evaluates tasks: genotypes on the search or the test split."""

    def __init__(self, payload: SubnetPayload) -> None:
        self._dataset = payload.load()
        self._space = payload.space
        self._evaluation = SubnetEvaluation(
            payload.space,
            payload.weights,
            self._dataset,
            calibration_images=payload.calibration_images,
            batch_size=payload.batch_size,
            seed=payload.seed,
            chain=BlockChain(dtype=compute_dtype(payload.compute_dtype)),
        )

    def evaluate(self, task: Task) -> dict[str, float]:
        """Accuracy (0 to 1) and mean cross-entropy of the recalibrated subnet."""
        architecture = self._space.decode(np.array(task.genotype, dtype=np.int64))
        splits = {"search": self._dataset.search, "test": self._dataset.test}
        found = self._evaluation.accuracy(architecture, splits[task.split])
        return {"accuracy": found.accuracy, "loss": found.loss}
