"""A whole search as a process of its own, to be killed: STUDY EXECUTOR MODE EVALUATIONS SLEEP_S."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.evolution.driver import run_search
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.progress import Progress, SearchResult
from nas.execution.base import Executor
from nas.execution.in_process import InProcessExecutor
from nas.study import Study
from tests.nas.evolution.spaces import GridSpace, linear_costs
from tests.nas.execution.evaluators import Hash

ROOT = str(Path(__file__).parents[3])


def search(
    study: Study,
    executor: Executor,
    *,
    evaluations: int,
    seed: int,
    generation_size: int | None = 8,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    costs = linear_costs([[1] * 8, [3] * 4 + [0.2] * 4], [25, 30])
    evolution = MultiTargetEvolution(
        GridSpace(4, 3, 4, 5, 4, 3, 4, 4), costs, population_size=20, seed=seed
    )
    return run_search(
        evolution,
        executor,
        study,
        evaluations=evaluations,
        generation_size=generation_size,
        seed=seed,
        on_progress=on_progress,
    )


def as_plain_data(result: SearchResult) -> dict[str, Any]:
    archive = result.archive
    return {
        "genotypes": archive.genotypes.tolist(),
        "error": archive.error.tolist(),
        "costs": archive.costs.tolist(),
        "violation": archive.violation.tolist(),
        "failures": result.failures,
        "history": json.loads(json.dumps(result.history)),
    }


def main() -> None:
    path, kind, mode, evaluations, sleep_s = sys.argv[1:]
    log = Path(path).with_suffix(".log")
    payload = {"log": str(log), "sleep_s": float(sleep_s), "faults": kind == "in_process_faults"}
    study = Study.open(Path(path)) if Study.exists(Path(path)) else Study.create(Path(path), {})
    if kind == "ray":
        from nas.execution.cluster import start_ray
        from nas.execution.ray_executor import RayExecutor

        start_ray(cpus=2)
        executor = RayExecutor(Hash, payload, workers=2, worker_env={"PYTHONPATH": ROOT})
    else:
        executor = InProcessExecutor(Raising if payload["faults"] else Hash, payload)
    with study, executor:
        result = search(
            study,
            executor,
            evaluations=int(evaluations),
            seed=5,
            generation_size=8 if mode == "synchronous" else None,
            on_progress=lambda progress: print(progress.evaluations, flush=True),
        )
    Path(path).with_suffix(".json").write_text(json.dumps(as_plain_data(result)))


class Raising(Hash):
    """Fails for a first option of 1 and never dies."""

    def _misbehave(self, task: Any) -> None:
        if task.genotype[0] == 1:
            raise ValueError("bad genotype")


if __name__ == "__main__":
    main()
