"""A whole training run as one picklable value, so that this process or Ray workers can do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
from jax.sharding import Mesh

from nas.data import Dataset, Split
from nas.evaluation.subnets import SubnetEvaluation
from nas.supernet.checkpoint import Checkpoints
from nas.supernet.elastic import Weights
from nas.supernet.engine import BATCH_AXIS, BlockChain
from nas.supernet.precision import compute_dtype
from nas.supernet.recipe import Recipe
from nas.supernet.trainer import SupernetTrainer
from nas.supernet.training import Report, train_supernet
from nas.supernet.validation import validated_networks
from search_spaces.base import SearchSpace


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, on what, how, and where its checkpoints go.

    Attributes:
        load: Loads the data set where the job runs.
        validation_images: Of the search split, for the accuracies after each epoch.
        calibration_images: Of the training split, for the statistics of the validated subnets.
        validation_subnets: Validated besides the largest and the smallest.
        compute_dtype: What blocks compute in where the job runs, see `nas.supernet.precision`.
    """

    load: Callable[[], Dataset]
    space: SearchSpace
    recipe: Recipe
    seed: int
    checkpoints: Path
    validation_images: int
    calibration_images: int
    validation_subnets: int
    compute_dtype: str = "float32"

    def run(self, report: Report) -> None:
        """Trains from the last checkpoint to the end, over all of this JAX world's devices.

        Raises:
            FloatingPointError: If training keeps collapsing.
        """
        dataset = self.load()
        mesh = Mesh(jax.devices(), (BATCH_AXIS,)) if jax.device_count() > 1 else None
        dtype = compute_dtype(self.compute_dtype)
        trainer = SupernetTrainer(
            self.space, dataset, self.recipe, seed=self.seed, mesh=mesh, dtype=dtype
        )
        checkpoints = Checkpoints(self.checkpoints)
        try:
            train_supernet(trainer, checkpoints, validate=self._validation(dataset), report=report)
        finally:
            checkpoints.close()

    def _validation(self, dataset: Dataset) -> Callable[[Weights], dict[str, float]]:
        """Accuracies of the `validated_networks`; in the first process only."""
        chain = BlockChain(dtype=compute_dtype(self.compute_dtype))
        networks = validated_networks(self.space, self.validation_subnets, seed=self.seed)
        count = min(self.validation_images, len(dataset.search))
        split = Split(dataset.search.images[:count], dataset.search.labels[:count])

        def validate(weights: Weights) -> dict[str, float]:
            if jax.process_index() != 0:
                return {}
            evaluation = SubnetEvaluation(
                self.space,
                weights,
                dataset,
                calibration_images=self.calibration_images,
                batch_size=min(self.calibration_images, count),
                seed=self.seed,
                chain=chain,
            )
            return {
                name: evaluation.accuracy(self.space.decode(genotype), split).accuracy
                for name, genotype in networks.items()
            }

        return validate
