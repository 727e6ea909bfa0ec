"""All that is looked at, in the order in which it is shown."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.config import Config
from nas.doctor.accelerators import check_jax
from nas.doctor.check import Check
from nas.doctor.cluster import check_ray, joins
from nas.doctor.data import check_data, check_trackers
from nas.doctor.machine import check_machine
from nas.doctor.packages import check_packages
from nas.doctor.runtimes import check_runtimes
from nas.doctor.storage import check_output
from nas.doctor.workers import show_workers, worker_environments


@dataclass(frozen=True)
class Section:
    """Checks that belong together.

    Attributes:
        title: What they are about.
        look: Makes them; takes its time.
    """

    title: str
    look: Callable[[], Iterator[Check]]


def examine(config: Config | None) -> Iterator[Section]:
    """The sections of an examination; each looks when its `look` is called, in order.

    Args:
        config: What is to be run; None for the machine and the installation alone.
    """
    elsewhere = joins()
    environments = worker_environments(config)
    environment = environments.get("search") or environments.get("train") or {}
    with tempfile.TemporaryDirectory(prefix="ridgeline-") as scratch:
        networks = Path(scratch)
        yield Section("packages", check_packages)
        yield Section("machine", lambda: check_machine(config, joins=elsewhere))
        yield Section(
            "JAX", lambda: check_jax(config, networks / "tiny.jaxexport", joins=elsewhere)
        )
        yield Section("latency runtimes", lambda: check_runtimes(config, networks))
        if config is not None:
            yield Section("data", lambda: check_data(config))
            yield Section("study", lambda: _check_study(config, joins=elsewhere))
        yield Section("Ray", lambda: check_ray(config, environment))
        yield Section("worker environment", lambda: show_workers(environments))


def _check_study(config: Config, *, joins: bool) -> Iterator[Check]:
    yield from check_output(config.output, joins=joins)
    yield from check_trackers(config)
