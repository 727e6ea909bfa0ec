"""The catalogue's CPUs; what their sources mean stands in `latency_models.catalogue`."""

from collections.abc import Mapping

from latency_models.device_spec import CacheLevel, DeviceSpec

_MIB = 2**20
_GIB = 2**30

_RASPBERRY = (
    "https://github.com/raspberrypi/documentation/blob/develop/documentation/asciidoc/computers/"
)
_PI5_8GB = "https://education.raspberrypiaustralia.online/raspberry-pi-5-8gb-model"
_PI5_NEWS = "https://circuitdigest.com/news/the-new-raspberry-pi-5-is-here-faster-than-ever"
_LLVM = "https://github.com/llvm/llvm-project/blob/main/llvm/lib/Target/"
_GCC_N1 = "https://github.com/plctlab/patchwork-gcc/blob/e6a0872e5ecdc5015bf21619de8cee0aa076c468/gcc/config/aarch64/neoverse-n1.md"
_WIKICHIP_FLOPS = "https://en.wikichip.org/w/index.php?diff=98766&oldid=96512&title=flops"
_SKYLAKE_SP = (
    "https://www.tomshardware.com/reviews/intel-xeon-platinum-8176-scalable-cpu,5120-3.html"
)
_FMA_UNITS = "https://github.com/jeffhammond/vpu-count/blob/master/README.md"
_XEON_6226 = "https://en.wikichip.org/w/index.php?title=intel/xeon_gold/6226&diff=89987&oldid=89966"
_INTEL_CORE = "https://github.com/toUpperCase78/intel-processors/blob/3c69fab147ec32560381afd8b1e1a07eb29d4034/intel_core_processors_v1_8.csv"
_QUAD_CHANNEL = "https://www.tomshardware.com/news/cascade-lake-x-10000-series-branding,40202.html"


def _cpu(
    name: str,
    *,
    cores: int,
    frequency: float,
    flops_per_cycle: Mapping[str, int],
    bandwidth: float,
    source: str,
    peak_source: str,
    bandwidth_source: str,
    cache_source: str,
    memory: int | None = None,
    power: float | None = None,
    caches: tuple[CacheLevel, ...],
) -> DeviceSpec:
    optional = {"memory_bytes": memory, "max_power_w": power}
    given = [key for key, value in optional.items() if value is not None]
    return DeviceSpec(
        name=name,
        kind="cpu",
        peak_flops_per_s={k: cores * frequency * v for k, v in flops_per_cycle.items()},
        memory_bandwidth_bytes_per_s=bandwidth,
        caches=caches,
        cores=cores,
        frequency_hz=frequency,
        memory_bytes=memory,
        max_power_w=power,
        sources={
            **dict.fromkeys(["cores", "frequency_hz", *given], source),
            "peak_flops_per_s": f"{cores} cores x {frequency / 1e9:g} GHz x {peak_source}",
            "memory_bandwidth_bytes_per_s": bandwidth_source,
            "caches": cache_source,
        },
    )


_AVX512 = (
    "64 FLOPs a cycle (two 512-bit multiply-add units, without the AVX-512 clock reduction),"
    f" {_SKYLAKE_SP}; two units: {_FMA_UNITS}"
)
_VNNI = (
    _AVX512 + "; int8 four times that: VPDPBUSD multiplies and adds 64 bytes,"
    " https://fuse.wikichip.org/news/1773/intel-cascade-lake-brings-hardware-mitigations-ai-acceleration-scm-support/2/,"
    f" on both ports as 512-bit integer multiplies do, {_LLVM}X86/X86SchedSkylakeServer.td"
)
_L2_PER_CORE = f"L2 1 MiB a core, {_SKYLAKE_SP}"

