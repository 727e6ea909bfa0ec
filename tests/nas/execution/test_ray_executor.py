"""The Ray executor on a local cluster: the contract, and what happens when processes die."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.cluster_utils import Cluster

from nas.errors import WorkerError
from nas.execution.base import EvaluatorFactory, Executor, Task
from nas.execution.cluster import start_ray, stop_ray, worker_environment
from nas.execution.crew import SHORT_S
from nas.execution.ray_executor import RayExecutor
from tests.nas.execution import evaluators
from tests.nas.execution.contract import ExecutorContract, run, tasks

pytestmark = pytest.mark.ray

ROOT = str(Path(__file__).parents[3])


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        start_ray(cpus=2)
        start_ray(cpus=2)
        yield
        stop_ray()


def make(factory: EvaluatorFactory, payload: Any, **options: Any) -> RayExecutor:
    options = {"workers": 2, "worker_env": {"PYTHONPATH": ROOT}, **options}
    return RayExecutor(factory, payload, **options)


class TestRay(ExecutorContract):
    def make(self, factory: EvaluatorFactory, payload: Any) -> Executor:
        return make(factory, payload)


def test_every_worker_takes_its_share() -> None:
    with make(evaluators.Hash, {"sleep_s": 0.02}) as executor:
        while executor.workers < 2:
            time.sleep(0.01)
        assert executor.capacity == 2
        made = run(executor, tasks(*[0] * 20))
    assert len({o.worker for o in made.values()}) == 2


def test_a_task_whose_worker_is_killed_is_made_elsewhere_and_counted_once(tmp_path: Path) -> None:
    payload = {"faults": True, "log": str(tmp_path / "log")}
    with make(evaluators.Hash, payload) as executor:
        made = run(executor, tasks(0, 3, 0, 0, 3, 0))
    assert {o.status for o in made.values()} == {"ok"}
    assert [made[3, i].attempts for i in (1, 4)] == [2, 2]
    assert [made[0, i].attempts for i in (0, 2, 3, 5)] == [1, 1, 1, 1]


def test_a_task_that_always_kills_its_worker_fails_after_three_attempts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    # Long enough for one task at a time, so that there is no doubt about which one was fatal.
    payload = {"faults": True, "log": str(log), "sleep_s": 2 * SHORT_S}
    with make(evaluators.Hash, payload) as executor:
        made = run(executor, tasks(0, 0, 2, 0, 0))
    failed = made[2, 2]
    assert (failed.status, failed.attempts) == ("failed", 3)
    assert failed.error is not None
    assert failed.error.startswith("its worker died 3 times: ")
    assert log.read_text().splitlines().count("2,2") == 3
    assert {o.status for g, o in made.items() if g != (2, 2)} == {"ok"}


def test_workers_that_die_while_they_start_end_the_search_with_a_reason() -> None:
    with (
        make(evaluators.deadly, None) as executor,
        pytest.raises(WorkerError, match="died 3 times before it was ready"),
    ):
        run(executor, tasks(0))


def test_what_is_queued_is_begun_while_the_caller_is_busy_elsewhere() -> None:
    with make(evaluators.Hash, {"sleep_s": 0.1}, workers=1) as executor:
        for task in tasks(0, 0, 0):
            executor.submit(task)
        executor.next()
        deadline = time.monotonic() + 60
        while executor.finished < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert executor.pending == 2


def test_a_slow_evaluation_times_out_the_wait_and_not_the_task() -> None:
    with make(evaluators.Hash, {"sleep_s": 1.0}, workers=1) as executor:
        executor.submit(Task((0,), "search", 0))
        with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
            executor.next(0.05)
        assert executor.next().status == "ok"


def test_a_payload_is_shared_and_read_only() -> None:
    with make(evaluators.Shared, np.ones(1 << 20)) as executor:
        (outcome,) = run(executor, tasks(0)).values()
    assert outcome.metrics["writeable"] == 0


@pytest.mark.parametrize("variable", ["MALLOC_ARENA_MAX", "NPROC", "RIDGELINE_TEST"])
def test_a_worker_process_starts_with_its_environment(variable: str) -> None:
    own = {"PYTHONPATH": ROOT, "RIDGELINE_TEST": "7"}
    expected = {**worker_environment(cpus=2, gpus=0), **own}[variable]
    with make(
        evaluators.Environment, variable, workers=1, cpus_per_worker=2, worker_env=own
    ) as executor:
        (outcome,) = run(executor, tasks(0)).values()
    assert outcome.metrics["value"] == float(expected)


def test_more_than_any_node_has_is_refused_with_what_there_is() -> None:
    with pytest.raises(WorkerError, match=r"99 CPUs and 0 GPUs; nodes have: 2 CPUs, 0 GPUs"):
        make(evaluators.Fixed, {}, cpus_per_worker=99)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        make(evaluators.Fixed, {}, workers=0)


def test_an_unreachable_cluster_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_ray()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(WorkerError, match=r"could not be reached at 127\.0\.0\.1:1: Connection"):
        start_ray()


def test_ray_address_names_the_cluster_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_ray()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    try:
        monkeypatch.setenv("RAY_ADDRESS", str(cluster.address))
        start_ray()
        with make(evaluators.Fixed, {"accuracy": 1.0}, workers=1, cpus_per_worker=3) as executor:
            assert run(executor, tasks(0))[0, 0].status == "ok"
    finally:
        stop_ray()
        cluster.shutdown()
