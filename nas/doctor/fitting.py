"""Whether a config's workers and targets fit the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nas.config import Config
from nas.doctor.check import Check

Resources = Mapping[str, float]


def check_fit(config: Config, nodes: Sequence[Resources]) -> Iterator[Check]:
    """Looks for room for the config's workers, and for the devices that it measures on.

    Args:
        config: What is to be run.
        nodes: What each node has, all of it.
    """
    train, search = config.train, config.search
    if train.executor == "ray":
        fit = _fit(nodes, cpus=train.cpus_per_worker, gpus=train.gpus_per_worker)
        text = f"{_shape(train.workers, train.cpus_per_worker, train.gpus_per_worker)}, {fit} fit"
        if fit < train.workers:
            advice = "training waits for all its workers: lower train.workers, or add nodes"
            yield Check("train workers", "fail", text, advice)
        else:
            yield Check("train workers", "ok", text)
    if search.executor == "ray":
        fit = _fit(nodes, cpus=search.cpus_per_worker, gpus=search.gpus_per_worker)
        shape = _shape(search.workers, search.cpus_per_worker, search.gpus_per_worker)
        text = f"{shape}, {fit} fit"
        if fit == 0:
            advice = "no node could ever run one: lower search.cpus_per_worker or gpus_per_worker"
            yield Check("search workers", "fail", text, advice)
        elif fit < search.workers:
            advice = "the others wait for nodes that join; nothing breaks"
            yield Check("search workers", "warn", text, advice)
        else:
            yield Check("search workers", "ok", text)
    for target in config.targets:
        if target.measure_on is not None:
            yield _check_device(target.name, target.measure_on, nodes)


def _check_device(target: str, resource: str, nodes: Sequence[Resources]) -> Check:
    """Whether a target's device is there, and does nothing but measure."""
    name = f"target {target}"
    having = [node for node in nodes if node.get(resource, 0) > 0]
    if not having:
        advice = (
            f"ray start --address=HEAD:6379 --num-cpus=0 --resources='{{\"{resource}\": 1}}' on it"
        )
        return Check(name, "fail", f"no node has the resource {resource}", advice)
    text = f"{len(having)} x {resource}"
    working = [node for node in having if node.get("CPU", 0) > 0]
    if working:
        advice = "if it is to measure only: start it with --num-cpus=0"
        return Check(name, "warn", f"{text}, which may also train and evaluate", advice)
    return Check(name, "ok", f"{text}, for measuring only")


def _fit(nodes: Sequence[Resources], *, cpus: float, gpus: float) -> int:
    """How many workers find room on the nodes."""
    room = 0
    for node in nodes:
        counts = [node.get("CPU", 0) // cpus]
        if gpus > 0:
            counts.append(node.get("GPU", 0) // gpus)
        room += int(min(counts))
    return room


def _shape(workers: int, cpus: float, gpus: float) -> str:
    gpu = f" and {gpus:g} GPUs" if gpus else ""
    return f"{workers} with {cpus:g} CPUs{gpu} each asked for"
