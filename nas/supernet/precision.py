"""What the supernet computes in: the weights stay float32 either way."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

BFLOAT16_CAPABILITY = 8
"""Compute capability from which NVIDIA's GPUs multiply bfloat16 (Ampere)."""


def compute_dtype(name: str) -> Any:
    """The dtype that a config's `compute_dtype` means for this process's first device.

    Args:
        name: `auto`, `float32` or `bfloat16`. `auto` is bfloat16 on TPUs and on GPUs that multiply
            it, and float32 elsewhere.

    Returns:
        bfloat16, or None for float32, which is what the weights and images are given in.
    """
    if name == "auto":
        name = "bfloat16" if _multiplies_bfloat16(jax.devices()[0]) else "float32"
    return jnp.bfloat16 if name == "bfloat16" else None


def _multiplies_bfloat16(device: Any) -> bool:
    if device.platform == "tpu":
        return True
    # Other makers' GPUs have names there.
    major = str(getattr(device, "compute_capability", "")).partition(".")[0]
    return major.isdigit() and int(major) >= BFLOAT16_CAPABILITY


def at_least_float32(dtype: Any) -> Any:
    """What sums over many values are kept in."""
    return jnp.promote_types(dtype, jnp.float32)
