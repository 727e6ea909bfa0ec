"""The trackers. Their packages are optional, and imported when one is opened.

A study is one run of Weights & Biases or MLflow, whatever its stages and restarts: each finds the
run again by an identifier that the study keeps.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.config.tracking import MlflowConfig, WandbConfig

MLFLOW_TAG = "ridgeline.study"
MLFLOW_PARAMS_PER_CALL = 100
"""The most that MLflow's REST API takes at a time."""


class TensorBoardTracker:
    """Writes event files to a directory of the stage's own.

    A point logged again replaces what an earlier session logged from its step on.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer: Any = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes a scalar for each metric."""
        if self._writer is None:
            from tensorboardX import SummaryWriter

            # Names are made of the second otherwise.
            suffix = f".{secrets.token_hex(4)}"
            self._writer = SummaryWriter(
                str(self._directory), purge_step=step, filename_suffix=suffix
            )
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()


class WandbTracker:
    """A run of Weights & Biases. Its own steps only grow, so ours are a metric beside the others.

    Args:
        config: Project and entity.
        identifier: Of the run, which is continued where there is one.
        name: What the run is called.
        stage: Whose steps are the metrics' axis.
        directory: Where its files lie, and stay in its offline mode.
        settings: The study's config.
    """

    def __init__(
        self,
        config: WandbConfig,
        *,
        identifier: str,
        name: str,
        stage: str,
        directory: Path,
        settings: Mapping[str, Any],
    ) -> None:
        import wandb

        self._step = f"{stage}/step"
        self._run = wandb.init(
            project=config.project,
            entity=config.entity,
            id=identifier,
            name=name,
            resume="allow",
            dir=directory,
            config=dict(settings),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self._run.define_metric(self._step, hidden=True)
        self._run.define_metric(f"{stage}/*", step_metric=self._step)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a row to the run's history."""
        self._run.log({self._step: step, **metrics})

    def close(self) -> None:
        """Sends what is left, and ends this session of the run."""
        self._run.finish()


class MlflowTracker:
    """A run of MLflow.

    Args:
        config: Experiment, made if missing, and server.
        identifier: Kept as a tag of the run, which is continued where there is one.
        name: What the run is called.
        settings: The study's config, whose values become the run's parameters.
    """

    def __init__(
        self, config: MlflowConfig, *, identifier: str, name: str, settings: Mapping[str, Any]
    ) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=config.uri)
        experiment = self._client.get_experiment_by_name(config.experiment)
        experiment_id = (
            self._client.create_experiment(config.experiment)
            if experiment is None
            else experiment.experiment_id
        )
        ours = f"tags.`{MLFLOW_TAG}` = '{identifier}'"
        found = self._client.search_runs([experiment_id], ours, max_results=1)
        if found:
            self._run_id: str = found[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
            return
        run = self._client.create_run(experiment_id, tags={MLFLOW_TAG: identifier}, run_name=name)
        self._run_id = run.info.run_id
        self._log_settings(settings)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a point to each metric's history."""
        from mlflow.entities import Metric

        now_ms = round(time.time() * 1000)
        points = [Metric(name, value, now_ms, step) for name, value in metrics.items()]
        self._client.log_batch(self._run_id, metrics=points)

    def close(self) -> None:
        """Marks the run as finished."""
        self._client.set_terminated(self._run_id)

    def _log_settings(self, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        values = {
            f"{section}.{key}" if key else section: value
            for section, content in settings.items()
            for key, value in (content if isinstance(content, dict) else {"": content}).items()
        }
        params = [Param(name, json.dumps(value)) for name, value in values.items()]
        for first in range(0, len(params), MLFLOW_PARAMS_PER_CALL):
            self._client.log_batch(
                self._run_id, params=params[first : first + MLFLOW_PARAMS_PER_CALL]
            )
