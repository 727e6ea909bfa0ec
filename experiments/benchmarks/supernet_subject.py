"""What the supernet benchmarks time: the space, a step of a subnet in three ways, and processes.

The space is Once-for-All's MobileNetV3 space (Cai et al., ICLR 2020, section 4.1) with a stem of
stride 1, for images of 32x32: kernel 3, 5, 7, expand ratio 3, 4, 6, depth 2, 3, 4 in five stages.

A step is one forward pass on labels, the backward pass, and the update of the weights that the
subnet took part of: SGD with Nesterov momentum.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from nas.execution.cluster import worker_environment
from nas.supernet.elastic import Weights, cut_network, initial_weights
from nas.supernet.engine import BlockChain, distillation_loss
from nas.supernet.standalone import network_definition
from search_spaces.base import Architecture
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace, MobileNetStage

SPACE = MobileNetSpace(
    MobileNetOptions(
        stages=[
            MobileNetStage(24, 2),
            MobileNetStage(40, 2, squeeze_excite=True),
            MobileNetStage(80, 2, "hard_swish"),
            MobileNetStage(112, 1, "hard_swish", squeeze_excite=True),
            MobileNetStage(160, 2, "hard_swish", squeeze_excite=True),
        ]
    ),
    (32, 32, 3),
    10,
)
LEARNING_RATE = 0.01
MOMENTUM = 0.9
ALLOCATORS = {
    name: {key: value for key, value in worker_environment(cpus=1, gpus=0).items() if key in keys}
    for name, keys in (
        ("tuned", ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX")),
        ("untuned", ()),
    )
}
SPINNING_S = 0.05
"""Longer than threads of PyTorch's OpenMP spin when they have nothing to do."""
PEER = Path(__file__).with_name("supernet_pytorch.py")


def subnets(count: int, *, seed: int) -> dict[str, Architecture]:
    """Subnets by name: the smallest, the largest, and random ones, every option equally likely."""
    random = SPACE.sample(count, np.random.default_rng(seed))
    named = {"smallest": SPACE.smallest, "largest": SPACE.largest}
    named |= {f"random {i}": genotype for i, genotype in enumerate(random)}
    return {name: SPACE.decode(genotype) for name, genotype in named.items()}


