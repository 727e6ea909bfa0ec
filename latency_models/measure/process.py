"""Measures files in a process of their own, which a crash or a network that never ends cannot
outlive.

One process serves all files of a target, so that the runtime starts once; after a crash or a
time-out the next file gets a new one. Threads are fixed before the runtime loads, by affinity and
by the environment.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

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
    files: Sequence[Path],
    *,
    runtime: str,
    input_shape: Sequence[int],
    dtype: str,
    threads: int = 1,
    timing: TimingPlan | None = None,
    timeout_s: float = 120.0,
) -> Generator[Measured, None, None]:
    """Measures networks on this machine, one after another, in the order given.

    Args:
        files: What the runtime reads, see `RUNTIMES`.
        runtime: A key of `RUNTIMES`.
        input_shape: Of the network's one input, batch included.
        dtype: Of that input.
        threads: Processors and threads that the runtime may use.
        timing: How long to time each; the defaults of `TimingPlan` if None.
        timeout_s: For one file, compilation included.

    Yields:
        One result a file; a crash, a time-out or an unreadable file is a failed one.

    Raises:
        ValueError: If an option is not valid here, or the runtime does not start.
    """
    _check(runtime, dtype, threads)
    setting = {
        "runtime": runtime,
        "module": find_runtime(runtime).module,
        "input_shape": list(input_shape),
        "dtype": dtype,
        "threads": threads,
        "cpus": _cpus()[:threads],
        "timing": asdict(timing or TimingPlan()),
    }
    return _measure_all(tuple(files), setting, timeout_s)


def _measure_all(
    files: tuple[Path, ...], setting: dict[str, Any], timeout_s: float
) -> Generator[Measured, None, None]:
    remaining = iter(files)
    path = next(remaining, None)
    while path is not None:
        with _Worker(setting) as worker:
            while path is not None:
                result = worker.measure(path, timeout_s)
                yield result
                path = next(remaining, None)
                if not worker.alive:
                    break


class _Worker:
    """A measuring process; `alive` is False once it crashed or was ended for taking too long."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self._runtime: str = setting["runtime"]
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "latency_models.measure.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(setting["threads"]),
        )
        self._buffer = b""
        self.alive = True
        self._send(setting)
        answer, problem = self._receive(_START_TIMEOUT_S)
        if answer is None or "fatal" in answer:
            self.close()
            reason = answer["fatal"] if answer else problem
            raise ValueError(f"runtime {self._runtime!r} does not start: {reason}")
        self._environment: dict[str, Any] = answer["environment"]

    def measure(self, path: Path, timeout_s: float) -> Measured:
        """The result of one file."""
        failed = Measured(path, "failed", environment=self._environment)
        if not path.is_file():
            return replace(failed, error=f"no such file: {path}")
        self._send({"path": str(path.resolve())})
        answer, problem = self._receive(timeout_s)
        if answer is None:
            self.close()
            return replace(failed, error=problem)
        if answer["status"] == "failed":
            return replace(failed, error=answer["error"])
        low, high = answer["confidence_interval_s"]
        return Measured(
            path=path,
            status=answer["status"],
            latency_s=answer["latency_s"],
            samples_s=tuple(answer["samples_s"]),
            confidence_interval_s=(low, high),
            environment=self._environment,
        )

    def close(self) -> None:
        """Ends the process."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                _close_quietly(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, body: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(body).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has died, which receiving finds out and explains

    def _receive(self, timeout_s: float) -> tuple[dict[str, Any] | None, str]:
        """The next answer, or None and what went wrong."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    return None, f"no result within {timeout_s:g} s"
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    return None, self._explain_end()
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line), ""

    def _explain_end(self) -> str:
        code = self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"the process of {self._runtime} {how}" + (f": {said[-1]}" if said else "")


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


def _check(runtime: str, dtype: str, threads: int) -> None:
    find_runtime(runtime)
    if dtype not in DTYPE_BYTES:
        raise ValueError(f"unknown dtype {dtype!r}, valid: {', '.join(DTYPE_BYTES)}")
    if not 1 <= threads <= len(_cpus()):
        raise ValueError(f"threads must be 1 to {len(_cpus())} on this machine, got {threads}")


def _close_quietly(stream: Any) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return  # what was still to be written has nobody left to read it
