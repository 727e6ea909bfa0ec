"""Phones and their chips.

A phone's CPU is its fast cores alone, all clusters of them at their highest clocks together; the
slow (efficiency) cores are left out. Where fast cores differ, `frequency_hz` is the fastest one's.
"""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import (
    A76_RATES,
    GIB,
    KIB,
    MIB,
    ONE_NEON_FMA,
    TWO_NEON_FMAS,
    WIKICHIP_ARM,
    from_clock,
    sourced,
)

_SD845 = "https://labs.anandtech.com/Show/Index/12114?cPage=6&all=False&sort=0&page=1&slug=qualcomm-announces-snapdragon-845-soc"
_SD855 = "https://en.wikichip.org/w/index.php?oldid=92030&printable=yes&title=qualcomm%2Fsnapdragon_800%2F855"
_SD855_PLUS = (
    "https://nanoreview.net/en/soc-compare/qualcomm-snapdragon-855-plus-vs-qualcomm-snapdragon-768g"
)
_SD855_AI = (
    "https://www.notebookcheck.net/Qualcomm-Snapdragon-855-SoC-Benchmarks-and-Specs.375436.0.html"
)
_ADRENO_640 = "https://github.saobby.my.eu.org/azhirnov/cpu-gpu-arch/blob/main/gpu/Adreno-600.md"
_EXYNOS_8890 = "http://foruma.anandtech.com/show/10075/early-exynos-8890-impressions"
_EXYNOS_8890_L2 = "https://industr.com/de/innenleben-des-samsung-prozessors-enthuellt-1779586"
_EXYNOS_9610 = "https://puntocellulare.it/cgi-bin/amp_notizie.asp?id=56901"
_A73 = "https://www.anandtech.com/show/10347/arm-cortex-a73-artemis-unveiled/2"
_M1_UNITS = "gcc/config/arm/exynos-m1.md in GCC"
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

_A73_RATE = (
    "8 FLOPs a cycle (one 128-bit multiply-add, taken to be the Cortex-A57's rate,"
    f" {WIKICHIP_ARM}; like its sister A72 the A73 has two floating-point pipelines, {_A73})"
)
_A75_RATE = (
    "8 FLOPs a cycle (one 128-bit multiply-add, taken to be the Cortex-A57's rate,"
    f" {WIKICHIP_ARM}; the A75 starts two vector instructions a cycle as the A73 does,"
    " https://news.mynavi.jp/techplus/article/20171016-hotchips29_dynamiq/2)"
)
_X_RATE = (
    f"32 FLOPs a cycle of a Cortex-X core ('4x128b SIMD units', {_CORTEX_X}, also taken for its"
    f" successors), 16 of the other fast ones (two of them, {WIKICHIP_ARM}, also taken for the"
    " A78's successors)"
)
_LPDDR4X_3733 = "8 B x 3.733 GT/s: four 16-bit channels at 1866 MHz"


def _fast_cores(*clusters: tuple[int, float, int]) -> dict[str, float]:
    """Float32 peak of clusters of (cores, clock in Hz, FLOPs a cycle)."""
    return {"float32": sum(cores * clock * flops for cores, clock, flops in clusters)}


def _dot_product_cores(*clusters: tuple[int, float]) -> dict[str, float]:
    """Peaks of Cortex-A76 clusters of (cores, clock in Hz)."""
    parts = [from_clock(cores, clock, TWO_NEON_FMAS) for cores, clock in clusters]
    return {dtype: sum(part[dtype] for part in parts) for dtype in TWO_NEON_FMAS}


def _snapdragon_835(name: str) -> DeviceSpec:
    return sourced(
        DeviceSpec(
            name=name,
            kind="cpu",
            peak_flops_per_s=from_clock(4, 2.45e9, ONE_NEON_FMA),
            memory_bandwidth_bytes_per_s=29.9e9,
            cores=4,
            frequency_hz=2.45e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 2 * MIB),),
            process_nm=10,
        ),
        f"{_SD845} (its Snapdragon 835)",
        peak_flops_per_s="4 Kryo 280 Gold (from the Cortex-A73) x 2.45 GHz x"
        f" {_A73_RATE}; {_SD845}",
        memory_bandwidth_bytes_per_s=f"{_LPDDR4X_3733}, {_SD845}",
        vector_bits=WIKICHIP_ARM,
    )


