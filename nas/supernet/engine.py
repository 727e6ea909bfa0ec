"""Runs subnets as chains of blocks that are compiled once each.

JAX compiles for static shapes, so a function for every sampled subnet would recompile at every
step. Instead each block configuration is compiled on its own, with the slicing of the shared
weights inside, and Python chains them: forward keeps what each block's pullback needs, backward
walks the chain in reverse and adds to the gradients. After the blocks of a space have been seen, a
new subnet compiles nothing, and it computes only what it has.

Of block kinds with very many configurations it is the template that is compiled, see
`nas.supernet.blocks.TEMPLATES`; which of its blocks runs is then an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from nas.supernet.blocks import template_of
from nas.supernet.drop_connect import DropConnect, divide_gradient, drop_branches, drop_rates
from nas.supernet.elastic import (
    Weights,
    block_definition,
    cut_block,
    cut_statistics,
    uncut_statistics,
)
from nas.supernet.layers import Mode
from nas.supernet.precision import at_least_float32
from search_spaces.base import Architecture, Block

BATCH_AXIS = "batch"


Choices: TypeAlias = Int[np.ndarray, " choices"] | None
"""What makes a template one of its blocks; None where the block itself is compiled."""


@dataclass(frozen=True)
class BlockFunctions:
    """The compiled functions of one block configuration, or of one template.

    Attributes:
        forward: `(shared, x, choices) -> (y, pullback)`; the pullback is a pytree of what backward
            needs.
        backward: `(pullback, dy, gradients) -> (gradients, dx)`; the given gradients' buffers are
            re-used.
        calibrate: `(shared, x, choices) -> (y, statistics)`, normalised with the batch's
            statistics. A template's are zero for what did not run.
        infer: `(shared, statistics, x, choices) -> y`, normalised with the given statistics.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    calibrate: Callable[..., Any]
    infer: Callable[..., Any]


@dataclass(frozen=True)
class Link:
    """One block of a subnet's chain."""

    place: str
    block: Block
    functions: BlockFunctions
    choices: Choices


@dataclass(frozen=True)
class Tape:
    """What the backward pass of one subnet needs, in the order of its chain.

    `kept` has what drop-connect scaled each image's branch by; None where it did nothing.
    """

    links: list[Link]
    pullbacks: list[Any]
    kept: list[Array | None]


