"""AutoFormer's space of vision transformers: how wide, how deep, and each layer's heads and MLP.

A network cuts the image into patches, puts a class token before them, adds a learned position to
each, and runs pre-norm transformer layers; the classifier reads the class token. Elastic are the
width of the tokens (one for all layers, as they are added up through the network), the number of
layers, and each layer's number of heads and MLP ratio. Depth keeps the first layers. A head has the
same width everywhere, so that the number of heads also decides the width of queries, keys and
values, which need not be that of the tokens.

This is DeiT's form of the networks. AutoFormer's own also have relative positions in every
attention (for a key and a value two tables of 30 rows of a head's width each) and classify the mean
of all tokens; neither is here.

References: Chen et al., "AutoFormer", ICCV 2021, section 3.4 and table 1 (decisions, options and
the constant head width); Touvron et al., "Training data-efficient image transformers", ICML 2021,
section 3 and table 1; Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, section 3.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from latency_models.workload import Op
from search_spaces.base import (
    STRICT,
    BlockSlot,
    ChainSpace,
    Decision,
    Genotypes,
    PlacedBlock,
    check_genotypes,
    register_block,
)
from search_spaces.op_chain import OpChain

WIDTH, DEPTH = 0, 1
"""The genotype's first columns; each layer's heads and MLP ratio follow."""


@register_block
@dataclass(frozen=True)
class ViTStem:
    """Patches to tokens by a product with bias, the class token before them, a position for each.

    An image has one token less than `tokens` patches, squares of `patch` pixels.
    """

    kind: ClassVar[str] = "vit_stem"
    in_channels: int
    out_channels: int
    patch: int
    tokens: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, height, width, in_channels]`; the output is
        `[batch, tokens, out_channels]`.
        """
        chain = OpChain(self, shape, dtype)
        chain.patches("patches", self.out_channels, side=self.patch)
        chain.prepend("class_token", tokens=1)
        if chain.shape[1] != self.tokens:
            raise ValueError(
                f"{self.kind}: expected an image of {self.tokens - 1} patches, "
                f"got {chain.shape[1] - 1}"
            )
        chain.add_learned("position", chain.shape[1:])
        return chain.ops


