"""Predictors that know many devices: from a datasheet alone, or from a few measurements too."""

from latency_models.meta.bayesian import BayesianPredictor, BayesianRoofline
from latency_models.meta.storage import load_predictor, save_predictor

__all__ = ["BayesianPredictor", "BayesianRoofline", "load_predictor", "save_predictor"]
