"""Looks at the cluster that a run would use, by a task on each of its nodes.

Assumes to be called before the process's first JAX computation, as `start_ray`.
"""

import logging
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.execution.base import one_line
from nas.execution.cluster import TOKEN_VARIABLES, start_ray, stop_ray

ANSWER_S = 60.0
"""How long a node may take to start a process and answer."""


@dataclass(frozen=True, slots=True)
class Node:
    """What a node of the cluster says of itself.

    Attributes:
        name: Its host's name and address.
        resources: What Ray may hand out there.
        versions: Of Python and of the packages asked about; without those that are not there.
        unseen: Paths asked about that are not there.
        environment: The variables asked about, as a worker has them.
        error: Why it said nothing; empty if it did.
    """

    name: str
    resources: Mapping[str, float]
    versions: Mapping[str, str]
    unseen: tuple[str, ...]
    environment: Mapping[str, str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """A cluster as this process finds it.

    Attributes:
        nodes: Those that are alive.
        dashboard: Host and port that it listens on; empty where there is none.
        guarded: Whether a process without the cluster's token is turned away.
    """

    nodes: tuple[Node, ...]
    dashboard: str
    guarded: bool


def inspect_cluster(
    *, packages: Sequence[str], paths: Sequence[Path], environment: Mapping[str, str]
) -> Inspection:
    """Starts Ray here, or joins the cluster of `RAY_ADDRESS`, looks, and leaves it again.

    Args:
        packages: Distributions whose versions are wanted.
        paths: What every node should see.
        environment: What a worker's process is to start with.

    Raises:
        WorkerError: If the cluster cannot be reached or started.
    """
    start_ray()
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        ask: Any = ray.remote(_answer)
        answers = [
            ask.options(
                num_cpus=0,
                max_retries=0,
                runtime_env={"env_vars": dict(environment)},
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
            ).remote(packages, [str(path) for path in paths], list(environment))
            for node in alive
        ]
        ray.wait(answers, num_returns=len(answers), timeout=ANSWER_S)
        nodes = tuple(_node(node, answer) for node, answer in zip(alive, answers, strict=True))
        context = ray.get_runtime_context()
        # Does not start another; it tells of the one that runs.
        there = ray.init(ignore_reinit_error=True, logging_level=logging.ERROR)
        return Inspection(nodes, there.dashboard_url or "", _guarded(context.gcs_address))
    finally:
        stop_ray()


def _node(node: Mapping[str, Any], answer: Any) -> Node:
    name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
    try:
        versions, unseen, environment = ray.get(answer, timeout=0)
    except GetTimeoutError:
        problem = f"did not answer within {ANSWER_S:g} s"
    except RayError as error:
        problem = one_line(error)
    else:
        return Node(name, node["Resources"], versions, tuple(unseen), environment)
    return Node(name, node["Resources"], {}, (), {}, problem)


def _answer(
    packages: Sequence[str], paths: Sequence[str], variables: Sequence[str]
) -> tuple[dict[str, str], list[str], dict[str, str]]:
    """Runs on the node."""
    versions = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    unseen = [path for path in paths if not os.path.exists(path)]
    return versions, unseen, {name: os.environ.get(name, "") for name in variables}


def _guarded(address: str) -> bool:
    """Whether a process without a token is refused for that; it asks for the cluster's status."""
    stranger = {name: value for name, value in os.environ.items() if name not in TOKEN_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "status", f"--address={address}"],
        env={**stranger, "RAY_AUTH_MODE": "disabled"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode != 0 and "authentication" in (done.stdout + done.stderr).lower()
