"""Stage report: what the study found, as one page."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from nas.config import Config
from nas.evolution.archive import Archive
from nas.report import (
    CONFIDENCES,
    Audit,
    Baseline,
    DatasetSummary,
    Evaluation,
    Member,
    ReportData,
    Roofline,
    SurrogatePoint,
    Target,
    write_report,
)
from nas.report.figures import write_figures
from nas.stages import fronts
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts, archive_of
from nas.stages.exported import exported_networks
from nas.stages.fronts import INTERVAL_LEVEL, fronts_of
from nas.stages.history import SURROGATE, search_history, training_curve, training_rollbacks
from nas.stages.operators import roofline_of
from nas.stages.provenance import energy_estimate, environment, stage_durations, versions
from nas.stages.setting import Setting
from nas.stages.verify import audit
from nas.study import Study


def report(study: Study, config: Config) -> None:
    """Writes `report.html`."""
    study.begin_stage("report")
    started = time.monotonic()
    write_report(study.path / "report.html", report_data(study, config))
    study.finish_stage("report", {"duration_s": time.monotonic() - started})


def figures_of(study: Study, config: Config) -> list[Path]:
    """Writes the report's figures as SVG and PNG; the files.

    Raises:
        UserError: If matplotlib is not installed.
    """
    return write_figures(study.path / "figures", report_data(study, config))


def report_data(study: Study, config: Config) -> ReportData:
    """Everything the page shows, from what the stages recorded."""
    setting = Setting(study, config)
    space, dataset = setting.space, setting.dataset
    predictors = load_predictors(study, config)
    costs = TargetCosts(space, config.targets, predictors)
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
    evaluated = {one.genotype: one.id for one in evaluations}
    targets = tuple(
        _target(
            setting,
            front,
            costs=costs,
            position=position,
            archive=archive,
            baselines=_baselines(setting, front.target.name, evaluated),
            roofline=roofline_of(front, predictors[position], costs.table(position)),
        )
        for position, front in enumerate(fronts_of(study, config, costs, space))
    )
    durations_s, steps = stage_durations(study.stages()), study.training()
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
        targets=targets,
        config=yaml.safe_dump(config.to_document(), sort_keys=False),
        seeds={"seed": config.seed},
        versions=versions(),
        stage_durations_s=durations_s,
        training=training_curve(steps),
        rollbacks=training_rollbacks(steps),
        history=search_history(
            study.evaluations("search"), study.kept(SURROGATE, list[SurrogatePoint]) or ()
        ),
        energy=energy_estimate(config, durations_s),
        exported=exported_networks(study.path),
    )


def _target(
    setting: Setting,
    front: fronts.Front,
    *,
    costs: TargetCosts,
    position: int,
    archive: Archive,
    baselines: tuple[Baseline, ...],
    roofline: Roofline | None,
) -> Target:
    target, members = front.target, tuple(_member(member, setting) for member in front.members)
    # The page draws error against latency; a front of other objectives has no such curve.
    plain = costs.goals[position].columns == (position,)
    reference_error, reference_s = costs.reference(position)
    reference = np.array([reference_error, reference_s])
    history = archive.hypervolume_history(position, reference) if plain else np.empty(0)
    found = {
        key: value for key, value in audit(front).items() if key not in ("members", "feasible")
    }
    limits = [
        constraint.bound
        for constraint in costs.constraints[position]
        if constraint.quantity == "latency_s"
    ]
    return Target(
        name=target.name,
        device=target.device_name,
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
        adaptation_samples=len(setting.study.measurements(target.name, "adapt")),
        interval_level=INTERVAL_LEVEL,
        hypervolume=tuple((count, float(volume)) for count, volume in enumerate(history, start=1)),
        reference=(reference_s, reference_error) if plain else None,
        audit=Audit(**found) if found["members_measured"] else None,
        baselines=baselines,
        roofline=roofline,
        environment=environment(setting.study.measurements(target.name)),
    )


def _baselines(
    setting: Setting, target: str, evaluated: Mapping[tuple[int, ...], int]
) -> tuple[Baseline, ...]:
    """The smallest and the largest network, where the search evaluated them."""
    study, space = setting.study, setting.space
    tested = {one.genotype: one.accuracy for one in study.evaluations("test")}
    measured = {one.genotype: one.latency_s for one in study.measurements(target)}
    ends = {"smallest": space.smallest, "largest": space.largest}
    keys = {name: tuple(int(option) for option in genotype) for name, genotype in ends.items()}
    return tuple(
        Baseline(
            name=name,
            id=evaluated[key],
            measured_s=measured.get(key),
            test_accuracy=tested.get(key),
        )
        for name, key in keys.items()
        if key in evaluated
    )


def _member(member: fronts.Member, setting: Setting) -> Member:
    architecture = setting.space.decode(np.array(member.genotype))
    return Member(
        id=member.evaluation,
        name=member.network,
        architecture=json.loads(architecture.to_json()),
        predicted_s=member.predicted_s,
        interval_low_s=member.interval_low_s,
        interval_high_s=member.interval_high_s,
        search_accuracy=member.search_accuracy,
        params=member.params,
        macs=member.macs,
        peak_activation_bytes=member.peak_activation_bytes,
        latency_bounds_s=tuple(map(member.latency_within_s, CONFIDENCES)),
        test_accuracy=member.test_accuracy,
        measured_s=member.measured_s,
        noisy=member.measured_status == "noisy",
        broke_constraint=member.broke_constraint,
    )
