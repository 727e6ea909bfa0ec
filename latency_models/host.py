"""This machine as a device: cores, vector units and clock as the operating system reports them.

Peaks assume that every core starts two fused multiply-adds of the widest vector a cycle, which
holds for the server parts of the last ten years; where a chip has one unit the true peak is half.
Bandwidths are measured, each with a copy that takes some milliseconds.
"""

import os
import platform
import re
import time
from functools import cache
from pathlib import Path

import numpy as np

from latency_models.device_spec import CacheLevel, DeviceSpec

_CPUINFO = Path("/proc/cpuinfo")
_CPU0 = Path("/sys/devices/system/cpu/cpu0")
_UNITS = 2
_FLOPS_PER_FMA = 2
_FLOAT32_BITS = 32
_MEMORY_BUFFER_BYTES = 64 * 2**20
_UNKNOWN_FREQUENCY_HZ = 2e9


@cache
def host_device() -> DeviceSpec:
    """Reads and measures this machine, once a process; `name` is `host`."""
    text = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.M)
    flags = frozenset(found[1].split() if found else ())
    frequency, frequency_source = _frequency_hz(text)
    affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1
    bits, vector = _vector(flags)
    peaks = _peaks_per_core(flags, bits, frequency)
    copied = "a copy timed on this machine, bytes read and written"
    return DeviceSpec(
        name="host",
        kind="cpu",
        peak_flops_per_s={dtype: peak * cores for dtype, peak in peaks.items()},
        memory_bandwidth_bytes_per_s=_copy_bandwidth(_MEMORY_BUFFER_BYTES),
        caches=_caches(cores),
        cores=cores,
        frequency_hz=frequency,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        vector_bits=bits,
        sources={
            "peak_flops_per_s": f"{cores} cores x {_UNITS} multiply-add units of {vector}"
            f" x {frequency / 1e9:.2f} GHz",
            "memory_bandwidth_bytes_per_s": copied,
            "caches": f"{_CPU0}/cache; {copied}, one core's times the cores",
            "cores": "the processor affinity of this process",
            "frequency_hz": frequency_source,
            "memory_bytes": "sysconf(_SC_PHYS_PAGES)",
            "vector_bits": f"{vector}, {_CPUINFO}",
        },
    )


def _frequency_hz(cpuinfo: str) -> tuple[float, str]:
    limit = _CPU0 / "cpufreq" / "cpuinfo_max_freq"
    if limit.exists():
        return float(limit.read_text()) * 1e3, str(limit)
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", cpuinfo, re.M)
    if found:
        return float(found[1]) * 1e6, f"{_CPUINFO}, cpu MHz"
    return _UNKNOWN_FREQUENCY_HZ, "not reported by the operating system; 2 GHz assumed"


def _vector(flags: frozenset[str]) -> tuple[int, str]:
    """Bits of the widest vectors, and their name."""
    if "avx512f" in flags:
        return 512, "AVX-512"
    if {"avx2", "fma"} <= flags:
        return 256, "AVX2"
    if "asimd" in flags or platform.machine() in ("arm64", "aarch64"):
        return 128, "NEON"
    return 128, "128-bit vectors"


def _peaks_per_core(
    flags: frozenset[str], vector_bits: int, frequency_hz: float
) -> dict[str, float]:
    """Peak of one core for each dtype with instructions of its own."""
    base = vector_bits // _FLOAT32_BITS * _UNITS * _FLOPS_PER_FMA * frequency_hz
    peaks = {"float32": base}
    if flags & {"avx512_bf16", "bf16"}:
        peaks["bfloat16"] = 2 * base
    if flags & {"avx512_fp16", "asimdhp"}:
        peaks["float16"] = 2 * base
    if flags & {"avx512_vnni", "avx_vnni", "asimddp"}:
        peaks["int8"] = 4 * base
    return peaks


def _caches(cores: int) -> tuple[CacheLevel, ...]:
    """Data caches from the second level on: the first is smaller than what an operator touches."""
    levels: dict[int, int] = {}
    for index in sorted((_CPU0 / "cache").glob("index*")):
        level = int((index / "level").read_text())
        size = (index / "size").read_text().strip()
        if level > 1 and (found := re.fullmatch(r"(\d+)K", size)):
            sharers = _count_cpus((index / "shared_cpu_list").read_text())
            levels[level] = int(found[1]) * 1024 * max(cores // sharers, 1)
    return tuple(
        CacheLevel(f"L{level}", size, cores * _copy_bandwidth(size // cores // 4))
        for level, size in sorted(levels.items())
    )


def _count_cpus(text: str) -> int:
    """Number of processors in a list such as `0-3,8`."""
    count = 0
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def _copy_bandwidth(buffer_bytes: int) -> float:
    """Bytes read and written a second by the fastest of several copies, on one thread."""
    source = np.ones(max(buffer_bytes // 8, 1))
    target = np.zeros_like(source)
    rounds = max(1, min(64, 2**20 // buffer_bytes))
    seconds: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(rounds):
            np.copyto(target, source)
        seconds.append((time.perf_counter() - start) / rounds)
    return 2 * source.nbytes / min(seconds)
