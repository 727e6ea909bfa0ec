"""Stage search: the accuracy-latency fronts of all targets from one set of evaluations."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from nas.config import Config, TargetConfig, parse_config
from nas.errors import StudyError, UserError
from nas.evolution.archive import Archive
from nas.evolution.driver import Patience, SearchAlgorithm, run_search
from nas.evolution.guided import GuidedEvolution
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.predictions import SurrogateQuality
from nas.evolution.progress import Progress
from nas.evolution.random_search import RandomSearch
from nas.live import StageProgress
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts, archive_of
from nas.stages.history import SURROGATE
from nas.stages.setting import Setting, prepare_process
from nas.study import Study
from nas.tracking import check_tracking, open_tracker
from search_spaces.base import SearchSpace

_BEGUN = "search_begun"


@dataclass(frozen=True)
class _Begun:
    """For which targets the study was searched last, and what it held of others before."""

    targets: list[str]
    known: int


INITIAL = 16
"""Networks that a guided search begins with, unless the config says how many."""

POPULATION = 48
"""Survivors of a generation of NSGA-II, unless the config says how many."""


def search(study: Study, config: Config) -> None:
    """Proposes networks, evaluates each once on the search split, and records every evaluation.

    What the study holds is not evaluated again.
    """
    check_tracking(config.tracking)
    setting = Setting(study, config)
    prepare_process(setting)
    study.begin_stage("search")
    started = time.monotonic()
    costs = TargetCosts(setting.space, config.targets, load_predictors(study, config))
    synchronous = config.search.mode == "synchronous"
    boxes = costs.boxes()
    limits = config.search
    patience = None
    if limits.patience is not None:
        patience = Patience(limits.patience, limits.least_growth)
    with (
        StageProgress(study, "search", config.search.evaluations) as bar,
        setting.executor() as executor,
        open_tracker(study, config, "search") as tracker,
    ):
        algorithm = search_algorithm(config, setting.space, costs)
        guided = isinstance(algorithm, GuidedEvolution)
        quality = algorithm.predictions.quality if guided else []
        steps = noted = 0

        def on_progress(progress: Progress) -> None:
            nonlocal steps, noted
            if len(quality) > noted:
                noted = len(quality)
                _note_quality(study, quality)
            bar.update(progress.evaluations, **_figures(progress, config))
            if progress.steps > steps:
                steps = progress.steps
                tracker.log(progress.evaluations, _metrics(progress, config))

        result = run_search(
            algorithm,
            executor,
            study,
            evaluations=config.search.evaluations,
            generation_size=config.search.generation_size if synchronous else None,
            on_progress=on_progress,
            seed=config.seed,
            reference=[box.reference for box in boxes],
            wall_time_s=None if limits.max_hours is None else limits.max_hours * 3600,
            patience=patience,
            known=_known(study, config),
        )
    infeasible = {
        target.name: closest_violation(result.archive, position)
        for position, target in enumerate(config.targets)
        if len(result.archive.front(position)) == 0 and len(result.archive)
    }
    for target in config.targets:
        if target.name in infeasible:
            print(_statement(target, infeasible[target.name]))
    study.finish_stage(
        "search",
        {
            "duration_s": time.monotonic() - started,
            "evaluations": result.evaluations,
            "failures": result.failures,
            "evaluations_per_s": result.evaluations_per_s,
            "utilisation": result.utilisation,
            "stopped": result.stopped,
            "reference": {
                target.name: [float(value) for value in box.reference]
                for target, box in zip(config.targets, boxes, strict=True)
            },
            "least_violation": infeasible,
        },
    )


def search_algorithm(config: Config, space: SearchSpace, costs: TargetCosts) -> SearchAlgorithm:
    """The algorithm that the config names, freshly seeded.

    Raises:
        UserError: If the study to begin with is not there or of another space.
    """
    options = config.search
    if options.algorithm == "random":
        return RandomSearch(space, costs, goals=costs.goals, seed=config.seed)
    if options.algorithm == "nsga2":
        return MultiTargetEvolution(
            space,
            costs,
            population_size=options.population_size or POPULATION,
            mutation_rate=options.mutation_rate,
            goals=costs.goals,
            seed=config.seed,
        )
    first = None
    if options.warm_start is not None:
        first = front_genotypes(options.warm_start, config, space, costs)
    return GuidedEvolution(
        space,
        costs,
        goals=costs.goals,
        boxes=costs.boxes(),
        initial=options.initial or INITIAL,
        first=first,
        mutation_rate=options.mutation_rate,
        seed=config.seed,
    )


def check_warm_start(config: Config) -> None:
    """Tells what is wrong with the study to begin with before anything is done.

    Raises:
        UserError: If one is named and is not there or of another space.
    """
    if config.search.warm_start is not None:
        with _warm_start(config.search.warm_start, config):
            pass


@contextmanager
def _warm_start(path: Path, config: Config) -> Generator[Study]:
    with ExitStack() as stack:
        try:
            study = stack.enter_context(Study.open(path, read_only=True))
        except StudyError as error:
            raise UserError(f"search.warm_start: {error}") from None
        other = parse_config(study.config, source=f"{path}/config.yaml")
        if other.space != config.space:
            raise UserError(
                f"search.warm_start: {path} is a study of another space, {other.space.name}"
            )
        yield study


def front_genotypes(
    path: Path, config: Config, space: SearchSpace, costs: TargetCosts
) -> Int[np.ndarray, "k d"]:
    """The fronts that another study's evaluations give for this one's targets.

    At most `search.initial` of their members, evenly chosen in the order of cost.

    Raises:
        UserError: If there is no study of the same space.
    """
    with _warm_start(path, config) as study:
        archive, _ = archive_of(study, costs, space)
    found = [archive.front(target) for target in range(archive.targets)]
    members = list(dict.fromkeys(int(row) for front in found for row in front))
    members.sort(key=lambda row: float(archive.costs[row, 0]))
    count = min(len(members), config.search.initial or INITIAL)
    chosen = np.linspace(0, len(members) - 1, count).round().astype(np.int64)
    return archive.genotypes[[members[row] for row in chosen]]


def closest_violation(archive: Archive, target: int) -> float:
    """The least relative violation of a target's constraints among all evaluations."""
    return float(archive.violation[archive.closest(target), target])


