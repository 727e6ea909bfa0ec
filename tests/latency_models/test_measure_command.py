"""A program of the user's that answers well, badly, late or never."""

import json
import os
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from latency_models.measure import Measured, TimingPlan, measure

SHAPE = (2, 8, 8, 3)
STEADY = [0.01] * 20
PROGRAM = """
import json, os, sys, time

for line in sys.stdin:
    request = json.loads(line)
    what = json.load(open(request["path"]))
    if what == "crash":
        print("board is gone", file=sys.stderr, flush=True)
        os.abort()
    if what == "hang":
        time.sleep(600)
    if what == "echo":
        what = {"samples_s": [0.01] * 20, "environment": {"request": request, "pid": os.getpid()}}
    print(what if isinstance(what, str) else json.dumps(what), flush=True)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A program that answers what the network's file says."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return [sys.executable, str(path)]


def _run(command: list[str], tmp_path: Path, *answers: Any, **options: Any) -> list[Measured]:
    files = [tmp_path / f"{position}.json" for position in range(len(answers))]
    for path, answer in zip(files, answers, strict=True):
        path.write_text(json.dumps(answer))
    chosen: dict[str, Any] = {"timeout_s": 30.0, "threads": 3, **options}
    return list(
        measure(
            files, runtime="command", command=command, input_shape=SHAPE, dtype="float32", **chosen
        )
    )


def test_program_is_told_all_and_its_answer_is_the_result(
    command: list[str], tmp_path: Path
) -> None:
    plan = TimingPlan(min_time_s=0.5)
    (result,) = _run(command, tmp_path, "echo", timing=plan, compute_dtype="bfloat16")
    assert result.status == "ok"
    assert result.latency_s == 0.01
    assert result.samples_s == tuple(STEADY)
    assert result.confidence_interval_s == (0.01, 0.01)
    assert result.environment["runtime"] == "command"
    assert result.environment["command"] == command
    told = result.environment["device"]["request"]
    timing = told.pop("timing")
    assert told == {
        "path": str(tmp_path / "0.json"),
        "input_shape": [2, 8, 8, 3],
        "dtype": "float32",
        "compute_dtype": "bfloat16",
        "threads": 3,
    }
    assert timing["min_time_s"] == 0.5
    assert timing["min_samples"] == plan.min_samples


def test_all_of_an_answer_is_kept(command: list[str], tmp_path: Path) -> None:
    answer = {
        "samples_s": [*STEADY, 0.011],
        "compile_s": 1.5,
        "marks": ["throttled"],
        "environment": {"device": "pixel8"},
    }
    (result,) = _run(command, tmp_path, answer)
    assert result.status == "noisy"
    assert result.marks == ("throttled",)
    assert result.compile_s == 1.5
    assert result.environment["device"] == {"device": "pixel8"}
    assert json.dumps(result.to_dict())


def test_samples_of_the_program_are_judged_here(command: list[str], tmp_path: Path) -> None:
    drifting = [0.01] * 20 + [0.02] * 20
    one, few, noisy = _run(
        command, tmp_path, {"latency_s": 0.5}, {"latency_s": [3, 1, 2]}, {"samples_s": drifting}
    )
    assert (one.status, one.latency_s, one.marks) == ("ok", 0.5, ("imprecise",))
    assert (few.latency_s, few.confidence_interval_s) == (2.0, (1.0, 3.0))
    assert noisy.status == "noisy"
    assert "drifting" in noisy.marks


def test_crash_time_out_and_error_are_rows_and_the_program_starts_again(
    command: list[str], tmp_path: Path
) -> None:
    answers = ["echo", "crash", "echo", "hang", {"error": "no memory"}, "echo"]
    results = _run(command, tmp_path, *answers, timeout_s=2.0)
    assert [result.status == "failed" for result in results] == [
        *(False, True, False, True, True, False)
    ]
    assert (results[1].error or "").endswith("was ended by SIGABRT: board is gone")
    assert results[3].error == "no result within 2 s"
    assert results[4].error == "no memory"
    processes = [results[i].environment["device"]["pid"] for i in (0, 2, 5)]
    assert len(set(processes)) == 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Measuring ...", "expected a JSON object as answer, got 'Measuring ...'"),
        ("[0.1, 0.2]", "expected a JSON object as answer, got '[0.1, 0.2]'"),
        ("x" * 1000, "got '" + "x" * 200 + "...'"),
        ({"latency": 3}, "expected samples_s or error in the answer, got '{\"latency\": 3}'"),
        ({"samples_s": []}, "samples_s must be a list of seconds, got []"),
        ({"samples_s": 0.1}, "samples_s must be a list of seconds, got 0.1"),
        ({"samples_s": [0.1, 0]}, "samples_s must be positive seconds, got 0"),
        ({"samples_s": [0.1, -1]}, "samples_s must be positive seconds, got -1"),
        ({"samples_s": ["0.1"]}, "samples_s must be positive seconds, got '0.1'"),
        ({"samples_s": [True]}, "samples_s must be positive seconds, got True"),
        ('{"samples_s": [NaN]}', "samples_s must be positive seconds, got nan"),
        ({"latency_s": None}, "latency_s must be positive seconds, got None"),
        ({"latency_s": 1, "compile_s": "1"}, "compile_s must be seconds, got '1'"),
        ({"latency_s": 1, "marks": "hot"}, "marks must be a list of words, got 'hot'"),
        ({"latency_s": 1, "environment": 3}, "environment must be an object, got 3"),
    ],
)
def test_garbage_is_a_row_that_names_it(
    command: list[str], tmp_path: Path, answer: Any, told: str
) -> None:
    bad, good = _run(command, tmp_path, answer, {"latency_s": 1})
    assert bad.status == "failed"
    assert (bad.error or "").endswith(told)
    assert good.latency_s == 1.0


def test_answer_in_two_lines_does_not_become_that_of_the_next_network(
    command: list[str], tmp_path: Path
) -> None:
    bad, good = _run(command, tmp_path, 'log\n{"latency_s": 7}', {"latency_s": 1})
    assert bad.status == "failed"
    assert good.latency_s == 1.0


def test_missing_file_is_a_row(command: list[str], tmp_path: Path) -> None:
    (result,) = measure(
        [tmp_path / "none"], runtime="command", command=command, input_shape=SHAPE, dtype="float32"
    )
    assert "no such file" in (result.error or "")


def test_program_that_cannot_be_started_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="command '/none' cannot be started: No such file"):
        _run(["/none"], tmp_path, "echo")


def test_program_and_what_it_started_end_with_the_measurement(tmp_path: Path) -> None:
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    program = f"""
        import json, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
        pid = int(child.stdout.readline())
        for line in sys.stdin:
            print(json.dumps({{"latency_s": 1, "environment": {{"pid": pid}}}}), flush=True)
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    (result,) = _run([sys.executable, str(path)], tmp_path, "any")
    pid = result.environment["device"]["pid"]
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether a process is there and no mere entry that nobody has collected yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
