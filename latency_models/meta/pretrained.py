"""The model that ships with the package; its card says what it was trained on."""

from functools import cache
from pathlib import Path

from latency_models.meta.model import MetaModel
from latency_models.meta.storage import load_model

PRETRAINED = Path(__file__).parent / "pretrained"


@cache
def load_pretrained() -> MetaModel:
    """The pretrained model, read once a process.

    Raises:
        ValueError: If its files have been altered.
    """
    return load_model(PRETRAINED)
