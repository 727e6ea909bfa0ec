"""Stage adapt: a latency predictor for every target.

It comes from the datasheet and, where the target can be measured, from at most ten networks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latency_models import DeviceSpec, Measurements, find_device
from latency_models.meta import (
    MetaLatencyPredictor,
    load_predictor,
    load_pretrained,
    save_predictor,
)
from nas.config import Config, TargetConfig
from nas.errors import StudyError, UserError
from nas.live import StageProgress
from nas.records import Measurement, Option
from nas.stages.measuring import Measuring, file_format
from nas.stages.setting import Setting, prepare_process
from nas.study import Study

CANDIDATES = 200
"""Random networks among which the ones to measure are chosen."""


def adapt(study: Study, config: Config) -> None:
    """Makes and saves every target's predictor; measurements made before are used again."""
    setting = Setting(study, config)
    prepare_process(setting)
    study.begin_stage("adapt")
    started = time.monotonic()
    measuring = Measuring(setting)
    total = sum(target.samples for target in config.targets if target.measurable)
    summary: dict[str, object] = {}
    with StageProgress(study, "adapt", total) as bar:
        done = 0
        for target in config.targets:
            bar.update(done, f"{target.name}: preparing")

            def on_done(found: Measurement, target: TargetConfig = target) -> None:
                nonlocal done
                done += 1
                bar.update(done, f"{target.name}: {_text(found)}")

            predictor = _predictor(setting, measuring, target, on_done)
            save_predictor(predictor, predictor_directory(study, target))
            summary[target.name] = {"samples": predictor.samples}
    study.finish_stage("adapt", {"duration_s": time.monotonic() - started, "targets": summary})


def predictor_directory(study: Study, target: TargetConfig) -> Path:
    """Where a target's predictor is kept."""
    return study.path / "predictors" / target.name


def load_predictors(study: Study, config: Config) -> list[MetaLatencyPredictor]:
    """Every target's predictor, in the config's order.

    Raises:
        StudyError: If one is missing.
        ValueError: If one is damaged.
    """
    found: list[MetaLatencyPredictor] = []
    for target in config.targets:
        try:
            found.append(load_predictor(predictor_directory(study, target)))
        except FileNotFoundError as error:
            raise StudyError(
                f"{study.path}: the predictor of {target.name} is missing ({error.filename}); "
                "take it from a copy of the study, or make the study anew"
            ) from None
    return found


def check_targets(config: Config) -> None:
    """Tells what is wrong with a target's datasheet or runtime before anything is done.

    Raises:
        ValueError: If a datasheet is in a file that cannot be read or is none.
        UserError: If a runtime reads no format that networks are written in.
    """
    for target in config.targets:
        device_spec(target)
        if target.measurable:
            file_format(target)


def device_spec(target: TargetConfig) -> DeviceSpec:
    """The datasheet of the target's device.

    Raises:
        ValueError: If it is in a file that cannot be read or is no datasheet.
    """
    return find_device(target.device)


def _predictor(
    setting: Setting,
    measuring: Measuring,
    target: TargetConfig,
    on_done: Callable[[Measurement], None],
) -> MetaLatencyPredictor:
    meta, spec = load_pretrained(), device_spec(target)
    if not target.measurable or target.samples == 0:
        return meta.for_device(
            spec,
            threads=target.threads,
            batch_size=target.batch_size,
            dtype=target.dtype,
            runtime=target.runtime,
        )
    measuring.measure(target, _proposals(setting, target, spec), "adapt", on_done)
    found = setting.study.measurements(target.name, "adapt")
    usable = [one for one in found if one.latency_s is not None]
    if not usable:
        raise UserError(
            f"targets.{target.name}: none of the {len(found)} networks could be measured on "
            f"{target.runtime}: {found[0].error}"
        )
    workloads = tuple(
        setting.space.decode(np.array(one.genotype)).workload(
            batch_size=target.batch_size, dtype=target.dtype
        )
        for one in usable
    )
    latency_s = np.array([one.latency_s for one in usable], dtype=np.float64)
    measured = Measurements(workloads, latency_s)
    return meta.adapt(measured, spec, threads=target.threads, runtime=target.runtime)


def _proposals(setting: Setting, target: TargetConfig, spec: DeviceSpec) -> list[tuple[int, ...]]:
    """The networks to measure; kept in the study, so that a killed stage asks for the same ones."""
    key = f"adapt.{target.name}"
    kept = setting.study.kept(key, list[tuple[Option, ...]])
    if kept is not None:
        return kept
    space = setting.space
    rng = np.random.default_rng([setting.config.seed, 3])
    candidates = np.unique(
        np.concatenate([space.sample(CANDIDATES, rng), [space.smallest, space.largest]]), axis=0
    )
    workloads = [
        space.decode(genotype).workload(batch_size=target.batch_size, dtype=target.dtype)
        for genotype in candidates
    ]
    count = min(target.samples, len(candidates))
    chosen = load_pretrained().propose(
        workloads, count, spec=spec, threads=target.threads, runtime=target.runtime
    )
    proposals = [tuple(int(option) for option in candidates[position]) for position in chosen]
    setting.study.set_metadata(key, proposals)
    return proposals


def _text(found: Measurement) -> str:
    if found.latency_s is None:
        return f"failed: {found.error}"
    return f"{found.latency_s * 1e3:.3g} ms" + (" (noisy)" if found.status == "noisy" else "")