def _known(study: Study, config: Config) -> int:
    """How many evaluations the study held when its search for these targets began.

    They were made for other targets, and count for these: accuracy does not depend on the target.
    """
    names = [target.name for target in config.targets]
    begun = study.kept(_BEGUN, _Begun)
    if begun is not None and begun.targets == names:
        return begun.known
    known = 0 if begun is None else len(study.evaluations("search"))
    study.set_metadata(_BEGUN, asdict(_Begun(names, known)))
    return known


def _note_quality(study: Study, quality: Sequence[SurrogateQuality]) -> None:
    """Writes down how good the accuracy surrogate was, beside what an interrupted run noted."""
    before = study.kept(SURROGATE, list[SurrogateQuality]) or []
    points = {point.evaluations: point for point in (*before, *quality)}
    study.set_metadata(SURROGATE, [asdict(point) for _, point in sorted(points.items())])


def _statement(target: TargetConfig, violation: float) -> str:
    limits = ", ".join(target.constraints)
    return (
        f"search: {target.name}: no network is predicted to keep {limits}; the closest one is "
        f"{violation:.1%} over"
    )


def _metrics(progress: Progress, config: Config) -> dict[str, float]:
    volumes = zip(config.targets, progress.hypervolume, strict=True)
    return {
        "evaluations_per_s": progress.evaluations_per_s,
        "failures": progress.failures,
        "utilisation": progress.utilisation,
        **{f"hypervolume/{target.name}": volume for target, volume in volumes},
    }


def _figures(progress: Progress, config: Config) -> dict[str, Any]:
    """What is shown of a search beside the number of evaluations."""
    names = [target.name for target in config.targets]
    rate = progress.evaluations_per_s
    return {
        "rate": rate,
        "rate_of": "evaluations",
        "eta_s": (progress.total - progress.evaluations) / rate if rate > 0 else None,
        "hypervolume": dict(zip(names, progress.hypervolume, strict=True)),
        "failures": progress.failures,
        "text": f"{progress.workers} workers {progress.utilisation:.0%} busy",
    }
