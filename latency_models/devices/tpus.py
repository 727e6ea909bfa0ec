"""Google's cloud TPUs.

A chip's clock follows from its peak: TensorCores x matrix units x side^2 x 2 FLOPs a cycle. Its
vector unit works in float32 whatever the operands are; that peak stands under bfloat16, the dtype
whose `peak_flops_per_s` is the matrix units'.
"""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import GIB, MIB, sourced

_DOCS = "https://docs.cloud.google.com/tpu/docs/"
_BOOK = (
    "https://github.com/jax-ml/scaling-book/blob/04d8de58b9f64e2d6cc1df469b8a36f506a0138d/tpus.md"
)

TPUS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="tpu-v3",
            kind="tpu",
            peak_flops_per_s={"bfloat16": 140e12, "int8": 140e12},
            memory_bandwidth_bytes_per_s=900e9,
            memory_bytes=32 * GIB,
            systolic_side=128,
        ),
        _BOOK,
    ),
    sourced(
        DeviceSpec(
            name="tpu-v4",
            kind="tpu",
            peak_flops_per_s={"bfloat16": 275e12, "int8": 275e12},
            vector_peak_flops_per_s={"bfloat16": 4.3e12},
            memory_bandwidth_bytes_per_s=1200e9,
            memory_bytes=32 * GIB,
            frequency_hz=1.05e9,
            systolic_side=128,
        ),
        f"{_DOCS}v4",
        vector_peak_flops_per_s=f"2 cores x 2048 adders x 1.05 GHz, {_BOOK}",
        frequency_hz=f"275 TFLOPS / (2 cores x 4 units x 128 x 128 x 2), {_BOOK}",
        systolic_side=_BOOK,
    ),
    sourced(
        DeviceSpec(
            name="tpu-v5e",
            kind="tpu",
            peak_flops_per_s={"bfloat16": 197e12, "int8": 393e12},
            vector_peak_flops_per_s={"bfloat16": 6.1e12},
            memory_bandwidth_bytes_per_s=819e9,
            memory_bytes=16 * GIB,
            frequency_hz=1.5e9,
            systolic_side=128,
            caches=(CacheLevel("VMEM", 128 * MIB, 22 * 819e9),),
        ),
        f"{_DOCS}v5e",
        peak_flops_per_s="https://cloud.google.com/tpu/docs/v5e",
        vector_peak_flops_per_s=f"1 core x 4 adds of 8 x 128 values a cycle x 1.5 GHz, {_BOOK}",
        frequency_hz=_BOOK,
        systolic_side=_BOOK,
        caches=f"128 MiB, about 22 times the main memory's bandwidth, {_BOOK}",
    ),
    sourced(
        DeviceSpec(
            name="tpu-v5p",
            kind="tpu",
            peak_flops_per_s={"bfloat16": 459e12, "int8": 918e12},
            vector_peak_flops_per_s={"bfloat16": 14.3e12},
            memory_bandwidth_bytes_per_s=2765e9,
            memory_bytes=95 * GIB,
            frequency_hz=1.75e9,
            systolic_side=128,
        ),
        f"{_DOCS}v5p?hl=ja",
        peak_flops_per_s=f"{_DOCS}v5p?hl=ja; int8 {_BOOK}",
        vector_peak_flops_per_s=f"2 cores x 4 adds of 8 x 128 values a cycle x 1.75 GHz, {_BOOK}",
        frequency_hz=f"459 TFLOPS / (2 cores x 4 units x 128 x 128 x 2), {_BOOK}",
        systolic_side=_BOOK,
    ),
    sourced(
        DeviceSpec(
            name="tpu-v6e",
            kind="tpu",
            peak_flops_per_s={"bfloat16": 918e12, "int8": 1836e12},
            memory_bandwidth_bytes_per_s=1638e9,
            memory_bytes=32 * GIB,
            systolic_side=256,
        ),
        f"{_DOCS}v6e.md.txt",
        systolic_side=_BOOK,
    ),
)