_TABLE_PHONES: tuple[DeviceSpec, ...] = (
    _snapdragon_835("pixel-2"),
    _snapdragon_835("essential-ph-1"),
    sourced(
        DeviceSpec(
            name="pixel-3",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 2.8e9, ONE_NEON_FMA),
            memory_bandwidth_bytes_per_s=29.9e9,
            cores=4,
            frequency_hz=2.8e9,
            vector_bits=128,
            caches=(
                CacheLevel("L2", MIB),
                CacheLevel("L3", 2 * MIB),
                CacheLevel("system", 3 * MIB),
            ),
            process_nm=10,
        ),
        f"{_SD845} (Snapdragon 845)",
        peak_flops_per_s=f"4 Kryo 385 Gold (from the Cortex-A75) x 2.8 GHz x {_A75_RATE}; {_SD845}",
        memory_bandwidth_bytes_per_s=f"{_LPDDR4X_3733}, {_SD845}",
        vector_bits=WIKICHIP_ARM,
    ),
    sourced(
        DeviceSpec(
            name="samsung-a50",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 2.3e9, ONE_NEON_FMA),
            cores=4,
            frequency_hz=2.3e9,
            vector_bits=128,
            process_nm=10,
        ),
        f"{_EXYNOS_9610} (Exynos 9610)",
        peak_flops_per_s=f"4 Cortex-A73 x 2.3 GHz x {_A73_RATE}; {_EXYNOS_9610}",
        vector_bits=WIKICHIP_ARM,
    ),
    sourced(
        DeviceSpec(
            name="samsung-s7",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 2.288e9, ONE_NEON_FMA),
            memory_bandwidth_bytes_per_s=28.7e9,
            cores=4,
            frequency_hz=2.288e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 2 * MIB),),
            process_nm=14,
        ),
        f"{_EXYNOS_8890} (Exynos 8890; phones sold in the USA and China have a Snapdragon 820)",
        peak_flops_per_s="4 Exynos M1 x 2.288 GHz (with more than two loaded) x 8 FLOPs a cycle"
        f" (one of the two 128-bit pipes multiplies and adds, {_M1_UNITS}); {_EXYNOS_8890}",
        vector_bits=_M1_UNITS,
        caches=_EXYNOS_8890_L2,
    ),
    sourced(
        DeviceSpec(
            name="snapdragon-855-kryo-485",
            kind="cpu",
            peak_flops_per_s=_dot_product_cores((1, 2.84e9), (3, 2.42e9)),
            memory_bandwidth_bytes_per_s=34.1e9,
            memory_bytes=16 * GIB,
            cores=4,
            frequency_hz=2.84e9,
            vector_bits=128,
            caches=(CacheLevel("L3", 2 * MIB),),
            process_nm=7,
        ),
        _SD855,
        peak_flops_per_s=f"Kryo 485 Gold (from the Cortex-A76), 1 x 2.84 GHz and 3 x 2.42 GHz,"
        f" {_SD855}, x {A76_RATES}",
        memory_bandwidth_bytes_per_s=f"8 B x 4.266 GT/s: quad-channel LPDDR4X-4266, {_SD855};"
        f" '34.1 GB/s', {_SD855_PLUS}",
        vector_bits=WIKICHIP_ARM,
        caches=f"{_SD855_PLUS} (the 855 Plus differs in clocks alone)",
    ),
    sourced(
        DeviceSpec(
            name="snapdragon-855-adreno-640",
            kind="gpu",
            peak_flops_per_s={"float32": 898.5e9, "float16": 1797.1e9},
            memory_bandwidth_bytes_per_s=34.1e9,
            memory_bytes=16 * GIB,
            cores=2,
            frequency_hz=585e6,
            caches=(CacheLevel("L2", 128 * KIB), CacheLevel("system", 2 * MIB)),
            process_nm=7,
        ),
        _ADRENO_640,
        memory_bandwidth_bytes_per_s=f"8 B x 4.266 GT/s: quad-channel LPDDR4X-4266, {_SD855}",
        memory_bytes=_SD855,
        process_nm=_SD855,
    ),
    sourced(
        DeviceSpec(
            name="snapdragon-855-hexagon-690",
            kind="npu",
            peak_flops_per_s={"int8": 7e12},
            memory_bandwidth_bytes_per_s=34.1e9,
            memory_bytes=16 * GIB,
            process_nm=7,
        ),
        _SD855,
        peak_flops_per_s=f"{_SD855_AI}: of DSP, GPU and CPU together, so above the DSP's own,"
        " which is not published",
        memory_bandwidth_bytes_per_s=f"8 B x 4.266 GT/s: quad-channel LPDDR4X-4266, {_SD855}",
    ),
)

_RECENT: tuple[DeviceSpec, ...] = (
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

PHONES: tuple[DeviceSpec, ...] = (*_TABLE_PHONES, *_RECENT)
