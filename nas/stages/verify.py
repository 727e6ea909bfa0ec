"""Stage verify: tests every member of every front, and measures it where that is possible."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from latency_models import metrics
from nas.config import Config, TargetConfig
from nas.execution.base import Task
from nas.live import StageProgress
from nas.records import Measurement
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts
from nas.stages.fronts import INTERVAL_LEVEL, Front, fronts_of, write_front
from nas.stages.measuring import Measuring
from nas.stages.setting import Setting, prepare_process
from nas.study import Study


def verify(study: Study, config: Config) -> None:
    """Tests and measures the members, writes the fronts, and says how the predictions held."""
    setting = Setting(study, config)
    prepare_process(setting)
    study.begin_stage("verify")
    started = time.monotonic()
    costs = TargetCosts(setting.space, config.targets, load_predictors(study, config))
    fronts = fronts_of(study, config, costs, setting.space)
    largest = tuple(int(option) for option in setting.space.largest)
    members = {member.genotype for front in fronts for member in front.members}
    # The largest network is what the fronts are to be compared with, wherever it lies.
    _test(setting, sorted(members | {largest}))
    _measure(setting, fronts)
    summary: dict[str, Any] = {}
    # Read again: the members now carry what was found.
    for position, front in enumerate(fronts_of(study, config, costs, setting.space)):
        write_front(front, study.path / "fronts")
        summary[front.target.name] = audit(front)
        for line in describe(front, summary[front.target.name], costs, position):
            print(line)
    tested = {one.genotype: one.accuracy for one in study.evaluations("test")}
    if tested[largest] is not None:
        print(f"the largest network: test accuracy {tested[largest]:.2%}")
    study.finish_stage(
        "verify",
        {
            "duration_s": time.monotonic() - started,
            "targets": summary,
            "largest_test_accuracy": tested[largest],
        },
    )


def audit(front: Front) -> dict[str, Any]:
    """How the predictor held on the members measured; None where a figure is undefined."""
    measured = [member for member in front.members if member.measured_s is not None]
    found: dict[str, Any] = {
        "members": len(front.members),
        "feasible": front.feasible,
        "members_measured": len(measured),
        "members_violating": sum(member.broke_constraint is True for member in measured),
        "kendall": None,
        "spearman": None,
        "median_relative_error": None,
        "coverage": None,
    }
    if measured:
        predicted = np.array([member.predicted_s for member in measured])
        truth = np.array([member.measured_s for member in measured], dtype=np.float64)
        low = np.array([member.interval_low_s for member in measured])
        high = np.array([member.interval_high_s for member in measured])
        found["median_relative_error"] = metrics.median_relative_error(predicted, truth)
        found["coverage"] = float(np.mean((low <= truth) & (truth <= high)))
        if len(measured) > 1:
            for name, correlation in (("kendall", metrics.kendall), ("spearman", metrics.spearman)):
                value = correlation(predicted, truth)
                found[name] = value if np.isfinite(value) else None
    return found


def describe(front: Front, found: dict[str, Any], costs: TargetCosts, position: int) -> list[str]:
    """What the user is told of a target."""
    name = front.target.name
    if not front.members:
        return [f"{name}: nothing was evaluated successfully"]
    if not front.feasible:
        closest = front.members[0]
        text = " and ".join(constraint.text for constraint in costs.constraints[position])
        return [
            f"{name}: no network keeps {text}; closest is {closest.network}: "
            f"{closest.predicted_s * 1e3:.3g} ms predicted, {closest.params:,} parameters, "
            f"search accuracy {closest.search_accuracy:.1%}"
        ]
    lines = [f"{name}: {found['members']} members"]
    if found["members_measured"]:
        correlation = "-" if found["kendall"] is None else f"{found['kendall']:.2f}"
        lines[0] += (
            f", {found['members_violating']} of {found['members_measured']} broke a constraint "
            f"when measured; prediction: Kendall {correlation}, median error "
            f"{found['median_relative_error']:.1%}, {found['coverage']:.0%} inside the "
            f"{INTERVAL_LEVEL:.0%} interval"
        )
    else:
        lines[0] += ", predicted only"
    return lines


def _test(setting: Setting, genotypes: Sequence[tuple[int, ...]]) -> None:
    study = setting.study
    known = {one.genotype for one in study.evaluations("test") if one.status == "ok"}
    missing = [genotype for genotype in genotypes if genotype not in known]
    with StageProgress(study, "verify", len(genotypes)) as bar:
        done = len(genotypes) - len(missing)
        bar.update(done, "test split")
        if not missing:
            return
        with setting.executor() as executor:
            for genotype in missing:
                executor.submit(Task(genotype, "test", setting.config.seed))
            while executor.pending:
                outcome = executor.next()
                study.record_evaluation(outcome)
                done += 1
                accuracy = outcome.metrics.get("accuracy")
                text = f"failed: {outcome.error}" if accuracy is None else f"{accuracy:.2%}"
                bar.update(done, f"test split: {text}")


def _measure(setting: Setting, fronts: Sequence[Front]) -> None:
    """Measures each front's members; the workers that evaluated are gone by now."""
    if not setting.config.verify.remeasure:
        return
    chosen = [front for front in fronts if front.target.measurable]
    measuring = Measuring(setting)
    done = 0
    with StageProgress(setting.study, "verify", sum(len(front.members) for front in chosen)) as bar:

        def on_done(target: TargetConfig, found: Measurement) -> None:
            nonlocal done
            done += 1
            text = f"failed: {found.error}" if found.latency_s is None else ""
            bar.update(done, f"{target.name}: {text or f'{(found.latency_s or 0) * 1e3:.3g} ms'}")

        for front in chosen:
            genotypes = [member.genotype for member in front.members]
            target = front.target
            measuring.measure(
                target, genotypes, "verify", lambda found, target=target: on_done(target, found)
            )
