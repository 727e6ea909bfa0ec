"""Stage export: members of the fronts as files that run without this project."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from nas.config import Config
from nas.data import prepare
from nas.errors import UserError
from nas.export.writing import write_card, write_network
from nas.live import StageProgress
from nas.stages.adapt import load_predictors
from nas.stages.cards import accuracy_of, card_of, files_of
from nas.stages.costs import TargetCosts
from nas.stages.fronts import Front, Member, fronts_of
from nas.stages.int8 import compare_int8
from nas.stages.measuring import Measuring
from nas.stages.setting import Setting, prepare_process
from nas.stages.train import training_job
from nas.study import Study
from nas.supernet.standalone import StandaloneNetwork, classify, train_alone

CHECKED_IMAGES = 64
FINETUNE_RATE = 0.1
"""Part of the supernet's learning rate at which fine-tuning starts, from trained weights."""


def export(study: Study, config: Config) -> None:
    """Writes the chosen members, each with the largest difference to the subnet's logits."""
    setting = Setting(study, config)
    prepare_process(setting)
    started = time.monotonic()
    costs = TargetCosts(setting.space, config.targets, load_predictors(study, config))
    fronts = fronts_of(study, config, costs, setting.space)
    # Before the stage begins: a choice that cannot be met leaves a complete stage complete.
    chosen = _chosen(fronts, config)
    study.begin_stage("export")
    measuring = Measuring(setting)
    with StageProgress(study, "export", len(chosen)) as bar:
        for done, member in enumerate(chosen, start=1):
            directory = study.path / "export" / member.network
            bar.update(done, _write(setting, measuring, member, fronts, directory), important=True)
    summary = {
        "duration_s": time.monotonic() - started,
        "networks": [member.network for member in chosen],
    }
    study.finish_stage("export", summary)


def choose(front: Front, latency_ms: float | None, confidence: float = 0.5) -> Member:
    """The most accurate member within a latency; of equally accurate ones the fastest.

    Accuracy is the test split's unless a member has not been tested; latency is the measured one
    where there is one, and has to keep the limit with the confidence, see
    `Member.latency_within_s`.

    Raises:
        UserError: If no member is fast enough.
    """
    if not front.members:
        raise UserError(f"{front.target.name}: its front has no members")
    limit_s = math.inf if latency_ms is None else latency_ms * 1e-3
    latencies_s = [member.latency_within_s(confidence) for member in front.members]
    within = [
        member
        for member, latency_s in zip(front.members, latencies_s, strict=True)
        if latency_s <= limit_s
    ]
    if not within:
        surely = f" with a confidence of {confidence:.0%}" if confidence > 0.5 else ""
        raise UserError(
            f"{front.target.name}: no member within {latency_ms:g} ms{surely}; "
            f"the fastest takes {min(latencies_s) * 1e3:.3g} ms"
        )
    tested = all(member.test_accuracy is not None for member in front.members)
    return max(
        within,
        key=lambda member: (
            member.accuracy if tested else member.search_accuracy,
            -member.latency_s,
        ),
    )


def _chosen(fronts: Sequence[Front], config: Config) -> list[Member]:
    """Each member to write, once."""
    by_name = {front.target.name: front for front in fronts}
    if config.export.members == "all":
        members = {member.network: member for front in fronts for member in front.members}
    else:
        picked = [
            choose(by_name[choice.target], choice.latency_ms, choice.confidence)
            for choice in config.export.members
        ]
        members = {member.network: member for member in picked}
    return list(members.values())


def _write(
    setting: Setting, measuring: Measuring, member: Member, fronts: Sequence[Front], directory: Path
) -> str:
    """Writes a member's files; what the user is told of them."""
    chosen = setting.config.export
    architecture = setting.space.decode(np.array(member.genotype))
    network = measuring.network(architecture)
    card = card_of(setting, member, architecture, fronts)
    dataset = setting.dataset
    images = prepare(
        dataset.test.images[:CHECKED_IMAGES],
        mean=dataset.mean.astype(np.float32),
        std=dataset.std.astype(np.float32),
        resolution=architecture.input_shape[0],
    )
    logits = np.asarray(measuring.evaluation.logits(architecture, network.statistics, images))
    if chosen.finetune_epochs:
        network, accuracy = _finetune(setting, network)
        card["finetune_epochs"] = chosen.finetune_epochs
        card["test_accuracy_finetuned"] = accuracy
        card["accuracy_finetuned"] = accuracy_of(setting, accuracy)
        logits = np.asarray(network.function(implementation="native")(jnp.asarray(images)))
    differences = write_network(
        network, directory, formats=chosen.formats, images=np.asarray(images), logits=logits
    )
    card["checked_images"] = len(images)
    card["formats"] = files_of(directory, differences)
    if chosen.int8:
        card["int8"] = compare_int8(setting, measuring, network, directory)
    write_card(directory, card)
    return _told(card)


def _told(card: Mapping[str, Any]) -> str:
    differences = ", ".join(
        f"{name} {found['max_logit_difference']:.1e}" for name, found in card["formats"].items()
    )
    text = f"{card['network']}: largest logit difference {differences}"
    if "accuracy_finetuned" in card:
        text += f"; test accuracy after fine-tuning {card['test_accuracy_finetuned']:.2%}"
    if "int8" in card:
        accuracy = card["int8"]["accuracy"]
        text += (
            f"; test accuracy {accuracy['float32']['value']:.2%}, in int8 "
            f"{accuracy['int8']['value']:.2%}"
        )
    return text


def _finetune(setting: Setting, network: StandaloneNetwork) -> tuple[StandaloneNetwork, float]:
    config, dataset = setting.config, setting.dataset
    recipe = dataclasses.replace(
        training_job(setting).recipe,
        epochs=config.export.finetune_epochs,
        learning_rate=config.train.learning_rate * FINETUNE_RATE,
        warmup_epochs=0.0,
    )
    tuned = train_alone(
        network.architecture,
        dataset,
        recipe,
        seed=config.seed,
        start=network.params,
        calibration_images=config.search.calibration_images,
        report=lambda done, total, loss: None,
    )
    logits = classify(tuned, dataset, dataset.test, batch_size=config.search.batch_size)
    return tuned, float(np.mean(np.argmax(logits, axis=1) == dataset.test.labels))
