"""The search loop: deterministic whatever finishes first, and exact after a kill."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import StudyError
from nas.evolution.driver import Patience, SearchAlgorithm, run_search
from nas.evolution.nsga2 import MultiTargetEvolution
from nas.evolution.progress import Progress, SearchResult
from nas.evolution.random_search import RandomSearch
from nas.execution.base import Outcome, Task
from nas.execution.in_process import InProcessExecutor
from nas.study import Study
from tests.nas.evolution.killing import finish, kill_and_restart
from tests.nas.evolution.search_process import as_plain_data, search
from tests.nas.evolution.spaces import GridSpace, error_of, linear_costs
from tests.nas.execution.evaluators import Hash

SPACE = GridSpace(4, 3, 4, 5, 4, 3, 4, 4)
COSTS = linear_costs([[1] * 8, [3] * 4 + [0.2] * 4], [25, 30])


class Known:
    """Accuracy by the tests' error function; a last option of 3 fails."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.fails = payload.get("fails", False)

    def evaluate(self, task: Task) -> dict[str, float]:
        if self.fails and task.genotype[-1] == 3:
            raise ValueError("too bad")
        return {"accuracy": 1 - float(error_of(np.array([task.genotype]))[0])}


class Shuffled(InProcessExecutor):
    """Finishes tasks in an order of its own."""

    def next(self, timeout_s: int | float | None = None) -> Outcome:
        self._tasks.rotate(3)
        return super().next(timeout_s)


class Refusing(InProcessExecutor):
    """Is never given anything to do."""

    def submit(self, task: Task) -> None:
        raise AssertionError(task)


def run(
    study: Study,
    *,
    algorithm: SearchAlgorithm | None = None,
    evaluations: int = 60,
    generation_size: int | None = 8,
    fails: bool = False,
    **options: Any,
) -> SearchResult:
    algorithm = algorithm or MultiTargetEvolution(SPACE, COSTS, population_size=20, seed=1)
    with InProcessExecutor(Known, {"fails": fails}) as executor:
        return run_search(
            algorithm,
            executor,
            study,
            evaluations=evaluations,
            generation_size=generation_size,
            **options,
        )