def batch(size: int) -> tuple[jax.Array, jax.Array]:
    """Random images, and one-hot labels."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((size, *SPACE.image_shape))
    labels = np.eye(SPACE.classes)[rng.integers(SPACE.classes, size=size)]
    return jnp.asarray(images, jnp.float32), jnp.asarray(labels, jnp.float32)


def _nesterov(weights: Any, momentum: Any, gradients: Any) -> tuple[Any, Any]:
    momentum = jax.tree.map(lambda m, g: MOMENTUM * m + g, momentum, gradients)
    weights = jax.tree.map(
        lambda w, m, g: w - LEARNING_RATE * (g + MOMENTUM * m), weights, momentum, gradients
    )
    return weights, momentum


@partial(jax.jit, donate_argnums=(0, 1, 2))
def _update_slot(weights: Any, momentum: Any, gradients: Any) -> tuple[Any, Any, Any]:
    """New weights, momentum, and the gradients set back to zero."""
    weights, momentum = _nesterov(weights, momentum, gradients)
    return weights, momentum, jax.tree.map(jnp.zeros_like, gradients)


class SupernetSteps:
    """Steps of any subnet, on the shared weights, by `nas.supernet.engine`."""

    def __init__(self, weights: Weights | None = None) -> None:
        self.chain = BlockChain()
        self.weights = dict(weights or initial_weights(SPACE, seed=0))
        self.momentum = jax.tree.map(jnp.zeros_like, self.weights)
        self.gradients = jax.tree.map(jnp.zeros_like, self.weights)

    def step(self, architecture: Architecture, images: jax.Array, labels: jax.Array) -> Any:
        """One step; returns all that it wrote, to wait for."""
        loss, self.gradients = self.loss_and_gradients(architecture, images, labels)
        for slot in architecture.slots:
            self.weights[slot], self.momentum[slot], self.gradients[slot] = _update_slot(
                self.weights[slot], self.momentum[slot], self.gradients[slot]
            )
        written = [(self.weights[slot], self.momentum[slot]) for slot in architecture.slots]
        return loss, written, self.gradients

    def loss_and_gradients(
        self, architecture: Architecture, images: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, Weights]:
        """The loss, and its gradients on top of those held, whose buffers it takes."""
        logits, tape = self.chain.forward(self.weights, architecture, images)
        loss, d_logits = distillation_loss(logits, labels)
        return loss, self.chain.backward(tape, d_logits, self.gradients)


class StandaloneSteps:
    """Steps of one network with weights of its own, compiled as one function."""

    def __init__(self, architecture: Architecture) -> None:
        definition, _, zeros = network_definition(architecture, "batch", None)
        whole = initial_weights(SPACE, seed=0)
        self.weights = jax.jit(partial(cut_network, architecture=architecture))(whole)
        self.momentum = jax.tree.map(jnp.zeros_like, self.weights)

        def loss(weights: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
            fresh = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, images.dtype), zeros)
            logits = nnx.merge(definition, weights, {"blocks": fresh})(images)
            return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1))

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(weights: Any, momentum: Any, images: jax.Array, labels: jax.Array) -> Any:
            value, gradients = jax.value_and_grad(loss)(weights, images, labels)
            return value, *_nesterov(weights, momentum, gradients)

        self._step = step

    def step(self, images: jax.Array, labels: jax.Array) -> Any:
        """One step; returns all that it wrote, to wait for."""
        loss, self.weights, self.momentum = self._step(self.weights, self.momentum, images, labels)
        return loss, self.weights, self.momentum


class PyTorchSteps:
    """The same in PyTorch, in a process of its own; see `supernet_pytorch.py`."""

    def __init__(self, python: Path, *, layout: str, threads: int) -> None:
        self._process = subprocess.Popen(
            [str(python), str(PEER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )
        slots = fields(SPACE.decode(SPACE.largest))
        build = {"slots": slots, "layout": layout, "threads": threads}
        self.built = self.ask("build", learning_rate=LEARNING_RATE, **build)

    def ask(self, what: str, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            RuntimeError: If the process has ended; it says on standard error why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **request}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{PEER.name} ended with {self._process.wait()} on {what!r}")
        return json.loads(answer)

    def step_s(self, architecture: Architecture, batch_size: int) -> float:
        """Seconds of one step."""
        request = {"blocks": fields(architecture), "batch_size": batch_size}
        return self.ask("step", size=SPACE.image_shape[0], **request)["seconds"]

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def fields(architecture: Architecture) -> dict[str, dict[str, Any]]:
    """Kind and fields of every block by slot; a module's name in PyTorch has no dots."""
    return {
        slot.replace(".", "_"): {"kind": block.kind, **dataclasses.asdict(block)}
        for slot, block in zip(architecture.slots, architecture.blocks, strict=True)
    }


def seconds(call: Callable[[], Any]) -> float:
    """From the call until everything that it returns has been computed."""
    started = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - started


def interleaved(
    calls: Mapping[str, Callable[[], float]], rounds: int, *, pause_s: float = 0.0
) -> dict[str, float]:
    """Medians of what the calls return, one of each a round, after a round that does not count.

    Args:
        calls: Return seconds.
        rounds: That count.
        pause_s: Between calls, for those in processes of their own, whose threads go on spinning
            for a while when they have nothing to do. After it a call that does not count is made.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            if pause_s:
                time.sleep(pause_s)
                call()
            samples[name].append(call())
    return {name: statistics.median(taken[1:]) for name, taken in samples.items()}


def run_part(script: str, part: str, options: Mapping[str, Any], **environment: str) -> Any:
    """What `part` of a benchmark prints as JSON, run in a process of its own."""
    arguments = [str(text) for name, value in options.items() for text in (f"--{name}", value)]
    command = [sys.executable, script, "--part", part, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)
