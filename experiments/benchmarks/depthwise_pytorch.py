"""How do this project's depthwise convolutions compare with PyTorch's, shape by shape?

The shapes are those of the space in `supernet_subject.py` at its largest expand ratio, batch 64.
For each, the forward pass alone and with both gradients; PyTorch runs channels_last in a process of
its own (see `supernet_step.py` for its environment), with as many threads. Calls are interleaved;
figures are medians.

    python experiments/benchmarks/depthwise_pytorch.py --pytorch VENV/bin/python \
        --json experiments/benchmarks/depthwise_pytorch.json

Takes about two minutes on two cores at rest.
"""

import argparse
import json
import math
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from depthwise import machine
from supernet_subject import (
    ALLOCATORS,
    SPACE,
    SPINNING_S,
    PyTorchSteps,
    interleaved,
    run_part,
    seconds,
)

from nas.supernet.depthwise import depthwise_conv
from search_spaces.mobilenet import InvertedResidual

BATCH_SIZE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--allocator", choices=ALLOCATORS, default="tuned")
    parser.add_argument("--pytorch", type=Path, required=True, help="Python that has torch, NumPy")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(measure(given.pytorch, given.rounds)))
        return
    options = {"rounds": given.rounds, "pytorch": given.pytorch}
    rows = run_part(__file__, "measure", options, **ALLOCATORS[given.allocator])
    print_table(rows)
    if given.json:
        setting = {"batch_size": BATCH_SIZE, "rounds": given.rounds, "allocator": given.allocator}
        document = {"machine": machine(), **setting, "rows": rows}
        given.json.write_text(json.dumps(document, indent=1) + "\n")


def shapes() -> list[tuple[int, int, int, int]]:
    """Map size, channels, kernel and stride, from large maps to small."""
    found: set[tuple[int, int, int, int]] = set()
    for slot in SPACE.slots:
        placed = filter(None, slot.rows)
        blocks = [(block, shape) for block, shape in placed if isinstance(block, InvertedResidual)]
        widest = max((block.expanded_channels for block, _ in blocks), default=0)
        found |= {
            (shape[0], widest, block.kernel, block.stride)
            for block, shape in blocks
            if block.expanded_channels == widest
        }
    return sorted(found, key=lambda shape: (-shape[0], shape[3], shape[1], shape[2]))


def measure(pytorch: Path, rounds: int) -> list[dict[str, Any]]:
    """Median seconds in both, by shape."""
    peer = PyTorchSteps(pytorch, layout="channels_last", threads=len(os.sched_getaffinity(0)))
    rows = [_measured(peer, shape, rounds) for shape in shapes()]
    peer.close()
    return rows


def _measured(peer: PyTorchSteps, shape: tuple[int, int, int, int], rounds: int) -> dict[str, Any]:
    size, channels, kernel, stride = shape
    rng = np.random.default_rng(0)
    out = -(-size // stride)
    x = jnp.asarray(rng.standard_normal((BATCH_SIZE, size, size, channels)), jnp.float32)
    weights = jnp.asarray(rng.standard_normal((kernel, kernel, 1, channels)), jnp.float32)
    dy = jnp.asarray(rng.standard_normal((BATCH_SIZE, out, out, channels)), jnp.float32)

    @jax.jit
    def forward(x: Any, weights: Any) -> Any:
        return depthwise_conv(x, weights, stride=stride, implementation="shifted")

    @jax.jit
    def both(x: Any, weights: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(forward, x, weights)
        return y, pullback(dy)

    request = {"size": size, "channels": channels, "kernel": kernel, "stride": stride}
    settings = {"batch_size": BATCH_SIZE, "layout": "channels_last", "rounds": 1}
    settings["threads"] = len(os.sched_getaffinity(0))

    def asked(part: str) -> Callable[[], float]:
        return lambda: peer.ask("depthwise", **request, **settings)[part]

    calls: dict[str, Callable[[], float]] = {
        "forward_s": lambda: seconds(lambda: forward(x, weights)),
        "both_s": lambda: seconds(lambda: both(x, weights, dy)),
        "pytorch_forward_s": asked("forward_s"),
        "pytorch_both_s": asked("both_s"),
    }
    return {**request, **interleaved(calls, rounds, pause_s=SPINNING_S)}


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    print("ms at batch 64; the ratio is our time over PyTorch's")
    print(f"{'shape':>10} {'kernel':>6} {'stride':>6}", end="")
    print(2 * f"{'':>9} {'PyTorch':>8} {'ratio':>6}")
    logs: dict[str, list[float]] = {"forward": [], "both": []}
    for row in rows:
        cells = ""
        for part, found in logs.items():
            ours, theirs = row[f"{part}_s"], row[f"pytorch_{part}_s"]
            cells += f"{1e3 * ours:9.2f} {1e3 * theirs:8.2f} {ours / theirs:6.2f}"
            found.append(math.log(ours / theirs))
        print(f"{row['size']:>6}x{row['channels']:<3} {row['kernel']:6} {row['stride']:6}{cells}")
    means = {part: math.exp(statistics.mean(found)) for part, found in logs.items()}
    print(f"geometric mean: forward {means['forward']:.2f}, with gradients {means['both']:.2f}")


if __name__ == "__main__":
    main()
