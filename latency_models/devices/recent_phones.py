"""Chips of recent phones: their fast CPU cores, as in `latency_models.devices.phones`."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import GIB, MIB, WIKICHIP_ARM, sourced

_SD8_GEN_2 = (
    "https://www.techspot.com/news/97877-massive-snapdragon-8-gen-3-leak-reveals-surprising.html"
)
_SD8_GEN_3 = "https://droidholic.com/snapdragon-8-gen-3-launched/"
_SD8_GEN_3_NODE = "https://fyss.in/processor-specs/mobile-processor-specs/snapdragon-8-gen-3-specs"
_TENSOR_G2 = "https://nanoreview.net/en/soc-compare/google-tensor-g2-vs-apple-a15-bionic"
_TENSOR = "https://nanoreview.net/en/soc-compare/google-tensor-vs-apple-a11-bionic"
_DIMENSITY = (
    "https://www.cpu-monkey.com/de/compare_cpu-mediatek_dimensity_9300-vs-samsung_exynos_2400"
)
_EXYNOS_2400 = "https://zonait.ro/exynos-2400-galaxy-s24/"
_CORTEX_X = "https://en.wikipedia.org/wiki/ARM_Cortex-X1"
_X_RATE = (
    f"32 FLOPs a cycle of a Cortex-X core ('4x128b SIMD units', {_CORTEX_X}, also taken for its"
    f" successors), 16 of the other fast ones (two of them, {WIKICHIP_ARM}, also taken for the"
    " A78's successors)"
)


def _fast_cores(*clusters: tuple[int, float, int]) -> dict[str, float]:
    """Float32 peak of clusters of (cores, clock in Hz, FLOPs a cycle)."""
    return {"float32": sum(cores * clock * flops for cores, clock, flops in clusters)}


RECENT_PHONES: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="snapdragon-8-gen-2",
            kind="cpu",
            peak_flops_per_s=_fast_cores((1, 3.2e9, 32), (4, 2.8e9, 16)),
            cores=5,
            frequency_hz=3.2e9,
            vector_bits=128,
            process_nm=4,
        ),
        _SD8_GEN_2,
        peak_flops_per_s="Cortex-X3 at 3.2 GHz, 2 Cortex-A715 and 2 Cortex-A710 at 2.8 GHz,"
        f" {_SD8_GEN_2}, x {_X_RATE}",
        vector_bits=WIKICHIP_ARM,
    ),
    sourced(
        DeviceSpec(
            name="snapdragon-8-gen-3",
            kind="cpu",
            peak_flops_per_s=_fast_cores((1, 3.3e9, 32), (3, 3.2e9, 16), (2, 3.0e9, 16)),
            cores=6,
            frequency_hz=3.3e9,
            vector_bits=128,
            process_nm=4,
        ),
        _SD8_GEN_3,
        peak_flops_per_s="Cortex-X4 at 3.3 GHz, Cortex-A720 3 x 3.2 GHz and 2 x 3 GHz,"
        f" {_SD8_GEN_3}, x {_X_RATE}",
        vector_bits=WIKICHIP_ARM,
        process_nm=_SD8_GEN_3_NODE,
    ),
    sourced(
        DeviceSpec(
            name="google-tensor",
            kind="cpu",
            peak_flops_per_s=_fast_cores((2, 2.8e9, 32), (2, 2.25e9, 16)),
            memory_bandwidth_bytes_per_s=51.2e9,
            cores=4,
            frequency_hz=2.8e9,
            vector_bits=128,
            process_nm=5,
        ),
        _TENSOR,
        peak_flops_per_s=f"2 Cortex-X1 x 2.8 GHz, 2 Cortex-A76 x 2.25 GHz, {_TENSOR}, x {_X_RATE}",
        vector_bits=WIKICHIP_ARM,
    ),
    sourced(
        DeviceSpec(
            name="google-tensor-g2",
            kind="cpu",
            peak_flops_per_s=_fast_cores((2, 2.85e9, 32), (2, 2.35e9, 16)),
            memory_bandwidth_bytes_per_s=51.2e9,
            memory_bytes=12 * GIB,
            cores=4,
            frequency_hz=2.85e9,
            vector_bits=128,
            caches=(CacheLevel("L3", 4 * MIB),),
            process_nm=4,
        ),
        _TENSOR_G2,
        peak_flops_per_s="2 Cortex-X1 x 2.85 GHz, 2 Cortex-A78 x 2.35 GHz,"
        f" {_TENSOR_G2}, x {_X_RATE}",
        memory_bandwidth_bytes_per_s="8 B x 6.4 GT/s: LPDDR5, 4 x 16 bits at 3200 MHz,"
        f" {_TENSOR_G2}",
        vector_bits=WIKICHIP_ARM,
    ),
    sourced(
        DeviceSpec(
            name="dimensity-9300",
            kind="cpu",
            peak_flops_per_s=_fast_cores((1, 3.25e9, 32), (3, 2.85e9, 32), (4, 2.0e9, 16)),
            cores=8,
            frequency_hz=3.25e9,
            vector_bits=128,
        ),
        _DIMENSITY,
        peak_flops_per_s="Cortex-X4 1 x 3.25 GHz and 3 x 2.85 GHz, Cortex-A720 4 x 2 GHz,"
        f" {_DIMENSITY}, x {_X_RATE}",
        vector_bits=WIKICHIP_ARM,
    ),
    sourced(
        DeviceSpec(
            name="exynos-2400",
            kind="cpu",
            peak_flops_per_s=_fast_cores((1, 3.2e9, 32), (2, 2.9e9, 16), (3, 2.6e9, 16)),
            cores=6,
            frequency_hz=3.2e9,
            vector_bits=128,
            process_nm=4,
        ),
        _EXYNOS_2400,
        peak_flops_per_s="Cortex-X4 at 3.2 GHz, Cortex-A720 2 x 2.9 GHz and 3 x 2.6 GHz,"
        f" {_EXYNOS_2400}, x {_X_RATE}",
        vector_bits=WIKICHIP_ARM,
    ),
)
