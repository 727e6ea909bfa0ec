"""Published networks that the spaces' blocks can build."""

from typing import Any

from search_spaces import Architecture
from search_spaces.resnet_blocks import ResNetBottleneck, ResNetConv, ResNetHead


def resnet50() -> Architecture:
    """He et al. 2016, table 1, with the strides in the 3x3 convolutions as in torchvision."""
    blocks: list[Any] = [ResNetConv(3, 64, 7, 2, False, True)]
    channels = 64
    for inner, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        blocks.append(ResNetBottleneck(channels, inner, 4 * inner, stride, "conv"))
        channels = 4 * inner
        blocks += [ResNetBottleneck(channels, inner, channels, 1, "identity")] * (depth - 1)
    blocks.append(ResNetHead(channels, 1000))
    slots = tuple(f"block{i}" for i in range(len(blocks)))
    return Architecture("resnet", (224, 224, 3), slots, tuple(blocks))
