"""Data centre GPUs of the catalogue."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import GIB, MIB, sourced, techpowerup

_LIGHTNING = "https://github.com/Lightning-AI/pytorch-lightning/blob/0810121fef07bc70c1bf4706a81ecb47d2e6ad17/src/lightning/fabric/utilities/throughput.py"
_INDUCTOR = "https://github.com/pytorch/pytorch/blob/00604d0f7e9adbfb6a6ef06f375007945118044d/torch/_inductor/analysis/device_info.py"
_XLA = "https://github.com/openxla/xla/blob/main/xla/backends/gpu/target_config/specs/"
_T4 = "https://sysrqmts.com/en/gpus/nvidia/tesla/t4"
_L4 = "https://fpsbench.com/compare/gpu/nvidia-l4-vs-nvidia-tesla-m40"
_L4_SPARSITY = "https://store.sourcecode.com/en-us/bg-bucket-compare/125/9820"
_L40S = "https://www.mullet.se/product.html?product_id=355414"
_AMPERE_POST = (
    "copy of https://developer.nvidia.com/blog/nvidia-ampere-architecture-in-depth/, table 4"
)
_A100_PAPER = "section 4.6.3, copy of https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf"
_A100 = "https://glennklockwood.com/garden/processors/A100"
_H100 = "https://glennklockwood.com/garden/processors/h100"
_H200_SYSTEM = "https://raw.githubusercontent.com/mlcommons/inference_results_v4.1/main/closed/NVIDIA/systems/H200-SXM-141GBx8_TRT_MaxQ.json"
_P100_TPU = techpowerup("tesla-p100-sxm2.c3183")
_V100_TPU = techpowerup("tesla-v100-sxm2-32-gb.c3185")
_T4_TPU = techpowerup("tesla-t4.c3316")
_A10_TPU = techpowerup("a10-pcie.c3793")
_A100_TPU = techpowerup("a100-sxm4-80-gb.c3746")
_L4_TPU = techpowerup("l4.c4091")
_L40S_TPU = techpowerup("l40s.c4173")
_H100_TPU = techpowerup("h100-sxm5-80-gb.c3900")
_H200_TPU = techpowerup("h200-sxm-141-gb.c4255")
_B200_TPU = techpowerup("b200.c4210")
_MI300X_TPU = techpowerup("radeon-instinct-mi300x.c4179")

_OLDER: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="p100",
            kind="gpu",
            peak_flops_per_s={"float32": 10.61e12, "float16": 21.22e12},
            memory_bandwidth_bytes_per_s=732.2e9,
            memory_bytes=16 * GIB,
            max_power_w=300.0,
            cores=56,
            frequency_hz=1.48e9,
            caches=(CacheLevel("L2", 4 * MIB),),
            process_nm=16,
        ),
        _P100_TPU,
    ),
    sourced(
        DeviceSpec(
            name="v100",
            kind="gpu",
            peak_flops_per_s={"float32": 15.7e12, "float16": 125e12},
            vector_peak_flops_per_s={"float16": 31.33e12},
            memory_bandwidth_bytes_per_s=900e9,
            memory_bytes=32 * GIB,
            max_power_w=300.0,
            cores=80,
            frequency_hz=1.53e9,
            caches=(CacheLevel("L2", 6 * MIB),),
            process_nm=12,
        ),
        _AMPERE_POST,
        peak_flops_per_s=f"{_LIGHTNING} (from NVIDIA's datasheet)",
        vector_peak_flops_per_s=_V100_TPU,
        cores=f"{_XLA}v100.txtpb",
        frequency_hz=f"{_XLA}v100.txtpb",
        caches=f"{_XLA}v100.txtpb",
        process_nm=_V100_TPU,
    ),
    sourced(
        DeviceSpec(
            name="t4",
            kind="gpu",
            peak_flops_per_s={"float32": 8.1e12, "float16": 65e12, "int8": 130e12},
            memory_bandwidth_bytes_per_s=320e9,
            memory_bytes=16 * GIB,
            max_power_w=70.0,
            cores=40,
            frequency_hz=1.59e9,
            caches=(CacheLevel("L2", 4 * MIB),),
            process_nm=12,
        ),
        _T4,
        peak_flops_per_s=f"{_LIGHTNING} (from NVIDIA's datasheet)",
        frequency_hz=_T4_TPU,
        caches=_T4_TPU,
        process_nm=_T4_TPU,
    ),
    sourced(
        DeviceSpec(
            name="a10",
            kind="gpu",
            peak_flops_per_s={"float32": 31.2e12, "float16": 125e12, "bfloat16": 125e12},
            vector_peak_flops_per_s={"float16": 31.24e12},
            memory_bandwidth_bytes_per_s=600e9,
            memory_bytes=24 * GIB,
            max_power_w=150.0,
            cores=72,
            frequency_hz=1.695e9,
            caches=(CacheLevel("L2", 6 * MIB),),
            process_nm=8,
        ),
        _A10_TPU,
        peak_flops_per_s=f"{_LIGHTNING} (from NVIDIA's A10 datasheet)",
        memory_bandwidth_bytes_per_s="https://www.baseten.co/blog/nvidia-a10-vs-a10g-for-ml-model-inference/",
    ),
    sourced(
        DeviceSpec(
            name="a100",
            kind="gpu",
            peak_flops_per_s={
                "float32": 19.5e12,
                "float16": 312e12,
                "bfloat16": 312e12,
                "int8": 624e12,
            },
            vector_peak_flops_per_s={"float16": 77.97e12},
            memory_bandwidth_bytes_per_s=2039e9,
            memory_bytes=80 * GIB,
            max_power_w=400.0,
            cores=108,
            frequency_hz=1.41e9,
            caches=(CacheLevel("L2", 40 * MIB, 5120 * 1.41e9),),
            process_nm=7,
        ),
        _A100,
        vector_peak_flops_per_s=_A100_TPU,
        memory_bandwidth_bytes_per_s=f"{_XLA}a100_sxm_80.txtpb",
        frequency_hz=f"{_XLA}a100_sxm_80.txtpb",
        caches=f"{_XLA}a100_sxm_80.txtpb; 5120 B a cycle x 1.41 GHz, {_A100_PAPER}",
        process_nm=_A100_TPU,
    ),
    sourced(
        DeviceSpec(
            name="l4",
            kind="gpu",
            peak_flops_per_s={
                "float32": 30.3e12,
                "float16": 121e12,
                "bfloat16": 121e12,
                "int8": 242.5e12,
            },
            vector_peak_flops_per_s={"float16": 30.29e12},
            memory_bandwidth_bytes_per_s=300e9,
            memory_bytes=24 * GIB,
            max_power_w=72.0,
            cores=60,
            frequency_hz=2.04e9,
            caches=(CacheLevel("L2", 48 * MIB),),
            process_nm=5,
        ),
        _L4_TPU,
        peak_flops_per_s=f"{_INDUCTOR} (from NVIDIA's datasheet), half of the tensor cores'"
        f" figures, which are with sparsity, {_L4_SPARSITY}",
        memory_bandwidth_bytes_per_s=_L4,
        memory_bytes=_L4,
        max_power_w=_L4,
    ),
    sourced(
        DeviceSpec(
            name="l40s",
            kind="gpu",
            peak_flops_per_s={
                "float32": 91.6e12,
                "float16": 362.05e12,
                "bfloat16": 362.05e12,
                "int8": 733e12,
            },
            vector_peak_flops_per_s={"float16": 91.61e12},
            memory_bandwidth_bytes_per_s=864e9,
            memory_bytes=48 * GIB,
            max_power_w=350.0,
            cores=142,
            frequency_hz=2.52e9,
            caches=(CacheLevel("L2", 48 * MIB),),
            process_nm=5,
        ),
        _L40S,
        peak_flops_per_s=f"{_L40S}; int8 as FP8 there, and 732.86 TOPS in"
        " https://hmc-tech.com/gpu/nvidia-l40s-vs-nvidia-t40",
        vector_peak_flops_per_s=_L40S_TPU,
        cores=_L40S_TPU,
        frequency_hz=_L40S_TPU,
        caches=_L40S_TPU,
        process_nm=_L40S_TPU,
    ),
)

_NEWER: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="h100",
            kind="gpu",
            peak_flops_per_s={
                "float32": 66.9e12,
                "float16": 989.4e12,
                "bfloat16": 989.4e12,
                "int8": 1978.9e12,
            },
            vector_peak_flops_per_s={"float16": 133.8e12, "bfloat16": 133.8e12},
            memory_bandwidth_bytes_per_s=3350e9,
            memory_bytes=80 * GIB,
            max_power_w=700.0,
            cores=132,
            frequency_hz=1.98e9,
            caches=(CacheLevel("L2", 50 * MIB),),
            process_nm=5,
        ),
        _H100,
        vector_peak_flops_per_s=f"132 cores x 128 units x 2 operations x 2 (multiply-add) x 1.98"
        f" GHz, {_XLA}h100_sxm.txtpb",
        frequency_hz=f"{_XLA}h100_sxm.txtpb; the tensor cores' peaks are at its 1.83 GHz",
        caches=f"{_XLA}h100_sxm.txtpb",
        process_nm=_H100_TPU,
    ),
    sourced(
        DeviceSpec(
            name="h200",
            kind="gpu",
            peak_flops_per_s={
                "float32": 66.9e12,
                "float16": 989.4e12,
                "bfloat16": 989.4e12,
                "int8": 1978.9e12,
            },
            vector_peak_flops_per_s={"float16": 133.8e12, "bfloat16": 133.8e12},
            memory_bandwidth_bytes_per_s=4800e9,
            memory_bytes=141 * GIB,
            max_power_w=700.0,
            cores=132,
            frequency_hz=1.98e9,
            caches=(CacheLevel("L2", 50 * MIB),),
            process_nm=5,
        ),
        f"{_XLA}h200.txtpb",
        peak_flops_per_s=f"units x operations x clock, {_XLA}h200.txtpb; as H100, {_H100}",
        vector_peak_flops_per_s=f"as H100, {_XLA}h100_sxm.txtpb",
        frequency_hz=_H200_TPU,
        max_power_w=_H200_SYSTEM,
        process_nm=_H200_TPU,
    ),
    sourced(
        DeviceSpec(
            name="b200",
            kind="gpu",
            peak_flops_per_s={
                "float32": 74.45e12,
                "float16": 2225e12,
                "bfloat16": 2225e12,
                "int8": 4450e12,
            },
            vector_peak_flops_per_s={"float16": 74.45e12, "bfloat16": 74.45e12},
            memory_bandwidth_bytes_per_s=7672.32e9,
            memory_bytes=191514411008,
            max_power_w=1000.0,
            cores=148,
            frequency_hz=1.965e9,
            caches=(CacheLevel("L2", 132644864),),
            process_nm=5,
        ),
        f"{_XLA}b200.txtpb",
        peak_flops_per_s="float32 148 cores x 128 units x 2 (multiply-add) x 1.965 GHz; float16 148"
        " x 4 matrix units x 1024 x 2 x 1.8353 GHz, int8 twice that,"
        f" {_XLA}b200.txtpb",
        vector_peak_flops_per_s="148 cores x 128 units x 2 (multiply-add) x 1.965 GHz,"
        f" {_XLA}b200.txtpb",
        max_power_w=_B200_TPU,
        process_nm=_B200_TPU,
    ),
    sourced(
        DeviceSpec(
            name="mi300x",
            kind="gpu",
            peak_flops_per_s={
                "float32": 163.4e12,
                "float16": 1307.4e12,
                "bfloat16": 1307.4e12,
                "int8": 2614.9e12,
            },
            memory_bandwidth_bytes_per_s=5300e9,
            memory_bytes=192 * GIB,
            max_power_w=750.0,
            frequency_hz=2.1e9,
            process_nm=5,
        ),
        f"{_INDUCTOR} (from AMD's datasheet)",
        max_power_w=_MI300X_TPU,
        frequency_hz=_MI300X_TPU,
        process_nm=_MI300X_TPU,
    ),
)

DATACENTRE_GPUS: tuple[DeviceSpec, ...] = (*_OLDER, *_NEWER)
