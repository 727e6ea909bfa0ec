"""What workers start with, from the function that they are started by."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from nas.config import Config, SearchConfig, TrainConfig
from nas.doctor.check import Check

USERS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "LD_PRELOAD")
"""Variables that are left to the user; workers of this machine inherit them."""


def worker_environments(config: Config | None) -> dict[str, dict[str, str]]:
    """Variables of the workers of train and search, by stage; those in process have none.

    Args:
        config: What is to be run; None for the defaults of a config.
    """
    from nas.execution.cluster import worker_environment
    from nas.stages.setting import cache_environment

    train = TrainConfig() if config is None else config.train
    search = SearchConfig() if config is None else config.search
    found: dict[str, dict[str, str]] = {}
    if train.executor == "ray":
        found["train"] = worker_environment(
            cpus=train.cpus_per_worker, gpus=train.gpus_per_worker, together=train.workers
        )
    if search.executor == "ray":
        found["search"] = worker_environment(
            cpus=search.cpus_per_worker, gpus=search.gpus_per_worker
        )
    return {stage: own | cache_environment() for stage, own in found.items()}


def show_workers(environments: Mapping[str, Mapping[str, str]]) -> Iterator[Check]:
    """One line a stage, and one for what the user's own environment adds."""
    for stage, environment in environments.items():
        text = " ".join(f"{name}={value}" for name, value in environment.items())
        yield Check(f"{stage} workers", "ok", text)
    own = [f"{name}={os.environ[name]}" for name in USERS if os.environ.get(name)]
    if own:
        yield Check("from your shell", "ok", " ".join(own))
