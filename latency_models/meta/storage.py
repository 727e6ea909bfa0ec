"""Predictors and models on disk: a JSON file says what they are, a safetensors file has the arrays.

The JSON is written last and carries the arrays' digest, so that half-written or altered files are
refused. Nothing that is read is executed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.meta.members import Member, MetaLatencyPredictor
from latency_models.meta.model import MetaModel, SpecKnowledge, TargetInfo
from latency_models.meta.op_features import FEATURES
from latency_models.meta.posterior import Posterior
from latency_models.meta.prior import KnownTarget
from latency_models.op_counts import FORMS

_METHOD = "meta_roofline"
_VERSION = 3
# Beyond what a fit gives: of standard deviations in log seconds, and of all other figures.
_WIDEST = 100.0
_MOST = 1e12
_PREDICTOR = "predictor"
_MODEL = "model"

_Read = TypeVar("_Read")
_Arrays = dict[str, np.ndarray]


def save_predictor(predictor: MetaLatencyPredictor, directory: Path) -> None:
    """Writes a predictor into a directory, made if need be; an older one there is replaced."""
    arrays: _Arrays = {}
    members: list[dict[str, Any]] = []
    for i, member in enumerate(predictor.members):
        posterior = member.posterior
        arrays |= {f"mean.{i}": posterior.mean, f"covariance.{i}": posterior.covariance}
        numbers = {"noise_std": posterior.noise_std, "log_evidence": posterior.log_evidence}
        about = {"form": member.form, "reference": member.reference}
        members.append({"weight": member.weight, **about, **numbers})
    body = {
        "samples": predictor.samples,
        "threads": predictor.threads,
        "interval_scale": predictor.interval_scale,
        "members": members,
        "device": asdict(predictor.spec),
    }
    _write(directory, _PREDICTOR, body, arrays)


def load_predictor(directory: Path) -> MetaLatencyPredictor:
    """Reads what `save_predictor` wrote; it predicts exactly what the saved one did.

    Raises:
        FileNotFoundError: If there is no predictor.
        ValueError: If it is of another format, version or method, or its files do not belong
            together.
    """
    return _load(directory, _PREDICTOR, _predictor)


def save_model(model: MetaModel, directory: Path, *, card: Mapping[str, Any]) -> None:
    """Writes a model into a directory, made if need be; an older one there is replaced.

    Args:
        model: What is known of many targets.
        directory: Where to.
        card: What a user should know: data, licences, accuracy on held-out targets.
    """
    arrays: _Arrays = {}
    spec_of = {each.target.name: each for each in model.with_spec}
    targets: list[dict[str, Any]] = []
    for i, known in enumerate(model.without_spec):
        arrays |= _known_arrays(f"without_spec.{i}", known)
        with_spec = spec_of.get(known.name)
        entry: dict[str, Any] = {"without_spec": _known_json(known), "with_spec": None}
        if with_spec is not None:
            arrays |= _known_arrays(f"with_spec.{i}", with_spec.target)
            entry["with_spec"] = _known_json(with_spec.target) | {"info": asdict(with_spec.info)}
        targets.append(entry)
    body = {
        "card": dict(card),
        "zero_shot_scale": model.zero_shot_scale,
        "few_shot_scale": model.few_shot_scale,
        "targets": targets,
    }
    _write(directory, _MODEL, body, arrays)


def load_model(directory: Path) -> MetaModel:
    """Reads what `save_model` wrote.

    Raises:
        FileNotFoundError: If there is no model.
        ValueError: If it is of another format, version or method, or its files do not belong
            together.
    """
    return _load(directory, _MODEL, _model)


def read_card(directory: Path) -> dict[str, Any]:
    """The card of a model: its data, licences, and accuracy on held-out targets."""
    return _load(directory, _MODEL, lambda body, arrays: dict(body["card"]))


def _predictor(body: Mapping[str, Any], arrays: _Arrays) -> MetaLatencyPredictor:
    members = tuple(_member(i, entry, arrays) for i, entry in enumerate(body["members"]))
    if not members:
        raise ValueError("at least one member is needed")
    device = dict(body["device"])
    device["caches"] = tuple(CacheLevel(**cache) for cache in device["caches"])
    threads, samples = body["threads"], body["samples"]
    for name, count in (("threads", 1 if threads is None else threads), ("samples", samples)):
        if type(count) is not int or not 0 <= count < _MOST:
            raise ValueError(f"{name} must be a whole number, got {count!r:.60}")
    scale = _number(body, "interval_scale", low=1e-3, high=1e3)
    return MetaLatencyPredictor(DeviceSpec(**device), threads, members, samples, scale)


def _member(position: int, entry: Mapping[str, Any], arrays: _Arrays) -> Member:
    mean, covariance = arrays[f"mean.{position}"], arrays[f"covariance.{position}"]
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError(f"covariance.{position} is none: it is not positive definite") from None
    if not isinstance(entry["reference"], bool):
        raise ValueError(f"reference must be true or false, got {entry['reference']!r:.60}")
    return Member(
        _number(entry, "weight", low=0, high=1),
        _form(entry),
        Posterior(
            mean,
            covariance,
            _number(entry, "noise_std", low=0, high=_WIDEST),
            _number(entry, "log_evidence", low=-_MOST, high=_MOST),
        ),
        entry["reference"],
    )


def _number(entry: Mapping[str, Any], key: str, *, low: float, high: float) -> float:
    """A figure of a file.

    Raises:
        KeyError: If it is missing.
        ValueError: If it is no number, or beyond its limits.
    """
    value = entry[key]
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"{key} must be a number from {low:g} to {high:g}, got {value!r:.60}")
    return value


def _form(entry: Mapping[str, Any]) -> str:
    if entry["form"] not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {entry['form']!r:.60}")
    return entry["form"]


def _model(body: Mapping[str, Any], arrays: _Arrays) -> MetaModel:
    without_spec: list[KnownTarget] = []
    with_spec: list[SpecKnowledge] = []
    for i, entry in enumerate(body["targets"]):
        without_spec.append(_known(entry["without_spec"], arrays, f"without_spec.{i}"))
        found = entry["with_spec"]
        if found is not None:
            known = _known(found, arrays, f"with_spec.{i}")
            with_spec.append(SpecKnowledge(known, TargetInfo(**found["info"])))
    names = ("zero_shot_scale", "few_shot_scale")
    scales = (_number(body, name, low=1e-3, high=1e3) for name in names)
    return MetaModel(tuple(without_spec), tuple(with_spec), *scales)


def _known_json(known: KnownTarget) -> dict[str, Any]:
    return {"name": known.name, "form": known.form, "noise_std": known.noise_std}


def _known_arrays(key: str, known: KnownTarget) -> _Arrays:
    return {f"{key}.precision": known.precision, f"{key}.weighted_mean": known.weighted_mean}


def _known(entry: Mapping[str, Any], arrays: _Arrays, key: str) -> KnownTarget:
    precision, weighted = arrays[f"{key}.precision"], arrays[f"{key}.weighted_mean"]
    noise_std = _number(entry, "noise_std", low=0, high=_WIDEST)
    return KnownTarget(entry["name"], _form(entry), precision, weighted, noise_std)


def _write(directory: Path, what: str, body: Mapping[str, Any], arrays: _Arrays) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    description = {
        "format": f"latency_models.{what}",
        "version": _VERSION,
        "method": _METHOD,
        "features": FEATURES,
        **body,
        "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }
    _replace(directory / f"{what}.safetensors", content)
    _replace(directory / f"{what}.json", (json.dumps(description, indent=2) + "\n").encode())


def _load(directory: Path, what: str, read: Callable[[Mapping[str, Any], _Arrays], _Read]) -> _Read:
    path = directory / f"{what}.json"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, {error}") from error
    if not isinstance(body, dict) or body.get("format") != f"latency_models.{what}":
        raise ValueError(f"{path}: not a {what}, expected format 'latency_models.{what}'")
    for key, expected in (("version", _VERSION), ("method", _METHOD), ("features", [*FEATURES])):
        if body.get(key) != expected:
            raise ValueError(f"{path}: expected {key} {expected!r}, got {body.get(key)!r}")
    arrays = directory / f"{what}.safetensors"
    content = arrays.read_bytes()
    if hashlib.sha256(content).hexdigest() != body.get("arrays_sha256"):
        raise ValueError(f"{arrays}: altered or incomplete, its digest is not that in {path.name}")
    try:
        return read(body, _read_arrays(arrays, content))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: missing or unknown field {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_arrays(path: Path, content: bytes) -> _Arrays:
    try:
        arrays = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        # The last two are those of number formats that NumPy does not have.
        raise ValueError(f"{path.name}: expected safetensors, {error}") from error
    p = len(FEATURES)
    for name, array in arrays.items():
        shape = (p,) if "mean" in name else (p, p)
        if array.shape != shape or array.dtype != np.float64:
            raise ValueError(
                f"{path.name}: {name} is expected to be float64 and of shape {shape}, "
                f"got {array.shape} of {array.dtype}"
            )
        if not (np.abs(array) <= _MOST).all():
            raise ValueError(f"{path.name}: {name} has entries that are no number below {_MOST:g}")
    return arrays


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
