"""Raspberry Pi boards: their CPUs."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import (
    A76_RATES,
    GIB,
    LLVM,
    MIB,
    ONE_NEON_FMA,
    TWO_NEON_FMAS,
    WIKICHIP_ARM,
    from_clock,
    sourced,
)

_RASPBERRY = (
    "https://github.com/raspberrypi/documentation/blob/develop/documentation/asciidoc/computers/"
)
_PI3 = "https://github.com/raspberrypi/documentation/blob/18f6e7e068a67534cddf107b180cbe583ae731b6/documentation/asciidoc/computers/processors/"
_POWER = "https://github.com/raspberrypi/documentation/blob/025e1ad765d79ffb08fbe3326f8b29731cfeb83e/documentation/asciidoc/computers/raspberry-pi/power-supplies.adoc"
_PI5_8GB = "https://education.raspberrypiaustralia.online/raspberry-pi-5-8gb-model"
_PI5_NEWS = "https://circuitdigest.com/news/the-new-raspberry-pi-5-is-here-faster-than-ever"
_A53_UNITS = (
    "8 FLOPs a cycle (a 128-bit multiply-add takes both 64-bit halves of the vector unit),"
    " gcc/config/arm/cortex-a53.md in GCC, 'We model the Advanced SIMD unit as two 64-bit units'"
)

BOARDS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="raspberry-pi-4",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 1.5e9, ONE_NEON_FMA),
            memory_bandwidth_bytes_per_s=8e9,
            memory_bytes=8 * GIB,
            cores=4,
            frequency_hz=1.5e9,
            vector_bits=128,
            caches=(CacheLevel("L2", MIB),),
            idle_power_w=3.06,
            max_power_w=6.38,
        ),
        f"{_RASPBERRY}processors/bcm2711.adoc",
        peak_flops_per_s="4 cores x 1.5 GHz x 8 FLOPs a cycle (a 128-bit multiply-add takes both"
        f" 64-bit pipes), {LLVM}AArch64/AArch64SchedA57.td, which LLVM uses for the Cortex-A72 too",
        vector_bits=WIKICHIP_ARM,
        memory_bandwidth_bytes_per_s=f"4 B x the 2.0 GT/s that {_PI5_NEWS} gives, a Pi 5 having"
        " 'around twice' its bandwidth; the memory's own rate is higher, 3.2 GT/s (sdram_freq in"
        f" {_RASPBERRY}config_txt/overclocking.adoc)",
        idle_power_w=f"5.1 V x 0.6 A, with its display and keyboard, {_POWER}",
        max_power_w=f"5.1 V x 1.25 A under stress, {_POWER}",
    ),
    sourced(
        DeviceSpec(
            name="raspberry-pi-5",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 2.4e9, TWO_NEON_FMAS),
            memory_bandwidth_bytes_per_s=17.068e9,
            memory_bytes=8 * GIB,
            cores=4,
            frequency_hz=2.4e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 2 * MIB), CacheLevel("L3", 2 * MIB)),
        ),
        f"{_RASPBERRY}processors/bcm2712.adoc",
        peak_flops_per_s=f"4 cores x 2.4 GHz x {A76_RATES}",
        vector_bits=WIKICHIP_ARM,
        memory_bytes=_PI5_8GB,
        memory_bandwidth_bytes_per_s=f"4 B x 4.267 GT/s, {_PI5_NEWS}; 'up to 17GB/s',"
        f" {_RASPBERRY}processors/bcm2712.adoc",
        caches=f"512 KB of L2 a core, 2 MB of L3, {_RASPBERRY}processors/bcm2712.adoc",
    ),
    sourced(
        DeviceSpec(
            name="raspberry-pi-3",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 1.2e9, ONE_NEON_FMA),
            cores=4,
            frequency_hz=1.2e9,
            vector_bits=128,
            idle_power_w=1.53,
            max_power_w=6.83,
        ),
        f"{_PI3}bcm2837.adoc",
        peak_flops_per_s=f"4 cores x 1.2 GHz x {_A53_UNITS}",
        vector_bits=_A53_UNITS,
        idle_power_w=f"5.1 V x 0.30 A, model 3B with its display and keyboard, {_POWER}",
        max_power_w=f"5.1 V x 1.34 A under stress, {_POWER}",
    ),
)
