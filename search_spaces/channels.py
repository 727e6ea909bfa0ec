"""How many channels a width multiplier or an expand ratio leaves."""

from __future__ import annotations

CHANNEL_DIVISOR = 8


def round_channels(channels: float) -> int:
    """The nearest multiple of 8 not over a tenth below; Sandler et al., "MobileNetV2", 2018."""
    nearest = int(channels + CHANNEL_DIVISOR / 2) // CHANNEL_DIVISOR * CHANNEL_DIVISOR
    rounded = max(CHANNEL_DIVISOR, nearest)
    return rounded + CHANNEL_DIVISOR if rounded < 0.9 * channels else rounded
