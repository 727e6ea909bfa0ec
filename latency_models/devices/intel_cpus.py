"""Intel's server and desktop CPUs."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import LLVM, MIB, WIKICHIP_X86, from_clock, sourced

_SKYLAKE_SP = (
    "https://www.tomshardware.com/reviews/intel-xeon-platinum-8176-scalable-cpu,5120-3.html"
)
_FMA_UNITS = "https://github.com/jeffhammond/vpu-count/blob/3431d42ac412487cb9a7fddb2d3bfd87a4027988/README.md"
_XEON_6226 = "https://en.wikichip.org/w/index.php?title=intel/xeon_gold/6226&diff=89987&oldid=89966"
_XEONS = "https://github.com/toUpperCase78/intel-processors/blob/20399dcf28780914f7b6694c89e3943064499247/intel_xeon_processors_v1_8.csv"
_INTEL_CORE = "https://github.com/toUpperCase78/intel-processors/blob/3c69fab147ec32560381afd8b1e1a07eb29d4034/intel_core_processors_v1_8.csv"
_QUAD_CHANNEL = "https://www.tomshardware.com/news/cascade-lake-x-10000-series-branding,40202.html"
_SIX_CHANNELS = "https://amcomputers.org/intel-xeon-skylake-sp-ufficiali-fino-a-28-core"
_ONE_AVX512 = {"float32": 32}
_TWO_AVX512 = {"float32": 64}
_ONE_AVX512_VNNI = {"float32": 32, "int8": 128}
_TWO_AVX512_VNNI = {"float32": 64, "int8": 256}
_ONE_UNIT = (
    "32 FLOPs a cycle (one 512-bit multiply-add unit, without the AVX-512 clock reduction),"
    f" {_FMA_UNITS}"
)
_TWO_UNITS = (
    "64 FLOPs a cycle (two 512-bit multiply-add units, without the AVX-512 clock reduction),"
    f" {_SKYLAKE_SP}; two units: {_FMA_UNITS}"
)
_VNNI = (
    "; int8 four times that: VPDPBUSD multiplies and adds 64 bytes,"
    " https://fuse.wikichip.org/news/1773/intel-cascade-lake-brings-hardware-mitigations-ai-acceleration-scm-support/2/,"
    f" on the ports of the 512-bit integer multiplies, {LLVM}X86/X86SchedSkylakeServer.td"
)
_L2_PER_CORE = f"L2 1 MiB a core, {_SKYLAKE_SP}"

INTEL_CPUS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="xeon-silver-4114",
            kind="cpu",
            peak_flops_per_s=from_clock(10, 2.2e9, _ONE_AVX512),
            memory_bandwidth_bytes_per_s=115.2e9,
            max_power_w=85.0,
            cores=10,
            frequency_hz=2.2e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 10 * MIB), CacheLevel("L3", int(13.75 * MIB))),
            process_nm=14,
        ),
        _XEONS,
        peak_flops_per_s=f"10 cores x 2.2 GHz x {_ONE_UNIT}",
        memory_bandwidth_bytes_per_s=f"6 x 8 B x 2.4 GT/s: DDR4-2400, {_XEONS}; six channels,"
        f" {_SIX_CHANNELS}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_XEONS}",
    ),
    sourced(
        DeviceSpec(
            name="xeon-silver-4210r",
            kind="cpu",
            peak_flops_per_s=from_clock(10, 2.4e9, _ONE_AVX512_VNNI),
            memory_bandwidth_bytes_per_s=115.2e9,
            max_power_w=100.0,
            cores=10,
            frequency_hz=2.4e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 10 * MIB), CacheLevel("L3", int(13.75 * MIB))),
            process_nm=14,
        ),
        _XEONS,
        peak_flops_per_s=f"10 cores x 2.4 GHz x {_ONE_UNIT} (its Silver 4210){_VNNI}",
        memory_bandwidth_bytes_per_s=f"6 x 8 B x 2.4 GT/s: DDR4-2400, {_XEONS}; six channels as"
        f" its predecessors on the same socket, {_SIX_CHANNELS}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_XEONS}",
    ),
    sourced(
        DeviceSpec(
            name="xeon-gold-6226",
            kind="cpu",
            peak_flops_per_s=from_clock(12, 2.7e9, _TWO_AVX512_VNNI),
            memory_bandwidth_bytes_per_s=140.8e9,
            max_power_w=125.0,
            cores=12,
            frequency_hz=2.7e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 12 * MIB), CacheLevel("L3", int(19.25 * MIB))),
            process_nm=14,
        ),
        _XEON_6226,
        peak_flops_per_s=f"12 cores x 2.7 GHz x {_TWO_UNITS}{_VNNI} and {_XEON_6226}",
        memory_bandwidth_bytes_per_s=f"131.13 GiB/s, six channels of DDR4-2933, {_XEON_6226}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_XEON_6226}",
        process_nm=_XEONS,
    ),
    sourced(
        DeviceSpec(
            name="xeon-gold-6240",
            kind="cpu",
            peak_flops_per_s=from_clock(18, 2.6e9, _TWO_AVX512_VNNI),
            memory_bandwidth_bytes_per_s=140.8e9,
            max_power_w=150.0,
            cores=18,
            frequency_hz=2.6e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 18 * MIB), CacheLevel("L3", int(24.75 * MIB))),
            process_nm=14,
        ),
        _XEONS,
        peak_flops_per_s=f"18 cores x 2.6 GHz x {_TWO_UNITS}{_VNNI}",
        memory_bandwidth_bytes_per_s=f"6 x 8 B x 2.933 GT/s: DDR4-2933, {_XEONS}; six channels as"
        f" the Gold 6226, {_XEON_6226}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_XEONS}",
    ),
    sourced(
        DeviceSpec(
            name="xeon-platinum-8280",
            kind="cpu",
            peak_flops_per_s=from_clock(28, 2.7e9, _TWO_AVX512_VNNI),
            memory_bandwidth_bytes_per_s=140.8e9,
            max_power_w=205.0,
            cores=28,
            frequency_hz=2.7e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 28 * MIB), CacheLevel("L3", int(38.5 * MIB))),
            process_nm=14,
        ),
        _XEONS,
        peak_flops_per_s=f"28 cores x 2.7 GHz x {_TWO_UNITS}{_VNNI}",
        memory_bandwidth_bytes_per_s=f"6 x 8 B x 2.933 GT/s: DDR4-2933, {_XEONS}; six channels as"
        f" the Gold 6226, {_XEON_6226}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_XEONS}",
    ),
    sourced(
        DeviceSpec(
            name="xeon-platinum-8380",
            kind="cpu",
            peak_flops_per_s=from_clock(40, 2.3e9, _TWO_AVX512_VNNI),
            max_power_w=270.0,
            cores=40,
            frequency_hz=2.3e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 50 * MIB), CacheLevel("L3", 60 * MIB)),
            process_nm=10,
        ),
        _XEONS,
        peak_flops_per_s=f"40 cores x 2.3 GHz x 64 FLOPs a cycle, {WIKICHIP_X86}{_VNNI}",
        vector_bits=WIKICHIP_X86,
        caches="L2 1.25 MiB a core (17.5 MB for 14),"
        " https://technosports.co.in/intels-ice-lake-sp-xeon-appears-in-an-early-benchmark-is-on-par-with-core-i9-10900k-in-single-core-results;"
        f" L3 {_XEONS}",
    ),
    sourced(
        DeviceSpec(
            name="xeon-platinum-8480-plus",
            kind="cpu",
            peak_flops_per_s=from_clock(56, 2.0e9, _TWO_AVX512_VNNI),
            memory_bandwidth_bytes_per_s=307.2e9,
            max_power_w=350.0,
            cores=56,
            frequency_hz=2.0e9,
            vector_bits=512,
            caches=(CacheLevel("L3", 105 * MIB),),
            process_nm=7,
        ),
        _XEONS,
        peak_flops_per_s="56 cores x 2 GHz x 64 FLOPs a cycle of the vector units, as its"
        f" predecessor, {WIKICHIP_X86}{_VNNI}; those of its matrix unit (AMX) are left out",
        memory_bandwidth_bytes_per_s=f"8 x 8 B x 4.8 GT/s: DDR5-4800, {_XEONS}; eight channels,"
        " https://serverrental.store/index.php?title=Intel_Xeon_CPUs",
        vector_bits=WIKICHIP_X86,
        process_nm=f"{_XEONS} ('Intel 7')",
    ),
    sourced(
        DeviceSpec(
            name="core-i9-10940x",
            kind="cpu",
            peak_flops_per_s=from_clock(14, 3.3e9, _TWO_AVX512_VNNI),
            memory_bandwidth_bytes_per_s=93.9e9,
            max_power_w=165.0,
            cores=14,
            frequency_hz=3.3e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 14 * MIB), CacheLevel("L3", int(19.25 * MIB))),
        ),
        _INTEL_CORE,
        peak_flops_per_s=f"14 cores x 3.3 GHz x {_TWO_UNITS}{_VNNI}",
        memory_bandwidth_bytes_per_s=f"4 x 8 B x 2.933 GT/s: DDR4-2933, {_INTEL_CORE}; four"
        f" channels as its predecessors on the same socket, {_QUAD_CHANNEL}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_INTEL_CORE}",
    ),
    sourced(
        DeviceSpec(
            name="core-i7-7820x",
            kind="cpu",
            peak_flops_per_s=from_clock(8, 3.6e9, _TWO_AVX512),
            memory_bandwidth_bytes_per_s=85.3e9,
            max_power_w=140.0,
            cores=8,
            frequency_hz=3.6e9,
            vector_bits=512,
            caches=(CacheLevel("L2", 8 * MIB), CacheLevel("L3", 11 * MIB)),
        ),
        _INTEL_CORE,
        peak_flops_per_s=f"8 cores x 3.6 GHz x {_TWO_UNITS}",
        memory_bandwidth_bytes_per_s="4 x 8 B x 2.666 GT/s: four channels of DDR4-2666,"
        f" {_QUAD_CHANNEL}",
        vector_bits=_FMA_UNITS,
        caches=f"{_L2_PER_CORE}; L3 {_INTEL_CORE}",
    ),
)
