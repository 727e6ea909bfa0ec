"""Measures ONNX networks on a board over ssh: a program for the runtime `command`.

    nas measure network.onnx --runtime command \\
        --command "python experiments/measuring/over_ssh.py pi@raspberrypi"

It speaks the protocol of `latency_models.measure.command`. The board needs Python with NumPy and
ONNX Runtime, and ssh has to reach it without asking for a password. Each network is copied over,
timed there by the program in `ON_BOARD`, and removed. Standard library only: take it as a start for
your own. For a phone, `adb push` takes the place of the copy, and `adb shell` runs a benchmark
binary whose output is turned into `samples_s`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ON_BOARD = r"""
import json, math, os, platform, sys, time
import numpy as np
import onnxruntime as ort

asked = json.loads(sys.argv[1])
plan = asked["timing"]
options = ort.SessionOptions()
options.intra_op_num_threads = asked["threads"]
options.inter_op_num_threads = 1
started = time.perf_counter()
session = ort.InferenceSession(asked["path"], options, providers=["CPUExecutionProvider"])
compile_s = time.perf_counter() - started
values = np.random.default_rng(0).standard_normal(asked["input_shape"])
feeds = {session.get_inputs()[0].name: values.astype(asked["dtype"])}

def timed(calls):
    before = time.perf_counter()
    for _ in range(calls):
        session.run(None, feeds)
    return (time.perf_counter() - before) / calls

# Warm until two windows of five agree within 5 %, or the time for it is over.
durations, started = [], time.perf_counter()
median = lambda values: sorted(values)[len(values) // 2]
while time.perf_counter() - started < plan["max_warm_up_s"]:
    durations.append(timed(1))
    if len(durations) >= 10:
        recent, earlier = median(durations[-5:]), median(durations[-10:-5])
        if abs(recent - earlier) <= 0.05 * recent:
            break

calls = max(1, math.ceil(plan["min_sample_s"] / median(durations[-5:])))
samples, started = [], time.perf_counter()
while len(samples) < plan["min_samples"] or time.perf_counter() - started < plan["min_time_s"]:
    samples.append(timed(calls))

def read(path):
    return open(path).read().strip() if os.path.exists(path) else None

print(json.dumps({
    "samples_s": samples,
    "compile_s": compile_s,
    "environment": {
        "onnxruntime": ort.__version__,
        "machine": platform.machine(),
        "model": (read("/proc/device-tree/model") or "").rstrip("\0") or None,
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    },
}))
"""


def main() -> None:
    """Answers requests until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host", help="what ssh is given, such as pi@raspberrypi")
    parser.add_argument("--python", default="python3", help="the board's Python")
    parser.add_argument("--directory", default="/tmp", help="where networks are copied to")
    parser.add_argument("--ssh", default="ssh", help="with its options, if it needs any")
    given = parser.parse_args()
    connect = [*shlex.split(given.ssh), given.host]
    for line in sys.stdin:
        try:
            answer = measure(connect, given.python, given.directory, json.loads(line))
        except (OSError, ValueError, subprocess.CalledProcessError) as problem:
            answer = {"error": explain(problem)}
        print(json.dumps(answer), flush=True)


def measure(
    connect: list[str], python: str, directory: str, asked: dict[str, Any]
) -> dict[str, Any]:
    """Copies a network, has the board time it, and removes it."""
    if asked["compute_dtype"] is not None:
        raise ValueError(f"ONNX Runtime cannot be told to compute in {asked['compute_dtype']}")
    path = Path(asked["path"])
    there = f"{directory}/ridgeline-{path.name}"
    told = json.dumps({**asked, "path": there})
    run(connect, f"cat > {shlex.quote(there)}", path.read_bytes())
    try:
        out = run(connect, f"{python} - {shlex.quote(told)}", ON_BOARD.encode())
    finally:
        run(connect, f"rm -f {shlex.quote(there)}", b"")
    return json.loads(out)


def run(connect: list[str], command: str, content: bytes) -> bytes:
    """What a command on the board prints, given `content` on its standard input."""
    done = subprocess.run([*connect, command], input=content, capture_output=True, check=True)
    return done.stdout


def explain(problem: Exception) -> str:
    """One line; of a command that failed, the last that it said."""
    if isinstance(problem, subprocess.CalledProcessError):
        said = problem.stderr.decode(errors="replace").strip().splitlines()
        return f"the board answered {problem.returncode}: {said[-1] if said else 'nothing'}"
    return f"{type(problem).__name__}: {problem}"


if __name__ == "__main__":
    main()
