"""Writing down a block's operators one after another."""

from __future__ import annotations

import math
from typing import Protocol

from latency_models import workload as ops
from latency_models.workload import Op
from search_spaces.base import Block


class _Reader(Block, Protocol):
    """A block that knows how many channels it reads."""

    @property
    def in_channels(self) -> int: ...


class OpChain:
    """Collects a block's operators; each reads the one before unless it says otherwise.

    Attributes:
        ops: The operators so far.
        last: Position of the one that the next reads, -1 being the block's input.
        shape: Of its output, at first the block's input.

    Raises:
        ValueError: If the input has other channels than the block reads.
    """

    def __init__(self, block: _Reader, shape: tuple[int, ...], dtype: str) -> None:
        if shape[-1] != block.in_channels:
            raise ValueError(
                f"{block.kind}: expected {block.in_channels} input channels, got {shape[-1]}"
            )
        self.ops: tuple[Op, ...] = ()
        self.last = -1
        self.shape = self._input_shape = shape
        self.dtype = dtype

    def append(self, op: Op) -> None:
        """Goes on from the output of `op`."""
        self.last = len(self.ops)
        self.ops = (*self.ops, op)
        self.shape = op.output_shape

    def branch(self) -> None:
        """Goes on from the block's input again."""
        self.last, self.shape = -1, self._input_shape

    def conv(
        self,
        name: str,
        channels: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        norm: bool = True,
        function: str = "",
    ) -> None:
        """Convolution without bias, batch norm unless `norm` is off, the activation if named."""
        self.append(
            ops.conv2d(
                name,
                self.shape,
                out_channels=channels,
                kernel=kernel,
                stride=stride,
                groups=groups,
                dtype=self.dtype,
                inputs=(self.last,),
            )
        )
        if norm:
            self.norm(f"{name}_norm")
        if function:
            self.activate(f"{name}_{function}", function)

    def norm(self, name: str) -> None:
        """Batch norm."""
        self.append(ops.norm(name, self.shape, dtype=self.dtype, inputs=(self.last,)))

    def activate(self, name: str, function: str) -> None:
        """The activation that `function` names."""
        self.append(
            ops.activation(
                name, self.shape, function=function, dtype=self.dtype, inputs=(self.last,)
            )
        )

    def shuffle(self, name: str, groups: int) -> None:
        """Channels in an order that mixes the groups of grouped convolutions."""
        inputs = (self.last,)
        self.append(
            ops.channel_shuffle(name, self.shape, groups=groups, dtype=self.dtype, inputs=inputs)
        )

    def pool(self, name: str) -> None:
        """Average over the whole map."""
        self.append(ops.global_pool(name, self.shape, dtype=self.dtype, inputs=(self.last,)))

    def linear(self, name: str, features: int, *, bias: bool, function: str = "") -> None:
        """Matrix product, and the activation if named."""
        self.append(
            ops.linear(
                name,
                self.shape,
                out_features=features,
                bias=bias,
                dtype=self.dtype,
                inputs=(self.last,),
            )
        )
        if function:
            self.activate(f"{name}_{function}", function)

    def patches(self, name: str, channels: int, *, side: int) -> None:
        """Squares of a map to tokens `[batch, tokens, channels]`, by one product with bias."""
        self.append(
            ops.conv2d(
                name,
                self.shape,
                out_channels=channels,
                kernel=side,
                stride=side,
                bias=True,
                padding=0,
                dtype=self.dtype,
                inputs=(self.last,),
            )
        )
        self.shape = (self.shape[0], math.prod(self.shape[1:-1]), channels)

    def prepend(self, name: str, *, tokens: int) -> None:
        """Puts learned tokens before those of each sequence."""
        inputs = (self.last,)
        self.append(ops.prepend(name, self.shape, tokens=tokens, dtype=self.dtype, inputs=inputs))

    def take_token(self, name: str) -> None:
        """The first token of each sequence: `[batch, channels]`."""
        batch, _, channels = self.shape
        inputs = (self.last,)
        self.append(ops.layout(name, (batch, channels), dtype=self.dtype, inputs=inputs))

    def layer_norm(self, name: str) -> None:
        """Layer norm with scale and shift."""
        self.append(ops.layer_norm(name, self.shape, dtype=self.dtype, inputs=(self.last,)))

    def self_attention(self, name: str, *, heads: int, channels: int) -> None:
        """Queries, keys and values of all tokens in one product with bias, and their attention.

        `channels` are a head's; the output is `[batch, tokens, heads * channels]`.
        """
        self.linear(f"{name}_qkv", 3 * heads * channels, bias=True)
        batch, tokens, _ = self.shape
        queries = (batch, tokens, heads, channels)
        inputs = (self.last, self.last, self.last)
        self.append(
            ops.attention(name, queries, key_length=tokens, dtype=self.dtype, inputs=inputs)
        )
        self.shape = (batch, tokens, heads * channels)

    def squeeze_excite(self, channels: int) -> None:
        """A gate a channel, from the map's means by way of `channels` features."""
        source, shape = self.last, self.shape
        self.pool("squeeze")
        self.linear("reduce", channels, bias=True, function="relu")
        self.linear("excite", shape[-1], bias=True, function="hard_sigmoid")
        self.append(ops.scale("scale", shape, dtype=self.dtype, inputs=(source, self.last)))

    def add(self, name: str, other: int) -> None:
        """Adds the output of the operator at `other`."""
        inputs = (self.last, other)
        self.append(ops.add(name, self.shape, dtype=self.dtype, inputs=inputs))

    def add_learned(self, name: str, shape: tuple[int, ...]) -> None:
        """Adds a learned array of `shape`, which broadcasts."""
        params = math.prod(shape)
        inputs = (self.last,)
        self.append(ops.add(name, self.shape, params=params, dtype=self.dtype, inputs=inputs))
