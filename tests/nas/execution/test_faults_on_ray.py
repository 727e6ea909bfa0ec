"""A search on a cluster whose workers and nodes die, leave and join."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from nas.evolution.driver import run_search
from nas.evolution.progress import Progress, SearchResult
from nas.evolution.random_search import RandomSearch
from nas.execution.cluster import start_ray, stop_ray
from nas.execution.ray_executor import RayExecutor
from nas.study import Study
from tests.nas.evolution.spaces import GridSpace, linear_costs
from tests.nas.execution import evaluators

pytestmark = pytest.mark.ray

ROOT = str(Path(__file__).parents[3])
SPACE = GridSpace(5, 3, 4, 5)
COSTS = linear_costs([[1.0] * 4], [100])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head that evaluates nothing, and a node with room for two workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PYTHONPATH", ROOT)
        made = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        made.add_node(num_cpus=2)
        made.wait_for_nodes()
        start_ray(made.address)
        yield made
        stop_ray()
        made.shutdown()


def search(study: Study, executor: RayExecutor, evaluations: int, **options: Any) -> SearchResult:
    algorithm = RandomSearch(SPACE, COSTS, seed=0)
    return run_search(algorithm, executor, study, evaluations=evaluations, **options)


def evaluated(log: Path) -> Counter[tuple[int, ...]]:
    """How often each genotype's evaluation was begun."""
    lines = log.read_text().splitlines()
    return Counter(tuple(int(option) for option in line.split(",")) for line in lines)


def test_genotypes_that_crash_hang_or_give_nan_fail_and_the_search_ends(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    payload = {"faults": True, "log": str(log), "sleep_s": 0.06}
    space = GridSpace(5, 2)
    with (
        Study.create(tmp_path / "study", {}) as study,
        RayExecutor(evaluators.Hash, payload, workers=2, timeout_s=1.5) as executor,
    ):
        algorithm = RandomSearch(space, linear_costs([[1.0, 1.0]], [100]), seed=0)
        result = run_search(algorithm, executor, study, evaluations=50)
        rows = study.evaluations("search")
    # The whole space, which is then exhausted.
    assert sorted(row.genotype for row in rows) == [tuple(g) for g in space.every()]
    calls = evaluated(log)
    reasons = {
        1: (2, "ValueError: a bad genotype"),
        2: (3, "its worker died 3 times: "),
        4: (2, "it took longer than 1.5 s, 2 times"),
    }
    # The first attempt at a 3 kills its worker: made again by another, counted once.
    good = {0: 1, 3: 2}
    for row in rows:
        kind = row.genotype[0]
        if kind in good:
            assert (row.status, row.error) == ("ok", None)
            assert row.attempts == calls[row.genotype] == good[kind]
        else:
            attempts, reason = reasons[kind]
            assert row.status == "failed"
            assert row.attempts == calls[row.genotype] == attempts
            assert (row.error or "").startswith(reason)
    assert (result.evaluations, result.failures, len(result.archive)) == (9, 6, 3)


def test_worker_killed_from_outside_in_mid_evaluation_is_replaced(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    payload = {"log": str(log), "sleep_s": 0.3}
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.evaluations >= 4 and not killed:
            # One that did not just finish is in the middle of its evaluation.
            names = [row.worker for row in study.evaluations("search")]
            busy = set(names) - {names[-1]} or {names[-1]}
            pid = int(busy.pop().split("/")[1])
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    with (
        Study.create(tmp_path / "study", {}) as study,
        RayExecutor(evaluators.Hash, payload, workers=2) as executor,
    ):
        search(study, executor, 12, on_progress=kill)
        rows = study.evaluations("search")
    assert len(killed) == 1
    assert len(rows) == len({row.genotype for row in rows}) == 12
    assert {row.status for row in rows} == {"ok"}
    assert sum(row.attempts for row in rows) == 13
    assert evaluated(log).keys() == {row.genotype for row in rows}


def test_search_goes_on_when_its_node_leaves_and_uses_one_that_joins(
    cluster: Cluster, tmp_path: Path
) -> None:
    payload = {"log": str(tmp_path / "log"), "sleep_s": 0.1}
    (node,) = cluster.worker_nodes

    changed: list[int] = []

    def change(progress: Progress) -> None:
        if progress.evaluations >= 6 and not changed:
            await_workers(executor, 2)
            cluster.remove_node(node)
            cluster.add_node(num_cpus=3)
            changed.append(progress.evaluations)
        elif len(changed) == 1 and progress.evaluations >= 16:
            await_workers(executor, 3)
            changed.append(progress.evaluations)

    with (
        Study.create(tmp_path / "study", {}) as study,
        # More than there is ever room for: those that wait keep nobody waiting.
        RayExecutor(evaluators.Hash, payload, workers=6) as executor,
    ):
        search(study, executor, 60, on_progress=change)
        rows = study.evaluations("search")
    assert len(rows) == len({row.genotype for row in rows}) == 60
    assert {row.status for row in rows} == {"ok"}
    # The two that left may have finished one more each, which is not lost either.
    old = {row.worker for row in rows[: changed[0]]}
    assert len({row.worker for row in rows[changed[0] + 2 :]} - old) == 3
    assert evaluated(tmp_path / "log").keys() == {row.genotype for row in rows}


def await_workers(executor: RayExecutor, workers: int) -> None:
    deadline = time.monotonic() + 60
    while executor.workers != workers:
        assert time.monotonic() < deadline
        time.sleep(0.01)
