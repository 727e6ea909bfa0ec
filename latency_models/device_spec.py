"""Hardware as its makers describe it: peaks, bandwidth, caches, granularity, power.

Every figure names where it comes from; one that is not published is absent (None, or no entry for
the dtype), and every model that reads a datasheet copes without it. Peaks are dense (no structured
sparsity), at the boost clock for GPUs and the stated clock for CPUs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

KINDS: tuple[str, ...] = ("cpu", "gpu", "tpu", "npu", "mcu")

_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
"""How pydantic reads datasheets from files: no unknown fields, no conversions."""


@dataclass(frozen=True)
class CacheLevel:
    """A cache, all cores' together: its size, its bytes a second and its joules a byte.

    Raises:
        ValueError: If a figure is not positive, or senselessly large.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: str
    size_bytes: int
    bandwidth_bytes_per_s: float | None = None
    energy_per_byte_j: float | None = None

    def __post_init__(self) -> None:
        figures = {
            "size_bytes": self.size_bytes,
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s,
            "energy_per_byte_j": self.energy_per_byte_j,
        }
        _check_positive(f"cache {self.name!r}", figures)


@dataclass(frozen=True)
class DeviceSpec:
    """A device's datasheet.

    Attributes:
        name: Key in the catalogue.
        kind: One of `KINDS`.
        peak_flops_per_s: For each dtype with a published (or derivable) peak, one
            multiply-accumulate being two; of the matrix units where the device has them for that
            dtype.
        vector_peak_flops_per_s: For each dtype whose `peak_flops_per_s` is that of matrix units,
            what the ordinary (vector) units reach, on which depthwise convolutions, pooling,
            normalisation and element-wise operators run. A dtype that is absent here has one peak
            for all operators.
        memory_bandwidth_bytes_per_s: Of the main memory.
        caches: From the innermost outwards.
        launch_overhead_s: From asking for an operator to its start.
        cores: CPU cores, or a GPU's multiprocessors.
        tile_rows, tile_columns: Of the block of the output matrix that one GPU multiprocessor works
            out at a time in its most efficient matrix-multiplication kernel; cuBLAS's where absent.
        vector_bits: Width of a vector register (CPU, MCU).
        systolic_side: Rows, equally columns, of a square array of multipliers (TPU, NPU).
        frequency_hz: The clock that the peaks assume.
        memory_bytes: Main memory of the largest common version.
        process_nm: Name of the manufacturing process, such as 7 for "7 nm" or "N7".
        energy_per_flop_j: For each dtype with a published figure, of the arithmetic alone.
        memory_energy_per_byte_j: Of reading or writing main memory.
        idle_power_w, max_power_w: Of the whole part as its maker states it.
        sources: For each field, the document (URL) or the arithmetic behind it.

    Raises:
        ValueError: If the kind is unknown, there is no peak at all, a figure is not positive or is
            senselessly large, a vector peak has no peak beside it, or a tile has only one side.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: str
    kind: str
    peak_flops_per_s: Mapping[str, float]
    memory_bandwidth_bytes_per_s: float | None = None
    caches: tuple[CacheLevel, ...] = ()
    launch_overhead_s: float | None = None
    cores: int | None = None
    frequency_hz: float | None = None
    memory_bytes: int | None = None
    idle_power_w: float | None = None
    max_power_w: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    vector_peak_flops_per_s: Mapping[str, float] = field(default_factory=dict[str, float])
    tile_rows: int | None = None
    tile_columns: int | None = None
    vector_bits: int | None = None
    systolic_side: int | None = None
    process_nm: float | None = None
    energy_per_flop_j: Mapping[str, float] = field(default_factory=dict[str, float])
    memory_energy_per_byte_j: float | None = None

    def __post_init__(self) -> None:
        where = f"device {self.name!r}"
        if self.kind not in KINDS:
            raise ValueError(f"{where}: unknown kind {self.kind!r}, valid: {', '.join(KINDS)}")
        if not self.peak_flops_per_s:
            raise ValueError(f"{where}: at least one peak is needed")
        for dtype in self.vector_peak_flops_per_s:
            if dtype not in self.peak_flops_per_s:
                raise ValueError(
                    f"{where}: vector_peak_flops_per_s[{dtype}] needs peak_flops_per_s[{dtype}],"
                    f" which has only {', '.join(self.peak_flops_per_s)}"
                )
        if (self.tile_rows is None) != (self.tile_columns is None):
            raise ValueError(
                f"{where}: tile_rows and tile_columns go together,"
                f" got {self.tile_rows} and {self.tile_columns}"
            )
        mappings = ("peak_flops_per_s", "vector_peak_flops_per_s", "energy_per_flop_j")
        by_dtype = {f"{name}[{k}]": v for name in mappings for k, v in getattr(self, name).items()}
        _check_positive(where, by_dtype | {name: getattr(self, name) for name in _FIGURES})


# Beyond any hardware, and small enough for what is worked out from it.
_LARGEST = 1e30
_FIGURES = (
    "memory_bandwidth_bytes_per_s",
    "launch_overhead_s",
    "cores",
    "frequency_hz",
    "memory_bytes",
    "idle_power_w",
    "max_power_w",
    "tile_rows",
    "tile_columns",
    "vector_bits",
    "systolic_side",
    "process_nm",
    "memory_energy_per_byte_j",
)


def _check_positive(where: str, figures: Mapping[str, float | None]) -> None:
    for key, value in figures.items():
        if value is not None and not 0 < value < _LARGEST:
            raise ValueError(f"{where}: {key} must be positive and below {_LARGEST:g}, got {value}")
