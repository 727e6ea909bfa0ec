"""The runtimes that can be measured, by name.

A runtime is a module with two functions, imported in the measuring process only:

    load(path, *, input_shape, dtype, threads) -> Callable[[], object]   a call that runs the
    network once, to the end describe() -> dict[str, str]
    versions, and the device it runs on
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Runtime:
    """Where a runtime is, the files that it reads, and what their networks may compute in."""

    module: str
    suffix: str
    reads: str
    dtypes: tuple[str, ...]


class RuntimeModule(Protocol):
    """What the module of a runtime offers."""

    def load(
        self, path: Path, *, input_shape: tuple[int, ...], dtype: str, threads: int
    ) -> Callable[[], object]:
        """Compiles the network and returns a call that runs it once, to the end."""
        ...

    def describe(self) -> dict[str, str]:
        """Versions, and the device that it runs on."""
        ...


RUNTIMES: dict[str, Runtime] = {
    "xla": Runtime(
        "latency_models.measure.xla",
        ".jaxexport",
        "a function of one array that jax.export has serialised, its weights inside",
        ("float32", "bfloat16", "float16"),
    ),
    "onnxruntime": Runtime(
        "latency_models.measure.onnx_runtime",
        ".onnx",
        "an ONNX model with one input",
        ("float32",),
    ),
}


def find_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        ValueError: If there is none; says which there are.
    """
    if name not in RUNTIMES:
        raise ValueError(f"unknown runtime {name!r}, valid: {', '.join(RUNTIMES)}")
    return RUNTIMES[name]
