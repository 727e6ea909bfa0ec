"""The layers that blocks on sequences of tokens are made of, as Flax NNX modules.

Elastic widths take the first channels of every parameter; those of queries, keys and values are
heads one after another, so that fewer heads are the first ones.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from nas.supernet.layers import Linear
from nas.supernet.precision import at_least_float32

INITIAL_STD = 0.02
"""Of the products' and the learned tokens' initial values, as in DeiT's and AutoFormer's code."""

LAYER_NORM_EPSILON = 1e-6


class LayerNorm(nnx.Module):
    """Normalises each token over its channels, with a learned scale and shift; Ba et al., 2016.

    Its statistics are worked out in float32 at least.
    """

    def __init__(self, channels: int) -> None:
        self.scale = nnx.Param(jnp.ones(channels))
        self.shift = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
        """`(x - mean) / deviation * scale + shift`."""
        wide = x.astype(at_least_float32(x.dtype))
        centred = wide - wide.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        normal = (centred * lax.rsqrt(variance + LAYER_NORM_EPSILON)).astype(x.dtype)
        return normal * self.scale[...] + self.shift[...]


class SelfAttention(nnx.Module):
    """Attention of all tokens to all, with biases; Vaswani et al., 2017, section 3.2.

    The kernel of queries, keys and values is `[in, 3, heads * head_channels]`.
    """

    def __init__(self, channels: int, *, heads: int, head_channels: int, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.scale = 1 / math.sqrt(head_channels)
        width = heads * head_channels
        shape = (channels, 3, width)
        self.kernel = nnx.Param(INITIAL_STD * jax.random.normal(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros((3, width)))
        self.project = Linear(width, channels, bias=True, std=INITIAL_STD, rngs=rngs)

    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n t c"]:
        """Tokens to tokens."""
        kernel, bias = self.kernel[...], self.bias[...]
        _, kinds, width = kernel.shape
        mixed = x @ kernel.reshape(-1, kinds * width) + bias.reshape(-1)
        heads = mixed.reshape(*x.shape[:2], kinds, self.heads, width // self.heads)
        queries, keys, values = (heads[:, :, kind] for kind in range(kinds))
        logits = jnp.einsum("nqhc,nkhc->nhqk", queries * self.scale, keys)
        wide = logits.astype(at_least_float32(x.dtype))
        shares = jax.nn.softmax(wide, axis=-1).astype(x.dtype)
        found = jnp.einsum("nhqk,nkhc->nqhc", shares, values)
        return self.project(found.reshape(*x.shape[:2], width))
