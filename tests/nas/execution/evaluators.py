"""Evaluators for tests, in a module of their own so that workers can import them."""

import hashlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas.execution.base import Task


class Hash:
    """Accuracy from a hash of the task; first options 1 to 4 misbehave where the payload asks."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.payload = payload
        self.calls = 0

    def evaluate(self, task: Task) -> dict[str, float]:
        self.calls += 1
        time.sleep(self.payload.get("sleep_s", 0.0))
        self._log(task)
        if self.payload.get("faults"):
            self._misbehave(task)
        digest = hashlib.sha256(repr((task.genotype, task.split, task.seed)).encode()).digest()
        value = int.from_bytes(digest[:6], "big") / 2**48
        return {"accuracy": value, "loss": 1 - value, "calls": self.calls}

    def _log(self, task: Task) -> None:
        if "log" in self.payload:
            with Path(self.payload["log"]).open("a") as log:
                log.write(",".join(map(str, task.genotype)) + "\n")

    def _misbehave(self, task: Task) -> None:
        kind = task.genotype[0]
        if kind == 1:
            raise ValueError("a\nbad genotype")
        if kind == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        # 3: only the first attempt, anywhere, is killed.
        if kind == 3:
            once = Path(self.payload["log"]).with_name(f"killed-{task.genotype}")
            if not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if kind == 4:
            time.sleep(3600)


class Fixed:
    """Returns the metrics of its payload."""

    def __init__(self, metrics: dict[str, float]) -> None:
        self.metrics = metrics

    def evaluate(self, task: Task) -> dict[str, float]:
        return self.metrics


class Environment:
    """Tells about the worker's process: the payload names an environment variable with a number."""

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def evaluate(self, task: Task) -> dict[str, float]:
        started_with = Path("/proc/self/environ").read_text().split("\0")
        value = dict(item.split("=", 1) for item in started_with if "=" in item)[self.variable]
        return {"accuracy": 0.0, "value": float(value)}


class Shared:
    """Sums an array that all workers of a node share."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def evaluate(self, task: Task) -> dict[str, float]:
        total = float(self.array.sum())
        return {"accuracy": 0.5, "total": total, "writeable": float(self.array.flags.writeable)}


def unbuildable(payload: Any) -> Fixed:
    raise OSError(f"no weights at {payload}")


def deadly(payload: Any) -> Fixed:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
