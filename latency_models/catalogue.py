"""Real devices, every figure with its source.

Of the CPUs, a source is the page that the figure was read in, or the arithmetic that gives it; those
of the accelerators are still to be checked.

GPU peaks are dense; float16 and bfloat16 ones are those of the matrix units with float32
accumulation, float32 ones those of the ordinary units. CPU peaks are cores x clock x FLOPs a cycle
at the clock named in the source.
"""

from collections.abc import Mapping
from types import MappingProxyType

from latency_models.cpu_catalogue import CPUS
from latency_models.device_spec import CacheLevel, DeviceSpec

_MIB = 2**20
_GIB = 2**30

_AMPERE_CONSUMER = (
    "https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.pdf"
)
_ADA = "https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf"
_TURING = "https://images.nvidia.com/aem-dam/en-zz/Solutions/design-visualization/technologies/turing-architecture/NVIDIA-Turing-Architecture-Whitepaper.pdf"
_PASCAL = "https://www.nvidia.com/en-us/geforce/products/10series/geforce-gtx-1080-ti/"
_T4 = "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/tesla-t4/t4-tensor-core-datasheet-951643.pdf"
_L4 = "https://resources.nvidia.com/en-us-data-center-overview/l4-gpu-datasheet"
_V100 = "https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf"
_A100 = "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-nvidia-us-2188504-web.pdf"
_A100_PAPER = "https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf"
_H100 = "https://resources.nvidia.com/en-us-tensor-core/nvidia-tensor-core-gpu-datasheet"
_H100_PAPER = "https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper"
_H200 = "https://nvdam.widen.net/s/nb5zzzsjdf/hpc-datasheet-sc23-h200-datasheet-3002446"
_ORIN_NANO = "https://developer.nvidia.com/downloads/jetson-orin-nano-series-data-sheet"
_AGX_ORIN = "https://www.nvidia.com/content/dam/en-zz/Solutions/gtcf21/jetson-orin/nvidia-jetson-agx-orin-technical-brief.pdf"
_NANO = "https://developer.nvidia.com/embedded/jetson-nano"


def _gpu(
    name: str,
    peaks: Mapping[str, float],
    *,
    bandwidth: float,
    memory: int,
    power: float | None,
    source: str,
    cores: int | None = None,
    frequency: float | None = None,
    caches: tuple[CacheLevel, ...] = (),
    extra: Mapping[str, str] = MappingProxyType({}),
) -> DeviceSpec:
    fields = ["peak_flops_per_s", "memory_bandwidth_bytes_per_s", "memory_bytes"]
    optional = {"max_power_w": power, "cores": cores, "frequency_hz": frequency}
    fields += [key for key, value in optional.items() if value is not None]
    return DeviceSpec(
        name=name,
        kind="gpu",
        peak_flops_per_s=peaks,
        memory_bandwidth_bytes_per_s=bandwidth,
        caches=caches,
        cores=cores,
        frequency_hz=frequency,
        memory_bytes=memory,
        max_power_w=power,
        sources={**dict.fromkeys(fields, source), **extra},
    )


def _tpu(
    name: str, peaks: Mapping[str, float], *, bandwidth: float, memory: int, source: str
) -> DeviceSpec:
    fields = ("peak_flops_per_s", "memory_bandwidth_bytes_per_s", "memory_bytes")
    return DeviceSpec(
        name=name,
        kind="tpu",
        peak_flops_per_s=peaks,
        memory_bandwidth_bytes_per_s=bandwidth,
        memory_bytes=memory,
        sources=dict.fromkeys(fields, source),
    )


def _tensor(half: float, int8: float | None, *, bfloat16: bool = True) -> dict[str, float]:
    peaks = {"float16": half}
    if bfloat16:
        peaks["bfloat16"] = half
    if int8 is not None:
        peaks["int8"] = int8
    return peaks


