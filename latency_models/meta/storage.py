"""A predictor on disk: `predictor.json` says what it is, `predictor.safetensors` holds its arrays.

The JSON is written last and carries the arrays' digest, so that a half-written or altered predictor
is refused.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.meta.bayesian import BayesianPredictor
from latency_models.meta.features import FEATURES
from latency_models.meta.posterior import Posterior

_FORMAT = "latency_models.predictor"
_METHOD = "bayesian_roofline"
_VERSION = 1
_JSON = "predictor.json"
_ARRAYS = "predictor.safetensors"


def save_predictor(predictor: BayesianPredictor, directory: Path) -> None:
    """Writes a predictor into a directory, made if need be; an older one there is replaced."""
    directory.mkdir(parents=True, exist_ok=True)
    posterior = predictor.posterior
    arrays = save({"mean": posterior.mean, "covariance": posterior.covariance})
    body = {
        "format": _FORMAT,
        "version": _VERSION,
        "method": _METHOD,
        "features": FEATURES,
        "samples": predictor.samples,
        "threads": predictor.threads,
        "noise_std": posterior.noise_std,
        "device": asdict(predictor.spec),
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    _replace(directory / _ARRAYS, arrays)
    _replace(directory / _JSON, json.dumps(body, indent=2).encode())


def load_predictor(directory: Path) -> BayesianPredictor:
    """Reads what `save_predictor` wrote; it predicts exactly what the saved one did.

    Raises:
        FileNotFoundError: If there is no predictor.
        ValueError: If it is of another format, version or method, or its files do not belong
            together.
    """
    path = directory / _JSON
    body = json.loads(path.read_text())
    if not isinstance(body, dict) or body.get("format") != _FORMAT:
        raise ValueError(f"{path}: not a predictor, expected format {_FORMAT!r}")
    for key, expected in (("version", _VERSION), ("method", _METHOD), ("features", [*FEATURES])):
        if body.get(key) != expected:
            raise ValueError(f"{path}: expected {key} {expected!r}, got {body.get(key)!r}")
    arrays = (directory / _ARRAYS).read_bytes()
    if hashlib.sha256(arrays).hexdigest() != body.get("arrays_sha256"):
        raise ValueError(
            f"{directory / _ARRAYS}: altered or incomplete, its digest is not that in {_JSON}"
        )
    try:
        return _read(body, load(arrays))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: missing or unknown field {error}") from error


def _read(body: dict[str, Any], arrays: dict[str, np.ndarray]) -> BayesianPredictor:
    posterior = Posterior(arrays["mean"], arrays["covariance"], body["noise_std"])
    device = dict(body["device"])
    device["caches"] = tuple(CacheLevel(**cache) for cache in device["caches"])
    return BayesianPredictor(DeviceSpec(**device), body["threads"], posterior, body["samples"])


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
