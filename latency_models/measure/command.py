"""Measures networks with a program of the user's, for devices that no runtime here reaches.

The program is started without a shell and asked in lines of JSON, one network a line, on its
standard input:

    {"path": "/absolute/network.onnx", "input_shape": [1, 32, 32, 3], "dtype": "float32",
     "compute_dtype": null, "threads": 4, "timing": {"min_samples": 20, "min_time_s": 0.2, ...}}

`dtype` is the input's; `compute_dtype` what the device is to compute in, null for what the file
says; `timing` has the fields of `TimingPlan`. It answers each with one line of JSON on its standard
output, after warming up the network and without compiling it in the time taken:

    {"samples_s": [0.0123, 0.0121, ...], "compile_s": 0.8, "marks": ["throttled"],
     "environment": {"device": "pixel8", "runtime": "onnxruntime 1.24", "governor": "performance"}}
    {"error": "out of memory"}

`samples_s` are seconds a call, above 0 and below 1e6; `latency_s`, a list or one number, says the
same. All else may be left out. `marks` tell what disturbed the run, which then counts as noisy;
scattered and drifting samples are found here. Standard error is free for messages; its last line is
quoted when the program crashes.

The program is started once and ends when its standard input does. A network that makes it crash,
answer something else or take too long is a failed one, and the program is started again for the
next.
"""

import json
import statistics
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from latency_models.measure.lines import LineProcess
from latency_models.measure.result import Measured
from latency_models.measure.timing import TimingPlan, judge

COMMAND = "command"
"""The runtime that is a program of the user's."""

_GRACE_S = 5.0
_QUOTED = 200
_LONGEST_S = 1e6


def measure_by_command(
    files: Iterable[Path],
    *,
    command: tuple[str, ...],
    request: Mapping[str, Any],
    plan: TimingPlan,
    timeout_s: float,
) -> Generator[Measured, None, None]:
    """Asks the program about each file.

    Args:
        files: What the program reads.
        command: The program and its arguments.
        request: What it is asked, but for the path.
        plan: What samples are judged by.
        timeout_s: For one file.

    Yields:
        One result a file.

    Raises:
        ValueError: If the program cannot be started.
    """
    remaining = iter(files)
    path = next(remaining, None)
    while path is not None:
        with _start(command) as process:
            while path is not None:
                yield _ask(process, path, command, request, plan, timeout_s)
                path = next(remaining, None)
                if not process.alive:
                    break


def _start(command: tuple[str, ...]) -> LineProcess:
    try:
        return LineProcess(command, name=command[0], grace_s=_GRACE_S)
    except OSError as error:
        raise ValueError(f"command {command[0]!r} cannot be started: {error.strerror}") from error


def _ask(
    process: LineProcess,
    path: Path,
    command: tuple[str, ...],
    request: Mapping[str, Any],
    plan: TimingPlan,
    timeout_s: float,
) -> Measured:
    environment: dict[str, Any] = {
        "runtime": COMMAND,
        "command": list(command),
        "threads": request["threads"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    failed = Measured(path, "failed", environment=environment)
    if not path.is_file():
        return replace(failed, error=f"no such file: {path}")
    process.send({"path": str(path.resolve()), **request})
    line, problem = process.receive(timeout_s)
    if line is None:
        return replace(failed, error=problem)
    try:
        return _read(line, failed, plan)
    except ValueError as error:
        # What else it wrote may be the answer to this network, taken for that to the next.
        process.close()
        return replace(failed, error=f"command {command[0]!r}: {error}")


def _read(line: bytes, failed: Measured, plan: TimingPlan) -> Measured:
    """The result that an answer tells.

    Raises:
        ValueError: If it is not an answer.
    """
    text = line.decode(errors="replace").strip()
    quoted = text if len(text) <= _QUOTED else text[:_QUOTED] + "..."
    try:
        answer = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(f"expected a JSON object as answer, got {quoted!r}") from None
    if not isinstance(answer, dict):
        raise ValueError(f"expected a JSON object as answer, got {quoted!r}")
    told = answer.get("environment", {})
    if not isinstance(told, dict):
        raise ValueError(f"environment must be an object, got {told!r}")
    found = replace(failed, environment={**failed.environment, "device": told})
    if answer.get("error") is not None:
        return replace(found, error=str(answer["error"]))
    samples = _samples(answer, quoted)
    compile_s = answer.get("compile_s")
    if compile_s is not None and not _is_time(compile_s, at_least_zero=True):
        raise ValueError(f"compile_s must be seconds, got {compile_s!r}")
    marks = answer.get("marks", [])
    if not isinstance(marks, list) or not all(isinstance(mark, str) for mark in marks):
        raise ValueError(f"marks must be a list of words, got {marks!r}")
    timing = judge(samples, plan)
    timing = replace(timing, marks=tuple(dict.fromkeys([*timing.marks, *marks])))
    return replace(
        found,
        status="noisy" if timing.noisy else "ok",
        latency_s=statistics.median(samples),
        samples_s=tuple(samples),
        confidence_interval_s=timing.confidence_interval_s,
        marks=timing.marks,
        attempts=1,
        compile_s=compile_s,
    )


def _samples(answer: Mapping[str, Any], quoted: str) -> list[float]:
    key = "samples_s" if "samples_s" in answer else "latency_s"
    if key not in answer:
        raise ValueError(f"expected samples_s or error in the answer, got {quoted!r}")
    samples = answer[key]
    if key == "latency_s" and not isinstance(samples, list):
        samples = [samples]
    if not isinstance(samples, list) or not samples:
        raise ValueError(f"{key} must be a list of seconds, got {samples!r}")
    for sample in samples:
        if not _is_time(sample):
            raise ValueError(f"{key} must be positive seconds, got {sample!r}")
    return [float(sample) for sample in samples]


def _is_time(value: Any, *, at_least_zero: bool = False) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (0 < value < _LONGEST_S or (at_least_zero and value == 0))
