"""Real devices, every figure with its source.

A source is the address of the page or file that the figure was read in, or the arithmetic that
gives it with the addresses of what goes into it. Those pages are often not the maker's own.
"copy of" marks a document that was read only in somebody's copy: the address is the document's,
not the copy's. What could not be read anywhere, nor follows from what was, is absent.

GPU peaks are dense, half of what is published "with sparsity"; float16 and bfloat16 ones are those
of the matrix units with float32 accumulation, float32 ones those of the ordinary units. CPU peaks
are cores x clock x FLOPs a cycle at the base clock. Memory sizes are in binary units, "16 GB" being
16 GiB.
"""

from collections.abc import Mapping
from types import MappingProxyType

from latency_models.cpu_catalogue import CPUS
from latency_models.device_spec import CacheLevel, DeviceSpec

_MIB = 2**20
_GIB = 2**30

_NANO = "https://cpu-gpu.alldbin.com/graphics-card-comparison/Jetson-TX2-GPU-and-Jetson-Nano-comparison.html"
_JETSONS = "https://github.com/ultralytics/ultralytics/blob/75231dff8a5ef7908d9ca524c7109ef390e94ac5/docs/en/guides/nvidia-jetson.md"
_ORIN_NANO = (
    "copy of https://connecttech.com/ftp/pdf/nvidia_jetson_orin_datasheet.pdf (DS-11105-001)"
)
_AGX_ORIN = "http://mzph.cn/web/30785.shtml (notes on NVIDIA's technical brief)"
_TURING_POST = "copy of NVIDIA's post 'Turing Architecture In-Depth', table of TU102"
_TURING_RATES = (
    "https://blog.csdn.net/royalfizz/article/details/93308651 (from NVIDIA's whitepaper)"
)
_TITAN = "https://www.tomshardware.com/news/nvidia-titan-rtx-specs-pricing,38184.html"
_RTX_3090 = "https://holynerdvana.blogspot.com/2022/10/nvidia-geforce-rtx-3090-specifications.html"
_RTX_4090 = "https://holynerdvana.blogspot.com/2022/10/nvidia-geforce-rtx-4090-specifications.html"
_LIGHTNING = "https://github.com/Lightning-AI/pytorch-lightning/blob/0810121fef07bc70c1bf4706a81ecb47d2e6ad17/src/lightning/fabric/utilities/throughput.py"
_T4 = "https://sysrqmts.com/en/gpus/nvidia/tesla/t4"
_L4 = "https://fpsbench.com/compare/gpu/nvidia-l4-vs-nvidia-tesla-m40"
_L4_PEAKS = "https://github.com/pytorch/pytorch/blob/00604d0f7e9adbfb6a6ef06f375007945118044d/torch/_inductor/analysis/device_info.py"
_L4_SPARSITY = "https://store.sourcecode.com/en-us/bg-bucket-compare/125/9820"
_AMPERE_POST = (
    "copy of https://developer.nvidia.com/blog/nvidia-ampere-architecture-in-depth/, table 4"
)
_A100_PAPER = "section 4.6.3, copy of https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf"
_A100 = "https://glennklockwood.com/garden/processors/A100"
_H100 = "https://glennklockwood.com/garden/processors/h100"
_XLA = "https://github.com/openxla/xla/blob/main/xla/backends/gpu/target_config/specs/"
_H200_SYSTEM = "https://raw.githubusercontent.com/mlcommons/inference_results_v4.1/main/closed/NVIDIA/systems/H200-SXM-141GBx8_TRT_MaxQ.json"
_TPU = "https://docs.cloud.google.com/tpu/docs/"


def _accelerator(
    name: str,
    kind: str,
    peaks: Mapping[str, float],
    *,
    bandwidth: float,
    memory: int,
    source: str,
    power: float | None = None,
    cores: int | None = None,
    frequency: float | None = None,
    caches: tuple[CacheLevel, ...] = (),
    extra: Mapping[str, str] = MappingProxyType({}),
) -> DeviceSpec:
    """A device whose figures all come from `source`, but for the fields named in `extra`."""
    fields = ["peak_flops_per_s", "memory_bandwidth_bytes_per_s", "memory_bytes"]
    optional = {
        "max_power_w": power,
        "cores": cores,
        "frequency_hz": frequency,
        "caches": caches or None,
    }
    fields += [key for key, value in optional.items() if value is not None]
    return DeviceSpec(
        name=name,
        kind=kind,
        peak_flops_per_s=peaks,
        memory_bandwidth_bytes_per_s=bandwidth,
        caches=caches,
        cores=cores,
        frequency_hz=frequency,
        memory_bytes=memory,
        max_power_w=power,
        sources={**dict.fromkeys(fields, source), **extra},
    )


