"""Measures files in a process of their own, which a crash or a network that never ends cannot
outlive.

One process serves all files of a target, so that the runtime starts once; after a crash or a
time-out the next file gets a new one. Threads are fixed before the runtime loads, by affinity and
by the environment.
"""

import json
import os
import sys
from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from latency_models.measure.command import COMMAND, measure_by_command
from latency_models.measure.lines import LineProcess
from latency_models.measure.result import Measured
from latency_models.measure.runtimes import find_runtime
from latency_models.measure.timing import TimingPlan
from latency_models.operators import DTYPE_BYTES

_START_TIMEOUT_S = 120.0
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def measure(
    files: Iterable[Path],
    *,
    runtime: str,
    input_shape: Sequence[int],
    dtype: str,
    compute_dtype: str | None = None,
    threads: int = 1,
    timing: TimingPlan | None = None,
    timeout_s: float = 120.0,
    command: Sequence[str] = (),
) -> Generator[Measured, None, None]:
    """Measures networks on this machine, one after another, in the order given.

    Args:
        files: What the runtime reads, see `RUNTIMES`; each is asked for once the one before is
            measured.
        runtime: A key of `RUNTIMES`, or `command` for a program of the user's.
        input_shape: Of the network's one input, batch included.
        dtype: Of that input.
        compute_dtype: What the runtime is told to compute in, where it can be told; None leaves
            that to the file (and to float32 where the file says float).
        threads: Processors and threads that the runtime may use.
        timing: How long to time each; the defaults of `TimingPlan` if None.
        timeout_s: For one file, compilation included.
        command: With the runtime `command`, the program and its arguments; `measure.command` has
            the protocol.

    Yields:
        One result a file; a crash, a time-out or an unreadable file is a failed one.

    Raises:
        ValueError: If an option is not valid here, or the runtime is not installed or does not
            start.
    """
    _check_dtypes(dtype, compute_dtype)
    plan = timing or TimingPlan()
    if (runtime == COMMAND) != bool(command):
        raise ValueError(
            f"command: the program goes with the runtime {COMMAND!r} and no other, which needs one;"
            f" got {list(command)} with {runtime!r}"
        )
    if runtime == COMMAND:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        request: dict[str, Any] = {
            "input_shape": list(input_shape),
            "dtype": dtype,
            "compute_dtype": compute_dtype,
            "threads": threads,
            "timing": asdict(plan),
        }
        return measure_by_command(
            files, command=tuple(command), request=request, plan=plan, timeout_s=timeout_s
        )
    found = find_runtime(runtime)
    if not 1 <= threads <= len(_cpus()):
        raise ValueError(f"threads must be 1 to {len(_cpus())} on this machine, got {threads}")
    if compute_dtype is not None and compute_dtype not in found.compute_dtypes:
        valid = ", ".join(found.compute_dtypes) or "none, the file says what it computes in"
        raise ValueError(f"compute_dtype of {runtime}: valid are {valid}; got {compute_dtype!r}")
    setting = {
        "runtime": runtime,
        "module": found.module,
        "input_shape": list(input_shape),
        "dtype": dtype,
        "threads": threads,
        "cpus": _cpus()[:threads],
        "timing": asdict(plan),
        "options": {} if compute_dtype is None else {"compute_dtype": compute_dtype},
    }
    return _measure_all(files, setting, timeout_s)


def _measure_all(
    files: Iterable[Path], setting: dict[str, Any], timeout_s: float
) -> Generator[Measured, None, None]:
    remaining = iter(files)
    path = next(remaining, None)
    while path is not None:
        with LineProcess(
            [sys.executable, "-m", "latency_models.measure.worker"],
            name=setting["runtime"],
            environment=_environment(setting["threads"]),
        ) as worker:
            environment = _start(worker, setting)
            while path is not None:
                yield _ask(worker, path, timeout_s, environment)
                path = next(remaining, None)
                if not worker.alive:
                    break


def _start(worker: LineProcess, setting: dict[str, Any]) -> dict[str, Any]:
    """The environment, once the runtime is loaded."""
    worker.send(setting)
    line, problem = worker.receive(_START_TIMEOUT_S)
    answer: dict[str, Any] = {"fatal": problem} if line is None else json.loads(line)
    if "fatal" in answer:
        raise ValueError(f"runtime {setting['runtime']!r} does not start: {answer['fatal']}")
    return answer["environment"]


def _ask(
    worker: LineProcess, path: Path, timeout_s: float, environment: dict[str, Any]
) -> Measured:
    """The result of one file; the worker is not alive any more if it did not survive it."""
    failed = Measured(path, "failed", environment=environment)
    if not path.is_file():
        return replace(failed, error=f"no such file: {path}")
    worker.send({"path": str(path.resolve())})
    line, problem = worker.receive(timeout_s)
    if line is None:
        return replace(failed, error=problem)
    answer = json.loads(line)
    if answer["status"] == "failed":
        return replace(failed, error=answer["error"])
    low, high = answer["confidence_interval_s"]
    before, after = answer["states"]
    frequencies = before["frequency_hz"], after["frequency_hz"]
    return Measured(
        path=path,
        status=answer["status"],
        latency_s=answer["latency_s"],
        samples_s=tuple(answer["samples_s"]),
        confidence_interval_s=(low, high),
        marks=tuple(answer["marks"]),
        attempts=answer["attempts"],
        compile_s=answer["compile_s"],
        reference_s=(before["reference_s"], after["reference_s"]),
        frequency_hz=None if None in frequencies else frequencies,
        environment=environment,
    )


def _environment(threads: int) -> dict[str, str]:
    package_root = str(Path(__file__).resolve().parents[2])
    search_path = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        "PYTHONPATH": os.pathsep.join(search_path),
    }


def _cpus() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _check_dtypes(dtype: str, compute_dtype: str | None) -> None:
    for name, value in (("dtype", dtype), ("compute_dtype", compute_dtype or dtype)):
        if value not in DTYPE_BYTES:
            raise ValueError(f"unknown {name} {value!r}, valid: {', '.join(DTYPE_BYTES)}")
