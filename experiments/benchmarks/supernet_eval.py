"""Is a sampled subnet evaluated as fast as the same network compiled alone runs forward?

An evaluation is what the search does: batch norm statistics recalibrated on one batch of training
images, then 2,000 images classified, through `nas.evaluation`. Against it stands the network
alone as it is shipped (norms folded, compiled as one function) on as many images, those of the
recalibration among them. Both prepare the same random pixels, in batches of 500.

Evaluations are interleaved, one of each way a round; figures are medians over rounds. Each
allocator setting has a process of its own, see `supernet_step.py`.

    python experiments/benchmarks/supernet_eval.py --json experiments/benchmarks/supernet_eval.json

Takes about ten minutes on two cores at rest.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from depthwise import machine
from supernet_subject import ALLOCATORS, SPACE, interleaved, run_part, seconds, subnets

from nas.data import Dataset, Split, prepare
from nas.evaluation.subnets import SubnetEvaluation
from nas.supernet.elastic import initial_weights
from nas.supernet.standalone import subnet

BATCH_SIZE = 500
CALIBRATION_IMAGES = 500
IMAGES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subnets", type=int, default=8, help="random ones")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--allocators", nargs="+", choices=ALLOCATORS, default=list(ALLOCATORS))
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(measure(given.subnets, given.rounds)))
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        for allocator in given.allocators:
            options = {"subnets": given.subnets, "rounds": given.rounds}
            found[allocator] = run_part(__file__, "measure", options, **ALLOCATORS[allocator])
            print_table(allocator, found[allocator])
    if given.json:
        setting = {"images": IMAGES, "calibration_images": CALIBRATION_IMAGES}
        setting |= {"batch_size": BATCH_SIZE, "rounds": given.rounds}
        document = {"machine": machine(), **setting, **found}
        given.json.write_text(json.dumps(document, indent=1) + "\n")


def measure(count: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds of each subnet's evaluation, and of the network alone on as many images."""
    data = random_pixels()
    weights = initial_weights(SPACE, seed=0)
    evaluation = SubnetEvaluation(
        SPACE,
        weights,
        data,
        calibration_images=CALIBRATION_IMAGES,
        batch_size=BATCH_SIZE,
        seed=0,
    )
    rows: list[dict[str, Any]] = []
    for name, architecture in subnets(count, seed=0).items():
        alone = jax.jit(
            subnet(weights, architecture, evaluation.statistics(architecture)).function()
        )
        calls: dict[str, Callable[[], float]] = {
            "evaluation_s": lambda architecture=architecture: elapsed(
                lambda: evaluation.accuracy(architecture, data.search)
            ),
            "alone_s": lambda alone=alone: seconds(lambda: forward(alone, data)),
        }
        rows.append({"subnet": name, **interleaved(calls, rounds)})
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def elapsed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def forward(alone: Callable[[jax.Array], jax.Array], data: Dataset) -> list[jax.Array]:
    """Logits of the calibration's images and those that are classified."""
    logits: list[jax.Array] = []
    for split in (data.train, data.search):
        for start in range(0, len(split), BATCH_SIZE):
            images = prepare(
                split.images[start : start + BATCH_SIZE],
                mean=data.mean.astype(np.float32),
                std=data.std.astype(np.float32),
                resolution=SPACE.image_shape[0],
            )
            logits.append(alone(images))
    return logits


def random_pixels() -> Dataset:
    rng = np.random.default_rng(0)

    def split(size: int) -> Split:
        images = rng.integers(256, size=(size, *SPACE.image_shape), dtype=np.uint8)
        return Split(images, rng.integers(SPACE.classes, size=size, dtype=np.int32))

    return Dataset(
        name="random pixels",
        classes=tuple(str(label) for label in range(SPACE.classes)),
        train=split(CALIBRATION_IMAGES),
        search=split(IMAGES),
        test=split(1),
        mean=np.full(3, 0.5),
        std=np.full(3, 0.29),
        digest="",
    )


def print_table(allocator: str, rows: list[dict[str, Any]]) -> None:
    images = IMAGES + CALIBRATION_IMAGES
    print(f"\nimages a second, {CALIBRATION_IMAGES} + {IMAGES}, allocator {allocator}")
    print(f"{'subnet':12} {'evaluation':>10} {'alone':>8} {'ratio':>6}")
    ratios: dict[str, float] = {}
    for row in rows:
        ratios[row["subnet"]] = row["alone_s"] / row["evaluation_s"]
        rates = f"{images / row['evaluation_s']:10.0f} {images / row['alone_s']:8.0f}"
        print(f"{row['subnet']:12} {rates} {ratios[row['subnet']]:6.2f}")
    random = [ratio for name, ratio in ratios.items() if name.startswith("random")]
    median = statistics.median(random) if random else math.nan
    print(f"random: median {median:.2f}, lowest {min(random, default=math.nan):.2f}", flush=True)


if __name__ == "__main__":
    main()
