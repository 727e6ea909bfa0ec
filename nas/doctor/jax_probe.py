"""Looks at JAX from a process of its own: `python -P jax_probe.py FILE SIZE SIZE...`.

Writes a tiny network of an input of these sizes to the file, as `jax.export` serialises it, and
prints one line of JSON with JAX's version and devices. Whoever starts it stays free of JAX, and
outlives a driver that crashes.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export


def main(path: Path, shape: Sequence[int]) -> None:
    """Writes the network, then prints what JAX has."""
    exported = export.export(jax.jit(jnp.tanh))(jax.ShapeDtypeStruct(shape, jnp.float32))
    path.write_bytes(exported.serialize())
    devices = [{"kind": one.device_kind, "platform": one.platform} for one in jax.devices()]
    print(json.dumps({"version": jax.__version__, "devices": devices}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]])
