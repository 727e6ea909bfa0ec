"""What is told of an exported network: figures that the study has, and where they are from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nas.config import TargetConfig
from nas.evaluation.intervals import wilson_interval
from nas.export.formats import FORMATS
from nas.stages.fronts import INTERVAL_LEVEL, Front, Member
from nas.stages.provenance import commit, environment, versions
from nas.stages.setting import Setting
from search_spaces.base import Architecture

CONFIDENCE = 0.95
"""Of the intervals of accuracies."""


def card_of(
    setting: Setting, member: Member, architecture: Architecture, fronts: Sequence[Front]
) -> dict[str, Any]:
    """What is known of a member before its files are written."""
    dataset = setting.dataset
    # A front's own figures are for the batches of its target.
    workload = architecture.workload(batch_size=1, dtype="float32")
    return {
        "network": member.network,
        "genotype": list(member.genotype),
        "params": workload.params,
        "macs": workload.macs,
        "search_accuracy": member.search_accuracy,
        "test_accuracy": member.test_accuracy,
        "accuracy": (
            None if member.test_accuracy is None else accuracy_of(setting, member.test_accuracy)
        ),
        "targets": {
            front.target.name: _on_target(setting, front.target, found)
            for front in fronts
            for found in front.members
            if found.network == member.network
        },
        # Normalisation is the caller's part, so the card has to say what it was.
        "input": {
            "shape": list(architecture.input_shape),
            "pixels": "float32 in 0..1, minus mean, divided by std, resized bilinearly",
            "mean": dataset.mean.tolist(),
            "std": dataset.std.tolist(),
            "classes": list(dataset.classes),
        },
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            "train_images": len(dataset.train),
            "search_images": len(dataset.search),
            "test_images": len(dataset.test),
        },
        "provenance": {
            "study": setting.config.name,
            "space": architecture.space,
            "seed": setting.config.seed,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "commit": commit(),
            "config": setting.config.to_document(),
        },
    }


def accuracy_of(setting: Setting, share: float) -> dict[str, Any]:
    """An accuracy on the test split, with what it was counted from."""
    images = len(setting.dataset.test)
    interval = wilson_interval(round(share * images), images, confidence=CONFIDENCE)
    return {
        "value": share,
        "split": "test",
        "images": images,
        "interval": list(interval),
        "confidence": CONFIDENCE,
    }


def files_of(directory: Path, differences: Mapping[str, float]) -> dict[str, Any]:
    """Of each format that was written, its files, and what else there is to know."""
    found: dict[str, Any] = {}
    for name, difference in differences.items():
        endings = (FORMATS[name].suffix, *FORMATS[name].beside)
        files = [f"model{ending}" for ending in endings]
        found[name] = {"files": files, "max_logit_difference": difference}
        if name == "onnx":
            found[name]["opset"] = opset_of(directory / files[0])
    return found


def opset_of(path: Path) -> int:
    """The version of ONNX's operator set that a file names."""
    import onnx

    return next(one.version for one in onnx.load(str(path)).opset_import if not one.domain)


def _on_target(setting: Setting, target: TargetConfig, found: Member) -> dict[str, Any]:
    low, high = ((1 - INTERVAL_LEVEL) / 2, (1 + INTERVAL_LEVEL) / 2)
    samples = found.samples_s
    return {
        "device": target.device,
        "runtime": target.runtime,
        "dtype": target.dtype,
        "batch_size": target.batch_size,
        "threads": target.threads,
        "predicted_s": found.predicted_s,
        "interval_s": [found.interval_low_s, found.interval_high_s],
        "measured_s": found.measured_s,
        "measured_status": found.measured_status,
        "samples": len(samples),
        "samples_interval_s": np.quantile(samples, (low, high)).tolist() if samples else None,
        "interval_level": INTERVAL_LEVEL,
        "broke_constraint": found.broke_constraint,
        "environment": environment(
            [
                one
                for one in setting.study.measurements(target.name, "verify")
                if one.genotype == found.genotype
            ]
        ),
    }