@register_block
@dataclass(frozen=True)
class ViTLayer:
    """Layer norm, self-attention, addition; layer norm, two-layer MLP with GELU, addition.

    All products have a bias. `in_channels` is the width of the tokens.
    """

    kind: ClassVar[str] = "vit_layer"
    droppable: ClassVar[bool] = True
    in_channels: int
    heads: int
    head_channels: int
    mlp_channels: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, tokens, in_channels]`."""
        chain = OpChain(self, shape, dtype)
        chain.layer_norm("attention_norm")
        chain.self_attention("attention", heads=self.heads, channels=self.head_channels)
        chain.linear("attention_project", self.in_channels, bias=True)
        chain.add("attention_sum", -1)
        attended = chain.last
        chain.layer_norm("mlp_norm")
        chain.linear("mlp_expand", self.mlp_channels, bias=True, function="gelu")
        chain.linear("mlp_project", self.in_channels, bias=True)
        chain.add("mlp_sum", attended)
        return chain.ops


@register_block
@dataclass(frozen=True)
class ViTHead:
    """The class token's layer norm and the classifier; the other tokens have done their work."""

    kind: ClassVar[str] = "vit_head"
    in_channels: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on `[batch, tokens, in_channels]`; the output is `[batch, classes]`."""
        chain = OpChain(self, shape, dtype)
        chain.take_token("class_token")
        chain.layer_norm("norm")
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops


@dataclass(frozen=True)
class ViTOptions:
    """What a config says of the space; the defaults are AutoFormer's tiny supernet.

    `AUTOFORMER` has the others. Option lists are in ascending order.

    Attributes:
        patch: Side of a patch in pixels: 16 for images of 224, 4 for images of 32.
        widths: Of the tokens.
        depths: Numbers of layers.
        heads: Of a layer.
        mlp_ratios: Width of a layer's MLP over that of the tokens.
        head_width: Of a head's queries, keys and values.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    patch: int = 16
    widths: list[int] = field(default_factory=lambda: [192, 216, 240])
    depths: list[int] = field(default_factory=lambda: [12, 13, 14])
    heads: list[int] = field(default_factory=lambda: [3, 4])
    mlp_ratios: list[float] = field(default_factory=lambda: [3.5, 4.0])
    head_width: int = 64

    def __post_init__(self) -> None:
        """Raises ValueError, naming the option, where the values name no network."""
        for name in ("widths", "depths", "heads", "mlp_ratios"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"space.{name} must have at least one option, got none")
            if any(value <= 0 for value in values) or sorted(set(values)) != list(values):
                raise ValueError(f"space.{name} must be positive and ascending, got {values}")
        for name in ("patch", "head_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"space.{name} must be at least 1, got {getattr(self, name)}")
        for width, ratio in itertools.product(self.widths, self.mlp_ratios):
            if abs(width * ratio - self.mlp_channels(width, ratio)) > 1e-6 * width:
                raise ValueError(
                    f"space.mlp_ratios must give every width a whole number of channels, "
                    f"got {ratio}, with which {width} has {width * ratio:g}"
                )

    def mlp_channels(self, width: int, ratio: float) -> int:
        """Of the MLP of tokens that are `width` wide."""
        return round(width * ratio)


AUTOFORMER: Mapping[str, ViTOptions] = MappingProxyType(
    {
        "tiny": ViTOptions(),
        "small": ViTOptions(widths=[320, 384, 448], heads=[5, 6, 7], mlp_ratios=[3.0, 3.5, 4.0]),
        "base": ViTOptions(
            widths=[528, 576, 624],
            depths=[14, 15, 16],
            heads=[8, 9, 10],
            mlp_ratios=[3.0, 3.5, 4.0],
        ),
    }
)
"""The paper's three supernets, for images of 224x224."""


@dataclass(frozen=True)
class ViTSpace(ChainSpace):
    """The space that `options` describe, for images of `image_shape` and `classes` classes.

    Attributes:
        image_shape: `(height, width, channels)` of the data's images.
    """

    name: ClassVar[str] = "vit"
    Options: ClassVar[type] = ViTOptions
    options: ViTOptions
    image_shape: tuple[int, int, int]
    classes: int

    def __post_init__(self) -> None:
        """Raises ValueError where the images cannot be cut into patches."""
        height, width, _ = self.image_shape
        patch = self.options.patch
        if height % patch or width % patch:
            raise ValueError(
                f"space.patch must divide the images' sides, got {patch} for {height}x{width}"
            )

    @property
    def tokens(self) -> int:
        """The class token and one for each patch."""
        height, width, _ = self.image_shape
        return 1 + (height // self.options.patch) * (width // self.options.patch)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Width and depth, then each layer's heads and MLP ratio."""
        return self._decisions

    @cached_property
    def _decisions(self) -> tuple[Decision, ...]:
        options = self.options
        found = [
            Decision("width", tuple(options.widths)),
            Decision("depth", tuple(options.depths)),
        ]
        for layer, _ in self._layers():
            found.append(Decision(f"layer{layer}.heads", tuple(options.heads)))
            found.append(Decision(f"layer{layer}.mlp_ratio", tuple(options.mlp_ratios)))
        return tuple(found)

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        """Stem, layers, head."""
        return self._slots

    @cached_property
    def _slots(self) -> tuple[BlockSlot, ...]:
        options = self.options
        stems = tuple(
            (ViTStem(self.image_shape[2], width, options.patch, self.tokens), self.image_shape)
            for width in options.widths
        )
        heads = tuple(
            (ViTHead(width, self.classes), (self.tokens, width)) for width in options.widths
        )
        # Layers of equal fields are one object, whatever their place.
        layers = {
            (width, count, ratio): self._placed_layer(width, count, ratio)
            for width, count, ratio in itertools.product(
                options.widths, options.heads, options.mlp_ratios
            )
        }
        slots = [BlockSlot("stem", (WIDTH,), stems)]
        for layer, column in self._layers():
            rows = tuple(
                layers[width, count, ratio] if layer <= depth else None
                for width, depth, count, ratio in itertools.product(
                    options.widths, options.depths, options.heads, options.mlp_ratios
                )
            )
            slots.append(BlockSlot(f"layer{layer}", (WIDTH, DEPTH, column, column + 1), rows))
        return (*slots, BlockSlot("head", (WIDTH,), heads))

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """Heads and MLP ratio of the layers that depth leaves out become option 0.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotypes, self.decisions)
        canonical = genotypes.copy()
        depths = np.array(self.options.depths)[genotypes[:, DEPTH]]
        for layer, column in self._layers():
            canonical[depths < layer, column : column + 2] = 0
        return canonical

    def _layers(self) -> Iterator[tuple[int, int]]:
        """Each layer's number, from 1, and its heads' genotype column (the MLP ratio's is next)."""
        for layer in range(1, max(self.options.depths) + 1):
            yield layer, DEPTH + 2 * layer - 1

    def _placed_layer(self, width: int, heads: int, ratio: float) -> PlacedBlock:
        options = self.options
        mlp_channels = options.mlp_channels(width, ratio)
        return ViTLayer(width, heads, options.head_width, mlp_channels), (self.tokens, width)
