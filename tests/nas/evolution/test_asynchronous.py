"""The asynchronous search loop on simulated workers: nobody waits, nothing is repeated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.evolution.driver import WAKE_S, run_search
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.progress import Progress
from nas.execution.base import Task
from nas.execution.simulated import SimulatedExecutor
from nas.study import Study
from tests.nas.evolution.spaces import GridSpace, error_of, linear_costs

SPACE = GridSpace(4, 3, 4, 5, 4, 3, 4, 4)
COSTS = linear_costs([[1] * 8, [3] * 4 + [0.2] * 4], [25, 30])


class Known:
    def evaluate(self, task: Task) -> Mapping[str, float]:
        return {"accuracy": 1 - float(error_of(np.array([task.genotype]))[0])}


class Watched(MultiTargetEvolution):
    """Writes down how many were asked for and told, in turn."""

    def __init__(self) -> None:
        super().__init__(SPACE, COSTS, population_size=20, seed=1)
        self.calls: list[tuple[str, int]] = []

    def ask(self, n: int) -> np.ndarray:
        self.calls.append(("ask", n))
        return super().ask(n)

    def tell(self, genotypes: np.ndarray, error: np.ndarray) -> None:
        self.calls.append(("tell", len(genotypes)))
        super().tell(genotypes, error)


def heavy_tailed(task: Task) -> float:
    """Log-normal with sigma 1, a function of the genotype."""
    return float(np.random.default_rng(task.genotype).lognormal(0, 1))


def run(study: Study, executor: SimulatedExecutor, **options: Any) -> Any:
    search = options.pop("search", None) or Watched()
    return run_search(search, executor, study, clock=executor.clock, **options)


def test_free_workers_are_given_a_batch_and_outcomes_are_told_as_they_arrive(
    tmp_path: Path,
) -> None:
    search = Watched()
    times = iter([1.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0])
    executor = SimulatedExecutor(Known(), lambda _: next(times), workers=3, count_caller=False)
    with Study.create(tmp_path, {}) as study, executor:
        run(study, executor, search=search, evaluations=7)
    # Ends at 1; 2, 2; then from 1 to 6, from 2 to 7, 7, and from 6 to 11.
    assert search.calls == [
        *[("ask", 3), ("tell", 1), ("ask", 1), ("tell", 2), ("ask", 2)],
        *[("tell", 1), ("ask", 1), ("tell", 2), ("tell", 1)],
    ]
    assert executor.clock() == 11


def test_no_worker_waits_while_there_is_work(tmp_path: Path) -> None:
    executor = SimulatedExecutor(Known(), heavy_tailed, workers=8, count_caller=False)
    with Study.create(tmp_path, {}) as study, executor:
        result = run(study, executor, evaluations=400)
        took = np.array([row.duration_s for row in study.evaluations("search")])
    # Graham's bound for list scheduling, "Bounds on multiprocessing timing anomalies", 1969.
    assert took.sum() / 8 <= executor.clock() <= took.sum() / 8 + 7 / 8 * took.max()
    assert result.utilisation == pytest.approx(took.sum() / (8 * executor.clock()))
    assert result.evaluations_per_s == pytest.approx(400 / executor.clock())


def test_generations_wait_for_their_slowest(tmp_path: Path) -> None:
    search = Watched()
    executor = SimulatedExecutor(Known(), heavy_tailed, workers=8, count_caller=False)
    with Study.create(tmp_path, {}) as study, executor:
        result = run(study, executor, search=search, evaluations=80, generation_size=8)
    took = np.array([heavy_tailed(Task(tuple(g), "", 0)) for g in search.archive.genotypes])
    assert executor.clock() == pytest.approx(took.reshape(10, 8).max(axis=1).sum())
    assert result.utilisation == pytest.approx(took.sum() / (8 * executor.clock()))


def test_what_the_study_holds_is_told_first_and_never_asked_for_again(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        with SimulatedExecutor(Known(), heavy_tailed, workers=4, count_caller=False) as executor:
            run(study, executor, evaluations=100)
        before = study.evaluations("search")
        search = Watched()
        with SimulatedExecutor(Known(), heavy_tailed, workers=4, count_caller=False) as executor:
            result = run(study, executor, search=search, evaluations=180)
        rows = study.evaluations("search")
    assert search.calls[:2] == [("tell", 100), ("ask", 4)]
    assert (result.recorded, result.evaluations, len(rows)) == (100, 180, 180)
    assert rows[:100] == before
    assert len({row.genotype for row in rows}) == 180


def test_workers_that_join_are_given_work_while_others_are_busy(tmp_path: Path) -> None:
    class Joined(SimulatedExecutor):
        """One worker; three more from second 10 on."""

        def __init__(self) -> None:
            super().__init__(Known(), lambda _: 100.0, workers=1, count_caller=False)
            self.started_s: list[float] = []

        def submit(self, task: Task) -> None:
            super().submit(task)
            self.started_s.append(self.clock())

        def clock(self) -> float:
            now_s = super().clock()
            if now_s >= 10 and self._workers == 1:
                self._workers = 4
                self._idle += [1, 2, 3]
            return now_s

    executor = Joined()
    told: list[Progress] = []
    with Study.create(tmp_path, {}) as study, executor:
        run(study, executor, evaluations=8, on_progress=told.append)
    assert executor.started_s[0] == 0
    assert all(10 <= started_s <= 10 + WAKE_S for started_s in executor.started_s[1:4])
    assert executor.started_s[4:] == [100.0, *[start + 100 for start in executor.started_s[1:4]]]
    assert told[-1].workers == 4


def test_one_worker_makes_the_same_search_again(tmp_path: Path) -> None:
    found: list[list[list[int]]] = []
    for name in "ab":
        executor = SimulatedExecutor(Known(), heavy_tailed, workers=1, count_caller=False)
        with Study.create(tmp_path / name, {}) as study, executor:
            archive = run(study, executor, evaluations=60).archive
        found.append(archive.genotypes.tolist())
    assert found[0] == found[1]


def test_history_is_of_the_moments_at_which_a_front_moved(tmp_path: Path) -> None:
    executor = SimulatedExecutor(Known(), heavy_tailed, workers=4, count_caller=False)
    reference = [np.array([0.5, 20.0]), np.array([0.8, 30.0])]
    with Study.create(tmp_path, {}) as study, executor:
        result = run(study, executor, evaluations=150, reference=reference)
    told = [count for count, _ in result.history]
    for target in range(2):
        whole = result.archive.hypervolume_history(target, reference[target])
        shares = [volumes[target] for _, volumes in result.history]
        np.testing.assert_allclose(shares, whole[np.array(told) - 1] / reference[target].prod())
    assert told[-1] == 150
    assert len(told) < 150
