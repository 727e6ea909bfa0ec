"""Ray: it starts here or can be joined, its nodes are like this one, and strangers stay out."""

from __future__ import annotations

import ipaddress
import os
import platform
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nas.config import Config
from nas.doctor.check import Check
from nas.doctor.fitting import check_fit
from nas.doctor.packages import DISTRIBUTION, installed_versions
from nas.doctor.storage import nearest
from nas.errors import WorkerError

if TYPE_CHECKING:
    from nas.execution.inspection import Inspection, Node

TOKEN_FILE = Path(".ray/auth_token")
"""Where Ray keeps a token, in the home directory."""
PROBE = ".ridgeline-"
"""How the name of a file begins that nodes are asked about."""


def joins() -> bool:
    """Whether a run would join a cluster; else it starts one on this machine."""
    return os.environ.get("RAY_ADDRESS", "local") not in ("", "local")


def needs_ray(config: Config) -> bool:
    """Whether any part of the config's run uses Ray."""
    elsewhere = any(target.measure_on is not None for target in config.targets)
    return elsewhere or "ray" in (config.train.executor, config.search.executor)


def check_ray(config: Config | None, environment: Mapping[str, str]) -> Iterator[Check]:
    """Starts or joins Ray as a run would, asks every node, and looks at what is found.

    Args:
        config: What is to be run; None for the cluster alone.
        environment: What a worker is to start with.
    """
    yield from check_token_file(Path.home() / TOKEN_FILE)
    if config is not None and not needs_ray(config):
        yield Check("Ray", "ok", "the config does not use it")
        return
    where = os.environ["RAY_ADDRESS"] if joins() else ""
    try:
        found = _inspect(config if where else None, environment)
    except WorkerError as error:
        advice = "what Ray says is in /tmp/ray/session_latest/logs"
        if where:
            advice = "ray status on its head says whether it runs; RAY_ADDRESS is HOST:PORT of that"
        yield Check("Ray", "fail", str(error), advice)
        return
    count = f"{len(found.nodes)} node{'s' * (len(found.nodes) != 1)}"
    yield Check("Ray", "ok", f"{count} at {where}" if where else "starts on this machine")
    yield from check_inspection(found, environment)
    if config is not None and where:
        yield from check_fit(config, [node.resources for node in found.nodes])


def check_inspection(found: Inspection, environment: Mapping[str, str]) -> Iterator[Check]:
    """Looks at what the nodes have said, and at who else could talk to them.

    Args:
        found: The cluster.
        environment: What a worker was to start with.
    """
    ours = {**installed_versions(), "python": platform.python_version()}
    problems = [check for node in found.nodes for check in _check_node(node, ours, environment)]
    yield from problems
    if not problems:
        yield Check("nodes", "ok", "versions as here, workers start with their environment")
    if found.guarded:
        yield Check("tokens", "ok", "a process without the cluster's token is turned away")
    else:
        advice = "whoever reaches it can run code: start its nodes with RAY_AUTH_MODE=token"
        yield Check("tokens", "warn", "anybody is let in", advice)
    yield _check_dashboard(found.dashboard)


def check_token_file(path: Path) -> Iterator[Check]:
    """Whether a token that Ray keeps in a file is for its owner's eyes only; says no more."""
    with suppress(OSError):
        readable = path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        folders = path.absolute().parents
        reached = all(one.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH) for one in folders)
        if readable and reached:
            text = f"{path} can be read by other users of this machine"
            yield Check("token file", "warn", text, f"chmod 600 {path}")


def _inspect(config: Config | None, environment: Mapping[str, str]) -> Inspection:
    """The cluster, asked whether it sees the config's data and output."""
    from nas.execution.inspection import inspect_cluster

    packages = [DISTRIBUTION, *installed_versions()]
    with ExitStack() as stack:
        paths: list[Path] = []
        if config is not None and config.data.path is not None:
            paths.append(config.data.path)
        if config is not None:
            # A file that was not there before: a folder of that name may be on every machine.
            with suppress(OSError):
                folder = nearest(config.output)
                probe = stack.enter_context(tempfile.NamedTemporaryFile(dir=folder, prefix=PROBE))
                paths.append(Path(probe.name))
        return inspect_cluster(packages=packages, paths=paths, environment=environment)


def _check_node(
    node: Node, ours: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[Check]:
    if node.error:
        advice = "pip install this package there, in the environment that its ray runs in"
        yield Check(node.name, "fail", node.error, advice)
        return
    if DISTRIBUTION not in node.versions:
        yield Check(node.name, "fail", f"{DISTRIBUTION} is not installed", "pip install it there")
    for name, here in ours.items():
        there = node.versions.get(name, "none")
        if there != here:
            state = "fail" if name in ("python", "ray") else "warn"
            yield Check(node.name, state, f"{name} {there}, here {here}", "install the same there")
    # Without CPUs a node runs no worker: networks to be measured are sent to it.
    for path in node.unseen if node.resources.get("CPU", 0) > 0 else ():
        own = Path(path).name.startswith(PROBE)
        text = f"does not see {Path(path).parent if own else path}"
        advice = (
            "its workers need the output: one on a shared file system, --output /shared/..."
            if own
            else "its workers need the data: copy them there, or to a shared file system"
        )
        yield Check(node.name, "fail", text, advice)
    changed = [name for name, value in environment.items() if node.environment.get(name) != value]
    if changed:
        text = f"workers do not start with {', '.join(changed)}"
        yield Check(
            node.name, "warn", text, "look for what sets them in that node's shell or image"
        )


def _check_dashboard(address: str) -> Check:
    if not address:
        return Check("dashboard", "ok", "none")
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost" or _loopback(host):
        return Check("dashboard", "ok", f"{address}, reached from its own machine only")
    advice = "start the head with --dashboard-host=127.0.0.1, and reach it through ssh -L 8265:..."
    return Check("dashboard", "warn", f"{address}, open to the network", advice)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
