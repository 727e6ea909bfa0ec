"""The layers of the blocks in `own_space.py`, with which its networks are trained and exported."""

from typing import Any

from flax import nnx
from jaxtyping import Array, Float
from own_space import SeparableBlock, SeparableHead, SeparableStem

from nas.supernet.blocks import register_module
from nas.supernet.layers import ConvNorm, Linear


@register_module(SeparableStem)
class SeparableStemModule(nnx.Module):
    def __init__(self, block: SeparableStem, *, rngs: nnx.Rngs, **options: Any) -> None:
        self.conv = ConvNorm(
            block.in_channels,
            block.out_channels,
            kernel=3,
            stride=2,
            function="relu",
            rngs=rngs,
            **options,
        )

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        return self.conv(x)


@register_module(SeparableBlock)
class SeparableBlockModule(nnx.Module):
    def __init__(self, block: SeparableBlock, *, rngs: nnx.Rngs, **options: Any) -> None:
        channels = block.in_channels
        self.depthwise = ConvNorm(
            channels,
            channels,
            kernel=block.kernel,
            stride=block.stride,
            depthwise=True,
            function="relu",
            rngs=rngs,
            **options,
        )
        self.pointwise = ConvNorm(
            channels, block.out_channels, kernel=1, function="relu", rngs=rngs, **options
        )

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        return self.pointwise(self.depthwise(x))


@register_module(SeparableHead)
class SeparableHeadModule(nnx.Module):
    def __init__(self, block: SeparableHead, *, rngs: nnx.Rngs, **options: Any) -> None:
        del options  # A linear layer has but one form.
        self.classifier = Linear(block.in_channels, block.classes, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        return self.classifier(x.mean((1, 2)))
