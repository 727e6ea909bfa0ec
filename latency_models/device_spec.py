"""Hardware as its makers describe it: peaks, bandwidth, caches, power.

Every figure names where it comes from; one that is not published is absent (None, or no entry for
the dtype). Peaks are dense (no structured sparsity), at the boost clock for GPUs and the stated
clock for CPUs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS: tuple[str, ...] = ("cpu", "gpu", "tpu", "npu", "mcu")


@dataclass(frozen=True)
class CacheLevel:
    """A cache: its size and its bytes a second, those of all cores together."""

    name: str
    size_bytes: int
    bandwidth_bytes_per_s: float | None = None


@dataclass(frozen=True)
class DeviceSpec:
    """A device's datasheet.

    Attributes:
        name: Key in the catalogue.
        kind: One of `KINDS`.
        peak_flops_per_s: For each dtype with a published (or derivable) peak, one
            multiply-accumulate being two.
        memory_bandwidth_bytes_per_s: Of the main memory.
        caches: From the innermost outwards.
        launch_overhead_s: From asking for an operator to its start.
        cores: CPU cores, or a GPU's multiprocessors.
        frequency_hz: The clock that the peaks assume.
        memory_bytes: Main memory of the largest common version.
        idle_power_w, max_power_w: Of the whole part as its maker states it.
        sources: For each field, the document (URL) or the arithmetic behind it.

    Raises:
        ValueError: If the kind is unknown, there is no peak at all, or a figure is not positive.
    """

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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"device {self.name!r}: unknown kind {self.kind!r}, valid: {', '.join(KINDS)}"
            )
        if not self.peak_flops_per_s:
            raise ValueError(f"device {self.name!r}: at least one peak is needed")
        figures = {
            **{f"peak_flops_per_s[{k}]": v for k, v in self.peak_flops_per_s.items()},
            "memory_bandwidth_bytes_per_s": self.memory_bandwidth_bytes_per_s,
            "launch_overhead_s": self.launch_overhead_s,
            "cores": self.cores,
            "frequency_hz": self.frequency_hz,
            "memory_bytes": self.memory_bytes,
            "idle_power_w": self.idle_power_w,
            "max_power_w": self.max_power_w,
        }
        for key, value in figures.items():
            if value is not None and not value > 0:
                raise ValueError(f"device {self.name!r}: {key} must be positive, got {value}")
