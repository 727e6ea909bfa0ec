"""Stage report: what the study found, as one page."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from datetime import UTC, datetime

import numpy as np
import yaml

from nas.config import Config
from nas.report import (
    Audit,
    DatasetSummary,
    Evaluation,
    Member,
    ReportData,
    Target,
    TrainingPoint,
    write_report,
)
from nas.stages import fronts
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts, archive_of
from nas.stages.fronts import INTERVAL_LEVEL, fronts_of
from nas.stages.setting import Setting
from nas.stages.verify import audit
from nas.study import Study
from nas.supernet.validation import SAMPLED

PACKAGES = ("ridgeline-nas", "jax", "flax", "optax", "ray", "numpy", "onnxruntime")


def report(study: Study, config: Config) -> None:
    """Writes `report.html`."""
    study.begin_stage("report")
    started = time.monotonic()
    write_report(study.path / "report.html", report_data(study, config))
    study.finish_stage("report", {"duration_s": time.monotonic() - started})


def report_data(study: Study, config: Config) -> ReportData:
    """Everything the page shows, from what the stages recorded."""
    setting = Setting(study, config)
    space, dataset = setting.space, setting.dataset
    costs = TargetCosts(space, config.targets, load_predictors(study, config))
    archive, ids = archive_of(study, costs, space)
    table = costs.table(0)
    params, macs = table.params(archive.genotypes), table.macs(archive.genotypes)
    evaluations = tuple(
        Evaluation(
            id=ids[row],
            genotype=tuple(int(option) for option in genotype),
            search_accuracy=float(1.0 - archive.error[row]),
            params=int(params[row]),
            macs=int(macs[row]),
        )
        for row, genotype in enumerate(archive.genotypes)
    )
    targets: list[Target] = []
    for position, front in enumerate(fronts_of(study, config, costs, space)):
        reference_error, reference_s = costs.reference(position)
        history = archive.hypervolume_history(position, np.array([reference_error, reference_s]))
        found = {
            key: value for key, value in audit(front).items() if key not in ("members", "feasible")
        }
        target = front.target
        members = tuple(_member(member, setting) for member in front.members)
        limits = [
            constraint.bound
            for constraint in costs.constraints[position]
            if constraint.quantity == "latency_s"
        ]
        targets.append(
            Target(
                name=target.name,
                device=target.device,
                runtime=target.runtime,
                dtype=target.dtype,
                batch_size=target.batch_size,
                threads=target.threads,
                measurable=target.measurable,
                latency_s=archive.costs[:, position].tolist(),
                front=members if front.feasible else (),
                closest=None if front.feasible or not members else members[0],
                constraints=target.constraints,
                latency_limit_s=min(limits) if limits else None,
                violation=archive.violation[:, position].tolist() if target.constraints else (),
                adaptation_samples=len(study.measurements(target.name, "adapt")),
                interval_level=INTERVAL_LEVEL,
                hypervolume=tuple(
                    (count, float(volume)) for count, volume in enumerate(history, start=1)
                ),
                reference=(reference_s, reference_error),
                audit=Audit(**found) if found["members_measured"] else None,
            )
        )
    failed = sum(one.status == "failed" for one in study.evaluations("search"))
    return ReportData(
        study_name=config.name,
        study_path=str(study.path),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=DatasetSummary(
            name=dataset.name,
            digest=dataset.digest,
            classes=len(dataset.classes),
            train_images=len(dataset.train),
            search_images=len(dataset.search),
            test_images=len(dataset.test),
        ),
        decisions=space.decisions,
        evaluations=evaluations,
        targets=tuple(targets),
        config=yaml.safe_dump(config.to_document(), sort_keys=False),
        seeds={"seed": config.seed},
        versions={
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        stage_durations_s={
            stage.name: float(stage.summary["duration_s"])
            for stage in study.stages()
            if stage.status == "done" and "duration_s" in stage.summary
        },
        training=_training(study),
        failed_evaluations=failed,
    )


def _member(member: fronts.Member, setting: Setting) -> Member:
    architecture = setting.space.decode(np.array(member.genotype))
    return Member(
        id=member.evaluation,
        architecture=json.loads(architecture.to_json()),
        predicted_s=member.predicted_s,
        interval_low_s=member.interval_low_s,
        interval_high_s=member.interval_high_s,
        search_accuracy=member.search_accuracy,
        params=member.params,
        macs=member.macs,
        peak_activation_bytes=member.peak_activation_bytes,
        test_accuracy=member.test_accuracy,
        measured_s=member.measured_s,
        noisy=member.measured_status == "noisy",
        broke_constraint=member.broke_constraint,
    )


def _training(study: Study) -> tuple[TrainingPoint, ...]:
    """The points after whole epochs, which carry accuracies."""
    return tuple(
        TrainingPoint(
            epoch=point.epoch,
            loss=point.metrics["loss"],
            smallest_accuracy=point.metrics["smallest"],
            largest_accuracy=point.metrics["largest"],
            sampled_accuracy={
                name: value for name, value in point.metrics.items() if name.startswith(SAMPLED)
            },
        )
        for point in study.training()
        if "largest" in point.metrics
    )
