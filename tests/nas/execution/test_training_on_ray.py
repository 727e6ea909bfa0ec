"""Training on Ray workers: over two processes as in one, and through the death of a worker."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import WorkerError
from nas.execution.cluster import start_ray, stop_ray
from nas.execution.training import train_on_ray
from nas.supernet.checkpoint import load_weights
from nas.supernet.progress import Compiling, Progress, Rollback, Told
from tests.nas.execution import training_jobs

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # Ray Train copies Ray Data's settings one by one, deprecated ones among them.
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\..*"),
]

ROOT = str(Path(__file__).parents[3])


@dataclass(frozen=True)
class Trained:
    """What a run left: all its reports, those of epochs and rollbacks, and its final weights."""

    seen: list[Told]
    epochs: list[Progress]
    rollbacks: list[Rollback]
    weights: list[np.ndarray]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        start_ray(cpus=2)
        yield
        stop_ray()


def leaves(directory: Path) -> list[np.ndarray]:
    import jax

    return jax.tree.leaves(load_weights(directory))


def train(directory: Path, *, workers: int, **options: Any) -> Trained:
    seen: list[Told] = []
    checkpoints = directory / "checkpoints"
    train_on_ray(
        training_jobs.job(checkpoints, **options),
        workers=workers,
        cpus_per_worker=1,
        gpus_per_worker=0,
        storage=directory / "ray",
        environment={"PYTHONPATH": ROOT},
        on_progress=seen.append,
    )
    epochs = [told for told in seen if isinstance(told, Progress) and told.validation]
    rollbacks = [told for told in seen if isinstance(told, Rollback)]
    # Read by a process of its own: this one forks for Ray and must not run JAX.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        weights = pool.submit(leaves, checkpoints).result()
    return Trained(seen, epochs, rollbacks, weights)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An uninterrupted run of one worker."""
    return train(tmp_path_factory.mktemp("alone"), workers=1)


def test_two_workers_train_as_one_with_the_same_global_batch(
    alone: Trained, tmp_path: Path
) -> None:
    both = train(tmp_path, workers=2, warm_up=True)
    assert [p.step for p in both.epochs] == [p.step for p in alone.epochs] == [2, 4, 6]
    np.testing.assert_allclose(
        [p.loss for p in both.epochs], [p.loss for p in alone.epochs], rtol=1e-4
    )
    compiled = [told for told in both.seen if isinstance(told, Compiling)]
    # Stem, head and two blocks of two widths for the steps; the ends' own are validated.
    assert (compiled[0].done, compiled[-1].done, compiled[-1].total) == (0, 12, 12)
    for found, expected in zip(both.weights, alone.weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_killed_worker_is_restarted_from_the_last_checkpoint(
    alone: Trained, tmp_path: Path
) -> None:
    # Checkpoints are after steps 2, 4 and 6; step 5 is lost and made again.
    killed = train(tmp_path, workers=1, dies_at=5)
    assert (tmp_path / "died").exists()
    assert [p.step for p in killed.epochs][-1] == 6
    assert sorted({p.step for p in killed.epochs}) == [2, 4, 6]
    for found, expected in zip(killed.weights, alone.weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_all_workers_roll_back_a_collapse_together(tmp_path: Path) -> None:
    both = train(tmp_path, workers=2, collapses_at=3)
    assert [(one.step, one.to_step, one.rate_factor) for one in both.rollbacks] == [(4, 2, 0.5)]
    assert [(p.step, p.rollbacks) for p in both.epochs] == [(2, 0), (4, 1), (6, 1)]
    assert all(np.isfinite(leaf).all() for leaf in both.weights)


def test_a_job_that_cannot_run_ends_with_the_workers_reason(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"training failed: .*train\.batch_size must be"):
        train(tmp_path, workers=1, batch_size=1000)
