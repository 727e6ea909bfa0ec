"""Measures networks on the nodes of a Ray cluster that have a device.

A node says what it is by a custom resource, as in
`ray start --resources='{"raspberry-pi-5": 1}'`. One actor takes that resource, all CPUs and all
GPUs of a node, so that nothing of ours runs there meanwhile; networks are sent to it one by one as
bytes, and timed by `latency_models.measure` in a process of their own. Several nodes of a device
share the networks. A node that is lost while it measures has its network measured elsewhere; a
network that loses two is a failed one.

Assumes that Ray is running (`nas.execution.cluster.start_ray`).
"""

import platform
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from latency_models.measure import Measured, measure
from nas.errors import WorkerError
from nas.execution.base import one_line

MAX_LOSSES = 2
"""Nodes that may be lost with a network before it counts as failed."""


class _Bench:
    """The actor: a node's scratch directory and its measuring process."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._scratch = tempfile.TemporaryDirectory(prefix="ridgeline-")
        self._path = Path(self._scratch.name)
        self._results: Generator[Measured, None, None] | None = None

    def open(self) -> str | None:
        """Checks what is asked against what is installed here; returns what is wrong."""
        try:
            self._results = measure(self._files(), **self._options)
        except ValueError as problem:
            return str(problem)
        return None

    def measure(self, name: str, content: bytes) -> Measured | str:
        """The result of one network, or why this node cannot measure any."""
        assert self._results is not None
        self._path = Path(self._scratch.name) / name
        self._path.write_bytes(content)
        try:
            found = next(self._results)
        except ValueError as problem:
            return str(problem)
        finally:
            self._path.unlink()
        return replace(found, environment={**found.environment, "node": platform.node()})

    def close(self) -> None:
        """Ends the measuring process."""
        if self._results is not None:
            self._results.close()
        self._scratch.cleanup()

    def _files(self) -> Iterator[Path]:
        while True:
            yield self._path


@dataclass(slots=True)
class _Place:
    """A node, its actor, and the answer awaited from it: that it is open, or a file's result."""

    node: str
    actor: Any
    awaited: Any
    opened: bool = False
    position: int | None = None


def measure_on_nodes(
    files: Sequence[Path],
    *,
    resource: str,
    options: Mapping[str, Any],
    wait_s: float = 600.0,
    environment: Mapping[str, str] | None = None,
) -> Generator[tuple[int, Measured], None, None]:
    """Measures networks on every node that has the resource.

    Args:
        files: Networks of this machine.
        resource: The custom resource of the device.
        options: Of `latency_models.measure.measure`, all but the files.
        wait_s: How long to wait for other work to leave a node.
        environment: Variables of the actors, which their measuring processes inherit.

    Yields:
        The position of a file, and its result, in the order they finish.

    Raises:
        WorkerError: If no node has the resource or becomes free, the last one is lost, or one
            cannot measure what is asked.
    """
    nodes = _nodes(resource)
    if not nodes:
        raise WorkerError(
            f"no node of the cluster has the resource {resource!r}; start one with "
            f"ray start --address=... --resources='{{\"{resource}\": 1}}'. "
            f"Custom resources there are: {', '.join(_custom_resources()) or 'none'}"
        )
    spread = _Spread(files, resource, options, environment or {})
    try:
        for node, share in list(nodes.items())[: len(files)]:
            spread.open(node, share)
        yield from spread.run(wait_s)
    finally:
        spread.close()


class _Spread:
    """Hands files to places as they become free."""

    def __init__(
        self,
        files: Sequence[Path],
        resource: str,
        options: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> None:
        self._files = files
        self._resource = resource
        self._options = dict(options)
        self._environment = dict(environment)
        self._bench: Any = ray.remote(_Bench)
        self._backlog = deque(range(len(files)))
        self._losses = [0] * len(files)
        self._places: list[_Place] = []

    def open(self, node: str, share: Mapping[str, float]) -> None:
        """Starts an actor that has the node for itself."""
        actor = self._bench.options(
            num_cpus=share.get("CPU", 0),
            num_gpus=share.get("GPU", 0),
            resources={self._resource: share[self._resource]},
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            max_restarts=0,
            runtime_env={"env_vars": self._environment},
        ).remote(self._options)
        self._places.append(_Place(node, actor, actor.open.remote()))

    def run(self, wait_s: float) -> Generator[tuple[int, Measured], None, None]:
        """Yields results until every file has one."""
        deadline = time.monotonic() + wait_s
        left = len(self._files)
        while left:
            busy = any(place.position is not None for place in self._places)
            patience = None if busy else max(deadline - time.monotonic(), 0.0)
            awaited = {place.awaited: place for place in self._places if place.awaited is not None}
            ready, _ = ray.wait(list(awaited), num_returns=1, timeout=patience)
            if not ready:
                raise WorkerError(
                    f"no node with the resource {self._resource!r} became free within {wait_s:g} s"
                )
            place = awaited[ready[0]]
            for position, found in self._take(place):
                left -= 1
                yield position, found
            deadline = time.monotonic() + wait_s

    def close(self) -> None:
        """Ends the actors."""
        closing = [place.actor.close.remote() for place in self._places if place.opened]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=10)
        for place in self._places:
            ray.kill(place.actor)
        self._places.clear()

    def _take(self, place: _Place) -> Iterator[tuple[int, Measured]]:
        try:
            answer: Any = ray.get(place.awaited)
        except RayError as problem:
            yield from self._lose(place, one_line(problem))
            self._hand_out()
            return
        if isinstance(answer, str):
            raise WorkerError(f"node of {self._resource}: {answer}")
        place.opened = True
        position, place.position, place.awaited = place.position, None, None
        self._hand_out()
        if position is not None:
            yield position, replace(answer, path=self._files[position])

    def _hand_out(self) -> None:
        for place in self._places:
            if place.awaited is None and self._backlog:
                place.position = self._backlog.popleft()
                path = self._files[place.position]
                place.awaited = place.actor.measure.remote(path.name, path.read_bytes())

    def _lose(self, place: _Place, reason: str) -> Iterator[tuple[int, Measured]]:
        """Takes a place out; one whose node is still there is opened again."""
        self._places.remove(place)
        ray.kill(place.actor)
        share = _nodes(self._resource).get(place.node)
        if share is not None and place.position is not None:
            self.open(place.node, share)
        if not self._places:
            raise WorkerError(f"the last node of {self._resource} was lost: {reason}")
        if place.position is None:
            return
        self._losses[place.position] += 1
        if self._losses[place.position] < MAX_LOSSES:
            self._backlog.appendleft(place.position)
            return
        error = f"its node was lost {MAX_LOSSES} times: {reason}"
        yield place.position, Measured(self._files[place.position], "failed", error=error)


def _nodes(resource: str) -> dict[str, dict[str, float]]:
    """What the nodes with the resource have, by their id."""
    return {
        node["NodeID"]: node["Resources"]
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get(resource, 0) > 0
    }


def _custom_resources() -> list[str]:
    own = ("node:", "accelerator_type:", "CPU", "GPU", "memory", "object_store_memory")
    names = {name for node in ray.nodes() if node["Alive"] for name in node["Resources"]}
    return sorted(name for name in names if not name.startswith(own))
