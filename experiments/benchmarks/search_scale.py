"""What does the search loop itself cost, and do workers wait for it?

Four questions, each a part of its own; the loop, the algorithm, the predictors and the study are
the real ones, on the mobilenet space of experiments/cifar10.yaml, and evaluations do nothing.

    overhead  processor time of the driver for one evaluation while 1,000 are outstanding
    ray       evaluations a second through two Ray workers
    memory    the driver's resident memory over 100,000 evaluations
    tails     how busy workers are kept when evaluation times are log-normal with sigma 1 and a mean
              of a minute, asynchronously and in generations of one network a worker: simulated up
              to 10,000 workers, the driver's own processor time counted; and on eight Ray workers
              that sleep, 0.5 s in the mean

    python experiments/benchmarks/search_scale.py overhead ray memory tails --json FILE
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from latency_models import DEVICES, load_pretrained
from nas.config import TargetConfig, load_config
from nas.evolution.driver import SearchAlgorithm, run_search
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.progress import Progress
from nas.evolution.random_search import RandomSearch
from nas.execution.base import Task
from nas.execution.simulated import SimulatedExecutor
from nas.stages.costs import TargetCosts
from nas.study import Study
from search_spaces import SearchSpace

CIFAR10 = Path(__file__).parents[1] / "cifar10.yaml"
TARGETS = ("raspberry-pi-5", "jetson-orin-nano", "pixel-3", "core-i7-7820x")
MEAN_S = 60.0
SIGMA = 1.0
ON_RAY = 1_000
"""Evaluations that sleep, half a second in the mean."""


class Hashed:
    """An accuracy from the genotype, at once."""

    def __init__(self, payload: Any = None) -> None: ...

    def evaluate(self, task: Task) -> Mapping[str, float]:
        return {"accuracy": hash(task.genotype) % 10_000 / 10_000}


class Sleeping(Hashed):
    """Takes as long as `heavy_tailed` says, with the payload as the mean."""

    def __init__(self, payload: Any = None) -> None:
        self.duration_s = heavy_tailed(float(payload))

    def evaluate(self, task: Task) -> Mapping[str, float]:
        time.sleep(self.duration_s(task))
        return super().evaluate(task)


def heavy_tailed(mean_s: float) -> Callable[[Task], float]:
    """Log-normal durations, a function of the genotype."""
    location = np.log(mean_s) - SIGMA**2 / 2

    def duration_s(task: Task) -> float:
        return float(np.random.default_rng(task.genotype).lognormal(location, SIGMA))

    return duration_s


class Busy:
    """How busy workers were while there was work for all of them, from a search's progress."""

    def __init__(self, evaluations: int, workers: int) -> None:
        self.last, self.share = evaluations - workers, 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.evaluations <= self.last:
            self.share = progress.utilisation


def mobilenet() -> SearchSpace:
    return load_config(CIFAR10, ()).space.build(image_shape=(32, 32, 3), classes=10)


def evolution(targets: int, *, seed: int = 0) -> MultiTargetEvolution:
    space = mobilenet()
    meta = load_pretrained()
    names = TARGETS[:targets]
    configs = [TargetConfig(name=name, device=name) for name in names]
    predictors = [meta.for_device(DEVICES[name]) for name in names]
    return MultiTargetEvolution(
        space, TargetCosts(space, configs, predictors), population_size=48, seed=seed
    )


