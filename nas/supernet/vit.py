"""Vision transformers' blocks as Flax NNX modules.

Nothing in them keeps statistics, so all modes and implementations are one.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from nas.supernet.layers import Linear
from nas.supernet.token_layers import INITIAL_STD, LayerNorm, SelfAttention
from search_spaces.vit import ViTHead, ViTLayer, ViTStem


class ViTStemModule(nnx.Module):
    """`search_spaces.vit.ViTStem`."""

    def __init__(self, block: ViTStem, *, rngs: nnx.Rngs, **options: Any) -> None:
        del options
        self.patch = block.patch
        width = block.out_channels

        def initial(*shape: int) -> nnx.Param[Array]:
            return nnx.Param(INITIAL_STD * jax.random.normal(rngs.params(), shape))

        self.kernel = initial(block.patch, block.patch, block.in_channels, width)
        self.bias = nnx.Param(jnp.zeros(width))
        self.class_token = initial(width)
        self.position = initial(block.tokens, width)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n t co"]:
        """Image to tokens, the class token first."""
        y = lax.conv_general_dilated(
            x,
            self.kernel[...],
            (self.patch, self.patch),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        tokens = y.reshape(y.shape[0], y.shape[1] * y.shape[2], y.shape[3]) + self.bias[...]
        first = jnp.broadcast_to(self.class_token[...], (y.shape[0], 1, y.shape[3]))
        return jnp.concatenate([first, tokens], axis=1) + self.position[...]


class ViTLayerModule(nnx.Module):
    """`search_spaces.vit.ViTLayer`."""

    def __init__(self, block: ViTLayer, *, rngs: nnx.Rngs, **options: Any) -> None:
        del options
        width, hidden = block.in_channels, block.mlp_channels
        self.attention_norm = LayerNorm(width)
        self.attention = SelfAttention(
            width, heads=block.heads, head_channels=block.head_channels, rngs=rngs
        )
        self.mlp_norm = LayerNorm(width)
        self.expand = Linear(width, hidden, bias=True, std=INITIAL_STD, rngs=rngs)
        self.project = Linear(hidden, width, bias=True, std=INITIAL_STD, rngs=rngs)

    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n t c"]:
        """Tokens to tokens."""
        x = x + self.attention(self.attention_norm(x))
        hidden = jax.nn.gelu(self.expand(self.mlp_norm(x)), approximate=False)
        return x + self.project(hidden)


class ViTHeadModule(nnx.Module):
    """`search_spaces.vit.ViTHead`."""

    def __init__(self, block: ViTHead, *, rngs: nnx.Rngs, **options: Any) -> None:
        del options
        self.norm = LayerNorm(block.in_channels)
        self.classifier = Linear(
            block.in_channels, block.classes, bias=True, std=INITIAL_STD, rngs=rngs
        )

    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n classes"]:
        """Tokens to logits."""
        return self.classifier(self.norm(x[:, 0]))
