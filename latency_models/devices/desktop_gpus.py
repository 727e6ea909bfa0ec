"""Desktop GPUs of the catalogue."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import GIB, MIB, sourced, techpowerup

_TURING_POST = "copy of NVIDIA's post 'Turing Architecture In-Depth', table of TU102"
_TURING_RATES = (
    "https://blog.csdn.net/royalfizz/article/details/93308651 (from NVIDIA's whitepaper)"
)
_GECID = "https://ua.gecid.com/news/bolee_podrobnyj_vzglyad_na_geforce_gtx_1080_ti"
_TITAN = "https://www.tomshardware.com/news/nvidia-titan-rtx-specs-pricing,38184.html"
_RTX_3090 = "https://holynerdvana.blogspot.com/2022/10/nvidia-geforce-rtx-3090-specifications.html"
_RTX_4090 = "https://holynerdvana.blogspot.com/2022/10/nvidia-geforce-rtx-4090-specifications.html"
_PASCAL_TITANS = (
    "https://gamerevolution.preprod.vip.gnmedia.net/news/"
    "13974-the-nvidia-titan-xp-is-now-the-worlds-most-powerful-graphics-card"
)
_TITAN_X_INT8 = "http://pcpop.com/article/3108690.shtml ('INT8 44 TOPS')"
_1080_TI_TPU = techpowerup("geforce-gtx-1080-ti.c2877")
_TITAN_X_TPU = techpowerup("titan-x-pascal.c2863")
_TITAN_XP_TPU = techpowerup("titan-xp.c2948")
_2080_TI_TPU = techpowerup("geforce-rtx-2080-ti.c3305")
_TITAN_RTX_TPU = techpowerup("titan-rtx.c3311")
_3090_TPU = techpowerup("geforce-rtx-3090.c3622")
_4090_TPU = techpowerup("geforce-rtx-4090.c3889")

DESKTOP_GPUS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="gtx-1080-ti",
            kind="gpu",
            peak_flops_per_s={"float32": 11.34e12, "int8": 45.36e12},
            memory_bandwidth_bytes_per_s=484e9,
            memory_bytes=11 * GIB,
            max_power_w=250.0,
            cores=28,
            frequency_hz=1.582e9,
            caches=(CacheLevel("L2", int(2.75 * MIB)),),
            process_nm=16,
        ),
        _TURING_POST,
        cores=_GECID,
        peak_flops_per_s=f"3584 CUDA cores x 2 x 1.582 GHz, {_GECID}; int8 four times that, as on"
        f" the same chip in {_TITAN_X_INT8}",
        caches=_1080_TI_TPU,
        process_nm=_1080_TI_TPU,
    ),
    sourced(
        DeviceSpec(
            name="titan-x-pascal",
            kind="gpu",
            peak_flops_per_s={"float32": 10.97e12, "int8": 44e12},
            memory_bandwidth_bytes_per_s=480e9,
            memory_bytes=12 * GIB,
            max_power_w=250.0,
            cores=28,
            frequency_hz=1.531e9,
            caches=(CacheLevel("L2", 3 * MIB),),
            process_nm=16,
        ),
        _TITAN_X_TPU,
        peak_flops_per_s=f"3584 CUDA cores x 2 x 1.531 GHz, {_PASCAL_TITANS}; {_TITAN_X_INT8}",
        memory_bandwidth_bytes_per_s=_PASCAL_TITANS,
        cores=_PASCAL_TITANS,
        frequency_hz=_PASCAL_TITANS,
        max_power_w=_PASCAL_TITANS,
    ),
    sourced(
        DeviceSpec(
            name="titan-xp",
            kind="gpu",
            peak_flops_per_s={"float32": 12.15e12, "int8": 48.6e12},
            memory_bandwidth_bytes_per_s=547.7e9,
            memory_bytes=12 * GIB,
            max_power_w=250.0,
            cores=30,
            frequency_hz=1.582e9,
            caches=(CacheLevel("L2", 3 * MIB),),
            process_nm=16,
        ),
        _TITAN_XP_TPU,
        peak_flops_per_s=f"3840 CUDA cores x 2 x 1.582 GHz, {_PASCAL_TITANS}; int8 four times that,"
        f" as on the same chip in {_TITAN_X_INT8}",
        memory_bandwidth_bytes_per_s=_PASCAL_TITANS,
        cores=_PASCAL_TITANS,
        frequency_hz=_PASCAL_TITANS,
        max_power_w=_PASCAL_TITANS,
    ),
    sourced(
        DeviceSpec(
            name="titan-rtx",
            kind="gpu",
            peak_flops_per_s={"float32": 16.3e12, "float16": 130.5e12, "int8": 261e12},
            vector_peak_flops_per_s={"float16": 32.62e12},
            memory_bandwidth_bytes_per_s=672e9,
            memory_bytes=24 * GIB,
            max_power_w=280.0,
            cores=72,
            frequency_hz=1.77e9,
            caches=(CacheLevel("L2", 6 * MIB),),
            process_nm=12,
        ),
        _TITAN,
        cores=f"576 tensor cores, {_TITAN}, eight a multiprocessor, {_TURING_RATES}",
        peak_flops_per_s=f"float32 {_TITAN}; 576 tensor cores x 128 FLOPs a cycle x 1.77 GHz"
        f" in float16, twice that in int8, {_TURING_RATES}",
        vector_peak_flops_per_s=_TITAN_RTX_TPU,
        process_nm=_TITAN_RTX_TPU,
    ),
    sourced(
        DeviceSpec(
            name="rtx-2080-ti",
            kind="gpu",
            peak_flops_per_s={"float32": 13.45e12, "float16": 53.8e12, "int8": 215.2e12},
            vector_peak_flops_per_s={"float16": 26.9e12},
            memory_bandwidth_bytes_per_s=616e9,
            memory_bytes=11 * GIB,
            max_power_w=250.0,
            cores=68,
            frequency_hz=1.545e9,
            caches=(CacheLevel("L2", int(5.5 * MIB)),),
            process_nm=12,
        ),
        _2080_TI_TPU,
        peak_flops_per_s=f"float32 {_2080_TI_TPU}; 544 tensor cores x 256 operations a cycle x"
        f" 1.545 GHz in int8, {_TURING_RATES}; float16 a quarter of that: half the operations,"
        " and half the rate with float32 accumulation, as on the GeForce RTX 3090",
    ),
    sourced(
        DeviceSpec(
            name="rtx-3090",
            kind="gpu",
            peak_flops_per_s={
                "float32": 35.58e12,
                "float16": 71e12,
                "bfloat16": 71e12,
                "int8": 284e12,
            },
            vector_peak_flops_per_s={"float16": 35.58e12},
            memory_bandwidth_bytes_per_s=936e9,
            memory_bytes=24 * GIB,
            max_power_w=350.0,
            cores=82,
            frequency_hz=1.695e9,
            caches=(CacheLevel("L2", 6 * MIB),),
            process_nm=8,
        ),
        _RTX_3090,
        peak_flops_per_s=f"10496 cores x 2 x 1.695 GHz, {_RTX_3090}; float16 half of its 142"
        " TFLOPS, which are with float16 accumulation, int8 twice them: the 71 and 284 that"
        " others quote from NVIDIA's GA102 whitepaper, appendix A",
        vector_peak_flops_per_s=_3090_TPU,
        process_nm=_3090_TPU,
    ),
    sourced(
        DeviceSpec(
            name="rtx-4090",
            kind="gpu",
            peak_flops_per_s={
                "float32": 82.58e12,
                "float16": 165.2e12,
                "bfloat16": 165.2e12,
                "int8": 660.6e12,
            },
            vector_peak_flops_per_s={"float16": 82.58e12},
            memory_bandwidth_bytes_per_s=1008e9,
            memory_bytes=24 * GIB,
            max_power_w=450.0,
            cores=128,
            frequency_hz=2.52e9,
            caches=(CacheLevel("L2", 72 * MIB),),
            process_nm=5,
        ),
        _RTX_4090,
        peak_flops_per_s="https://waredb.com/processor/nvidia-geforce-rtx-4090",
        vector_peak_flops_per_s=_4090_TPU,
        process_nm=_4090_TPU,
    ),
)
