"""XLA through JAX, on JAX's default device: networks serialised by `jax.export`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
from jax import export

_CUSTOM_CALL = re.compile(r"custom_call\b[^@\n]*@\"?([^\s(\"]+)")
# What XLA's compiler works out itself; others run code of the process, with what the file hands it.
_HARMLESS = {"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "shape_assertion"}
_DIALECTS = ("mhlo.", "chlo.", "stablehlo.")


def load(
    path: Path, *, input_shape: tuple[int, ...], dtype: str, threads: int
) -> Callable[[], object]:
    """Compiles the network; XLA sizes its thread pool by the affinity, which `threads` has set.

    Raises:
        ValueError: If it is of another input, or calls code that is not XLA's own.
    """
    del threads
    exported = export.deserialize(bytearray(path.read_bytes()))
    _check_calls(exported.mlir_module())
    if len(exported.in_avals) != 1:
        raise ValueError(f"expected a function of one array, got one of {len(exported.in_avals)}")
    aval = exported.in_avals[0]
    if aval.dtype.name != dtype or not _accepts(aval.shape, input_shape):
        raise ValueError(
            f"expected input {dtype}{list(input_shape)},"
            f" the file has {aval.dtype.name}[{', '.join(map(str, aval.shape))}]"
        )
    if jnp.issubdtype(aval.dtype, jnp.integer):
        values = jax.random.randint(jax.random.key(0), input_shape, -100, 100, aval.dtype)
    else:
        values = jax.random.normal(jax.random.key(0), input_shape, aval.dtype)
    images = jax.block_until_ready(values)
    compiled = jax.jit(exported.call).lower(images).compile()
    return lambda: jax.block_until_ready(compiled(images))


def _check_calls(module: str) -> None:
    called = set(_CUSTOM_CALL.findall(module)) - _HARMLESS
    foreign = sorted(name for name in called if not name.startswith(_DIALECTS))
    if foreign:
        raise ValueError(f"expected no calls out of XLA, got {', '.join(foreign)}")


def _accepts(shape: tuple[Any, ...], input_shape: tuple[int, ...]) -> bool:
    """Whether sizes are equal, but for those that the file leaves open, as a batch size."""
    return len(shape) == len(input_shape) and all(
        export.is_symbolic_dim(size) or size == given
        for size, given in zip(shape, input_shape, strict=True)
    )


def describe() -> dict[str, str]:
    """Versions, and the kind of device."""
    return {
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "device": jax.devices()[0].device_kind,
    }
