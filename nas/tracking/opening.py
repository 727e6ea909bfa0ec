"""From a config's `tracking` section to the trackers of a stage."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from nas.config import Config, TrackingConfig
from nas.errors import StudyError, UserError
from nas.study import Study
from nas.tracking.backends import MlflowTracker, TensorBoardTracker, WandbTracker
from nas.tracking.tracker import BackgroundTracker, Tracker

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}
"""What each tracker imports; the extra that brings it has the tracker's name."""
RUN_KEY = "tracking.run"
"""The key of the study's metadata under which the run's identifier is kept."""
IDENTIFIER = re.compile("[0-9a-f]{16}")
"""As `secrets.token_hex` makes it: it goes into a query and into paths."""


class TrackingError(UserError):
    """A tracker that is asked for cannot be used here."""


def check_tracking(config: TrackingConfig) -> None:
    """Looks whether the trackers that are asked for are installed, and logged in to.

    Raises:
        TrackingError: If one is not; says what to do.
    """
    for name, package in PACKAGES.items():
        if getattr(config, name) and importlib.util.find_spec(package) is None:
            raise TrackingError(
                f"tracking.{name}: expected the package {package}, which is not installed; "
                f"pip install 'ridgeline-nas[{name}]', or leave tracking.{name} out"
            )
    if config.wandb is not None and os.environ.get("WANDB_MODE", "online") == "online":
        import wandb

        if not wandb.login(prompt=False, verify=False):
            raise TrackingError(
                "tracking.wandb: expected a login, found none; `wandb login`, set WANDB_API_KEY, "
                "or set WANDB_MODE=offline"
            )


@contextmanager
def open_tracker(study: Study, config: Config, stage: str) -> Generator[Tracker]:
    """All trackers that the config asks for as one, until the stage ends.

    Metrics are named after the stage.
    """
    tracker = _StageTracker(stage, _trackers(study, config, stage))
    try:
        yield tracker
    finally:
        tracker.close()


class _StageTracker:
    def __init__(self, stage: str, trackers: Sequence[Tracker]) -> None:
        self._stage, self._trackers = stage, trackers

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        named = {f"{self._stage}/{name}": value for name, value in metrics.items()}
        for tracker in self._trackers:
            tracker.log(step, named)

    def close(self) -> None:
        for tracker in self._trackers:
            tracker.close()


def _trackers(study: Study, config: Config, stage: str) -> list[Tracker]:
    tracking, directory, settings = config.tracking, study.path.absolute(), config.to_document()
    wandb, mlflow = tracking.wandb, tracking.mlflow
    found: list[Tracker] = []
    if tracking.tensorboard:
        events = directory / "tensorboard" / stage
        found.append(BackgroundTracker("tensorboard", lambda: TensorBoardTracker(events)))
    if wandb is None and mlflow is None:
        return found
    identifier = study.kept(RUN_KEY, str) or secrets.token_hex(8)
    if not IDENTIFIER.fullmatch(identifier):
        raise StudyError(f"{study.path}/study.db: metadata {RUN_KEY}: got {identifier!r:.60}")
    study.set_metadata(RUN_KEY, identifier)
    if wandb is not None:
        found.append(
            BackgroundTracker(
                "wandb",
                lambda: WandbTracker(
                    wandb,
                    identifier=identifier,
                    name=config.name,
                    stage=stage,
                    directory=directory,
                    settings=settings,
                ),
            )
        )
    if mlflow is not None:
        found.append(
            BackgroundTracker(
                "mlflow",
                lambda: MlflowTracker(
                    mlflow, identifier=identifier, name=config.name, settings=settings
                ),
            )
        )
    return found
