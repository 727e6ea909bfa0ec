"""How much better than random search are the others, at an equal budget and from one supernet?

Takes a study whose supernet is trained and whose targets are adapted, runs all algorithms with
several seeds, and prints each target's hypervolume after the same number of evaluations, as a share
of the box between (0, 0) and the study's reference point (error 1, the predicted latency of the
largest network). A network's accuracy is evaluated once, whoever asks for it: evaluations are kept
in a study of their own, so a killed benchmark goes on where it was.

    python experiments/benchmarks/search_against_random.py STUDY --evaluations 100 --json FILE
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from nas.config import parse_config
from nas.evolution.driver import run_search
from nas.evolution.progress import Progress
from nas.stages.adapt import load_predictors
from nas.stages.costs import TargetCosts
from nas.stages.search import search_algorithm
from nas.stages.setting import Setting, prepare_process
from nas.study import Study

ALGORITHMS = ("guided", "nsga2", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with Study.open(arguments.study, read_only=True) as study:
        config = parse_config(study.config, source=f"{arguments.study}/config.yaml")
        setting = Setting(study, config)
        prepare_process(setting)
        costs = TargetCosts(setting.space, config.targets, load_predictors(study, config))
        reference = [box.reference for box in costs.boxes()]
        volumes = {name: [] for name in ALGORITHMS}
        with evaluations_store(study) as store, setting.executor() as executor:
            for seed in range(arguments.seeds):
                for name in ALGORITHMS:
                    changed = config.search.model_copy(update={"algorithm": name})
                    asked = config.model_copy(update={"search": changed, "seed": seed})
                    result = run_search(
                        search_algorithm(asked, setting.space, costs),
                        executor,
                        store,
                        evaluations=arguments.evaluations,
                        generation_size=config.search.generation_size,
                        on_progress=lambda progress, name=name, seed=seed: tell(
                            name, seed, progress
                        ),
                        seed=config.seed,
                        reference=reference,
                    )
                    volumes[name].append(list(result.history[-1][1]))
    targets = [target.name for target in config.targets]
    print_table(targets, volumes)
    if arguments.json is not None:
        document = {
            "study": config.name,
            "evaluations": arguments.evaluations,
            "seeds": arguments.seeds,
            "targets": targets,
            "reference": [point.tolist() for point in reference],
            "hypervolume": volumes,
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


def evaluations_store(study: Study) -> Study:
    """Where the benchmark's evaluations are kept, beside the study."""
    path = study.path / "benchmark"
    return Study.open(path) if Study.exists(path) else Study.create(path, study.config)


def tell(name: str, seed: int, progress: Progress) -> None:
    print(
        f"\r{name} seed {seed}: {progress.evaluations}/{progress.total} "
        f"{progress.evaluations_per_s:.2f} evaluations/s   ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def print_table(targets: list[str], volumes: dict[str, list[list[float]]]) -> None:
    heads = "".join(f"{name:>24}" for name in ALGORITHMS)
    print(f"\n{'hypervolume':<20}{heads}   ratios to random")
    for position, target in enumerate(targets):
        columns = {name: np.array(volumes[name])[:, position] for name in ALGORITHMS}
        cells = "".join(
            f"{f'{np.median(column):.4f} ({column.min():.4f}-{column.max():.4f})':>24}"
            for column in columns.values()
        )
        least = np.median(columns["random"])
        ratios = "".join(f"{np.median(columns[name]) / least:>8.3f}" for name in ALGORITHMS[:-1])
        print(f"{target:<20}{cells}{ratios}")


if __name__ == "__main__":
    main()
