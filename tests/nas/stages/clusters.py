"""A cluster on the loopback, of nodes that experiments/clusters/node.sh starts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.nas.stages import tiny

CLUSTERS = tiny.ROOT / "experiments/clusters"
DEVICE = "RIDGELINE_TEST_DEVICE"
"""A variable that the processes of the device's node have."""
START_S = 60.0


@dataclass(frozen=True)
class LoopbackCluster:
    """Where the cluster is.

    Attributes:
        environment: With which a process reaches it.
        nodes: Their ids, by what each was started as.
    """

    environment: dict[str, str]
    nodes: dict[str, str]

    def ask(self, path: str) -> Any:
        """What the dashboard answers, as JSON."""
        return _ask(self.environment, path)


@contextmanager
def loopback_cluster() -> Generator[LoopbackCluster]:
    """A head without CPUs, a worker with two, and a board that only measures."""
    ports = _free_ports(6)
    temporary = Path("/tmp") / f"ridgeline-ray-{os.getpid()}"
    search_path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {
        **tiny.environment(),
        "PATH": os.pathsep.join(search_path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ADDRESS": f"127.0.0.1:{ports[0]}",
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{ports[1]}",
        "RAY_PORT": str(ports[0]),
        "DASHBOARD_PORT": str(ports[1]),
        "NODE_IP": "127.0.0.1",
    }
    environment.pop("RAY_AUTH_TOKEN_PATH", None)
    roles = {
        "head": (["head", f"--ray-client-server-port={ports[5]}", "--num-cpus=0"], {}),
        "worker": (["worker", "127.0.0.1", "--num-cpus=2"], {}),
        "board": (["device", "127.0.0.1", "board"], {DEVICE: "board"}),
    }
    started: list[subprocess.Popen[str]] = []
    nodes: dict[str, str] = {}
    try:
        for port, (role, (arguments, variables)) in zip(ports[2:5], roles.items(), strict=True):
            # Nodes that share one would remove each other's copies of a job's working directory.
            place = f"--temp-dir={temporary / role}"
            options = [*arguments, place, f"--dashboard-agent-listen-port={port}"]
            started.append(_start(options, {**environment, **variables}))
            nodes[role] = _await_node(started[-1], environment, known=set(nodes.values()))
        yield LoopbackCluster(environment, nodes)
    finally:
        for process in reversed(started):
            _end(process)
        shutil.rmtree(temporary, ignore_errors=True)


def _start(options: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    # Ray takes an address in the environment for one to join, at which a head has to begin.
    without = {name: value for name, value in environment.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(
        ["bash", str(CLUSTERS / "node.sh"), *options],
        env=without,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _await_node(
    process: subprocess.Popen[str], environment: dict[str, str], *, known: set[str]
) -> str:
    """The id of the node that has come since."""
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        try:
            answer = _ask(environment, "/nodes?view=summary")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
            continue
        found = {node["raylet"]["nodeId"] for node in answer["data"]["summary"]} - known
        if found:
            return found.pop()
        time.sleep(0.2)


def _ask(environment: dict[str, str], path: str) -> Any:
    request = urllib.request.Request(
        environment["RAY_API_SERVER_ADDRESS"] + path,
        headers={"Authorization": f"Bearer {environment['RAY_AUTH_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
