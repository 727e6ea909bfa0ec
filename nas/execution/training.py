"""Trains the supernet on Ray workers, data-parallel; restarts from the checkpoint when one dies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.jax import JaxConfig, JaxTrainer
from ray.util.queue import Empty, Queue

from nas.errors import WorkerError
from nas.execution.base import one_line
from nas.execution.cluster import worker_environment
from nas.supernet.job import TrainingJob
from nas.supernet.progress import Report, Told

MAX_RESTARTS = 3
POLL_S = 0.5


def train_on_ray(
    job: TrainingJob,
    *,
    workers: int,
    cpus_per_worker: int,
    gpus_per_worker: float,
    storage: Path,
    environment: Mapping[str, str],
    on_progress: Report,
) -> None:
    """Runs the job to its end on `workers` workers; the batch is split between them.

    Args:
        job: What to train; its checkpoint directory must be seen by every worker.
        workers: Processes, each with all the devices that it is given.
        cpus_per_worker: Cores each worker takes of its node.
        gpus_per_worker: GPUs each worker takes of its node.
        storage: Where Ray Train keeps its own notes.
        environment: Variables for the workers, besides those of `worker_environment`.
        on_progress: Called in this process with what the first worker reports.

    Raises:
        WorkerError: If training failed, with the worker's reason.
    """
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    ours = worker_environment(cpus=cpus_per_worker, gpus=gpus_per_worker, together=workers)
    variables = {**ours, **environment}
    queue = Queue(actor_options={"num_cpus": 0})
    trainer = JaxTrainer(
        _work,
        train_loop_config={"job": job, "queue": queue},
        # `use_gpu` is what makes Ray join the workers to one JAX world, on CPUs too.
        jax_config=JaxConfig(use_gpu=workers > 1),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus_per_worker > 0,
            resources_per_worker={"CPU": cpus_per_worker, "GPU": gpus_per_worker},
        ),
        run_config=RunConfig(
            name="train",
            storage_path=str(storage.absolute()),
            failure_config=FailureConfig(max_failures=MAX_RESTARTS),
            worker_runtime_env={"env_vars": variables},
        ),
    )
    failure: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as problem:
            failure.append(problem)

    thread = threading.Thread(target=fit, name="ray-train", daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not queue.empty():
            try:
                told: Told | WorkerError = queue.get(timeout=POLL_S)
            except Empty:
                continue
            if isinstance(told, WorkerError):
                failure.append(told)
            else:
                on_progress(told)
    finally:
        queue.shutdown()
    if failure:
        raise WorkerError(f"training failed: {_reason(failure[0])}") from failure[0]


def _work(config: dict[str, Any]) -> None:
    """Runs in each worker.

    What is wrong with the data, the config or the recipe goes wrong the same way again, in every
    worker: it is told instead of raised, since Ray restarts what raises.
    """
    job: TrainingJob = config["job"]
    queue: Queue = config["queue"]
    first = ray.train.get_context().get_world_rank() == 0

    def report(told: Told) -> None:
        if first:
            # Into the worker's log, which Ray's dashboard shows.
            print(told, flush=True)
            queue.put(told)

    try:
        job.run(report)
    except (ValueError, FloatingPointError) as problem:
        if first:
            queue.put(WorkerError(one_line(problem)))


def _reason(problem: BaseException) -> str:
    """What the worker told, or its own exception where Ray carries it."""
    if isinstance(problem, WorkerError):
        return str(problem)
    failures = getattr(problem, "worker_failures", None)
    return one_line(next(iter(failures.values())) if failures else problem)
