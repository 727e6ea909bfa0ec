"""Is a training step of a sampled subnet as fast as that of the same network compiled alone?

Four parts, each in processes of its own, with the allocator as workers have it (`tuned`,
`nas.execution.cluster.worker_environment`) and as it comes (`untuned`):

- `compilations`: how many block configurations `warm_up` compiles, and what is compiled after it
  over 1,000 random subnets that take a step and are evaluated, at a small batch.
- `alone`: steps of the chain of compiled blocks against steps of the whole network compiled as one
  function, with weights of its own.
- `memory`: how far a step raises the process's resident set, and what weights and momentum hold.
  A process a subnet and way; glibc maps every buffer of 64 KiB and more by itself there and hands
  it back when it is freed, the peak (`VmHWM`) is reset before the step.
- `pytorch`: steps of a supernet of the same blocks in PyTorch, two threads, with `--pytorch`, the
  Python of an environment that has torch and NumPy:

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 numpy

Steps are interleaved, one of each way a round, and waited for until all weights are written;
figures are medians over rounds.

    python experiments/benchmarks/supernet_step.py --pytorch VENV/bin/python \
        --json experiments/benchmarks/supernet_step.json

Takes about half an hour on two cores at rest, most of it for compiling the standalone networks.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from depthwise import machine
from jax import monitoring
from supernet_subject import (
    ALLOCATORS,
    SPACE,
    SPINNING_S,
    PyTorchSteps,
    StandaloneSteps,
    SupernetSteps,
    batch,
    fields,
    interleaved,
    run_part,
    seconds,
    subnets,
)

from nas.supernet.warm_up import Purpose, configurations, warm_up

COMPILATION_EVENT = "/jax/core/compile/backend_compile_duration"
RETURNING_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_MMAP_MAX_": "1000000",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
SMALL_BATCH = 4
COMPARED_WITH_PYTORCH = 1
"""Seed of the subnets that are compared with PyTorch; those of the other parts have seed 0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128], help="for PyTorch")
    parser.add_argument("--subnets", type=int, default=8, help="random ones")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--recompilations", type=int, default=1000, help="subnets; 0 leaves it out")
    parser.add_argument("--allocators", nargs="+", choices=ALLOCATORS, default=list(ALLOCATORS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--pytorch", type=Path, help="Python that has torch and NumPy")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=64, help="for the comparison with it alone")
    parser.add_argument("--subnet", default="smallest", help=argparse.SUPPRESS)
    parser.add_argument("--way", default="chain", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(PARTS[given.part](given)))
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        found = {part: TABLES[part](given) for part in given.parts}
    if given.json:
        setting = {"subnets": given.subnets, "rounds": given.rounds}
        document = {"machine": machine(), **setting, **found}
        given.json.write_text(json.dumps(document, indent=1) + "\n")


def compilations(given: argparse.Namespace) -> dict[str, Any]:
    """Counts what XLA is asked to compile."""
    count = 0

    def listen(event: str, _: float, **__: Any) -> None:
        nonlocal count
        count += event == COMPILATION_EVENT

    steps = SupernetSteps()
    images, labels = batch(SMALL_BATCH)
    monitoring.register_event_duration_secs_listener(listen)
    found = configurations(SPACE, steps.weights)
    purposes: tuple[Purpose, ...] = ("training", "evaluation")
    for purpose in purposes:
        warm_up(steps.chain, found, steps.weights, batch_size=SMALL_BATCH, purpose=purpose)
    for genotype in (SPACE.largest, SPACE.smallest):
        architecture = SPACE.decode(genotype)
        jax.block_until_ready(steps.step(architecture, images, labels))
        _evaluate(steps, architecture, images)
    warm = count
    for genotype in SPACE.sample(given.recompilations, np.random.default_rng(0)):
        architecture = SPACE.decode(genotype)
        jax.block_until_ready(steps.step(architecture, images, labels))
        _evaluate(steps, architecture, images)
    return {
        "configurations": len(found),
        "compiled_functions": warm,
        "subnets": given.recompilations,
        "compiled_after": count - warm,
    }


def _evaluate(steps: SupernetSteps, architecture: Any, images: jax.Array) -> None:
    found = steps.chain.calibrate(steps.weights, architecture, [images, images])
    jax.block_until_ready(steps.chain.infer(steps.weights, architecture, found, images))


def compilations_table(given: argparse.Namespace) -> Any:
    options = {"recompilations": given.recompilations}
    found = run_part(__file__, "compilations", options, **ALLOCATORS["tuned"])
    print(
        f"{found['configurations']} block configurations, {found['compiled_functions']} functions "
        f"compiled; {found['compiled_after']} more over {found['subnets']} random subnets",
        flush=True,
    )
    return found


def alone(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds a step of each subnet in both ways."""
    chain = SupernetSteps()
    images, labels = batch(given.batch)
    rows: list[dict[str, Any]] = []
    for name, architecture in subnets(given.subnets, seed=0).items():
        standalone = StandaloneSteps(architecture)
        calls: dict[str, Callable[[], float]] = {
            "chain_s": lambda architecture=architecture: seconds(
                lambda: chain.step(architecture, images, labels)
            ),
            "alone_s": lambda standalone=standalone: seconds(
                lambda: standalone.step(images, labels)
            ),
        }
        rows.append({"subnet": name, **interleaved(calls, given.rounds)})
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def alone_table(given: argparse.Namespace) -> Any:
    found: dict[str, Any] = {}
    options = {"batch": given.batch, "subnets": given.subnets, "rounds": given.rounds}
    for allocator in given.allocators:
        found[allocator] = run_part(__file__, "alone", options, **ALLOCATORS[allocator])
        print(f"\nms a step at batch {given.batch}, allocator {allocator}")
        _print_ratios(found[allocator], "chain_s", "alone_s", 1e3)
    return {"batch": given.batch, **found}


def memory(given: argparse.Namespace) -> dict[str, Any]:
    """Bytes of one step."""
    architecture = subnets(given.subnets, seed=0)[given.subnet]
    images, labels = batch(given.batch)
    if given.way == "chain":
        steps: Any = SupernetSteps()
        run = lambda: steps.step(architecture, images, labels)  # noqa: E731
        held = [steps.weights, steps.momentum, steps.gradients]
    else:
        steps = StandaloneSteps(architecture)
        run = lambda: steps.step(images, labels)  # noqa: E731
        held = [steps.weights, steps.momentum]
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(held))
    del held
    peaks: list[int] = []
    for _ in range(5):
        jax.block_until_ready(run())
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident_bytes("VmRSS")
        jax.block_until_ready(run())
        peaks.append(_resident_bytes("VmHWM") - before)
    return {"state": state, "step": int(statistics.median(peaks))}


def _resident_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def memory_table(given: argparse.Namespace) -> Any:
    rows: list[dict[str, Any]] = []
    print(f"\nMB of a step at batch {given.batch}, beside weights, momentum and gradients held")
    for name in ("smallest", "largest", "random 0", "random 1"):
        row: dict[str, Any] = {"subnet": name}
        for way in ("chain", "alone"):
            options = {"batch": given.batch, "subnets": given.subnets, "subnet": name, "way": way}
            taken = run_part(__file__, "memory", options, **RETURNING_ALLOCATOR)
            row |= {f"{way}_{key}_bytes": value for key, value in taken.items()}
        rows.append(row)
    _print_ratios(rows, "chain_step_bytes", "alone_step_bytes", 1e-6)
    for row in rows:
        row["chain_bytes"], row["alone_bytes"] = (
            row[f"{way}_step_bytes"] + row[f"{way}_state_bytes"] for way in ("chain", "alone")
        )
    print("with them")
    _print_ratios(rows, "chain_bytes", "alone_bytes", 1e-6)
    return {"batch": given.batch, "rows": rows}


def _print_ratios(rows: list[dict[str, Any]], ours: str, theirs: str, unit: float) -> None:
    print(f"{'subnet':12} {'chain':>9} {'alone':>9} {'ratio':>6}")
    ratios: list[float] = []
    for row in rows:
        ratios.append(row[ours] / row[theirs])
        values = f"{unit * row[ours]:9.1f} {unit * row[theirs]:9.1f}"
        print(f"{row['subnet']:12} {values} {ratios[-1]:6.2f}")
    random = [
        ratio for row, ratio in zip(rows, ratios, strict=True) if row["subnet"].startswith("random")
    ]
    if random:
        print(f"random: median {statistics.median(random):.2f}, highest {max(random):.2f}")
    sys.stdout.flush()


def pytorch(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds a step of random subnets in both, and how far loss and gradients are apart."""
    ours = SupernetSteps()
    peers = {
        layout: PyTorchSteps(given.pytorch, layout=layout, threads=len(os.sched_getaffinity(0)))
        for layout in ("channels_last", "default")
    }
    named = subnets(given.subnets, seed=COMPARED_WITH_PYTORCH)
    images, labels = batch(given.batch)
    checks = {
        name: _difference(architecture, peers["channels_last"], images, labels)
        for name, architecture in named.items()
    }
    rows: list[dict[str, Any]] = []
    for name, architecture in named.items():
        calls: dict[str, Callable[[], float]] = {
            "ours_s": lambda architecture=architecture: seconds(
                lambda: ours.step(architecture, images, labels)
            )
        }
        for layout, peer in peers.items():
            calls[f"{layout}_s"] = lambda peer=peer, architecture=architecture: peer.step_s(
                architecture, given.batch
            )
        taken = interleaved(calls, given.rounds, pause_s=SPINNING_S)
        rows.append({"subnet": name, **taken, **checks[name]})
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    for peer in peers.values():
        peer.close()
    return {"batch": given.batch, "torch": peers["default"].built["torch"], "rows": rows}


def _difference(
    architecture: Any, peer: PyTorchSteps, images: jax.Array, labels: jax.Array
) -> dict[str, float]:
    """Of loss and gradients on the same weights and images; gradients' as a share of their norm."""
    ours = SupernetSteps(_spread(SupernetSteps().weights))
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: f"{folder}/{name}" for name in ("weights.npz", "found.npz", "x.npy", "y.npy")
        }
        np.savez(paths["weights.npz"], **_named(ours.weights))
        np.save(paths["x.npy"], np.asarray(images))
        np.save(paths["y.npy"], np.argmax(np.asarray(labels), axis=1))
        peer.ask("load", path=paths["weights.npz"])
        request = {"path": paths["found.npz"], "images": paths["x.npy"], "labels": paths["y.npy"]}
        answer = peer.ask("gradients", blocks=fields(architecture), **request)
        theirs = dict(np.load(paths["found.npz"]))
    loss, gradients = ours.loss_and_gradients(architecture, images, labels)
    found = _named(gradients)
    squares = np.zeros(2)
    for name, value in theirs.items():
        mine = found[name.replace("depthwise.transforms", "kernel_transforms")]
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        elif name.endswith("kernel"):
            value = value.T
        squares += np.sum(np.square(mine - value)), np.sum(np.square(value))
    return {
        "loss_difference": abs(float(loss) - answer["loss"]),
        "gradient_difference": float(np.sqrt(squares[0] / squares[1])),
    }


def _spread(weights: Any) -> Any:
    """Other values for what starts at zero, one or the identity, so that nothing is left out."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + 0.1 * jnp.asarray(rng.random(leaf.shape)), weights)


def _named(weights: Any) -> dict[str, np.ndarray]:
    """Arrays by slot, path and name, with dots between; those of a block without `block`."""
    named: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        slot, *names = (entry.key for entry in path)
        inner = [name for name in names if name != "block"]
        named[".".join([slot.replace(".", "_"), *inner])] = np.asarray(leaf)
    return named


def pytorch_table(given: argparse.Namespace) -> Any:
    if given.pytorch is None:
        print("\nno --pytorch: not compared with it")
        return None
    found: dict[str, Any] = {}
    for allocator in given.allocators:
        for size in given.batches:
            options = {"batch": size, "subnets": given.subnets, "rounds": given.rounds}
            options["pytorch"] = given.pytorch
            measured = run_part(__file__, "pytorch", options, **ALLOCATORS[allocator])
            found.setdefault(allocator, []).append(measured)
            print(f"\nms a step at batch {size}, allocator {allocator}; PyTorch's over ours")
            _print_peers(measured["rows"])
    return found


def _print_peers(rows: list[dict[str, Any]]) -> None:
    layouts = ("channels_last", "default")
    print(f"{'subnet':12} {'ours':>9}" + "".join(f" {name:>14} {'ratio':>6}" for name in layouts))
    for row in rows:
        cells = "".join(
            f" {1e3 * row[f'{name}_s']:14.1f} {row[f'{name}_s'] / row['ours_s']:6.2f}"
            for name in layouts
        )
        print(f"{row['subnet']:12} {1e3 * row['ours_s']:9.1f}{cells}")
    random = [row for row in rows if row["subnet"].startswith("random")]
    for name in layouts:
        ratios = [row[f"{name}_s"] / row["ours_s"] for row in random]
        total = sum(row[f"{name}_s"] for row in random) / sum(row["ours_s"] for row in random)
        print(f"random, {name}: median {statistics.median(ratios):.2f}, rate {total:.2f}")
    worst = max(row["gradient_difference"] for row in rows)
    print(f"gradients differ by at most {worst:.1e} of their norm", flush=True)


PARTS = {"compilations": compilations, "alone": alone, "memory": memory, "pytorch": pytorch}
TABLES = {
    "compilations": compilations_table,
    "alone": alone_table,
    "memory": memory_table,
    "pytorch": pytorch_table,
}


if __name__ == "__main__":
    main()
