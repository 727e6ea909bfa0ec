"""What a study was made with, and about how much energy it took."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nas
from nas.config import Config
from nas.records import Measurement, Stage
from nas.report import Energy

PACKAGES = ("ridgeline-nas", "jax", "flax", "optax", "ray", "numpy", "onnxruntime")

CORE_W = 12.0
"""Watts of a busy CPU core.

Lannelongue, Grealey, Inouye, "Green Algorithms: Quantifying the Carbon Footprint of Computation",
Advanced Science 8(12), 2021: the default where the processor is not known.
"""


def versions() -> dict[str, str]:
    """Of Python, the operating system and the packages that decide the results."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


@cache
def commit() -> str | None:
    """Of this package: where it was installed from, or of the checkout that it runs in.

    A checkout with changes has `-dirty` behind it; None where neither is known.
    """
    text = importlib.metadata.distribution("ridgeline-nas").read_text("direct_url.json")
    installed = json.loads(text).get("vcs_info", {}).get("commit_id") if text else None
    checkout = Path(nas.__file__).resolve().parents[1]
    if installed or not (checkout / ".git").exists():
        return installed
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        found = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def stage_durations(stages: Sequence[Stage]) -> dict[str, float]:
    """Seconds of every complete stage."""
    found = {
        stage.name: stage.summary.get("duration_s") for stage in stages if stage.status == "done"
    }
    return {
        name: float(seconds) for name, seconds in found.items() if isinstance(seconds, int | float)
    }


def environment(measurements: Sequence[Measurement]) -> dict[str, str]:
    """What the latest measurement that succeeded was made in, as text."""
    found = next((one for one in reversed(measurements) if one.latency_s is not None), None)
    return {} if found is None else flat_environment(found.environment)


def energy_estimate(config: Config, durations_s: Mapping[str, float]) -> Energy | None:
    """Energy of the processor cores over the study's stages; None before one is complete.

    Cores are those that the config gives to workers, one in stages that have none. Memory, cooling
    and GPUs come on top.
    """
    if not durations_s:
        return None
    train, search = config.train, config.search
    cores = {
        "train": train.workers * train.cpus_per_worker if train.executor == "ray" else 1,
        "search": search.workers * search.cpus_per_worker if search.executor == "ray" else 1,
    }
    core_s = sum(seconds * cores.get(name, 1) for name, seconds in durations_s.items())
    gpus = train.gpus_per_worker or search.gpus_per_worker
    basis = (
        f"{core_s / 3600:.2f} core hours at {CORE_W:g} W, the default of Green Algorithms for a "
        f"busy core; without memory{', GPUs' if gpus else ''} and cooling"
    )
    return Energy(joules=core_s * CORE_W, basis=basis)


def flat_environment(environment: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """What is known of where a latency was measured, as text."""
    found: dict[str, str] = {}
    for key, value in environment.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat_environment(value, f"{name} ")
        elif value is not None and value != []:
            found[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found
