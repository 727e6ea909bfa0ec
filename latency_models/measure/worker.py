"""The measuring process: fixes its processors, loads one runtime, measures what it is asked to.

The first line of standard input is the setting, as JSON; the answer is `{"environment": ...}` or
`{"fatal": ...}`. Then each `{"path": ...}` is answered with a result. What a runtime prints goes to
standard error, so that it cannot get between the answers.
"""

import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

from latency_models.measure.machine import cpu_model, governor, machine_state
from latency_models.measure.runtimes import RuntimeModule
from latency_models.measure.timing import Reference, TimingPlan, time_call


def main() -> None:
    """Serves requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    setting = json.loads(sys.stdin.readline())
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, setting["cpus"])
        runtime = cast(RuntimeModule, importlib.import_module(setting["module"]))
        environment = _environment(runtime, setting)
        reference = Reference(lambda: machine_state(setting["cpus"]))
    except Exception as error:
        _answer(answers, {"fatal": f"{type(error).__name__}: {error}"})
        return
    _answer(answers, {"environment": environment})
    plan = TimingPlan(**setting["timing"])
    for line in sys.stdin:
        path = Path(json.loads(line)["path"])
        _answer(answers, _measure(runtime, path, setting, plan, reference))


def _measure(
    runtime: RuntimeModule,
    path: Path,
    setting: dict[str, Any],
    plan: TimingPlan,
    reference: Reference,
) -> dict[str, Any]:
    try:
        started = time.perf_counter()
        call = runtime.load(
            path,
            input_shape=tuple(setting["input_shape"]),
            dtype=setting["dtype"],
            threads=setting["threads"],
            **setting["options"],
        )
        compile_s = time.perf_counter() - started
        timing = time_call(call, plan, clock=time.perf_counter, reference=reference)
    except Exception as error:
        return {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    return {
        "status": "noisy" if timing.noisy else "ok",
        "latency_s": timing.latency_s,
        "samples_s": timing.samples_s,
        "confidence_interval_s": timing.confidence_interval_s,
        "marks": timing.marks,
        "attempts": timing.attempts,
        "compile_s": compile_s,
        "states": [asdict(state) for state in timing.states or ()],
    }


def _environment(runtime: RuntimeModule, setting: dict[str, Any]) -> dict[str, Any]:
    return {
        "runtime": setting["runtime"],
        "versions": {"python": platform.python_version(), **runtime.describe()},
        "cpu_model": cpu_model(),
        "governor": governor(setting["cpus"][0]),
        "threads": setting["threads"],
        **setting["options"],
        "cpus": setting["cpus"],
        "platform": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _answer(answers: TextIO, body: dict[str, Any]) -> None:
    answers.write(json.dumps(body) + "\n")


if __name__ == "__main__":
    main()
