"""Predictors and models on disk: what is read is what was written, or is refused."""

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from synthetic_targets import draw_coefficients

from latency_models import DEVICES, CacheLevel, CostTable, DeviceSpec
from latency_models.meta import (
    PRETRAINED,
    Member,
    MetaLatencyPredictor,
    MetaModel,
    TargetInfo,
    load_model,
    load_predictor,
    load_pretrained,
    read_card,
    save_model,
    save_predictor,
)
from latency_models.meta.model import SpecKnowledge
from latency_models.meta.op_features import FEATURES
from latency_models.meta.posterior import Posterior
from latency_models.meta.prior import KnownTarget

P = len(FEATURES)
SPEC = DeviceSpec(
    "mine",
    "gpu",
    {"float32": 1e13, "float16": 2e13},
    memory_bandwidth_bytes_per_s=1 / 3e-12,
    caches=(CacheLevel("L1", 10), CacheLevel("L2", 100, 1e12)),
    cores=7,
    vector_peak_flops_per_s={"float16": 1e13},
    sources={"cores": "counted"},
)


def _matrix(rng: np.random.Generator) -> np.ndarray:
    root = rng.standard_normal((P, P))
    return root @ root.T / P + 0.1 * np.eye(P)


@pytest.fixture
def predictor() -> MetaLatencyPredictor:
    rng = np.random.default_rng(0)
    members = tuple(
        Member(weight, form, Posterior(draw_coefficients(rng), _matrix(rng), 0.1 / 3, -1 / 7))
        for weight, form in ((0.7, "folded"), (0.3, "written"))
    )
    return MetaLatencyPredictor(SPEC, 3, members, 10, 1.1)


def _known(rng: np.random.Generator, name: str, form: str) -> KnownTarget:
    return KnownTarget(name, form, _matrix(rng), rng.standard_normal(P), 0.1 / 3)


@pytest.fixture
def model() -> MetaModel:
    rng = np.random.default_rng(1)
    names = {"phone": "folded", "server": "written", "board": "needed"}
    without = tuple(_known(rng, name, form) for name, form in names.items())
    infos = {
        "phone": TargetInfo("cpu", 1 / 3, None, 1, "tflite"),
        "board": TargetInfo("npu", 2 / 3, 1 / 7, 8, None),
    }
    with_spec = tuple(
        SpecKnowledge(_known(rng, name, "needed"), info) for name, info in infos.items()
    )
    return MetaModel(without, with_spec, 1 / 3, 2 / 3)


def _same_posterior(found: Posterior, expected: Posterior) -> None:
    assert found.mean.tobytes() == expected.mean.tobytes()
    assert found.covariance.tobytes() == expected.covariance.tobytes()
    assert (found.noise_std, found.log_evidence) == (expected.noise_std, expected.log_evidence)


def _same_target(found: KnownTarget, expected: KnownTarget) -> None:
    assert (found.name, found.form, found.noise_std) == (
        expected.name,
        expected.form,
        expected.noise_std,
    )
    assert found.precision.tobytes() == expected.precision.tobytes()
    assert found.weighted_mean.tobytes() == expected.weighted_mean.tobytes()


def test_reloaded_predictor_is_the_saved_one_bit_by_bit(
    predictor: MetaLatencyPredictor, tmp_path: Path
) -> None:
    save_predictor(predictor, tmp_path / "made" / "here")
    loaded = load_predictor(tmp_path / "made" / "here")
    assert loaded.spec == SPEC
    assert (loaded.threads, loaded.samples, loaded.interval_scale) == (3, 10, 1.1)
    for found, expected in zip(loaded.members, predictor.members, strict=True):
        assert (found.weight, found.form) == (expected.weight, expected.form)
        _same_posterior(found.posterior, expected.posterior)


@pytest.mark.parametrize("name", ["raspberry-pi-5", "a100", "edge-tpu", "stm32f746"])
def test_devices_of_the_catalogue_are_kept(
    predictor: MetaLatencyPredictor, tmp_path: Path, name: str
) -> None:
    save_predictor(replace(predictor, spec=DEVICES[name], threads=None), tmp_path)
    loaded = load_predictor(tmp_path)
    assert (loaded.spec, loaded.threads) == (DEVICES[name], None)


def test_saving_again_replaces(predictor: MetaLatencyPredictor, tmp_path: Path) -> None:
    save_predictor(predictor, tmp_path)
    save_predictor(replace(predictor, samples=3, members=predictor.members[:1]), tmp_path)
    loaded = load_predictor(tmp_path)
    assert (loaded.samples, len(loaded.members)) == (3, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"predictor.json", "predictor.safetensors"}


