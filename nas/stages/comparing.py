"""Studies beside each other: their fronts and hypervolumes in one common box a target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import moocore
import numpy as np

from nas.config import Config, parse_config
from nas.errors import UserError
from nas.evolution.archive import Archive
from nas.report.comparison import ComparedStudy, ComparedTarget
from nas.report.figures import staircase
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts, archive_of
from nas.stages.fronts import Front, fronts_of
from nas.stages.setting import Setting
from nas.study import Study

OWN = ("name", "seed", "output", "tracking")
"""Keys of a config that do not decide what a study looks for."""


@dataclass(frozen=True)
class _Opened:
    label: str
    config: Config
    archive: Archive
    fronts: list[Front]
    references: dict[str, float]


def compare_studies(paths: Sequence[Path]) -> list[ComparedStudy]:
    """Reads the studies, which may still run.

    Raises:
        UserError: If one is no study, has no evaluation or no predictors yet, is given twice, or if
            they have no target in common.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("compare: each study must be given once")
    opened = [_open(path, label) for path, label in zip(paths, _labels(paths), strict=True)]
    common = [
        name for name in opened[0].references if all(name in one.references for one in opened)
    ]
    if not common:
        names = "; ".join(f"{one.label}: {', '.join(one.references)}" for one in opened)
        raise UserError(f"compare: the studies have no target in common ({names})")
    boxes = {name: max(one.references[name] for one in opened) for name in common}
    groups = _groups(opened)
    return [
        ComparedStudy(
            label=one.label,
            group=group,
            seed=one.config.seed,
            evaluations=len(one.archive),
            targets={name: _target(one, name, latency_s) for name, latency_s in boxes.items()},
        )
        for one, group in zip(opened, groups, strict=True)
    ]


def _open(path: Path, label: str) -> _Opened:
    with ExitStack() as stack:
        study = stack.enter_context(Study.open(path, read_only=True))
        config = parse_config(study.config, source=f"{path}/config.yaml")
        if not study.stage_done("adapt"):
            raise UserError(f"{path}: has no predictors yet; `nas adapt {path}` first")
        setting = Setting(study, config)
        costs = TargetCosts(setting.space, config.targets, load_predictors(study, config))
        archive, _ = archive_of(study, costs, setting.space)
        if not len(archive):
            raise UserError(f"{path}: has no evaluations yet; `nas search {path}` first")
        return _Opened(
            label=label,
            config=config,
            archive=archive,
            fronts=fronts_of(study, config, costs, setting.space),
            references={
                target.name: costs.reference(position)[1]
                for position, target in enumerate(config.targets)
                # Fronts of other objectives have no area in error and latency.
                if costs.goals[position].columns == (position,)
            },
        )


def _labels(paths: Sequence[Path]) -> list[str]:
    """The directories' names, or the paths where names repeat."""
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _groups(opened: Sequence[_Opened]) -> list[str]:
    """Each study's group, named by its first study."""
    documents = [json.dumps(_searched(one.config), sort_keys=True) for one in opened]
    first = {document: opened[documents.index(document)].label for document in documents}
    return [
        f"{first[document]} and its seeds" if documents.count(document) > 1 else first[document]
        for document in documents
    ]


def _searched(config: Config) -> dict[str, object]:
    return {key: value for key, value in config.to_document().items() if key not in OWN}


def _target(one: _Opened, name: str, latency_s: float) -> ComparedTarget:
    position = next(i for i, target in enumerate(one.config.targets) if target.name == name)
    reference = np.array([1.0, latency_s])
    history = one.archive.hypervolume_history(position, reference) / latency_s
    found = one.fronts[position]
    members = found.members if found.feasible else ()
    verified = bool(members) and all(
        member.test_accuracy is not None
        and (member.measured_s is not None or not found.target.measurable)
        for member in members
    )
    front = staircase(
        (member.latency_s, member.accuracy)
        if verified
        else (member.predicted_s, member.search_accuracy)
        for member in members
    )
    objectives = np.array([[1.0 - accuracy, seconds] for seconds, accuracy in front])
    return ComparedTarget(
        front=tuple(front),
        verified=verified,
        hypervolume=tuple((count, float(v)) for count, v in enumerate(history, start=1)),
        verified_hypervolume=(
            float(moocore.hypervolume(objectives, ref=reference)) / latency_s if verified else None
        ),
        best_search_accuracy=max((member.search_accuracy for member in members), default=0.0),
    )