class BlockChain:
    """Executes subnets block by block; holds the compiled blocks.

    Args:
        mesh: Devices to spread the batch over, with one axis named `batch`; None computes where the
            arguments are.
        dtype: What blocks compute in, whatever the weights and images are in; None is as they are.
            Gradients are as the weights; logits and statistics are in float32 at least.
    """

    def __init__(self, mesh: Mesh | None = None, *, dtype: Any = None) -> None:
        self._mesh, self.dtype = mesh, dtype
        self._functions: dict[tuple[Hashable, bool, bool], BlockFunctions] = {}

    @property
    def batch_sharding(self) -> NamedSharding | None:
        """How what blocks read and give is spread over the mesh; None without one."""
        return self._mesh and NamedSharding(self._mesh, PartitionSpec(BATCH_AXIS))

    def functions(self, block: Hashable, *, first: bool, last: bool) -> BlockFunctions:
        """A block's or template's functions, built on first use, compiled on their first call.

        Args:
            block: What is compiled.
            first: Whether it reads the images, for which there is no gradient.
            last: Whether it gives the logits.
        """
        key = (block, first, last)
        if key not in self._functions:
            self._functions[key] = self._build(block, first, last)
        return self._functions[key]

    def forward(
        self,
        weights: Weights,
        architecture: Architecture,
        images: Float[Array, "n h w c"],
        *,
        drop: DropConnect | None = None,
    ) -> tuple[Float[Array, "n classes"], Tape]:
        """Logits with batch statistics, and the tape that `backward` takes."""
        tape = Tape([], [], [])
        rates = drop_rates(architecture, drop.rate) if drop else {}
        x = self._spread(images)
        for position, link in enumerate(self._links(architecture)):
            y, pullback = link.functions.forward(weights[link.place], x, link.choices)
            scale = None
            if drop is not None and position in rates:
                y, scale = drop_branches(x, y, drop.key, position, rates[position])
                y = self._spread(y)
            tape.links.append(link)
            tape.pullbacks.append(pullback)
            tape.kept.append(scale)
            x = y
        return x, tape

    def backward(
        self, tape: Tape, d_logits: Float[Array, "n classes"], gradients: Weights
    ) -> Weights:
        """Adds a subnet's gradients to `gradients`, consuming their buffers and the tape."""
        gradients = dict(gradients)
        dy: Any = self._spread(d_logits)
        for link, scale in zip(reversed(tape.links), reversed(tape.kept), strict=True):
            through, past = (dy, None) if scale is None else divide_gradient(dy, scale)
            gradients[link.place], dy = link.functions.backward(
                tape.pullbacks.pop(), self._spread(through), gradients[link.place]
            )
            if past is not None and dy is not None:
                dy = self._spread(dy + past)
        return gradients

    def calibrate(
        self,
        weights: Weights,
        architecture: Architecture,
        batches: Iterable[Float[Array, "n h w c"]],
    ) -> dict[str, Any]:
        """Batch norm statistics of a subnet: the mean over the batches of each one's own.

        Yu and Huang, "Universally Slimmable Networks", ICCV 2019, section 3.3 (post-statistics).

        Raises:
            ValueError: If there is no batch.
        """
        found: list[dict[str, Any]] = []
        links = list(self._links(architecture))
        for x in batches:
            found.append({})
            for link in links:
                shared = weights[link.place]
                x, found[-1][link.place] = link.functions.calibrate(shared, x, link.choices)
        if not found:
            raise ValueError("calibrate: expected at least one batch, got none")
        # By NumPy: what JAX adds up it compiles, for every subnet's shapes anew.
        means = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *jax.device_get(found))
        cut = {link.place: cut_statistics(means[link.place], link.block) for link in links}
        bound = {leaf.sharding for leaf in jax.tree.leaves(found[0]) if leaf.committed}
        return jax.device_put(cut, bound.pop() if bound else None)

    def infer(
        self,
        weights: Weights,
        architecture: Architecture,
        statistics: Mapping[str, Any],
        images: Float[Array, "n h w c"],
    ) -> Float[Array, "n classes"]:
        """Logits with the given statistics."""
        x = images
        for link in self._links(architecture):
            own = uncut_statistics(statistics[link.place], link.block)
            x = link.functions.infer(weights[link.place], own, x, link.choices)
        return x

    def _spread(self, x: Any) -> Any:
        """Over the mesh by image, however XLA left it."""
        return x if self.batch_sharding is None else jax.device_put(x, self.batch_sharding)

    def _links(self, architecture: Architecture) -> Iterator[Link]:
        first, last = architecture.slots[0], architecture.slots[-1]
        for place, block in zip(architecture.slots, architecture.blocks, strict=True):
            compiled, choices = template_of(block)
            functions = self.functions(compiled, first=place == first, last=place == last)
            yield Link(place, block, functions, choices)

    def _build(self, block: Hashable, first: bool, last: bool) -> BlockFunctions:
        # Rounded logits would tie.
        dtype = at_least_float32(self.dtype) if self.dtype and last else self.dtype

        def apply(
            mode: Mode, shared: Weights, statistics: Any, x: Array, choices: Array | None
        ) -> tuple[Array, dict[str, Any]]:
            params = cut_block(shared, block)
            if dtype is not None:
                params, x = jax.tree.map(lambda leaf: leaf.astype(dtype), (params, x))
            return _apply(block, mode, params, statistics, x, choices)

        def run(shared: Weights, x: Array, choices: Array | None) -> Array:
            return apply("batch", shared, None, x, choices)[0]

        def forward(shared: Weights, x: Array, choices: Array | None) -> Any:
            if first:
                return jax.vjp(lambda shared: run(shared, x, choices), shared)
            return jax.vjp(lambda shared, x: run(shared, x, choices), shared, x)

        def backward(pullback: Any, dy: Array, gradients: Weights) -> tuple[Weights, Array | None]:
            found, *dx = pullback(dy)
            return jax.tree.map(jnp.add, gradients, found), (dx[0] if dx else None)

        def calibrate(shared: Weights, x: Array, choices: Array | None) -> tuple[Array, Any]:
            return apply("batch", shared, None, x, choices)

        def infer(shared: Weights, statistics: Any, x: Array, choices: Array | None) -> Array:
            return apply("stored", shared, statistics, x, choices)[0]

        by_image = self.batch_sharding
        everywhere = self._mesh and NamedSharding(self._mesh, PartitionSpec())
        return BlockFunctions(
            forward=jax.jit(
                forward,
                in_shardings=(everywhere, by_image, everywhere),
                out_shardings=(by_image, None),
            ),
            backward=jax.jit(
                backward,
                donate_argnums=2,
                in_shardings=(None, by_image, everywhere),
                out_shardings=(everywhere, None if first else by_image),
            ),
            calibrate=jax.jit(calibrate),
            infer=jax.jit(infer),
        )


def _apply(
    block: Hashable,
    mode: Mode,
    params: Weights,
    statistics: Any,
    x: Array,
    choices: Array | None,
) -> tuple[Array, dict[str, Any]]:
    definition, _, shapes = block_definition(block, mode, None)
    if statistics is None:
        dtype = at_least_float32(x.dtype)
        statistics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, dtype), shapes)
    module = nnx.merge(definition, params, statistics)
    y = module(x) if choices is None else module(x, choices)
    return y, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))


@jax.jit
def distillation_loss(
    logits: Float[Array, "n classes"], targets: Float[Array, "n classes"]
) -> tuple[Float[Array, ""], Float[Array, "n classes"]]:
    """Mean cross-entropy against soft targets, and its gradient for the logits."""

    def loss(z: Array) -> Array:
        return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(z), axis=-1))

    return jax.value_and_grad(loss)(logits)


@jax.jit
def smooth_targets(
    labels: Int[Array, " n"], like: Float[Array, "n classes"], smoothing: float
) -> Float[Array, "n classes"]:
    """One-hot labels, `smoothing` spread over all classes; Szegedy et al., CVPR 2016, section 7."""
    classes = like.shape[-1]
    return jax.nn.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
