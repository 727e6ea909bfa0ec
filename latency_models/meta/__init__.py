"""Latency predictors learned over many targets, adapted to a new one by a few measurements."""

from latency_models.meta.members import Member, MetaLatencyPredictor
from latency_models.meta.model import MetaModel, TargetInfo
from latency_models.meta.pretrained import PRETRAINED, load_pretrained
from latency_models.meta.storage import (
    load_model,
    load_predictor,
    read_card,
    save_model,
    save_predictor,
)
from latency_models.meta.training import TargetData, meta_train

__all__ = [
    "PRETRAINED",
    "Member",
    "MetaLatencyPredictor",
    "MetaModel",
    "TargetData",
    "TargetInfo",
    "load_model",
    "load_predictor",
    "load_pretrained",
    "meta_train",
    "read_card",
    "save_model",
    "save_predictor",
]