def test_the_order_of_completion_changes_nothing(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = []
    for number, executor in enumerate([InProcessExecutor(Hash, {}), Shuffled(Hash, {})]):
        with Study.create(tmp_path / str(number), {}) as study, executor:
            found.append(as_plain_data(search(study, executor, evaluations=70, seed=1)))
    assert found[0] == found[1]


@pytest.mark.parametrize("generation_size", [8, None])
def test_exactly_as_many_evaluations_are_made_as_asked_for(
    tmp_path: Path, generation_size: int | None
) -> None:
    with Study.create(tmp_path, {}) as study:
        result = run(study, evaluations=61, generation_size=generation_size)
        rows = study.evaluations("search")
    assert result.evaluations == len(rows) == len(result.archive) == 61
    assert [row.genotype for row in rows] == [tuple(g) for g in result.archive.genotypes]
    np.testing.assert_array_equal([1 - (row.accuracy or 0) for row in rows], result.archive.error)


@pytest.mark.parametrize("generation_size", [8, None])
def test_a_search_repeated_on_its_study_evaluates_nothing(
    tmp_path: Path, generation_size: int | None
) -> None:
    with Study.create(tmp_path, {}) as study:
        first = run(study, fails=True, generation_size=generation_size)
        algorithm = MultiTargetEvolution(SPACE, COSTS, population_size=20, seed=1)
        with Refusing(Known, {}) as executor:
            again = run_search(
                algorithm, executor, study, evaluations=60, generation_size=generation_size
            )
    if generation_size is not None:
        assert as_plain_data(again) == as_plain_data(first)
    np.testing.assert_array_equal(again.archive.genotypes, first.archive.genotypes)
    np.testing.assert_array_equal(again.archive.error, first.archive.error)
    assert again.failures == first.failures
    assert (first.recorded, again.recorded) == (0, 60)


def test_a_longer_search_continues_a_shorter_one(tmp_path: Path) -> None:
    with Study.create(tmp_path / "a", {}) as study:
        run(study, evaluations=40)
        continued = run(study, evaluations=80)
    with Study.create(tmp_path / "b", {}) as study:
        whole = run(study, evaluations=80)
    assert continued.recorded == 40
    assert as_plain_data(continued) == as_plain_data(whole)


@pytest.mark.parametrize("generation_size", [8, None])
def test_failures_count_as_evaluations_and_stay_out_of_the_archive(
    tmp_path: Path, generation_size: int | None
) -> None:
    with Study.create(tmp_path, {}) as study:
        result = run(study, fails=True, generation_size=generation_size)
        failed = [row for row in study.evaluations("search") if row.status == "failed"]
    assert result.evaluations == 60
    assert result.failures == len(failed) > 0
    assert len(result.archive) == 60 - len(failed)
    assert {(row.error, row.attempts) for row in failed} == {("ValueError: too bad", 2)}


@pytest.mark.parametrize("generation_size", [8, None])
def test_a_search_in_which_everything_fails_ends(
    tmp_path: Path, generation_size: int | None
) -> None:
    with Study.create(tmp_path, {}) as study, InProcessExecutor(Broken, None) as executor:
        algorithm = MultiTargetEvolution(SPACE, COSTS, population_size=20, seed=1)
        result = run_search(
            algorithm, executor, study, evaluations=40, generation_size=generation_size
        )
    assert (result.failures, len(result.archive)) == (40, 0)
    assert result.history[-1] == (40, (0.0, 0.0))


class Broken:
    def __init__(self, payload: Any) -> None: ...

    def evaluate(self, task: Task) -> dict[str, float]:
        raise RuntimeError("always")


@pytest.mark.parametrize("generation_size", [8, None])
def test_an_exhausted_space_ends_the_search(tmp_path: Path, generation_size: int | None) -> None:
    space = GridSpace(2, 3)
    algorithm = RandomSearch(space, linear_costs([[1, 1]], [9]), seed=0)
    with Study.create(tmp_path, {}) as study:
        result = run(study, algorithm=algorithm, generation_size=generation_size)
    assert result.evaluations == len(space.every())


def test_progress_is_told_after_every_evaluation(tmp_path: Path) -> None:
    told: list[Progress] = []
    with Study.create(tmp_path, {}) as study:
        result = run(study, fails=True, on_progress=told.append)
        assert [p.evaluations for p in told] == sorted(p.evaluations for p in told)
        assert {p.evaluations for p in told} == set(range(1, 61))
        last = told[-1]
        assert (last.total, last.failures, last.recorded) == (60, result.failures, 0)
        assert last.evaluations_per_s > 0
        assert last.hypervolume == result.history[-1][1]
        told.clear()
        run(study, on_progress=told.append)
        assert (told[-1].recorded, told[-1].evaluations_per_s) == (60, 0.0)


def test_hypervolumes_are_shares_of_the_box_to_the_reference(tmp_path: Path) -> None:
    reference = [np.array([0.5, 20.0]), np.array([0.8, 30.0])]
    with Study.create(tmp_path, {}) as study:
        result = run(study, reference=reference)
    np.testing.assert_array_equal(result.reference, reference)
    assert [done for done, _ in result.history] == [8, 16, 24, 32, 40, 48, 56, 60]
    for target in range(2):
        shares = [volumes[target] for _, volumes in result.history]
        volume = result.archive.hypervolume(target, reference[target])
        assert shares[-1] == pytest.approx(volume / reference[target].prod())
        assert (np.diff(shares) >= 0).all()


@pytest.mark.parametrize(("evaluations", "generation_size"), [(0, 8), (8, 0)])
def test_nothing_to_do_is_refused(tmp_path: Path, evaluations: int, generation_size: int) -> None:
    algorithm = RandomSearch(SPACE, COSTS, seed=0)
    with (
        Study.create(tmp_path, {}) as study,
        InProcessExecutor(Known, {}) as executor,
        pytest.raises(ValueError, match="must be at least 1"),
    ):
        run_search(
            algorithm,
            executor,
            study,
            evaluations=evaluations,
            generation_size=generation_size,
        )


def test_a_full_disk_ends_the_search_with_one_clear_error_and_the_study_goes_on(
    tmp_path: Path,
) -> None:
    with Study.create(tmp_path, {}) as study:
        run(study, evaluations=8)
        pages = study._connection.execute("PRAGMA page_count").fetchone()[0]
        study._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StudyError, match=r"study\.db: database or disk is full"):
            run(study, evaluations=400, generation_size=None)
    with Study.open(tmp_path) as study:
        kept = study.evaluations("search")
        assert 8 <= len(kept) < 400
        assert run(study, evaluations=400, generation_size=None).recorded == len(kept)
        assert study.evaluations("search")[: len(kept)] == kept


