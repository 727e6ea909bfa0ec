"""Apple's M chips and a phone chip: the fast CPU cores, and the GPUs.

The CPUs' peaks are those of the vector units: the matrix units beside them are undocumented.
"""

from collections.abc import Mapping

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import GIB, MIB, from_clock, sourced

_CHIPS = "https://spy.macrumors.com/threads/apple-silicon-mac-chips.2471322"
_M2_M3_M4 = "https://www.notebookcheck.net/M2-vs-M3-vs-M4-10-cores_14521_15110_17538.247596.0.html"
_M4 = "https://www.notebookcheck.net/M4-10-cores-vs-Core-Ultra-9-288V-vs-Ryzen-AI-9-HX-370_17538_17915_17543.247596.0.html"
_M4_DETAILS = "https://cputime.net/en/apple-m4"
_M3_NODE = "https://seo.goover.ai/report/202406/go-public-report-en-2c7e2dd9-fb2d-469a-92d1-3024f95a83a0-0-0.html"
_A16 = "https://hmc-tech.com/cpu/apple-a16-bionic-vs-google-tensor-g4"
_A16_NODE = "https://umatechnology.org/apple-a16-bionic-vs-google-tensor-g3-comparison"
_NOTES = "https://github.com/azhirnov/cpu-gpu-arch/blob/2acaba551b1a4f7814c6400743be3181f13016ad/cpu/Apple-Arch.md"

_FOUR_NEON_FMAS: Mapping[str, int] = {"float32": 32, "float16": 64}
_RATES = (
    f"32 FLOPs a cycle (four vector ports, {_NOTES}, of 128 bits), float16 twice that (FEAT_FP16,"
    f" {_NOTES})"
)
_M1_BANDWIDTH = f"16 B x 4.266 GT/s: 128 bits of LPDDR4X at 2133 MHz, {_CHIPS}"
_M2_BANDWIDTH = f"16 B x 6.4 GT/s: 128 bits of LPDDR5-6400, {_CHIPS}"
_LATER_RATES = f"{_RATES}; the M1's, taken for its successors too"

APPLE: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="apple-m1",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 3.2e9, _FOUR_NEON_FMAS),
            memory_bandwidth_bytes_per_s=68.3e9,
            memory_bytes=16 * GIB,
            cores=4,
            frequency_hz=3.2e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 12 * MIB),),
            process_nm=5,
        ),
        _CHIPS,
        peak_flops_per_s=f"4 Firestorm cores x 3.2 GHz, {_CHIPS}, x {_RATES}",
        memory_bandwidth_bytes_per_s=_M1_BANDWIDTH,
        vector_bits=_NOTES,
    ),
    sourced(
        DeviceSpec(
            name="apple-m2",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 3.49e9, _FOUR_NEON_FMAS),
            memory_bandwidth_bytes_per_s=102.4e9,
            memory_bytes=24 * GIB,
            max_power_w=20.0,
            cores=4,
            frequency_hz=3.49e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 16 * MIB),),
            process_nm=5,
        ),
        _CHIPS,
        peak_flops_per_s=f"4 Avalanche cores x 3.49 GHz, {_CHIPS}, x {_LATER_RATES}",
        memory_bandwidth_bytes_per_s=_M2_BANDWIDTH,
        max_power_w=_M2_M3_M4,
        vector_bits=_NOTES,
    ),
    sourced(
        DeviceSpec(
            name="apple-m3",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 4.06e9, _FOUR_NEON_FMAS),
            memory_bandwidth_bytes_per_s=102.4e9,
            cores=4,
            frequency_hz=4.06e9,
            vector_bits=128,
            process_nm=3,
        ),
        _M2_M3_M4,
        peak_flops_per_s=f"4 cores x 4.06 GHz, {_M2_M3_M4}, x {_LATER_RATES}",
        memory_bandwidth_bytes_per_s=f"16 B x 6.4 GT/s: 6400 MT/s, {_M4}, and 128 bits as the M2",
        vector_bits=_NOTES,
        process_nm=_M3_NODE,
    ),
    sourced(
        DeviceSpec(
            name="apple-m4",
            kind="cpu",
            peak_flops_per_s=from_clock(4, 4.4e9, _FOUR_NEON_FMAS),
            memory_bandwidth_bytes_per_s=120e9,
            memory_bytes=24 * GIB,
            max_power_w=20.0,
            cores=4,
            frequency_hz=4.4e9,
            vector_bits=128,
            caches=(CacheLevel("L2", 16 * MIB),),
            process_nm=3,
        ),
        _M4_DETAILS,
        peak_flops_per_s=f"4 cores x 4.4 GHz, {_M4}, x {_LATER_RATES}",
        memory_bandwidth_bytes_per_s=_M4,
        cores=_M4,
        frequency_hz=_M4,
        vector_bits=_NOTES,
    ),
    sourced(
        DeviceSpec(
            name="apple-m1-gpu",
            kind="gpu",
            peak_flops_per_s={"float32": 2.6e12},
            memory_bandwidth_bytes_per_s=68.3e9,
            memory_bytes=16 * GIB,
            cores=8,
            frequency_hz=1.3e9,
            process_nm=5,
        ),
        _CHIPS,
        memory_bandwidth_bytes_per_s=_M1_BANDWIDTH,
    ),
    sourced(
        DeviceSpec(
            name="apple-m2-gpu",
            kind="gpu",
            peak_flops_per_s={"float32": 3.55e12},
            memory_bandwidth_bytes_per_s=102.4e9,
            memory_bytes=24 * GIB,
            cores=10,
            frequency_hz=1.4e9,
            process_nm=5,
        ),
        _CHIPS,
        memory_bandwidth_bytes_per_s=_M2_BANDWIDTH,
    ),
    sourced(
        DeviceSpec(
            name="apple-m4-gpu",
            kind="gpu",
            peak_flops_per_s={"float32": 4.1e12},
            memory_bandwidth_bytes_per_s=120e9,
            memory_bytes=24 * GIB,
            max_power_w=15.0,
            cores=10,
            frequency_hz=1.6e9,
            process_nm=3,
        ),
        _M4_DETAILS,
        memory_bandwidth_bytes_per_s=_M4,
        cores=_M4,
    ),
    sourced(
        DeviceSpec(
            name="apple-a16",
            kind="cpu",
            peak_flops_per_s=from_clock(2, 3.44e9, _FOUR_NEON_FMAS),
            cores=2,
            frequency_hz=3.44e9,
            vector_bits=128,
            process_nm=4,
        ),
        _A16_NODE,
        peak_flops_per_s=f"2 fast cores, {_A16_NODE}, x 3.44 GHz, {_A16}, x {_LATER_RATES}",
        frequency_hz=_A16,
        vector_bits=_NOTES,
    ),
)
