"""The mobilenet space's largest network with masks: another way to run every subnet.

One function for all subnets of a resolution. Channels that a subnet does not have are set to zero
after every norm, smaller kernels stand in the middle of zeros, and blocks that it does not have
hand their input on. Written from the definitions, without the modules that the chain runs.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from search_spaces import Architecture, MobileNetSpace
from search_spaces.mobilenet import InvertedResidual, MobileNetHead, MobileNetStem

FUNCTIONS: dict[str, Any] = {
    "": lambda x: x,
    "relu": lambda x: jnp.maximum(x, 0),
    "hard_swish": lambda x: x * jnp.clip(x + 3, 0, 6) / 6,
    "hard_sigmoid": lambda x: jnp.clip(x + 3, 0, 6) / 6,
}


def masks(space: MobileNetSpace, architecture: Architecture) -> dict[str, Any]:
    """By slot of the largest network: which channels a subnet has, its kernel, whether it runs."""
    largest = space.decode(space.largest)
    own = dict(zip(architecture.slots, architecture.blocks, strict=True))
    found: dict[str, Any] = {}
    for slot, whole in zip(largest.slots, largest.blocks, strict=True):
        block = own.get(slot, whole)
        sizes = {
            name: (getattr(block, name), getattr(whole, name))
            for name in WIDTHS
            if hasattr(whole, name)
        }
        found[slot] = {
            "runs": slot in own,
            "kernel": getattr(block, "kernel", 0),
            **{name: np.arange(all_) < live for name, (live, all_) in sizes.items()},
        }
    return found


WIDTHS = ("out_channels", "expanded_channels", "squeeze_channels", "head_channels", "features")


def masked_logits(
    space: MobileNetSpace, weights: dict[str, Any], live: dict[str, Any], images: Array
) -> Array:
    """Logits of the subnet that `live` leaves, norms with the batch's statistics."""
    largest, x = space.decode(space.largest), images
    for slot, block in zip(largest.slots, largest.blocks, strict=True):
        params, own = weights[slot]["block"], live[slot]
        if isinstance(block, MobileNetStem):
            keep = own["out_channels"]
            x = conv_norm(x, params["conv"], keep, "hard_swish", stride=block.stride)
            y = conv_norm(x, params["depthwise"], keep, "relu", depthwise=True)
            x = x + conv_norm(y, params["project"], keep, "")
        elif isinstance(block, InvertedResidual):
            kernel = embedded(
                params["depthwise"]["kernel"], weights[slot]["kernel_transforms"], own["kernel"]
            )
            depthwise = {**params["depthwise"], "kernel": kernel}
            wide, function = own["expanded_channels"], block.activation
            y = conv_norm(x, params["expand"], wide, function)
            y = conv_norm(y, depthwise, wide, function, stride=block.stride, depthwise=True)
            if block.squeeze_channels:
                y = y * gate(y, params["squeeze_excite"], own["squeeze_channels"])
            y = conv_norm(y, params["project"], own["out_channels"], "")
            y = x + y if block.has_identity else y
            x = jnp.where(own["runs"], y, x) if x.shape == y.shape else y
        elif isinstance(block, MobileNetHead):
            x = conv_norm(x, params["conv"], own["head_channels"], "hard_swish").mean((1, 2))
            x = FUNCTIONS["hard_swish"](x @ params["features"]["kernel"]) * own["features"]
            x = x @ params["classifier"]["kernel"] + params["classifier"]["bias"]
    return x


def conv_norm(
    x: Array, params: Any, keep: Array, function: str, *, stride: int = 1, depthwise: bool = False
) -> Array:
    kernel = params["kernel"]
    pad = kernel.shape[0] // 2
    y = lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad), (pad, pad)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1] if depthwise else 1,
    )
    # Each channel's statistics are its own, so that those of live ones do not see the others.
    y = (y - y.mean((0, 1, 2))) / jnp.sqrt(y.var((0, 1, 2)) + 1e-5)
    return FUNCTIONS[function](y * params["scale"] + params["shift"]) * keep


def gate(x: Array, params: Any, keep: Array) -> Array:
    reduce, excite = params["reduce"], params["excite"]
    y = FUNCTIONS["relu"](x.mean((1, 2)) @ reduce["kernel"] + reduce["bias"]) * keep
    return FUNCTIONS["hard_sigmoid"](y @ excite["kernel"] + excite["bias"])[:, None, None]


def embedded(kernel: Array, transforms: Any, size: Array) -> Array:
    """The kernel of a size, in the middle of zeros."""
    found, whole = kernel, kernel.shape[0]
    for name in sorted(transforms, reverse=True):
        large, small = map(int, name.split("to"))
        centre = kernel[(large - small) // 2 :][:small, (large - small) // 2 :][:, :small]
        flat = jnp.einsum("st,tio->sio", transforms[name], centre.reshape(small**2, 1, -1))
        kernel = flat.reshape(small, small, 1, -1)
        edge = (whole - small) // 2
        wide = jnp.pad(kernel, ((edge, edge), (edge, edge), (0, 0), (0, 0)))
        found = jnp.where(size <= small, wide, found)
    return found
