"""Stage train: the weight-sharing supernet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from nas.config import Config, TrainConfig
from nas.live import StageProgress
from nas.stages.adapt import check_targets
from nas.stages.search import check_warm_start
from nas.stages.setting import Setting, cache_environment, prepare_process
from nas.study import Study
from nas.supernet.job import TrainingJob
from nas.supernet.progress import Compiling, Report, Rollback, Told
from nas.supernet.recipe import Phase, Recipe
from nas.supernet.validation import SAMPLED, validated_networks
from nas.tracking import check_tracking, open_tracker


def train(study: Study, config: Config) -> None:
    """Trains the supernet, from its last checkpoint if there is one, and records the curve."""
    check_tracking(config.tracking)
    check_warm_start(config)
    check_targets(config)
    setting = Setting(study, config)
    job = training_job(setting)
    prepare_process(setting)
    study.begin_stage("train")
    started = time.monotonic()
    steps = config.train.epochs * (len(setting.dataset.train) // config.train.batch_size)
    last: dict[str, float] = {}
    with (
        StageProgress(study, "train", steps) as bar,
        open_tracker(study, config, "train") as tracker,
    ):

        def on_progress(progress: Told) -> None:
            if isinstance(progress, Compiling):
                bar.update(progress.step, f"compiled {progress.done}/{progress.total} blocks")
                return
            if isinstance(progress, Rollback):
                study.discard_training(after=progress.to_step)
                tracker.log(
                    progress.step,
                    {"rolled_back_to": progress.to_step, "rate_factor": progress.rate_factor},
                )
                bar.update(progress.to_step, str(progress), important=True)
                return
            text = f"epoch {progress.epoch:.1f}/{config.train.epochs}  loss {progress.loss:.3f}"
            if progress.validation:
                last.update(progress.validation)
                text += _accuracies(progress.validation)
            metrics = {
                "loss": progress.loss,
                "images_per_s": progress.images_per_s,
                **progress.validation,
            }
            if progress.rollbacks:
                collapses = {"rollbacks": progress.rollbacks, "rate_factor": progress.rate_factor}
                last.update(collapses)
                metrics.update(collapses)
            study.record_training(progress.step, progress.epoch, metrics)
            tracker.log(progress.step, metrics)
            bar.update(
                progress.step,
                text,
                important=bool(progress.validation),
                rate=progress.images_per_s,
                rate_of="images",
                eta_s=progress.eta_s,
            )

        _run(job, setting, on_progress)
    summary = {"duration_s": time.monotonic() - started, **last, "networks": _networks(job)}
    study.finish_stage("train", summary)


def _accuracies(validation: Mapping[str, float]) -> str:
    """For the progress line: the sample's as their mean."""
    sampled = [value for name, value in validation.items() if name.startswith(SAMPLED)]
    shown = {name: value for name, value in validation.items() if not name.startswith(SAMPLED)}
    if sampled:
        shown["sampled"] = float(np.mean(sampled))
    return "".join(f"  {name} {value:.1%}" for name, value in shown.items())


def _networks(job: TrainingJob) -> dict[str, Any]:
    """What the names of the validated networks stand for."""
    networks = validated_networks(job.space, job.validation_subnets, seed=job.seed)
    return {
        name: {
            "genotype": genotype.tolist(),
            "macs": job.space.decode(genotype).workload(batch_size=1, dtype="float32").macs,
        }
        for name, genotype in networks.items()
    }


def training_job(setting: Setting) -> TrainingJob:
    """The config's training as one picklable value."""
    train, augment = setting.config.train, setting.config.data.augment
    recipe = Recipe(
        strategy=train.strategy,
        phases=_phases(train),
        epochs=train.epochs,
        batch_size=train.batch_size,
        learning_rate=train.learning_rate,
        warmup_epochs=train.warmup_epochs,
        optimizer=train.optimizer,
        momentum=train.momentum,
        weight_decay=train.weight_decay,
        clip_norm=train.clip_norm,
        ema_decay=train.ema_decay,
        drop_connect=train.drop_connect,
        label_smoothing=train.label_smoothing,
        random_subnets=train.random_subnets,
        sampling=train.sampling,
        candidates=train.candidates,
        kd_ratio=train.kd_ratio,
        checkpoint_every=train.checkpoint_every,
        crop_padding=augment.crop_padding,
        flip=augment.flip,
        cutout=augment.cutout,
    )
    return TrainingJob(
        load=setting.load,
        space=setting.space,
        recipe=recipe,
        seed=setting.config.seed,
        checkpoints=setting.checkpoints,
        validation_images=train.validation_images,
        calibration_images=setting.config.search.calibration_images,
        validation_subnets=train.validation_subnets,
        compute_dtype=train.compute_dtype,
        warm_up=train.warm_up,
    )


def _phases(train: TrainConfig) -> tuple[Phase, ...]:
    warmups = [train.warmup_epochs, *[0.0] * len(train.phases)]
    return tuple(
        Phase(
            epochs=phase.epochs,
            open=phase.open,
            learning_rate=train.learning_rate
            if phase.learning_rate is None
            else phase.learning_rate,
            warmup_epochs=warmup if phase.warmup_epochs is None else phase.warmup_epochs,
            subnets=phase.subnets,
        )
        for phase, warmup in zip(train.phases, warmups, strict=False)
    )


def _run(job: TrainingJob, setting: Setting, on_progress: Report) -> None:
    train = setting.config.train
    if train.executor == "in_process":
        job.run(on_progress)
        return
    from nas.execution.training import train_on_ray

    train_on_ray(
        job,
        workers=train.workers,
        cpus_per_worker=train.cpus_per_worker,
        gpus_per_worker=train.gpus_per_worker,
        storage=setting.study.path / "ray",
        environment=cache_environment(),
        on_progress=on_progress,
    )
