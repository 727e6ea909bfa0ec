"""What exported Flax modules are made of: the layers of `nas.supernet.layers` in Flax's own terms.

The source of what is used is copied into every exported file, so what is named here is Flax's,
JAX's, or short enough to be copied too. As Flax's own layers do, these normalise with the stored
statistics after `network.eval()` and with the batch's after `network.train()`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flax import nnx
from jaxtyping import Array, Float
from safetensors.flax import load_file, save_file

from nas.supernet.layers import NORM_EPSILON, activate


class Parts(nnx.Module):
    """A module of the parts that it is given."""

    def __init__(self, **parts: Any) -> None:
        for name, part in parts.items():
            setattr(self, name, part)


class ConvNorm(nnx.Module):
    """Convolution, batch norm, activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        function: str = "",
        rngs: nnx.Rngs,
    ) -> None:
        self.conv = nnx.Conv(
            in_channels,
            out_channels,
            (kernel, kernel),
            stride,
            padding=kernel // 2,
            feature_group_count=groups,
            use_bias=False,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(
            out_channels, use_running_average=True, epsilon=NORM_EPSILON, rngs=rngs
        )
        self.function = function

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n ho wo co"]:
        """Convolves, normalises and activates."""
        return activate(self.norm(self.conv(x)), self.function)


class Norm(nnx.Module):
    """Batch norm, activation."""

    def __init__(self, channels: int, *, function: str = "", rngs: nnx.Rngs) -> None:
        self.norm = nnx.BatchNorm(
            channels, use_running_average=True, epsilon=NORM_EPSILON, rngs=rngs
        )
        self.function = function

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Normalises and activates."""
        return activate(self.norm(x), self.function)


class MeanPool(nnx.Module):
    """Means over 3x3 windows; padding does not count."""

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Pools at stride 1."""
        return nnx.avg_pool(
            x, window_shape=(3, 3), strides=(1, 1), padding="SAME", count_include_pad=False
        )


def variables(network: nnx.Module) -> dict[str, nnx.Variable[Any]]:
    """Parameters and statistics by their place, such as `stem.conv.norm.scale`."""
    return {
        ".".join(map(str, place)): part
        for place, part in nnx.iter_graph(network)
        if isinstance(part, nnx.Variable)
    }


def load_weights(network: nnx.Module, path: str | Path) -> None:
    """Gives the network the arrays of a safetensors file.

    Raises:
        ValueError: If the file's names and shapes are not the network's.
    """
    expected, found = variables(network), load_file(path)
    shapes = {name: variable.get_value().shape for name, variable in expected.items()}
    given = {name: array.shape for name, array in found.items()}
    if given != shapes:
        wrong = sorted(dict(given.items() ^ shapes.items()))
        raise ValueError(f"{path}: not this network's weights: {', '.join(wrong[:3])} differ")
    for name, variable in expected.items():
        variable.set_value(found[name])


def save_weights(network: nnx.Module, path: str | Path) -> None:
    """Writes the network's arrays to a safetensors file, which `load` reads."""
    save_file({name: variable[...] for name, variable in variables(network).items()}, path)
