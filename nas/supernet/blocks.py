"""The blocks of the spaces as Flax NNX modules, one a block kind, and the standalone network."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from nas.supernet.depthwise import Implementation
from nas.supernet.layers import ConvNorm, Linear, Mode, SqueezeExcite, activate
from nas.supernet.nasbench201 import (
    CellTemplate,
    CellTemplateModule,
    NasBench201CellModule,
    NasBench201HeadModule,
    NasBench201ReductionModule,
    NasBench201StemModule,
    cell_template,
)
from nas.supernet.resnet import ResNetBottleneckModule, ResNetConvModule, ResNetHeadModule
from nas.supernet.vit import ViTHeadModule, ViTLayerModule, ViTStemModule
from search_spaces.base import Architecture, Block
from search_spaces.mobilenet import InvertedResidual, MobileNetHead, MobileNetStem
from search_spaces.nasbench201 import NasBench201Head, NasBench201Reduction, NasBench201Stem
from search_spaces.nasbench201_cell import NasBench201Cell
from search_spaces.resnet_blocks import ResNetBottleneck, ResNetConv, ResNetHead
from search_spaces.vit import ViTHead, ViTLayer, ViTStem


class MobileNetStemModule(nnx.Module):
    """`search_spaces.mobilenet.MobileNetStem`."""

    def __init__(self, block: MobileNetStem, *, rngs: nnx.Rngs, **options: Any) -> None:
        width = block.out_channels
        self.conv = ConvNorm(
            block.in_channels,
            width,
            kernel=3,
            stride=block.stride,
            function="hard_swish",
            rngs=rngs,
            **options,
        )
        self.depthwise = ConvNorm(
            width, width, kernel=3, depthwise=True, function="relu", rngs=rngs, **options
        )
        self.project = ConvNorm(width, width, kernel=1, starts_at_zero=True, rngs=rngs, **options)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Image to features."""
        x = self.conv(x)
        return x + self.project(self.depthwise(x))


class InvertedResidualModule(nnx.Module):
    """`search_spaces.mobilenet.InvertedResidual`."""

    def __init__(self, block: InvertedResidual, *, rngs: nnx.Rngs, **options: Any) -> None:
        width, function = block.expanded_channels, block.activation
        self.expand = ConvNorm(
            block.in_channels, width, kernel=1, function=function, rngs=rngs, **options
        )
        self.depthwise = ConvNorm(
            width,
            width,
            kernel=block.kernel,
            stride=block.stride,
            depthwise=True,
            function=function,
            rngs=rngs,
            **options,
        )
        self.has_squeeze_excite = block.squeeze_channels > 0
        if self.has_squeeze_excite:
            self.squeeze_excite = SqueezeExcite(width, block.squeeze_channels, rngs=rngs)
        self.project = ConvNorm(
            width,
            block.out_channels,
            kernel=1,
            starts_at_zero=block.has_identity,
            rngs=rngs,
            **options,
        )
        self.has_identity = block.has_identity

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Features to features."""
        y = self.depthwise(self.expand(x))
        if self.has_squeeze_excite:
            y = self.squeeze_excite(y)
        y = self.project(y)
        return x + y if self.has_identity else y


class MobileNetHeadModule(nnx.Module):
    """`search_spaces.mobilenet.MobileNetHead`."""

    def __init__(self, block: MobileNetHead, *, rngs: nnx.Rngs, **options: Any) -> None:
        self.conv = ConvNorm(
            block.in_channels,
            block.head_channels,
            kernel=1,
            function="hard_swish",
            rngs=rngs,
            **options,
        )
        self.features = Linear(block.head_channels, block.features, bias=False, rngs=rngs)
        self.classifier = Linear(block.features, block.classes, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        """Features to logits."""
        x = self.conv(x).mean((1, 2))
        return self.classifier(activate(self.features(x), "hard_swish"))


MODULES: dict[type, type[nnx.Module]] = {
    MobileNetStem: MobileNetStemModule,
    InvertedResidual: InvertedResidualModule,
    MobileNetHead: MobileNetHeadModule,
    NasBench201Stem: NasBench201StemModule,
    NasBench201Cell: NasBench201CellModule,
    CellTemplate: CellTemplateModule,
    NasBench201Reduction: NasBench201ReductionModule,
    NasBench201Head: NasBench201HeadModule,
    ResNetConv: ResNetConvModule,
    ResNetBottleneck: ResNetBottleneckModule,
    ResNetHead: ResNetHeadModule,
    ViTStem: ViTStemModule,
    ViTLayer: ViTLayerModule,
    ViTHead: ViTHeadModule,
}
"""The module of each block kind, and of each template."""

MODULES_GROUP = "nas.modules"
"""The entry points by which other packages name the Python modules that register theirs."""

AnyModule = TypeVar("AnyModule", bound=nnx.Module)


def register_module(kind: type) -> Callable[[type[AnyModule]], type[AnyModule]]:
    """Class decorator that makes a module that of a block kind.

    The module is built with the block, and the options `mode`, `implementation` and `rngs`.
    """

    def register(module: type[AnyModule]) -> type[AnyModule]:
        MODULES[kind] = module
        return module

    return register


TEMPLATES: dict[type, Callable[[Any], tuple[Hashable, tuple[int, ...]]]] = {
    NasBench201Cell: cell_template,
}
"""Block kinds of so many configurations that they are not compiled one by one: a function from a
block to the template that runs in its place, and the choices that the template's module takes
beside its input."""


@lru_cache(maxsize=4096)
def template_of(block: Block) -> tuple[Hashable, Int[np.ndarray, " choices"] | None]:
    """What is compiled for a block, and what makes it that block: itself and None for most kinds.

    A template has the parameters of all its blocks, by the names that they have in each.
    """
    if type(block) not in TEMPLATES:
        return block, None
    template, choices = TEMPLATES[type(block)](block)
    return template, np.array(choices, np.int32)


def build_block(
    block: Hashable, *, mode: Mode, implementation: Implementation | None = None, rngs: nnx.Rngs
) -> Any:
    """The block's or the template's module with freshly initialised parameters.

    Raises:
        ValueError: If no module is known for the block's kind, in installed packages neither.
    """
    if type(block) not in MODULES:
        for entry in entry_points(group=MODULES_GROUP):
            entry.load()
    if type(block) not in MODULES:
        known = ", ".join(sorted(kind.__name__ for kind in MODULES))
        raise ValueError(f"block kind must be one of {known}, got {type(block).__name__}")
    return MODULES[type(block)](block, mode=mode, implementation=implementation, rngs=rngs)  # pyright: ignore[reportCallIssue]


class Network(nnx.Module):
    """An architecture as one module of its own: what is trained alone, measured and shipped.

    Attributes:
        blocks: The modules by slot name (`.` is written `_`), in the order of the chain.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        mode: Mode,
        implementation: Implementation | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.blocks = nnx.Dict(
            {
                slot: build_block(block, mode=mode, implementation=implementation, rngs=rngs)
                for slot, block in zip(architecture.slots, architecture.blocks, strict=True)
            }
        )
        self.order = architecture.slots

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        """Normalised images to logits."""
        for slot in self.order:
            x = self.blocks[slot](x)
        return x
