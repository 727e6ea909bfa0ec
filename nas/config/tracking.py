"""The config's section on trackers. Logins are not its business: they come from the environment."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from nas.config.section import Section

Text = Annotated[str, Field(min_length=1)]


class WandbConfig(Section):
    """Weights & Biases, logged in to by `wandb login` or WANDB_API_KEY."""

    project: Text = "ridgeline"
    entity: Text | None = None
    """The user or team that the project belongs to; null for the login's own."""


class MlflowConfig(Section):
    """MLflow, logged in to by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or _TOKEN."""

    experiment: Text = "ridgeline"
    uri: Text | None = None
    """Of the tracking server; null for what MLFLOW_TRACKING_URI says."""

    @field_validator("uri")
    @classmethod
    def _without_password(cls, uri: str | None) -> str | None:
        if uri is not None and urlsplit(uri).password is not None:
            raise ValueError("must hold no password: give the whole URI as MLFLOW_TRACKING_URI")
        return uri


class TrackingConfig(Section):
    """Where the figures of training and search are sent while they run, besides the study."""

    tensorboard: bool = False
    """Whether TensorBoard's event files are written, to tensorboard/ in the study directory."""
    wandb: WandbConfig | None = None
    mlflow: MlflowConfig | None = None
