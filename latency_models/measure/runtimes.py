"""The runtimes that can be measured, by name.

A runtime is a module with two functions, imported in the measuring process only:

    load(path, *, input_shape, dtype, threads) -> Callable[[], object]
        compiles the network; the call runs it once, to the end
    describe() -> dict[str, str]
        versions, and the device it runs on

One that can be told what to compute in, whatever the file says, has `compute_dtypes`, and its
`load` takes a `compute_dtype` too.

A package offers one through the entry point group `latency_models.runtimes`: the name is the
runtime's, the object a `Runtime`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Runtime:
    """Where a runtime is, the files that it reads, and what their networks may compute in.

    Attributes:
        module: What is imported in the measuring process.
        suffix: Ending of the files.
        reads: What they hold.
        dtypes: What their networks may compute in.
        compute_dtypes: Those that it can be told to compute in; empty if the file alone decides.
        package: What has to be installed.
        install: What `pip install` is given for that.
    """

    module: str
    suffix: str
    reads: str
    dtypes: tuple[str, ...]
    compute_dtypes: tuple[str, ...] = ()
    package: str = ""
    install: str = ""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or find_spec(self.package) is not None


GROUP = "latency_models.runtimes"


class RuntimeModule(Protocol):
    """What the module of a runtime offers."""

    def load(
        self, path: Path, *, input_shape: tuple[int, ...], dtype: str, threads: int, **options: Any
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
        package="jax",
        install="ridgeline-nas",
    ),
    "onnxruntime": Runtime(
        "latency_models.measure.onnx_runtime",
        ".onnx",
        "an ONNX model with one input; one that computes in int8 is quantised (QDQ)",
        ("float32", "int8"),
        package="onnxruntime",
        install="ridgeline-nas",
    ),
    "openvino": Runtime(
        "latency_models.measure.open_vino",
        ".onnx",
        "an ONNX model with one input; one that computes in int8 is quantised (QDQ)",
        ("float32", "bfloat16", "int8"),
        compute_dtypes=("float32", "bfloat16", "float16"),
        package="openvino",
        install="ridgeline-nas[openvino]",
    ),
}
"""Ours, by name."""


@cache
def _installed() -> dict[str, Runtime]:
    return {entry.name: entry.load() for entry in entry_points(group=GROUP)}


def runtimes() -> dict[str, Runtime]:
    """Ours, and those of other installed packages, by name."""
    return {**_installed(), **RUNTIMES}


def find_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        ValueError: If there is none, saying which there are; or if it is not installed, saying
            what installs it.
    """
    known = runtimes()
    if name not in known:
        raise ValueError(f"unknown runtime {name!r}, valid: {', '.join(known)}, command")
    runtime = known[name]
    if not runtime.installed:
        raise ValueError(
            f"runtime {name!r} needs the package {runtime.package}: pip install '{runtime.install}'"
        )
    return runtime
