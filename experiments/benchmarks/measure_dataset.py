"""How long do hundreds of networks take on every runtime, precision and thread count of a machine?

Networks of two search spaces are drawn by a seed, given random weights, exported, and timed on
each target. All targets time ten networks, in an order that changes, before the next ten, so that a
machine that slows down does so for all alike; at the end those that were noisy are timed once more,
and some networks a second time, which tells how well a figure repeats.

    python experiments/benchmarks/measure_dataset.py --out experiments/benchmarks/latencies

Each measurement is a line of OUT.jsonl at once, and is not made again: call it again to continue.
OUT.parquet and its card OUT.json are written from it at the end, and by `--write` at any time.
`latency_models.dataset.read_latencies` reads them. Takes about two hours for 500 networks on 11
targets of two cores, which should have nothing else to do.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import latency_card
import numpy as np

from latency_models.dataset import write_latencies
from latency_models.measure import RUNTIMES, Measured, TimingPlan, measure
from nas.export.formats import FORMATS, RUNTIME_FORMATS
from nas.export.quantized import quantize_onnx
from nas.supernet.standalone import StandaloneNetwork, network_definition
from search_spaces.measured import CLASSES, MOBILENET, NASBENCH201

SPACES: dict[str, Any] = {"mobilenet": MOBILENET, "nasbench201": NASBENCH201}


@dataclasses.dataclass(frozen=True)
class Target:
    """What a network is timed on; `share` of the networks, where compiling takes long or the whole
    machine is needed.
    """

    runtime: str
    dtype: str
    threads: int
    batch_size: int
    share: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.runtime}-{self.dtype}-t{self.threads}-b{self.batch_size}"

    @property
    def variant(self) -> tuple[str, str]:
        """Format and dtype of the file that is timed."""
        form = RUNTIME_FORMATS[self.runtime]
        return form, "float32" if self.hint else self.dtype

    @property
    def hint(self) -> str | None:
        """What the runtime is told to compute in."""
        told = RUNTIMES[self.runtime].compute_dtypes
        return self.dtype if self.dtype != "float32" and self.dtype in told else None


TARGETS = (
    Target("onnxruntime", "float32", 1, 1),
    Target("onnxruntime", "float32", 1, 8),
    Target("onnxruntime", "float32", 2, 1, share=0.25),
    Target("onnxruntime", "int8", 1, 1),
    Target("openvino", "float32", 1, 1),
    Target("openvino", "bfloat16", 1, 1),
    Target("openvino", "int8", 1, 1),
    Target("openvino", "float32", 2, 8, share=0.25),
    Target("xla", "float32", 1, 1, share=0.5),
    Target("xla", "bfloat16", 1, 1, share=0.5),
    Target("xla", "float32", 2, 8, share=0.25),
)
PLAN = TimingPlan(
    min_time_s=0.15, max_time_s=0.6, min_sample_s=2e-3, max_warm_up_s=0.5, precision=0.005
)
BLOCK = 10
MAIN, AGAIN, REPEAT = "main", "again", "repeat"


@dataclasses.dataclass(frozen=True)
class Network:
    """A genotype of a space, and its place in the sample of that space, from 0 to 1."""

    space: str
    genotype: tuple[int, ...]
    place: float

    @property
    def architecture(self) -> Any:
        return SPACES[self.space].decode(np.array(self.genotype))


def main() -> None:
    """Measures what is missing, then writes the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="files, without their endings")
    parser.add_argument("--networks", type=int, default=250, help="of each space")
    parser.add_argument("--repeats", type=int, default=20, help="of each space, timed twice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", default=[target.name for target in TARGETS])
    parser.add_argument("--write", action="store_true", help="measure nothing more")
    given = parser.parse_args()
    known = {target.name: target for target in TARGETS}
    if unknown := set(given.targets) - set(known):
        parser.error(f"--targets: unknown {', '.join(sorted(unknown))}; valid: {', '.join(known)}")
    targets = [known[name] for name in given.targets]
    networks = [network for space in SPACES for network in sample(space, given)]
    lines = given.out.with_suffix(".jsonl")
    lines.parent.mkdir(parents=True, exist_ok=True)
    if not given.write:
        rng = np.random.default_rng(given.seed)
        run(networks, targets, lines, MAIN, rng)
        run(networks, targets, lines, AGAIN, rng)
        edge = given.repeats / given.networks
        run([net for net in networks if net.place < edge], targets, lines, REPEAT, rng)
    rows = read(lines)
    write_latencies(latency_card.final_rows(rows), given.out.with_suffix(".parquet"))
    card = latency_card.card(rows, spaces=SPACES, plan=PLAN, classes=CLASSES, seed=given.seed)
    given.out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    latency_card.show(card)


def sample(space: str, given: argparse.Namespace) -> list[Network]:
    """Different networks of a space, in an order that the seed decides."""
    rng = np.random.default_rng([given.seed, list(SPACES).index(space)])
    drawn = SPACES[space].sample(3 * given.networks, rng)
    unique = list(dict.fromkeys(tuple(int(option) for option in row) for row in drawn))
    return [
        Network(space, genotype, place / given.networks)
        for place, genotype in enumerate(unique[: given.networks])
    ]