def sampling() -> RandomSearch:
    """As good as no algorithm: what is left is the loop and the study."""

    def costs(genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 1.0 + genotypes.sum(axis=1, keepdims=True), np.zeros((len(genotypes), 1))

    return RandomSearch(mobilenet(), costs, seed=0)


def overhead() -> dict[str, Any]:
    """Milliseconds of processor time an evaluation, of all that the driver's thread does."""
    algorithms: dict[str, Callable[[], SearchAlgorithm]] = {
        "sampling, constant costs": sampling,
        **{
            f"NSGA-II, {targets} target{'s' if targets > 1 else ''}": lambda n=targets: evolution(n)
            for targets in (1, 2, 4)
        },
    }
    found: dict[str, Any] = {}
    for name, make in algorithms.items():
        search = make()
        executor = SimulatedExecutor(Hashed(), heavy_tailed(MEAN_S), workers=1_000)
        with fresh_study() as study, executor:
            started_s = time.thread_time()
            run_search(search, executor, study, evaluations=5_000, clock=executor.clock)
            found[name] = 1e3 * (time.thread_time() - started_s) / 5_000
        print(f"{name:<28}{found[name]:>8.2f} ms an evaluation", flush=True)
    return found


def through_ray() -> dict[str, Any]:
    """Evaluations a second once both workers are there."""
    from nas.execution.cluster import start_ray, stop_ray
    from nas.execution.ray_executor import RayExecutor

    start_ray(cpus=2)
    found: dict[str, Any] = {}
    for name, search in (
        ("sampling, constant costs", sampling()),
        ("NSGA-II, 2 targets", evolution(2)),
    ):
        with fresh_study() as study, RayExecutor(Hashed, None, workers=2) as executor:
            while executor.workers < 2:
                time.sleep(0.01)
            result = run_search(search, executor, study, evaluations=3_000)
            found[name] = result.evaluations_per_s
        print(f"{name:<28}{found[name]:>8.0f} evaluations/s through Ray", flush=True)
    stop_ray()
    return found


def memory() -> dict[str, Any]:
    """Resident MiB after so many evaluations, in a process of its own."""
    command = [sys.executable, __file__, "memory-process"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(told.splitlines()[-1])
    for count, mib in found.items():
        print(f"{count:>8} evaluations{mib:>8.0f} MiB", flush=True)
    return found


def memory_process() -> None:
    found: dict[int, float] = {}
    process = psutil.Process()

    def look(progress: Progress) -> None:
        for count in (1_000, 10_000, 25_000, 50_000, 75_000, 100_000):
            if count not in found and progress.evaluations >= count:
                found[count] = process.memory_info().rss / 2**20

    executor = SimulatedExecutor(Hashed(), heavy_tailed(MEAN_S), workers=1_000)
    with fresh_study() as study, executor:
        run_search(
            evolution(2),
            executor,
            study,
            evaluations=100_000,
            on_progress=look,
            clock=executor.clock,
        )
    print(json.dumps(found))


def tails() -> dict[str, Any]:
    """Busy shares of the workers' time."""
    found: dict[str, Any] = {}
    head = f"{'workers':>8}{'evaluations':>13}{'asynchronous':>14}{'to the end':>12}"
    print(f"{head}{'generations':>13}{'speed-up':>10}")
    for workers in (2, 16, 128, 1_000, 10_000):
        evaluations = max(2_000, 10 * workers)
        row: dict[str, Any] = {"evaluations": evaluations}
        for mode, size in (("asynchronous", None), ("synchronous", workers)):
            executor = SimulatedExecutor(Hashed(), heavy_tailed(MEAN_S), workers=workers)
            busy = Busy(evaluations, workers)
            with fresh_study() as study, executor:
                result = run_search(
                    evolution(2),
                    executor,
                    study,
                    evaluations=evaluations,
                    generation_size=size,
                    on_progress=busy,
                    clock=executor.clock,
                )
                row[mode] = {
                    "until_last_submission": busy.share,
                    "utilisation": result.utilisation,
                    "duration_s": executor.clock(),
                }
        free, barred = row["asynchronous"], row["synchronous"]
        print(
            f"{workers:>8}{evaluations:>13}{free['until_last_submission']:>14.1%}"
            f"{free['utilisation']:>12.1%}{barred['utilisation']:>13.1%}"
            f"{barred['duration_s'] / free['duration_s']:>10.2f}",
            flush=True,
        )
        found[str(workers)] = row
    found["ray"] = tails_on_ray()
    return found


def tails_on_ray() -> dict[str, Any]:
    from nas.execution.cluster import start_ray, stop_ray
    from nas.execution.ray_executor import RayExecutor

    start_ray(cpus=2)
    found: dict[str, Any] = {}
    for mode, size in (("asynchronous", None), ("synchronous", 8)):
        with (
            fresh_study() as study,
            RayExecutor(
                Sleeping,
                0.5,
                workers=8,
                cpus_per_worker=0.25,
            ) as executor,
        ):
            while executor.workers < 8:
                time.sleep(0.01)
            busy = Busy(ON_RAY, workers=8)
            result = run_search(
                sampling(),
                executor,
                study,
                evaluations=ON_RAY,
                generation_size=size,
                on_progress=busy,
            )
            found[mode] = {"until_last_submission": busy.share, "utilisation": result.utilisation}
        print(
            f"eight Ray workers, {mode}: {busy.share:.1%} busy while there was work for all, "
            f"{result.utilisation:.1%} to the end",
            flush=True,
        )
    stop_ray()
    return found


@contextmanager
def fresh_study() -> Generator[Study]:
    """A study in a directory that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Study.create(Path(directory) / "study", {}) as study,
    ):
        yield study


PARTS = {"overhead": overhead, "ray": through_ray, "memory": memory, "tails": tails}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "memory-process"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.parts == ["memory-process"]:
        memory_process()
        return
    found: dict[str, Any] = {}
    if arguments.json is not None and arguments.json.exists():
        found = json.loads(arguments.json.read_text())
    for name in arguments.parts:
        found[name] = PARTS[name]()
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
