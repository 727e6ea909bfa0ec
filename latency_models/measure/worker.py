"""The measuring process: fixes its processors, loads one runtime, measures what it is asked to.

The first line of standard input is the setting, as JSON; the answer is `{"environment": ...}` or
`{"fatal": ...}`. Then each `{"path": ...}` is answered with a result. What a runtime prints goes to
standard error, so that it cannot get between the answers.
"""

import importlib
import json
import os
import platform
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

from latency_models.measure.runtimes import RuntimeModule
from latency_models.measure.timing import TimingPlan, time_call


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
    except Exception as error:
        _answer(answers, {"fatal": f"{type(error).__name__}: {error}"})
        return
    _answer(answers, {"environment": environment})
    plan = TimingPlan(**setting["timing"])
    for line in sys.stdin:
        _answer(answers, _measure(runtime, Path(json.loads(line)["path"]), setting, plan))


def _measure(
    runtime: RuntimeModule, path: Path, setting: dict[str, Any], plan: TimingPlan
) -> dict[str, Any]:
    try:
        call = runtime.load(
            path,
            input_shape=tuple(setting["input_shape"]),
            dtype=setting["dtype"],
            threads=setting["threads"],
        )
        timing = time_call(call, plan, clock=time.perf_counter)
    except Exception as error:
        return {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    return {
        "status": "noisy" if timing.noisy else "ok",
        "latency_s": timing.latency_s,
        "samples_s": timing.samples_s,
        "confidence_interval_s": timing.confidence_interval_s,
    }


def _environment(runtime: RuntimeModule, setting: dict[str, Any]) -> dict[str, Any]:
    return {
        "runtime": setting["runtime"],
        "versions": {"python": platform.python_version(), **runtime.describe()},
        "cpu_model": _cpu_model(),
        "governor": _governor(setting["cpus"]),
        "threads": setting["threads"],
        "cpus": setting["cpus"],
        "platform": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _governor(cpus: list[int]) -> str | None:
    path = Path(f"/sys/devices/system/cpu/cpu{cpus[0]}/cpufreq/scaling_governor")
    return path.read_text().strip() if path.exists() else None


def _answer(answers: TextIO, body: dict[str, Any]) -> None:
    answers.write(json.dumps(body) + "\n")


if __name__ == "__main__":
    main()