def run(
    networks: Sequence[Network],
    targets: Sequence[Target],
    lines: Path,
    phase: str,
    rng: np.random.Generator,
) -> None:
    """Makes the measurements of a phase that are missing, block by block."""
    rows = read(lines)
    missing = missing_keys(rows, networks, targets, phase)
    done, total, started = 0, len(missing), time.monotonic()
    for block in blocks(networks, rng):
        wanted = {
            target: [net for net in block if (net, target.name) in missing] for target in targets
        }
        if not any(wanted.values()):
            continue
        with tempfile.TemporaryDirectory(prefix="latencies-") as scratch:
            files = Files(Path(scratch))
            for target in rng.permutation(np.array(targets, dtype=object)):
                for row in time_networks(wanted[target], target, files):
                    with lines.open("a") as stream:
                        stream.write(json.dumps({**row, "phase": phase}) + "\n")
                    done += 1
                    show_progress(phase, done, total, started, target)
        # What was compiled for exporting is not needed again.
        jax.clear_caches()
    if total:
        print()


def missing_keys(
    rows: Sequence[dict[str, Any]],
    networks: Sequence[Network],
    targets: Sequence[Target],
    phase: str,
) -> set[tuple[Network, str]]:
    """What a phase has to measure: all in the first, the noisy in the second, some in the last."""
    found = {(row["space"], tuple(row["genotype"]), row["target"], row["phase"]) for row in rows}
    noisy = latency_card.noisy_keys(rows)
    keys: set[tuple[Network, str]] = set()
    for network, target in itertools.product(networks, targets):
        key = (network.space, network.genotype, target.name)
        needed = network.place < target.share and (phase != AGAIN or key in noisy)
        if needed and (*key, phase) not in found:
            keys.add((network, target.name))
    return keys


def blocks(networks: Sequence[Network], rng: np.random.Generator) -> Iterator[list[Network]]:
    """Networks of one input shape, some at a time; the blocks of all shapes mixed."""
    shapes: dict[tuple[int, ...], list[Network]] = {}
    for network in networks:
        shapes.setdefault(network.architecture.input_shape, []).append(network)
    made = [
        group[first : first + BLOCK]
        for group in shapes.values()
        for first in range(0, len(group), BLOCK)
    ]
    for position in rng.permutation(len(made)):
        yield made[position]


class Files:
    """Exports networks when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[tuple[Network, tuple[str, str]], Path] = {}
        self._networks: dict[Network, StandaloneNetwork] = {}

    def path(self, network: Network, variant: tuple[str, str]) -> Path:
        """The network's file in a format and dtype."""
        if (network, variant) not in self._paths:
            form, dtype = variant
            # Before this file is named: exporting the float32 network names one too.
            exact = self.path(network, (form, "float32")) if dtype == "int8" else None
            path = self._folder / f"{len(self._paths)}{FORMATS[form].suffix}"
            if exact is not None:
                shape = (64, *network.architecture.input_shape)
                images = np.random.default_rng(0).standard_normal(shape, np.float32)
                quantize_onnx(exact, path, images=images)
            else:
                FORMATS[form].write(self._filled(network), path, dtype)
            self._paths[network, variant] = path
        return self._paths[network, variant]

    def _filled(self, network: Network) -> StandaloneNetwork:
        """The network with random weights that keep activations away from zero and denormals."""
        if network not in self._networks:
            architecture = network.architecture
            _, params, statistics = network_definition(architecture, "stored", None)
            rng = np.random.default_rng(0)
            self._networks[network] = StandaloneNetwork(
                architecture,
                jax.tree.map(lambda leaf: draw(leaf, rng), params),
                jax.tree.map(lambda leaf: draw(leaf, rng) ** 2 + 0.5, statistics),
            )
        return self._networks[network]


def draw(leaf: jax.ShapeDtypeStruct, rng: np.random.Generator) -> np.ndarray:
    """Weights of variance one over the inputs; biases, scales and statistics around one."""
    inputs = max(int(np.prod(leaf.shape[:-1])), 1)
    values = rng.standard_normal(leaf.shape) / np.sqrt(inputs)
    return (values + (len(leaf.shape) == 1)).astype(leaf.dtype)


def time_networks(
    networks: Sequence[Network], target: Target, files: Files
) -> Iterator[dict[str, Any]]:
    """One row a network; what cannot be exported is a failed one."""
    exported: list[Network] = []
    paths: list[Path] = []
    for network in networks:
        try:
            paths.append(files.path(network, target.variant))
            exported.append(network)
        except Exception as problem:
            failed = Measured(Path(), "failed", error=f"not exported: {problem}")
            yield latency_card.row(network, target, failed)
    if not exported:
        return
    results = measure(
        paths,
        runtime=target.runtime,
        input_shape=(target.batch_size, *exported[0].architecture.input_shape),
        dtype="float32",
        compute_dtype=target.hint,
        threads=target.threads,
        timing=PLAN,
        timeout_s=120.0,
    )
    for network, result in zip(exported, results, strict=True):
        yield latency_card.row(network, target, result)


def read(lines: Path) -> list[dict[str, Any]]:
    """The measurements so far; a last line that was cut off is left out, and cut off."""
    if not lines.exists():
        return []
    text = lines.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        lines.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def show_progress(phase: str, done: int, total: int, started: float, target: Target) -> None:
    """A bar with the time that is left, on one line of a terminal."""
    elapsed = time.monotonic() - started
    left = time.strftime("%H:%M:%S", time.gmtime(elapsed / done * (total - done)))
    filled = 30 * done // total
    text = f"{phase:6} [{'#' * filled:30}] {done}/{total}, {left} left, {target.name}"
    if sys.stdout.isatty():
        print(f"\r{text[: shutil.get_terminal_size().columns - 1]:<79}", end="", flush=True)
    elif done % 50 == 0 or done == total:
        print(text, flush=True)


if __name__ == "__main__":
    main()
