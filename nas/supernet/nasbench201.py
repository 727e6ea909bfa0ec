"""NAS-Bench-201's blocks as Flax NNX modules.

A cell's edge has a kernel and a norm of its own for each operation that convolves, named by nodes
and operation. In the supernet an edge has them all, and which operation runs is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flax import nnx
from jaxtyping import Array, Float, Int

from nas.supernet.depthwise import Implementation, default_implementation
from nas.supernet.layers import Conv, ConvNorm, Linear, Mode, Norm, activate, mean_pool_3x3
from nas.supernet.switch import switch
from search_spaces.nasbench201 import NasBench201Head, NasBench201Reduction, NasBench201Stem
from search_spaces.nasbench201_cell import EDGES, KERNELS, OPERATIONS, NasBench201Cell


class NasBench201StemModule(nnx.Module):
    """`search_spaces.nasbench201.NasBench201Stem`."""

    def __init__(self, block: NasBench201Stem, *, rngs: nnx.Rngs, **options: Any) -> None:
        self.conv = ConvNorm(block.in_channels, block.out_channels, kernel=3, rngs=rngs, **options)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w co"]:
        """Image to features."""
        return self.conv(x)


class NasBench201CellModule(nnx.Module):
    """`search_spaces.nasbench201_cell.NasBench201Cell`.

    The sum over no edges is a product with zero, which compilers keep: the network then runs what
    the cell's operators say.
    """

    def __init__(
        self,
        block: NasBench201Cell,
        *,
        rngs: nnx.Rngs,
        implementation: Implementation | None = None,
        mode: Mode,
    ) -> None:
        self.edges = block.edges
        self.pool = MeanPool(implementation)
        options: Any = {"rngs": rngs, "implementation": implementation, "mode": mode}
        self.convs = _convs(block.in_channels, block.edges, **options)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Features to features."""
        nodes: dict[int, Array] = {0: x}
        for source, target, operation in self.edges:
            conv = self.convs.get(_conv_name(source, target, operation))
            y = _run_edge(operation, nodes[source], conv, self.pool)
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes[3] if 3 in nodes else x * 0


def _convs(channels: int, edges: Iterable[tuple[int, int, str]], **options: Any) -> nnx.Dict[Any]:
    return nnx.Dict(
        {
            _conv_name(source, target, operation): ConvNorm(
                channels, channels, kernel=KERNELS[operation], **options
            )
            for source, target, operation in edges
            if operation in KERNELS
        }
    )


def _conv_name(source: int, target: int, operation: str) -> str:
    return f"node{target}_from{source}_{operation}"


class MeanPool(nnx.Module):
    """`mean_pool_3x3` as a layer."""

    def __init__(self, implementation: Implementation | None) -> None:
        self.implementation: Implementation = implementation or default_implementation()

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Features to features."""
        return mean_pool_3x3(x, implementation=self.implementation)


def _run_edge(operation: str, x: Array, conv: Any, pool: Any) -> Array:
    if operation == "none":
        return x * 0
    if operation == "skip_connect":
        return x
    if operation == "avg_pool_3x3":
        return pool(x)
    return conv(activate(x, "relu"))


@dataclass(frozen=True)
class CellTemplate:
    """Stands for every cell of a width; its choices are the operation of each edge."""

    channels: int


def cell_template(block: NasBench201Cell) -> tuple[CellTemplate, tuple[int, ...]]:
    """The template of a cell, and its choices: edges that do not run are none."""
    running = {(source, target): operation for source, target, operation in block.edges}
    choices = [OPERATIONS.index(running.get(edge, "none")) for edge in EDGES]
    return CellTemplate(block.in_channels), tuple(choices)


class CellTemplateModule(nnx.Module):
    """Every operation of every edge, of which it runs the chosen ones.

    The statistics of what does not run stay as they are.
    """

    def __init__(
        self,
        block: CellTemplate,
        *,
        rngs: nnx.Rngs,
        implementation: Implementation | None = None,
        mode: Mode,
    ) -> None:
        self.pool = MeanPool(implementation)
        options: Any = {"rngs": rngs, "implementation": implementation, "mode": mode}
        edges = [(*edge, operation) for edge in EDGES for operation in KERNELS]
        self.convs = _convs(block.channels, edges, **options)

    def __call__(
        self, x: Float[Array, "n h w c"], choices: Int[Array, " edges"]
    ) -> Float[Array, "n h w c"]:
        """Features to features."""
        nodes: dict[int, Array] = {0: x}
        for choice, (source, target) in zip(choices, EDGES, strict=True):
            y = self._edge(choice, nodes[source], source, target)
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes[3]

    def _edge(self, choice: Array, x: Array, source: int, target: int) -> Array:
        convs = nnx.Dict(
            {operation: self.convs[_conv_name(source, target, operation)] for operation in KERNELS}
        )
        definition, params, statistics = nnx.split(convs, nnx.Param, nnx.BatchStat)

        def branch(operation: str) -> Callable[..., Any]:
            def run(params: Any, statistics: Any, x: Array) -> tuple[Array, Any]:
                own = nnx.merge(definition, params, statistics)
                y = _run_edge(operation, x, own.get(operation), self.pool)
                return y, nnx.state(own, nnx.BatchStat)

            return run

        branches = [branch(operation) for operation in OPERATIONS]
        y, statistics = switch(choice, branches, params, statistics, x)
        nnx.update(convs, statistics)
        return y


class NasBench201ReductionModule(nnx.Module):
    """`search_spaces.nasbench201.NasBench201Reduction`."""

    def __init__(
        self,
        block: NasBench201Reduction,
        *,
        rngs: nnx.Rngs,
        implementation: Implementation | None = None,
        mode: Mode,
    ) -> None:
        channels, width = block.in_channels, block.out_channels
        options: Any = {"rngs": rngs, "implementation": implementation}
        self.conv_a = ConvNorm(channels, width, kernel=3, stride=2, mode=mode, **options)
        self.conv_b = ConvNorm(width, width, kernel=3, mode=mode, **options)
        self.shortcut = Conv(channels, width, kernel=1, **options)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Features to features of half the size."""
        y = self.conv_b(activate(self.conv_a(activate(x, "relu")), "relu"))
        return y + self.shortcut(nnx.avg_pool(x, window_shape=(2, 2), strides=(2, 2)))


class NasBench201HeadModule(nnx.Module):
    """`search_spaces.nasbench201.NasBench201Head`."""

    def __init__(
        self,
        block: NasBench201Head,
        *,
        rngs: nnx.Rngs,
        implementation: Implementation | None = None,
        mode: Mode,
    ) -> None:
        del implementation  # Nothing here has more than one.
        self.norm = Norm(block.in_channels, function="relu", mode=mode)
        self.classifier = Linear(block.in_channels, block.classes, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        """Features to logits."""
        return self.classifier(self.norm(x).mean((1, 2)))