def test_reloaded_model_is_the_saved_one_bit_by_bit(model: MetaModel, tmp_path: Path) -> None:
    card = {"data": ["HELP"], "licence": "Apache-2.0", "accuracy": {"nd": 0.9}}
    save_model(model, tmp_path, card=card)
    loaded = load_model(tmp_path)
    assert read_card(tmp_path) == card
    assert (loaded.zero_shot_scale, loaded.few_shot_scale) == (1 / 3, 2 / 3)
    for found, expected in zip(loaded.without_spec, model.without_spec, strict=True):
        _same_target(found, expected)
    for found, expected in zip(loaded.with_spec, model.with_spec, strict=True):
        assert found.info == expected.info
        _same_target(found.target, expected.target)


def test_a_model_that_knows_nothing_is_kept(tmp_path: Path) -> None:
    save_model(MetaModel(), tmp_path, card={})
    assert load_model(tmp_path) == MetaModel()


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 1}, "expected version 3, got 1"),
        ({"method": "other"}, "expected method 'meta_roofline', got 'other'"),
        ({"features": ["conv"]}, r"expected features .*, got \['conv'\]"),
        ({"format": "other"}, "not a predictor, expected format 'latency_models.predictor'"),
        ({"format": "latency_models.model"}, "not a predictor"),
        ({"arrays_sha256": "0"}, "altered or incomplete, its digest is not that in predictor.json"),
        ({"device": {"name": "x"}}, "missing or unknown field"),
        ({"members": [{"weight": 1.0}]}, "missing or unknown field"),
        ({"members": 3}, "missing or unknown field"),
    ],
)
def test_foreign_predictors_are_refused(
    predictor: MetaLatencyPredictor, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    save_predictor(predictor, tmp_path)
    _edit(tmp_path / "predictor.json", **changes)
    with pytest.raises(ValueError, match=message):
        load_predictor(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "\x80", "3", "{"])
def test_what_is_no_description_is_refused(
    predictor: MetaLatencyPredictor, tmp_path: Path, text: str
) -> None:
    save_predictor(predictor, tmp_path)
    (tmp_path / "predictor.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"predictor.json: "):
        load_predictor(tmp_path)


def test_altered_or_truncated_arrays_are_refused(
    predictor: MetaLatencyPredictor, tmp_path: Path
) -> None:
    save_predictor(predictor, tmp_path)
    arrays = tmp_path / "predictor.safetensors"
    content = arrays.read_bytes()
    for wrong in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b""):
        arrays.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"predictor.safetensors: altered or incomplete"):
            load_predictor(tmp_path)


def _rewrite_arrays(
    directory: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
) -> None:
    """Arrays with a digest that is theirs."""
    path = directory / "predictor.safetensors"
    save_file(change(load_file(path)), path)
    _edit(directory / "predictor.json", arrays_sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_missing_or_misshapen_arrays_are_refused(
    predictor: MetaLatencyPredictor, tmp_path: Path
) -> None:
    save_predictor(predictor, tmp_path)
    _rewrite_arrays(tmp_path, lambda arrays: {"mean.0": arrays["mean.0"]})
    with pytest.raises(ValueError, match=r"missing or unknown field 'covariance.0'"):
        load_predictor(tmp_path)
    save_predictor(predictor, tmp_path)
    _rewrite_arrays(tmp_path, lambda arrays: {**arrays, "mean.0": arrays["mean.0"][1:].copy()})
    with pytest.raises(ValueError, match=rf"mean.0 .* shape \({P},\), got \({P - 1},\)"):
        load_predictor(tmp_path)


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise AssertionError('a loaded file was executed')",))


def test_nothing_that_is_read_is_executed(predictor: MetaLatencyPredictor, tmp_path: Path) -> None:
    save_predictor(predictor, tmp_path)
    arrays = tmp_path / "predictor.safetensors"
    arrays.write_bytes(pickle.dumps(_Bomb()))
    _edit(
        tmp_path / "predictor.json",
        arrays_sha256=hashlib.sha256(arrays.read_bytes()).hexdigest(),
    )
    with pytest.raises(ValueError, match=r"predictor.safetensors: "):
        load_predictor(tmp_path)
    (tmp_path / "predictor.json").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(ValueError, match="expected JSON"):
        load_predictor(tmp_path)


def test_what_is_not_there_is_not_found(predictor: MetaLatencyPredictor, tmp_path: Path) -> None:
    for load in (load_predictor, load_model, read_card):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nowhere")
    save_predictor(predictor, tmp_path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path)


def test_pretrained_model_predicts_more_for_more_work(toy_table: CostTable) -> None:
    model = load_pretrained()
    assert load_pretrained() is model
    names = [known.name for known in model.without_spec]
    assert len(set(names)) == len(names) > 20
    assert read_card(PRETRAINED)["licence"] == "Apache-2.0"
    largest = np.array(toy_table.cardinalities)[None] - 1
    genotypes = np.concatenate([largest * 0, largest])
    for name in ("raspberry-pi-5", "a100"):
        prediction = model.for_device(DEVICES[name]).predict_population(toy_table, genotypes)
        small, large = prediction.median_s
        assert 1e-6 < small < large < 1
        assert (prediction.std_s > 0).all()
