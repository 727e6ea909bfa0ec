"""What stages build from a config: the data, the space, the executor, the compilation cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from nas.config import Config
from nas.data import Dataset, load_dataset
from nas.evaluation.subnets import SubnetEvaluator, SubnetPayload
from nas.execution.base import Executor
from nas.execution.in_process import InProcessExecutor
from nas.study import Study
from nas.supernet.checkpoint import load_weights
from nas.supernet.elastic import Weights, weight_shapes
from search_spaces.base import SearchSpace


@dataclass(frozen=True)
class Setting:
    """A study and its config, with what follows from them; loaded when first used."""

    study: Study
    config: Config

    @property
    def load(self) -> Callable[[], Dataset]:
        """Loads the data set; picklable."""
        data = self.config.data
        return partial(
            load_dataset,
            data.name,
            path=data.path,
            search_fraction=data.search_fraction,
            seed=self.config.seed,
            image_size=data.image_size,
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The data set."""
        return self.load()

    @cached_property
    def space(self) -> SearchSpace:
        """The space for the data's images and classes."""
        height, width, channels = self.dataset.train.images.shape[1:]
        return self.config.space.build(
            image_shape=(height, width, channels), classes=len(self.dataset.classes)
        )

    @cached_property
    def weights(self) -> Weights:
        """The trained shared weights, as NumPy arrays."""
        return load_weights(self.checkpoints, weight_shapes(self.space))

    @property
    def checkpoints(self) -> Path:
        """The supernet's; absolute, since workers run in a directory of their own."""
        return (self.study.path / "checkpoints").absolute()

    @property
    def payload(self) -> SubnetPayload:
        """What evaluators are built from."""
        search = self.config.search
        return SubnetPayload(
            load=self.load,
            space=self.space,
            weights=self.weights,
            calibration_images=search.calibration_images,
            batch_size=search.batch_size,
            seed=self.config.seed,
            compute_dtype=search.compute_dtype,
        )

    def executor(self) -> Executor:
        """Evaluates subnets as the config's search section says."""
        search = self.config.search
        if search.executor == "in_process":
            return InProcessExecutor(SubnetEvaluator, self.payload)
        from nas.execution.ray_executor import RayExecutor

        return RayExecutor(
            SubnetEvaluator,
            self.payload,
            workers=search.workers,
            cpus_per_worker=search.cpus_per_worker,
            gpus_per_worker=search.gpus_per_worker,
            worker_env=cache_environment(),
            timeout_s=search.timeout_s,
        )


def compilation_cache() -> Path:
    """Where compiled functions are kept: with the user and not in the study.

    What is loaded from there is executed, and a study may come from somebody else. The variable
    JAX_COMPILATION_CACHE_DIR names another place, such as one that all nodes of a cluster see.
    """
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches).absolute() / "ridgeline" / "compiled"


def cache_environment() -> dict[str, str]:
    """Variables by which workers keep compiled functions, shared by all processes and studies."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(compilation_cache()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def prepare_process(setting: Setting) -> None:
    """Starts Ray where the config asks for it, then shares compiled functions.

    Ray has to be running before the process's first JAX computation.
    """
    config = setting.config
    elsewhere = any(target.measure_on is not None for target in config.targets)
    if elsewhere or "ray" in (config.train.executor, config.search.executor):
        from nas.execution.cluster import start_ray

        start_ray()
    import jax

    jax.config.update("jax_compilation_cache_dir", str(compilation_cache()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
