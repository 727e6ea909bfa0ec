"""Compiles the blocks of a space ahead of their use, several at a time.

Nothing is executed: of every block the functions are lowered for the shapes, types and placements
that they will get, which leaves what XLA made of them where the first call finds it, and in the
persistent cache. So it also works in a world of several processes, where blocks that are executed
in an order of chance would wait for each other's collectives. All processes compile in one order,
since XLA may share what it learns about a function between them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
from jax import ShapeDtypeStruct
from jax.sharding import Sharding

from nas.supernet.blocks import template_of
from nas.supernet.elastic import Weights
from nas.supernet.engine import BlockChain, BlockFunctions, Choices
from search_spaces.base import BlockSlot, Genotype, PlacedBlock, SearchSpace

Purpose: TypeAlias = Literal["training", "evaluation"]
"""Whether `forward` and `backward` are compiled, or `calibrate` and `infer`."""


@dataclass(frozen=True)
class Configuration:
    """What is compiled once: a block or template, what it reads, what its weights are cut from.

    Attributes:
        place: One that holds it.
        shape: Of what it reads, batch left out.
        first: Whether it reads the images.
        last: Whether it gives the logits.
    """

    compiled: Hashable
    choices: Choices
    place: str
    shape: tuple[int, ...]
    first: bool
    last: bool


def configurations(
    space: SearchSpace, weights: Weights, genotypes: Iterable[Genotype] | None = None
) -> list[Configuration]:
    """The distinct configurations of a space, or of some of its networks, in a fixed order.

    Args:
        space: Whose blocks.
        weights: Its shared weights; shapes are enough.
        genotypes: Which networks; None for all.
    """
    found: dict[Hashable, Configuration] = {}
    chosen = None if genotypes is None else list(genotypes)
    for slot in space.slots:
        place, first, last = slot.places[0], slot is space.slots[0], slot is space.slots[-1]
        largest = tuple(leaf.shape for leaf in jax.tree.leaves(weights[place]))
        rows = slot.rows if chosen is None else [_row(space, slot, each) for each in chosen]
        for block, shape in dict.fromkeys(placed for placed in rows if placed is not None):
            compiled, choices = template_of(block)
            made = Configuration(compiled, choices, place, shape, first, last)
            found.setdefault((compiled, shape, first, last, largest), made)
    return list(found.values())


def _row(space: SearchSpace, slot: BlockSlot, genotype: Genotype) -> PlacedBlock | None:
    row = 0
    for column in slot.decisions:
        row = row * len(space.decisions[column].options) + int(genotype[column])
    return slot.rows[row]


def warm_up(
    chain: BlockChain,
    configurations: list[Configuration],
    weights: Weights,
    *,
    batch_size: int,
    purpose: Purpose,
    threads: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Compiles configurations for one batch size.

    Args:
        chain: What will run them.
        configurations: Which.
        weights: The shared weights that they will run with, placed as they will be; of weights that
            are bound to no device, shapes are enough.
        batch_size: Images at a time, over all devices.
        purpose: Which functions.
        threads: How many are compiled at a time; None is one a processor. XLA lets Python go on
            while it compiles.
        on_progress: Called with how many are done, of how many.
    """
    compile_one = {"training": _compile_training, "evaluation": _compile_evaluation}[purpose]
    pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)))
    try:
        futures = [
            pool.submit(
                compile_one,
                chain.functions(made.compiled, first=made.first, last=made.last),
                weights[made.place],
                _input(chain, made, weights[made.place], batch_size),
                made.choices,
            )
            for made in configurations
        ]
        for done, future in enumerate(futures):
            on_progress(done, len(futures))
            future.result()
        on_progress(len(futures), len(futures))
    finally:
        pool.shutdown(cancel_futures=True)


def _input(
    chain: BlockChain, made: Configuration, shared: Weights, batch_size: int
) -> ShapeDtypeStruct:
    leaf = jax.tree.leaves(shared)[0]
    dtype = leaf.dtype if made.first or chain.dtype is None else chain.dtype
    # Images come from the host, which leaves their device open; what blocks make of them is where
    # the weights are, if those are bound to a device.
    bound = _sharding(leaf) if not made.first else None
    sharding = chain.batch_sharding or bound
    return ShapeDtypeStruct((batch_size, *made.shape), dtype, sharding=sharding)


def _sharding(leaf: Any) -> Sharding | None:
    return leaf.sharding if getattr(leaf, "committed", False) else None


def _compile_training(
    functions: BlockFunctions, shared: Weights, x: ShapeDtypeStruct, choices: Choices
) -> None:
    y, pullback = _compile(functions.forward, shared, x, choices)
    _compile(functions.backward, pullback, y, shared)


def _compile_evaluation(
    functions: BlockFunctions, shared: Weights, x: ShapeDtypeStruct, choices: Choices
) -> None:
    _, statistics = _compile(functions.calibrate, shared, x, choices)
    _compile(functions.infer, shared, statistics, x, choices)


def _compile(function: Any, *arguments: Any) -> Any:
    """Compiles; returns what the outputs will be like."""
    lowered = function.lower(*arguments)
    compiled = lowered.compile()
    bound = any(
        getattr(leaf, "sharding", None) is not None and getattr(leaf, "committed", True)
        for leaf in jax.tree.leaves(arguments)
    )

    def placed(leaf: Any, sharding: Sharding) -> ShapeDtypeStruct:
        return ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding if bound else None)

    return jax.tree.map(placed, lowered.out_info, compiled.output_shardings)
