"""GPUs of NVIDIA's Jetson modules."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import GIB, KIB, MIB, sourced, techpowerup

_NANO = "https://cpu-gpu.alldbin.com/graphics-card-comparison/Jetson-TX2-GPU-and-Jetson-Nano-comparison.html"
_JETSONS = "https://github.com/ultralytics/ultralytics/blob/75231dff8a5ef7908d9ca524c7109ef390e94ac5/docs/en/guides/nvidia-jetson.md"
_XAVIER_NX = (
    "https://documents.pub/document/"
    "data-sheet-preliminary-nvidia-jetson-xavier-nx-jetson-xavier-nx-integrates.html (DA-09366-001)"
)
_ORIN_NANO = (
    "copy of https://connecttech.com/ftp/pdf/nvidia_jetson_orin_datasheet.pdf (DS-11105-001)"
)
_AGX_ORIN = "http://mzph.cn/web/30785.shtml (notes on NVIDIA's technical brief)"
_A100 = "https://glennklockwood.com/garden/processors/A100"
_NANO_TPU = techpowerup("jetson-nano.c3643")
_TX2_TPU = techpowerup("jetson-tx2.c3231")
_NX_TPU = techpowerup("jetson-xavier-nx-8-gb.c3642")
_AGX_XAVIER_TPU = techpowerup("jetson-agx-xavier-32-gb.c4088")
_ORIN_NANO_TPU = techpowerup("jetson-orin-nano-8-gb.c4082")
_ORIN_NX_TPU = techpowerup("jetson-orin-nx-16-gb.c4086")
_AGX_ORIN_TPU = techpowerup("jetson-agx-orin-64-gb.c4085")

# 128 CUDA cores, 4 third-generation tensor cores a multiprocessor in all Jetson Orins.
_ORIN_RATES = (
    "CUDA cores x 2 x clock; tensor cores x 1024 int8 operations a cycle (without the DLAs),"
    f" float16 half of int8 as on the A100 ({_A100}) and in {_AGX_ORIN}"
)
# 640 tensor cores reach 125 TFLOPS at 1.53 GHz on a V100.
_VOLTA_RATES = "tensor cores x 128 FLOPs a cycle (as a V100's, without the DLAs) in float16"

JETSONS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="jetson-nano",
            kind="gpu",
            peak_flops_per_s={"float32": 235.8e9, "float16": 471.6e9},
            memory_bandwidth_bytes_per_s=25.6e9,
            memory_bytes=4 * GIB,
            max_power_w=10.0,
            cores=1,
            frequency_hz=921e6,
            caches=(CacheLevel("L2", 256 * KIB),),
            process_nm=20,
        ),
        _NANO,
        peak_flops_per_s=f"128 cores x 2 x 0.921 GHz, {_NANO}; float16 twice that, the '472"
        f" GFLOPS' of {_JETSONS}",
        cores=_NANO_TPU,
        caches=_NANO_TPU,
    ),
    sourced(
        DeviceSpec(
            name="jetson-tx2",
            kind="gpu",
            peak_flops_per_s={"float32": 665.6e9, "float16": 1331.2e9},
            memory_bandwidth_bytes_per_s=59.7e9,
            memory_bytes=8 * GIB,
            max_power_w=15.0,
            cores=2,
            frequency_hz=1.3e9,
            caches=(CacheLevel("L2", 512 * KIB),),
            process_nm=16,
        ),
        _TX2_TPU,
        peak_flops_per_s=f"256 CUDA cores x 2 x 1.3 GHz, float16 twice that, {_TX2_TPU}",
    ),
    sourced(
        DeviceSpec(
            name="jetson-xavier-nx",
            kind="gpu",
            peak_flops_per_s={"float32": 844.8e9, "float16": 6.758e12},
            vector_peak_flops_per_s={"float16": 1.69e12},
            memory_bandwidth_bytes_per_s=59.7e9,
            memory_bytes=8 * GIB,
            max_power_w=15.0,
            cores=6,
            frequency_hz=1.1e9,
            caches=(CacheLevel("L2", 256 * KIB),),
            process_nm=12,
        ),
        _NX_TPU,
        peak_flops_per_s=f"384 CUDA cores x 2 x 1.1 GHz; 48 {_VOLTA_RATES}; {_XAVIER_NX}",
        frequency_hz=_XAVIER_NX,
        memory_bytes=_XAVIER_NX,
    ),
    sourced(
        DeviceSpec(
            name="jetson-agx-xavier",
            kind="gpu",
            peak_flops_per_s={"float32": 1.41e12, "float16": 11.28e12},
            vector_peak_flops_per_s={"float16": 2.82e12},
            memory_bandwidth_bytes_per_s=136.5e9,
            memory_bytes=32 * GIB,
            max_power_w=30.0,
            cores=8,
            frequency_hz=1.377e9,
            caches=(CacheLevel("L2", 512 * KIB),),
            process_nm=12,
        ),
        _AGX_XAVIER_TPU,
        peak_flops_per_s=f"512 CUDA cores x 2 x 1.377 GHz; 64 {_VOLTA_RATES}; {_AGX_XAVIER_TPU}",
    ),
    sourced(
        DeviceSpec(
            name="jetson-orin-nano",
            kind="gpu",
            peak_flops_per_s={
                "float32": 1.28e12,
                "float16": 10.24e12,
                "bfloat16": 10.24e12,
                "int8": 20.48e12,
            },
            vector_peak_flops_per_s={"float16": 2.56e12},
            memory_bandwidth_bytes_per_s=68e9,
            memory_bytes=8 * GIB,
            max_power_w=15.0,
            cores=8,
            frequency_hz=625e6,
            caches=(CacheLevel("L2", 2 * MIB),),
            process_nm=8,
        ),
        _ORIN_NANO,
        cores=f"1024 CUDA cores / 128 a multiprocessor, {_AGX_ORIN}; {_ORIN_NANO}",
        peak_flops_per_s=f"1024 {_ORIN_RATES}, 32 tensor cores; '20 (dense) INT8 TOPs',"
        f" {_ORIN_NANO}",
        vector_peak_flops_per_s=_ORIN_NANO_TPU,
        memory_bandwidth_bytes_per_s=f"128 bits x 2 x 2133 MHz, {_ORIN_NANO}",
        caches=_ORIN_NANO_TPU,
        process_nm=_ORIN_NANO_TPU,
    ),
    sourced(
        DeviceSpec(
            name="jetson-orin-nx",
            kind="gpu",
            peak_flops_per_s={
                "float32": 1.88e12,
                "float16": 15.04e12,
                "bfloat16": 15.04e12,
                "int8": 30.08e12,
            },
            vector_peak_flops_per_s={"float16": 3.76e12},
            memory_bandwidth_bytes_per_s=102.4e9,
            memory_bytes=16 * GIB,
            max_power_w=25.0,
            cores=8,
            frequency_hz=918e6,
            caches=(CacheLevel("L2", 4 * MIB),),
            process_nm=8,
        ),
        _ORIN_NX_TPU,
        peak_flops_per_s=f"1024 {_ORIN_RATES}, 32 tensor cores; {_ORIN_NX_TPU}",
    ),
    sourced(
        DeviceSpec(
            name="jetson-agx-orin",
            kind="gpu",
            peak_flops_per_s={
                "float32": 5.325e12,
                "float16": 42.6e12,
                "bfloat16": 42.6e12,
                "int8": 85.2e12,
            },
            vector_peak_flops_per_s={"float16": 10.65e12},
            memory_bandwidth_bytes_per_s=204.8e9,
            memory_bytes=64 * GIB,
            max_power_w=60.0,
            cores=16,
            frequency_hz=1.3e9,
            caches=(CacheLevel("L2", 6 * MIB),),
            process_nm=8,
        ),
        _JETSONS,
        cores=_AGX_ORIN,
        peak_flops_per_s=f"2048 {_ORIN_RATES}, 64 tensor cores; '170 sparse TOPS'",
        vector_peak_flops_per_s=_AGX_ORIN_TPU,
        max_power_w="https://blog.us.fixstars.com/?p=1855&preview=true",
        caches=_AGX_ORIN_TPU,
        process_nm=_AGX_ORIN_TPU,
    ),
)