def test_a_study_that_became_read_only_is_one_clear_error(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        run(study, evaluations=8)
    with (
        Study.open(tmp_path, read_only=True) as study,
        pytest.raises(StudyError, match=r"study\.db: attempt to write a readonly database"),
    ):
        run(study, evaluations=20)
    with Study.open(tmp_path) as study:
        assert run(study, evaluations=20).recorded == 8


@pytest.mark.parametrize("kind", ["in_process", "in_process_faults"])
def test_a_search_killed_at_random_moments_ends_with_the_identical_archive(
    tmp_path: Path, kind: str
) -> None:
    whole = finish(tmp_path / "whole", kind, 120, 0.0)
    spare = 2 if kind == "in_process_faults" else 1
    killed = kill_and_restart(
        tmp_path / "killed", kind, evaluations=120, kills=6, sleep_s=0.01, spare=spare
    )
    assert killed == whole


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["synchronous", "asynchronous"])
def test_a_search_killed_at_twenty_random_moments_loses_and_repeats_nothing(
    tmp_path: Path, mode: str
) -> None:
    whole = finish(tmp_path / "whole", "in_process", 400, 0.0, mode)
    killed = kill_and_restart(
        tmp_path / "killed",
        "in_process",
        evaluations=400,
        kills=20,
        sleep_s=0.005,
        spare=1,
        mode=mode,
    )
    if mode == "synchronous":
        assert killed == whole
    assert len(killed["genotypes"]) == len(whole["genotypes"]) == 400


def test_a_front_that_stopped_growing_ends_the_search(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        whole = run(study, evaluations=160)
        ended = run(study, evaluations=160, patience=Patience(24, growth=0.02))
    assert (whole.stopped, ended.stopped) == ("evaluations", "converged")
    assert ended.history == whole.history[: len(ended.history)]
    last = dict(ended.history)
    done = ended.evaluations
    for before, after in zip(last[done - 24], last[done], strict=True):
        assert 0 < after <= before * 1.02
    # A generation earlier some front was still growing.
    earlier = zip(last[done - 32], last[done - 8], strict=True)
    assert any(after > before * 1.02 for before, after in earlier)


@pytest.mark.parametrize(
    ("told", "history", "found"),
    [
        (16, [(8, (0.0, 0.5)), (16, (0.0, 0.5))], (False, True)),
        (16, [(8, (0.5, 0.5)), (16, (0.5, 0.6))], (True, False)),
        (15, [(8, (0.5, 0.5))], (False, False)),
        (16, [(8, (0.5, 0.5))], (True, True)),
        (0, [], ()),
    ],
)
def test_patience_is_for_each_target(
    told: int, history: list[tuple[int, tuple[float, ...]]], found: tuple[bool, ...]
) -> None:
    assert Patience(8, growth=0.1).over(told, history) == found


def test_time_ends_the_search(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        result = run(study, wall_time_s=0.0)
    assert (result.evaluations, result.stopped) == (0, "wall time")


def test_evaluations_made_for_other_targets_count(tmp_path: Path) -> None:
    with Study.create(tmp_path, {}) as study:
        first = run(study, evaluations=40)
        more = linear_costs([[1] * 8, [3] * 4 + [0.2] * 4, [0.1] * 8], [25, 30, 99])
        algorithm = MultiTargetEvolution(SPACE, more, population_size=20, seed=1)
        result = run(study, algorithm=algorithm, evaluations=56, known=40)
        assert len(study.evaluations("search")) == 56
    assert (result.recorded, result.evaluations) == (40, 56)
    np.testing.assert_array_equal(result.archive.genotypes[:40], first.archive.genotypes)
    assert len(result.archive.front(2)) > 0
