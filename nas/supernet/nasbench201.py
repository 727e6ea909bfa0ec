"""NAS-Bench-201's blocks as Flax NNX modules."""

from __future__ import annotations

from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from nas.supernet.depthwise import Implementation, default_implementation
from nas.supernet.layers import Conv, ConvNorm, Linear, Mode, Norm, activate, mean_pool_3x3
from search_spaces.nasbench201 import NasBench201Head, NasBench201Reduction, NasBench201Stem
from search_spaces.nasbench201_cell import KERNELS, NasBench201Cell


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
        self.implementation: Implementation = implementation or default_implementation()
        channels = block.in_channels
        self.convs = nnx.Dict(
            {
                f"node{target}_from{source}": ConvNorm(
                    channels,
                    channels,
                    kernel=KERNELS[operation],
                    rngs=rngs,
                    mode=mode,
                    implementation=implementation,
                )
                for source, target, operation in block.edges
                if operation in KERNELS
            }
        )

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Features to features."""
        nodes: dict[int, Array] = {0: x}
        for source, target, operation in self.edges:
            y = self._edge(nodes[source], source, target, operation)
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes[3] if 3 in nodes else x * 0

    def _edge(self, x: Array, source: int, target: int, operation: str) -> Array:
        if operation == "none":
            return x * 0
        if operation == "skip_connect":
            return x
        if operation == "avg_pool_3x3":
            return mean_pool_3x3(x, implementation=self.implementation)
        return self.convs[f"node{target}_from{source}"](activate(x, "relu"))


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
