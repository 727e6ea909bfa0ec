"""JAX: whether it loads, which devices it has, whether its plugins are of its own version."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.version import Version

from nas.config import Config
from nas.doctor.check import Check
from nas.doctor.runtimes import INPUT_SHAPE

PROBE = Path(__file__).with_name("jax_probe.py")
TIMEOUT_S = 120.0
NVIDIA = Path("/proc/driver/nvidia/version")
"""There where NVIDIA's driver is loaded."""
CUDA = "pip install 'ridgeline-nas[cuda]'"


def check_jax(config: Config | None, network: Path, *, joins: bool) -> Iterator[Check]:
    """Asks a process of its own what JAX has.

    Args:
        config: What is to be run, for whether it wants GPUs; None for JAX alone.
        network: Where that process writes a tiny network for the runtime xla.
        joins: Whether workers run on a cluster, whose GPUs are not this machine's.
    """
    yield from check_plugins(_versions())
    found, problem = _probe(network)
    if problem:
        advice = "pip install --force-reinstall 'jax>=0.10,<0.11'; for a GPU also its driver"
        yield Check("JAX", "fail", problem, advice)
        return
    wanted = 0.0
    if config is not None and not joins:
        wanted = max(config.train.gpus_per_worker, config.search.gpus_per_worker)
    yield check_devices(found, gpus_wanted=wanted > 0, driver=NVIDIA.exists())


def check_plugins(versions: Mapping[str, str]) -> Iterator[Check]:
    """Whether the plugins for NVIDIA GPUs are of jaxlib's release; JAX passes over others.

    Args:
        versions: Of the distributions whose name begins with jax, by that name.
    """
    here = versions.get("jaxlib")
    for name, other in versions.items():
        if here is None or not re.fullmatch(r"jax-cuda\d+-plugin", name.replace("_", "-")):
            continue
        if Version(other).release != Version(here).release:
            text = f"{other} beside jaxlib {here}: JAX will not use the GPU"
            yield Check(name, "warn", text, f"pip install '{name}=={here}'")


def check_devices(found: Mapping[str, Any], *, gpus_wanted: bool, driver: bool) -> Check:
    """Whether JAX has the devices that are wanted, and uses those that are there.

    Args:
        found: What the probe printed.
        gpus_wanted: Whether workers of this machine are to get GPUs.
        driver: Whether NVIDIA's driver is loaded.
    """
    kinds = Counter(device["kind"] for device in found["devices"])
    text = f"{found['version']}, " + ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    gpus = any(device["platform"] != "cpu" for device in found["devices"])
    if gpus_wanted and not gpus:
        advice = f"{CUDA}, or set train.gpus_per_worker and search.gpus_per_worker to 0"
        return Check("JAX", "fail", f"{text}; the config wants GPUs", advice)
    if driver and not gpus and os.environ.get("JAX_PLATFORMS", "") != "cpu":
        return Check("JAX", "warn", f"{text}; there is a GPU that it does not use", CUDA)
    return Check("JAX", "ok", text)


def _probe(network: Path) -> tuple[dict[str, Any], str]:
    """What the probe printed, and why it did not."""
    command = [sys.executable, "-P", str(PROBE), str(network), *map(str, INPUT_SHAPE)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, f"JAX did not start within {TIMEOUT_S:g} s"
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {}, f"JAX does not start: {said[-1]}"
    return json.loads(done.stdout.splitlines()[-1]), ""


def _versions() -> dict[str, str]:
    return {one.name: one.version for one in distributions() if one.name.startswith("jax")}
