"""Phones of the public latency tables and their chips.

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
_SD845_GPU = "https://en.wikichip.org/w/index.php?title=qualcomm/snapdragon_800/845&oldid=100156"
_SD855_NEWS = "https://techprolonged.com/2018/12/qualcomm-snapdragon-855-all-specs-features/"
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
_M1_UNITS = "https://github.com/gcc-mirror/gcc/blob/b18a97e5dd0935e1c4a626c230f21457d0aad3d5/gcc/config/arm/exynos-m1.md"

_A73_RATE = (
    "8 FLOPs a cycle (one 128-bit multiply-add, taken to be the Cortex-A57's rate,"
    f" {WIKICHIP_ARM}; like its sister A72 the A73 has two floating-point pipelines, {_A73})"
)
_A75_RATE = (
    "8 FLOPs a cycle (one 128-bit multiply-add, taken to be the Cortex-A57's rate,"
    f" {WIKICHIP_ARM}; the A75 starts two vector instructions a cycle as the A73 does,"
    " https://news.mynavi.jp/techplus/article/20171016-hotchips29_dynamiq/2)"
)
_LPDDR4X_3733 = "8 B x 3.733 GT/s: four 16-bit channels at 1866 MHz"


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


PHONES: tuple[DeviceSpec, ...] = (
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
            name="snapdragon-845-adreno-630",
            kind="gpu",
            peak_flops_per_s={"float32": 727e9, "float16": 1454e9},
            memory_bandwidth_bytes_per_s=29.9e9,
            frequency_hz=710e6,
            process_nm=10,
        ),
        _SD845_GPU,
        peak_flops_per_s=f"512 units x 2 x 710 MHz, {_SD845_GPU}: two thirds of the 768 units of an"
        f" Adreno 640, {_ADRENO_640}, which has '50 more ALUs' (per cent), {_SD855_NEWS}; float16"
        " twice that, as on the Adreno 640",
        memory_bandwidth_bytes_per_s=f"{_LPDDR4X_3733}, {_SD845}",
        process_nm=_SD845,
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
