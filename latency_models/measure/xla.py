"""XLA through JAX, on JAX's default device: networks serialised by `jax.export`."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
from jax import export


def load(
    path: Path, *, input_shape: tuple[int, ...], dtype: str, threads: int
) -> Callable[[], object]:
    """Compiles the network; XLA sizes its thread pool by the affinity, which `threads` has set."""
    del threads
    exported = export.deserialize(bytearray(path.read_bytes()))
    if len(exported.in_avals) != 1:
        raise ValueError(f"expected a function of one array, got one of {len(exported.in_avals)}")
    aval = exported.in_avals[0]
    if (tuple(aval.shape), aval.dtype.name) != (input_shape, dtype):
        raise ValueError(
            f"expected input {dtype}{list(input_shape)},"
            f" the file has {aval.dtype.name}{list(aval.shape)}"
        )
    if jnp.issubdtype(aval.dtype, jnp.integer):
        values = jax.random.randint(jax.random.key(0), input_shape, -100, 100, aval.dtype)
    else:
        values = jax.random.normal(jax.random.key(0), input_shape, aval.dtype)
    images = jax.block_until_ready(values)
    compiled = jax.jit(exported.call).lower(images).compile()
    return lambda: jax.block_until_ready(compiled(images))


def describe() -> dict[str, str]:
    """Versions, and the kind of device."""
    return {
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "device": jax.devices()[0].device_kind,
    }