_ALL: tuple[DeviceSpec, ...] = (
    _gpu(
        "jetson-nano",
        {"float32": 235.8e9, "float16": 471.6e9},
        bandwidth=25.6e9,
        memory=4 * _GIB,
        power=10.0,
        frequency=921.6e6,
        source=_NANO,
        extra={"peak_flops_per_s": f"128 cores x 2 x 0.9216 GHz, float16 twice that; {_NANO}"},
    ),
    _gpu(
        "jetson-orin-nano",
        {"float32": 1.28e12, **_tensor(10.24e12, 20.48e12)},
        bandwidth=68e9,
        memory=8 * _GIB,
        power=15.0,
        cores=8,
        frequency=625e6,
        source=_ORIN_NANO,
        extra={
            "peak_flops_per_s": "1024 CUDA cores x 2 x 0.625 GHz; 32 tensor cores x 512 FLOPs in"
            f" float16 and 1024 in int8 a cycle; {_ORIN_NANO}"
        },
    ),
    _gpu(
        "jetson-agx-orin",
        {"float32": 5.325e12, **_tensor(42.6e12, 85.2e12)},
        bandwidth=204.8e9,
        memory=64 * _GIB,
        power=60.0,
        cores=16,
        frequency=1.3e9,
        source=_AGX_ORIN,
        extra={
            "peak_flops_per_s": "2048 CUDA cores x 2 x 1.3 GHz; 64 tensor cores x 512 FLOPs in"
            f" float16 and 1024 in int8 a cycle (the GPU alone, without the DLAs); {_AGX_ORIN}"
        },
    ),
    _gpu(
        "gtx-1080-ti",
        {"float32": 11.34e12},
        bandwidth=484e9,
        memory=11 * _GIB,
        power=250.0,
        cores=28,
        frequency=1.582e9,
        source=_PASCAL,
        extra={"peak_flops_per_s": f"3584 CUDA cores x 2 x 1.582 GHz; {_PASCAL}"},
    ),
    _gpu(
        "titan-rtx",
        {"float32": 16.3e12, **_tensor(130.5e12, 261e12, bfloat16=False)},
        bandwidth=672e9,
        memory=24 * _GIB,
        power=280.0,
        cores=72,
        frequency=1.77e9,
        caches=(CacheLevel("L2", 6 * _MIB),),
        source=_TURING,
        extra={"caches": _TURING},
    ),
    _gpu(
        "rtx-3090",
        {"float32": 35.58e12, **_tensor(71e12, 284e12)},
        bandwidth=936e9,
        memory=24 * _GIB,
        power=350.0,
        cores=82,
        frequency=1.695e9,
        caches=(CacheLevel("L2", 6 * _MIB),),
        source=_AMPERE_CONSUMER,
        extra={"caches": _AMPERE_CONSUMER},
    ),
    _gpu(
        "rtx-4090",
        {"float32": 82.58e12, **_tensor(165.2e12, 660.6e12)},
        bandwidth=1008e9,
        memory=24 * _GIB,
        power=450.0,
        cores=128,
        frequency=2.52e9,
        caches=(CacheLevel("L2", 72 * _MIB),),
        source=_ADA,
        extra={"caches": _ADA},
    ),
    _gpu(
        "t4",
        {"float32": 8.1e12, **_tensor(65e12, 130e12, bfloat16=False)},
        bandwidth=320e9,
        memory=16 * _GIB,
        power=70.0,
        cores=40,
        source=_T4,
        extra={"cores": _TURING},
    ),
    _gpu(
        "l4",
        {"float32": 30.3e12, **_tensor(121e12, 242.5e12)},
        bandwidth=300e9,
        memory=24 * _GIB,
        power=72.0,
        source=_L4,
        extra={"peak_flops_per_s": f"half of the figures with sparsity in {_L4}"},
    ),
    _gpu(
        "v100",
        {"float32": 15.7e12, **_tensor(125e12, None, bfloat16=False)},
        bandwidth=900e9,
        memory=32 * _GIB,
        power=300.0,
        cores=80,
        source=_V100,
        extra={
            "cores": "https://images.nvidia.com/content/volta-architecture/pdf/volta-architecture-whitepaper.pdf"
        },
    ),
    _gpu(
        "a100",
        {"float32": 19.5e12, **_tensor(312e12, 624e12)},
        bandwidth=2039e9,
        memory=80 * _GIB,
        power=400.0,
        cores=108,
        frequency=1.41e9,
        caches=(CacheLevel("L2", 40 * _MIB, 5120 * 1.41e9),),
        source=_A100,
        extra={
            "cores": _A100_PAPER,
            "frequency_hz": _A100_PAPER,
            "caches": f"40 MB, 5120 B a cycle x 1.41 GHz; {_A100_PAPER}",
        },
    ),
    _gpu(
        "h100",
        {"float32": 67e12, **_tensor(989.4e12, 1978.9e12)},
        bandwidth=3350e9,
        memory=80 * _GIB,
        power=700.0,
        cores=132,
        caches=(CacheLevel("L2", 50 * _MIB),),
        source=_H100,
        extra={"cores": _H100_PAPER, "caches": _H100_PAPER},
    ),
    _gpu(
        "h200",
        {"float32": 67e12, **_tensor(989.4e12, 1978.9e12)},
        bandwidth=4800e9,
        memory=141 * 10**9,
        power=700.0,
        cores=132,
        caches=(CacheLevel("L2", 50 * _MIB),),
        source=_H200,
        extra={"cores": _H100_PAPER, "caches": _H100_PAPER},
    ),
    _tpu(
        "tpu-v4",
        {"bfloat16": 275e12, "int8": 275e12},
        bandwidth=1200e9,
        memory=32 * _GIB,
        source="https://cloud.google.com/tpu/docs/v4",
    ),
    _tpu(
        "tpu-v5e",
        {"bfloat16": 197e12, "int8": 393e12},
        bandwidth=819e9,
        memory=16 * _GIB,
        source="https://cloud.google.com/tpu/docs/v5e",
    ),
    _tpu(
        "tpu-v6e",
        {"bfloat16": 918e12, "int8": 1836e12},
        bandwidth=1638e9,
        memory=32 * _GIB,
        source="https://cloud.google.com/tpu/docs/v6e",
    ),
)

DEVICES: Mapping[str, DeviceSpec] = MappingProxyType({spec.name: spec for spec in (*CPUS, *_ALL)})