CPUS: tuple[DeviceSpec, ...] = (
    _cpu(
        "raspberry-pi-4",
        cores=4,
        frequency=1.5e9,
        flops_per_cycle={"float32": 8},
        bandwidth=8e9,
        memory=8 * _GIB,
        caches=(CacheLevel("L2", _MIB),),
        source=f"{_RASPBERRY}processors/bcm2711.adoc",
        cache_source=f"{_RASPBERRY}processors/bcm2711.adoc",
        peak_source="8 FLOPs a cycle (a 128-bit multiply-add takes both 64-bit pipes),"
        f" {_LLVM}AArch64/AArch64SchedA57.td, which LLVM uses for the Cortex-A72 too",
        bandwidth_source=f"4 B x the 2.0 GT/s that {_PI5_NEWS} gives, a Pi 5 having 'around twice'"
        " its bandwidth; the memory's own rate is higher, 3.2 GT/s (sdram_freq in"
        f" {_RASPBERRY}config_txt/overclocking.adoc)",
    ),
    _cpu(
        "raspberry-pi-5",
        cores=4,
        frequency=2.4e9,
        flops_per_cycle={"float32": 16, "float16": 32, "int8": 64},
        bandwidth=17.068e9,
        memory=8 * _GIB,
        caches=(CacheLevel("L2", 2 * _MIB), CacheLevel("L3", 2 * _MIB)),
        source=f"{_RASPBERRY}processors/bcm2712.adoc; memory: {_PI5_8GB}",
        cache_source=f"512 KB of L2 a core, 2 MB of L3, {_RASPBERRY}processors/bcm2712.adoc",
        peak_source=f"16 FLOPs a cycle (two 128-bit multiply-add pipes), {_WIKICHIP_FLOPS};"
        f" float16 twice, int8 dot product four times that, on both pipes in {_LLVM}AArch64/"
        f"AArch64SchedNeoverseN1.td and {_GCC_N1} (the Neoverse N1's pipes are the A76's)",
        bandwidth_source=f"4 B x 4.267 GT/s, {_PI5_NEWS}; 'up to 17GB/s',"
        f" {_RASPBERRY}processors/bcm2712.adoc",
    ),
    _cpu(
        "xeon-gold-6226",
        cores=12,
        frequency=2.7e9,
        flops_per_cycle={"float32": 64, "int8": 256},
        bandwidth=140.8e9,
        power=125.0,
        caches=(CacheLevel("L2", 12 * _MIB), CacheLevel("L3", int(19.25 * _MIB))),
        source=_XEON_6226,
        cache_source=f"{_L2_PER_CORE}; L3 {_XEON_6226}",
        peak_source=f"{_VNNI} and {_XEON_6226}",
        bandwidth_source=f"131.13 GiB/s, six channels of DDR4-2933, {_XEON_6226}",
    ),
    _cpu(
        "core-i9-10940x",
        cores=14,
        frequency=3.3e9,
        flops_per_cycle={"float32": 64, "int8": 256},
        bandwidth=93.9e9,
        power=165.0,
        caches=(CacheLevel("L2", 14 * _MIB), CacheLevel("L3", int(19.25 * _MIB))),
        source=_INTEL_CORE,
        cache_source=f"{_L2_PER_CORE}; L3 {_INTEL_CORE}",
        peak_source=_VNNI,
        bandwidth_source=f"4 x 8 B x 2.933 GT/s: DDR4-2933, {_INTEL_CORE}; four channels as its"
        f" predecessors on the same socket, {_QUAD_CHANNEL}",
    ),
    _cpu(
        "core-i7-7820x",
        cores=8,
        frequency=3.6e9,
        flops_per_cycle={"float32": 64},
        bandwidth=85.3e9,
        power=140.0,
        caches=(CacheLevel("L2", 8 * _MIB), CacheLevel("L3", 11 * _MIB)),
        source=_INTEL_CORE,
        cache_source=f"{_L2_PER_CORE}; L3 {_INTEL_CORE}",
        peak_source=_AVX512,
        bandwidth_source=f"4 x 8 B x 2.666 GT/s: four channels of DDR4-2666, {_QUAD_CHANNEL}",
    ),
)
