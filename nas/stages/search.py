"""Stage search: the accuracy-latency fronts of all targets from one set of evaluations."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from nas.config import Config
from nas.evolution.driver import SearchAlgorithm, run_search
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.progress import Progress
from nas.evolution.random_search import RandomSearch
from nas.live import StageProgress
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts
from nas.stages.setting import Setting, prepare_process
from nas.study import Study
from nas.tracking import check_tracking, open_tracker
from search_spaces.base import SearchSpace


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
    reference = np.array([costs.reference(position) for position in range(len(config.targets))])
    synchronous = config.search.mode == "synchronous"
    with (
        StageProgress(study, "search", config.search.evaluations) as bar,
        setting.executor() as executor,
        open_tracker(study, config, "search") as tracker,
    ):
        steps = 0

        def on_progress(progress: Progress) -> None:
            nonlocal steps
            bar.update(progress.evaluations, **_figures(progress, config))
            if progress.steps > steps:
                steps = progress.steps
                tracker.log(progress.evaluations, _metrics(progress, config))

        result = run_search(
            search_algorithm(config, setting.space, costs),
            executor,
            study,
            evaluations=config.search.evaluations,
            generation_size=config.search.generation_size if synchronous else None,
            on_progress=on_progress,
            seed=config.seed,
            reference=reference,
        )
    study.finish_stage(
        "search",
        {
            "duration_s": time.monotonic() - started,
            "evaluations": result.evaluations,
            "failures": result.failures,
            "evaluations_per_s": result.evaluations_per_s,
            "utilisation": result.utilisation,
            "reference": {
                target.name: [float(value) for value in reference[position]]
                for position, target in enumerate(config.targets)
            },
        },
    )


def search_algorithm(config: Config, space: SearchSpace, costs: TargetCosts) -> SearchAlgorithm:
    """The algorithm that the config names, freshly seeded."""
    if config.search.algorithm == "random":
        return RandomSearch(space, costs, seed=config.seed)
    return MultiTargetEvolution(
        space,
        costs,
        population_size=config.search.population_size,
        mutation_rate=config.search.mutation_rate,
        seed=config.seed,
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