def _tensor(half: float, int8: float | None, *, bfloat16: bool = True) -> dict[str, float]:
    peaks = {"float16": half}
    if bfloat16:
        peaks["bfloat16"] = half
    if int8 is not None:
        peaks["int8"] = int8
    return peaks


# 128 CUDA cores, 4 third-generation tensor cores a multiprocessor, both in Jetson Orins.
_ORIN_RATES = (
    "CUDA cores x 2 x clock; tensor cores x 1024 int8 operations a cycle (without the DLAs),"
    f" float16 half of int8 as on the A100 ({_A100}) and in {_AGX_ORIN}"
)

_ACCELERATORS: tuple[DeviceSpec, ...] = (
    _accelerator(
        "jetson-nano",
        "gpu",
        {"float32": 235.8e9, "float16": 471.6e9},
        bandwidth=25.6e9,
        memory=4 * _GIB,
        power=10.0,
        frequency=921e6,
        source=_NANO,
        extra={
            "peak_flops_per_s": f"128 cores x 2 x 0.921 GHz, {_NANO}; float16 twice that, the '472"
            f" GFLOPS' of {_JETSONS}"
        },
    ),
    _accelerator(
        "jetson-orin-nano",
        "gpu",
        {"float32": 1.28e12, **_tensor(10.24e12, 20.48e12)},
        bandwidth=68e9,
        memory=8 * _GIB,
        power=15.0,
        cores=8,
        frequency=625e6,
        source=_ORIN_NANO,
        extra={
            "cores": f"1024 CUDA cores / 128 a multiprocessor, {_AGX_ORIN}; {_ORIN_NANO}",
            "peak_flops_per_s": f"1024 {_ORIN_RATES}, 32 tensor cores; '20 (dense) INT8 TOPs',"
            f" {_ORIN_NANO}",
            "memory_bandwidth_bytes_per_s": f"128 bits x 2 x 2133 MHz, {_ORIN_NANO}",
        },
    ),
    _accelerator(
        "jetson-agx-orin",
        "gpu",
        {"float32": 5.325e12, **_tensor(42.6e12, 85.2e12)},
        bandwidth=204.8e9,
        memory=64 * _GIB,
        power=60.0,
        cores=16,
        frequency=1.3e9,
        source=_JETSONS,
        extra={
            "cores": _AGX_ORIN,
            "peak_flops_per_s": f"2048 {_ORIN_RATES}, 64 tensor cores; '170 sparse TOPS'",
            "max_power_w": "https://blog.us.fixstars.com/?p=1855&preview=true",
        },
    ),
    _accelerator(
        "gtx-1080-ti",
        "gpu",
        {"float32": 11.34e12},
        bandwidth=484e9,
        memory=11 * _GIB,
        power=250.0,
        cores=28,
        frequency=1.582e9,
        source=_TURING_POST,
        extra={
            "cores": "https://ua.gecid.com/news/bolee_podrobnyj_vzglyad_na_geforce_gtx_1080_ti",
            "peak_flops_per_s": "3584 CUDA cores x 2 x 1.582 GHz,"
            " https://ua.gecid.com/news/bolee_podrobnyj_vzglyad_na_geforce_gtx_1080_ti",
        },
    ),
    _accelerator(
        "titan-rtx",
        "gpu",
        {"float32": 16.3e12, **_tensor(130.5e12, 261e12, bfloat16=False)},
        bandwidth=672e9,
        memory=24 * _GIB,
        power=280.0,
        cores=72,
        frequency=1.77e9,
        caches=(CacheLevel("L2", 6 * _MIB),),
        source=_TITAN,
        extra={
            "cores": f"576 tensor cores, {_TITAN}, eight a multiprocessor, {_TURING_RATES}",
            "peak_flops_per_s": f"float32 {_TITAN}; 576 tensor cores x 128 FLOPs a cycle x 1.77 GHz"
            f" in float16, twice that in int8, {_TURING_RATES}",
        },
    ),
    _accelerator(
        "rtx-3090",
        "gpu",
        {"float32": 35.58e12, **_tensor(71e12, 284e12)},
        bandwidth=936e9,
        memory=24 * _GIB,
        power=350.0,
        cores=82,
        frequency=1.695e9,
        caches=(CacheLevel("L2", 6 * _MIB),),
        source=_RTX_3090,
        extra={
            "peak_flops_per_s": f"10496 cores x 2 x 1.695 GHz, {_RTX_3090}; float16 half of its 142"
            " TFLOPS, which are with float16 accumulation, int8 twice them: the 71 and 284 that"
            " others quote from NVIDIA's GA102 whitepaper, appendix A"
        },
    ),
    _accelerator(
        "rtx-4090",
        "gpu",
        {"float32": 82.58e12, **_tensor(165.2e12, 660.6e12)},
        bandwidth=1008e9,
        memory=24 * _GIB,
        power=450.0,
        cores=128,
        frequency=2.52e9,
        caches=(CacheLevel("L2", 72 * _MIB),),
        source=_RTX_4090,
        extra={"peak_flops_per_s": "https://waredb.com/processor/nvidia-geforce-rtx-4090"},
    ),
    _accelerator(
        "t4",
        "gpu",
        {"float32": 8.1e12, **_tensor(65e12, 130e12, bfloat16=False)},
        bandwidth=320e9,
        memory=16 * _GIB,
        power=70.0,
        cores=40,
        source=_T4,
        extra={"peak_flops_per_s": f"{_LIGHTNING} (from NVIDIA's datasheet)"},
    ),
    _accelerator(
        "l4",
        "gpu",
        {"float32": 30.3e12, **_tensor(121e12, 242.5e12)},
        bandwidth=300e9,
        memory=24 * _GIB,
        power=72.0,
        source=_L4,
        extra={
            "peak_flops_per_s": f"{_L4_PEAKS} (from NVIDIA's datasheet), half of the tensor cores'"
            f" figures, which are with sparsity, {_L4_SPARSITY}"
        },
    ),
    _accelerator(
        "v100",
        "gpu",
        {"float32": 15.7e12, **_tensor(125e12, None, bfloat16=False)},
        bandwidth=900e9,
        memory=32 * _GIB,
        power=300.0,
        cores=80,
        source=_AMPERE_POST,
        extra={
            "peak_flops_per_s": f"{_LIGHTNING} (from NVIDIA's datasheet)",
            "cores": f"{_XLA}v100.txtpb",
        },
    ),
    _accelerator(
        "a100",
        "gpu",
        {"float32": 19.5e12, **_tensor(312e12, 624e12)},
        bandwidth=2039e9,
        memory=80 * _GIB,
        power=400.0,
        cores=108,
        frequency=1.41e9,
        caches=(CacheLevel("L2", 40 * _MIB, 5120 * 1.41e9),),
        source=_A100,
        extra={
            "memory_bandwidth_bytes_per_s": f"{_XLA}a100_sxm_80.txtpb",
            "frequency_hz": f"{_XLA}a100_sxm_80.txtpb",
            "caches": f"{_XLA}a100_sxm_80.txtpb; 5120 B a cycle x 1.41 GHz, {_A100_PAPER}",
        },
    ),
    _accelerator(
        "h100",
        "gpu",
        {"float32": 66.9e12, **_tensor(989.4e12, 1978.9e12)},
        bandwidth=3350e9,
        memory=80 * _GIB,
        power=700.0,
        cores=132,
        caches=(CacheLevel("L2", 50 * _MIB),),
        source=_H100,
        extra={"caches": f"{_XLA}h100_sxm.txtpb"},
    ),
    _accelerator(
        "h200",
        "gpu",
        {"float32": 66.9e12, **_tensor(989.4e12, 1978.9e12)},
        bandwidth=4800e9,
        memory=141 * _GIB,
        power=700.0,
        cores=132,
        caches=(CacheLevel("L2", 50 * _MIB),),
        source=f"{_XLA}h200.txtpb",
        extra={
            "peak_flops_per_s": f"units x operations x clock, {_XLA}h200.txtpb; as H100, {_H100}",
            "max_power_w": _H200_SYSTEM,
        },
    ),
    _accelerator(
        "tpu-v4",
        "tpu",
        {"bfloat16": 275e12, "int8": 275e12},
        bandwidth=1200e9,
        memory=32 * _GIB,
        source=f"{_TPU}v4",
    ),
    _accelerator(
        "tpu-v5e",
        "tpu",
        {"bfloat16": 197e12, "int8": 393e12},
        bandwidth=819e9,
        memory=16 * _GIB,
        source=f"{_TPU}v5e",
        extra={"peak_flops_per_s": "https://cloud.google.com/tpu/docs/v5e"},
    ),
    _accelerator(
        "tpu-v6e",
        "tpu",
        {"bfloat16": 918e12, "int8": 1836e12},
        bandwidth=1638e9,
        memory=32 * _GIB,
        source=f"{_TPU}v6e.md.txt",
    ),
)

DEVICES: Mapping[str, DeviceSpec] = MappingProxyType(
    {spec.name: spec for spec in (*CPUS, *_ACCELERATORS)}
)
