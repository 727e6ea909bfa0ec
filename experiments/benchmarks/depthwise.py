"""Up to how many pixels is a depthwise convolution faster as a matrix product than as shifted sums?

For every shape, kernel and stride the three ways that `nas.supernet.depthwise` has are timed in
turn, one call each a round, so that what else the machine does hits all of them; the table shows
medians. `native` is XLA's grouped convolution, the peer.

    python experiments/benchmarks/depthwise.py --json experiments/benchmarks/depthwise.json

`TOEPLITZ_PIXELS_PER_TAP` is where the matrix product stops winning forward and backward passes:
below 16 pixels for 9 taps, between 36 and 64 for 25, between 64 and 144 for 49. Takes two to five
minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nas.supernet import depthwise

BATCH_SIZE = 64
WAYS: dict[str, Callable[[Any, Any, int], Any]] = {
    "native": lambda x, kernel, stride: depthwise.depthwise_conv(
        x, kernel, stride=stride, implementation="native"
    ),
    "shifted": lambda x, kernel, stride: depthwise._shifted(x, kernel[:, :, 0], stride),
    "toeplitz": lambda x, kernel, stride: depthwise._toeplitz(x, kernel[:, :, 0], stride),
}


def main() -> None:
    """Times, prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 4, 6, 8, 12, 16])
    parser.add_argument("--kernels", type=int, nargs="+", default=[3, 5, 7])
    parser.add_argument("--channels", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"ms, batch {BATCH_SIZE}, {given.channels} channels; forward | forward and backward")
    print(f"{'map':>7} {'kernel':>6} {'stride':>6}" + 2 * "".join(f"{way:>10}" for way in WAYS))
    for size in given.sizes:
        for kernel in given.kernels:
            for stride in (1, 2):
                rows.append(measure(size, kernel, stride, given.channels, given.rounds))
                cells = [
                    f"{1e3 * rows[-1][f'{part}_s'][way]:10.3f}"
                    for part in ("forward", "both")
                    for way in WAYS
                ]
                print(f"{size:3d}x{size:<3d} {kernel:6d} {stride:6d}{''.join(cells)}", flush=True)
    print("\nforward and backward, geometric mean of the ratios over strides")
    print(f"{'map':>7} {'kernel':>6} {'toeplitz / shifted':>20} {'native / shifted':>20}")
    for size, kernel in itertools.product(given.sizes, given.kernels):
        both = [row for row in rows if (row["size"], row["kernel"]) == (size, kernel)]
        ratios = [f"{ratio(both, way):20.2f}" for way in ("toeplitz", "native")]
        print(f"{size:3d}x{size:<3d} {kernel:6d} {' '.join(ratios)}")
    if given.json:
        setting = {"batch_size": BATCH_SIZE, "channels": given.channels, "rounds": given.rounds}
        document = {"machine": machine(), **setting, "rows": rows}
        given.json.write_text(json.dumps(document, indent=1) + "\n")


def measure(size: int, kernel: int, stride: int, channels: int, rounds: int) -> dict[str, Any]:
    """Median seconds of each way for one shape."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((BATCH_SIZE, size, size, channels)), jnp.float32)
    weights = jnp.asarray(rng.standard_normal((kernel, kernel, 1, channels)), jnp.float32)
    out = -(-size // stride)
    dy = jnp.asarray(rng.standard_normal((BATCH_SIZE, out, out, channels)), jnp.float32)

    def forward(run: Callable[[Any, Any, int], Any]) -> Callable[..., Any]:
        return jax.jit(lambda x, weights: run(x, weights, stride))

    def forward_and_backward(run: Callable[[Any, Any, int], Any]) -> Callable[..., Any]:
        def both(x: Any, weights: Any, dy: Any) -> Any:
            y, pullback = jax.vjp(lambda x, weights: run(x, weights, stride), x, weights)
            return y, pullback(dy)

        return jax.jit(both)

    forwards = {way: forward(run) for way, run in WAYS.items()}
    boths = {way: forward_and_backward(run) for way, run in WAYS.items()}
    return {
        "size": size,
        "kernel": kernel,
        "stride": stride,
        "forward_s": interleaved_medians(forwards, (x, weights), rounds),
        "both_s": interleaved_medians(boths, (x, weights, dy), rounds),
    }


def interleaved_medians(
    functions: dict[str, Callable[..., Any]], arguments: Sequence[Any], rounds: int
) -> dict[str, float]:
    """Median seconds a call; one call of each function a round."""
    for function in functions.values():
        jax.block_until_ready(function(*arguments))
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            jax.block_until_ready(function(*arguments))
            samples[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in samples.items()}


def ratio(rows: Sequence[dict[str, Any]], way: str) -> float:
    """Geometric mean of a way's time over that of `shifted`."""
    logs = [math.log(row["both_s"][way] / row["both_s"]["shifted"]) for row in rows]
    return math.exp(statistics.mean(logs))


def machine() -> dict[str, Any]:
    """What the figures were taken on, and when."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", cpuinfo.read_text(), re.MULTILINE)
    return {
        "cpu": found[1] if found else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "jax": jax.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    main()
