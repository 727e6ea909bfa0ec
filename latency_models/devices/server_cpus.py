"""AMD's and Amazon's server CPUs."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import (
    A76_RATES,
    KIB,
    MIB,
    TWO_NEON_FMAS,
    WIKICHIP_ARM,
    WIKICHIP_X86,
    from_clock,
    sourced,
)

_ROME_CHIPLETS = "https://codeyarns.com/tech/2021-03-06-amd-epyc-7002-processors.html"
_EPYC_CHANNELS = "https://gist.github.com/v0dro/0559e1d9b205ca9ac0ad1a29fe10377b"
_EPYC_7713 = "https://gist.github.com/cyring/32df20caa4034cb74500d16507a9bbe1"
_EPYC_7742 = "copy of https://www.amd.com/en/products/cpu/amd-epyc-7742"
_MILAN = "https://techgage.com/article/amd-epyc-milan-launch-performance/"
_GRAVITON = "https://github.com/aws/aws-graviton-getting-started/blob/0098461cbd2248efe9bcea32a55b30d722e46730/README.md"
_TWO_AVX2 = {"float32": 32}
_ZEN_RATES = f"32 FLOPs a cycle (two 256-bit multiply-add units), {WIKICHIP_X86}"

SERVER_CPUS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="epyc-7742",
            kind="cpu",
            peak_flops_per_s=from_clock(64, 2.25e9, _TWO_AVX2),
            memory_bandwidth_bytes_per_s=204.8e9,
            max_power_w=225.0,
            cores=64,
            frequency_hz=2.25e9,
            vector_bits=256,
            caches=(CacheLevel("L2", 64 * 512 * KIB), CacheLevel("L3", 256 * MIB)),
            process_nm=7,
        ),
        _EPYC_7742,
        peak_flops_per_s=f"64 cores x 2.25 GHz x {_ZEN_RATES}",
        memory_bandwidth_bytes_per_s=f"8 x 8 B x 3.2 GT/s: eight channels, {_EPYC_CHANNELS};"
        f" DDR4-3200 as in {_EPYC_7713}, on the same socket",
        vector_bits=WIKICHIP_X86,
        caches=_ROME_CHIPLETS,
        process_nm=_ROME_CHIPLETS,
    ),
    sourced(
        DeviceSpec(
            name="epyc-7763",
            kind="cpu",
            peak_flops_per_s=from_clock(64, 2.45e9, _TWO_AVX2),
            memory_bandwidth_bytes_per_s=204.8e9,
            max_power_w=280.0,
            cores=64,
            frequency_hz=2.45e9,
            vector_bits=256,
            caches=(CacheLevel("L3", 256 * MIB),),
        ),
        _MILAN,
        peak_flops_per_s=f"64 cores x 2.45 GHz x {_ZEN_RATES}",
        memory_bandwidth_bytes_per_s="8 x 8 B x 3.2 GT/s: eight channels of DDR4-3200 in an EPYC"
        f" 7713, {_EPYC_7713}",
        vector_bits=WIKICHIP_X86,
    ),
    sourced(
        DeviceSpec(
            name="graviton-2",
            kind="cpu",
            peak_flops_per_s=from_clock(64, 2.5e9, TWO_NEON_FMAS),
            cores=64,
            frequency_hz=2.5e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 64 * MIB), CacheLevel("L3", 32 * MIB)),
        ),
        _GRAVITON,
        peak_flops_per_s=f"64 cores x 2.5 GHz x {A76_RATES}",
    ),
    sourced(
        DeviceSpec(
            name="graviton-3",
            kind="cpu",
            peak_flops_per_s=from_clock(64, 2.6e9, {"float32": 32}),
            cores=64,
            frequency_hz=2.6e9,
            vector_bits=256,
            caches=(CacheLevel("L2", 64 * MIB), CacheLevel("L3", 32 * MIB)),
        ),
        _GRAVITON,
        peak_flops_per_s="64 cores x 2.6 GHz x 32 FLOPs a cycle (Neoverse V1, two 256-bit"
        f" multiply-add pipes), {WIKICHIP_ARM}",
    ),
    sourced(
        DeviceSpec(
            name="graviton-4",
            kind="cpu",
            peak_flops_per_s=from_clock(96, 2.8e9, {"float32": 32}),
            cores=96,
            frequency_hz=2.8e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 192 * MIB), CacheLevel("L3", 36 * MIB)),
        ),
        _GRAVITON,
        peak_flops_per_s="96 cores x 2.8 GHz x 32 FLOPs a cycle (four 128-bit vectors),"
        f" {_GRAVITON}",
    ),
)
