"""A whole training run as one picklable value, so that this process or Ray workers can do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
from jax.sharding import Mesh

from nas.data import Dataset, Split
from nas.evaluation.subnets import SubnetEvaluation
from nas.supernet.checkpoint import Checkpoints, State
from nas.supernet.elastic import Weights
from nas.supernet.engine import BATCH_AXIS, BlockChain
from nas.supernet.precision import compute_dtype
from nas.supernet.progress import Compiling, Report
from nas.supernet.recipe import Recipe
from nas.supernet.trainer import SupernetTrainer
from nas.supernet.training import train_supernet
from nas.supernet.validation import validated_networks
from nas.supernet.warm_up import configurations, warm_up
from search_spaces.base import Genotype, SearchSpace


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, on what, how, and where its checkpoints go.

    Attributes:
        load: Loads the data set where the job runs.
        validation_images: Of the search split, for the accuracies after each epoch.
        calibration_images: Of the training split, for the statistics of the validated subnets.
        validation_subnets: Validated besides the largest and the smallest.
        compute_dtype: What blocks compute in where the job runs, see `nas.supernet.precision`.
        warm_up: Whether all blocks are compiled before the first step.
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
    warm_up: bool = False

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
        validation = BlockChain(dtype=dtype)
        checkpoints = Checkpoints(self.checkpoints)

        def prepare(state: State) -> None:
            if self.warm_up:
                self._warm_up(trainer, validation, self._validated(dataset), state, report)

        try:
            train_supernet(
                trainer,
                checkpoints,
                validate=self._validation(dataset, validation),
                report=report,
                prepare=prepare,
            )
        finally:
            checkpoints.close()

    def _validated(self, dataset: Dataset) -> int:
        return min(self.validation_images, len(dataset.search))

    def _networks(self) -> dict[str, Genotype]:
        return validated_networks(self.space, self.validation_subnets, seed=self.seed)

    def _warm_up(
        self,
        trainer: SupernetTrainer,
        validation: BlockChain,
        validated: int,
        state: State,
        report: Report,
    ) -> None:
        """Compiles what the steps run, and in the first process what the validation runs."""
        weights, step = state["weights"], int(state["step"])
        trained = configurations(self.space, weights)
        networks = self._networks().values() if jax.process_index() == 0 else []
        evaluated = configurations(self.space, weights, networks)
        total = len(trained) + len(evaluated)
        warm_up(
            trainer.chain,
            trained,
            weights,
            batch_size=self.recipe.batch_size,
            purpose="training",
            on_progress=lambda done, _: report(Compiling(step, done, total)),
        )
        warm_up(
            validation,
            evaluated,
            # Validation has copies that are bound to no device.
            jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), weights),
            batch_size=min(self.calibration_images, validated),
            purpose="evaluation",
            on_progress=lambda done, _: report(Compiling(step, len(trained) + done, total)),
        )

    def _validation(
        self, dataset: Dataset, chain: BlockChain
    ) -> Callable[[Weights], dict[str, float]]:
        """Accuracies of the `validated_networks`; in the first process only."""
        networks = self._networks()
        count = self._validated(dataset)
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
