"""Published networks that the spaces' blocks can build."""

from typing import Any

from search_spaces import Architecture
from search_spaces.channels import round_channels
from search_spaces.mobilenet import InvertedResidual, MobileNetHead, MobileNetStem
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


def mobilenet_v3_large() -> Architecture:
    """Howard et al. 2019, table 1."""
    # Input, kernel, expansion, output, squeeze-excite, activation, stride.
    rows = """
        16 3 64 24 - relu 2 | 24 3 72 24 - relu 1 | 24 5 72 40 SE relu 2
        40 5 120 40 SE relu 1 | 40 5 120 40 SE relu 1 | 40 3 240 80 - hard_swish 2
        80 3 200 80 - hard_swish 1 | 80 3 184 80 - hard_swish 1 | 80 3 184 80 - hard_swish 1
        80 3 480 112 SE hard_swish 1 | 112 3 672 112 SE hard_swish 1
        112 5 672 160 SE hard_swish 2 | 160 5 960 160 SE hard_swish 1
        160 5 960 160 SE hard_swish 1
    """
    blocks: list[Any] = [MobileNetStem(3, 16, 2)]
    for row in " | ".join(rows.strip().splitlines()).split("|"):
        reads, kernel, expanded, out, gate, activation, stride = row.split()
        squeezed = round_channels(int(expanded) / 4) if gate == "SE" else 0
        blocks.append(
            InvertedResidual(
                int(reads), int(expanded), int(out), int(kernel), int(stride), activation, squeezed
            )
        )
    blocks.append(MobileNetHead(160, 960, 1280, 1000))
    slots = tuple(f"block{i}" for i in range(len(blocks)))
    return Architecture("mobilenet", (224, 224, 3), slots, tuple(blocks))
