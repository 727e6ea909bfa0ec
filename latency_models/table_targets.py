"""What the columns of the public latency tables were measured on.

The tables are HELP's (NAS-Bench-201 and FBNet) and, by way of OneProxy, those of HW-NAS-Bench,
EAGLE and nn-Meter. Three columns are left out. `fpga` (HW-NAS-Bench's estimate for a Xilinx ZC706)
has no datasheet: no clock of the estimated design was found, and without one no peak.
`desktop_cpu_core_i7_7820x_fp32` and `desktop_gpu_gtx_1080ti_fp32` agree within a percent on 1,999
networks, so that at most one of them is what its name says, and nothing tells which.

`titanx` may be either of two cards of the name; it is taken to be the Pascal one, since at batch
256 its median is 1.19 times the Titan Xp's, whose arithmetic is 1.11 and memory 1.14 times as fast
as the Pascal card's, while the Maxwell card's memory would make that 1.6 and more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_HELP = "https://github.com/HayeonLee/HELP/blob/11970ec72b43a2500a2eb00a8436bd05eb14e776/README.md"
_HELP_DEVICES = "https://ri.k117.org/papers/hardwareadaptive_efficient_latency_prediction_for_nas_via_metalearning__6543cd54"
_HW_NAS_BENCH = "https://github.com/GATECH-EIC/HW-NAS-Bench/blob/393bb8a02554dcd28e091fbbdb4d7aefe590018a/README.md"
_EAGLE = (
    "https://github.com/SamsungLabs/eagle/blob/215ab7f21bc055305a93292db6608e9ebe141b0a/README.md"
)
_NN_METER = (
    "https://github.com/microsoft/nn-Meter/blob/045a14784e797ffb1d36139732a66ee5c325dc1d/README.md"
)


@dataclass(frozen=True)
class TableTarget:
    """How a column was measured.

    Attributes:
        device: Key in the catalogue.
        batch_size: Networks' inputs a run.
        dtype: Of activations and weights.
        threads: CPU threads, None where it is not known or there are none.
        runtime: What ran the networks, such as "pytorch"; "estimate" for a model of the hardware;
            None where it is not known.
        source: Where that was read, and what was inferred.
    """

    device: str
    batch_size: int
    dtype: str
    threads: int | None
    runtime: str | None
    source: str


_GPU_CARDS: Mapping[str, str] = {
    "1080ti": "gtx-1080-ti",
    "2080ti": "rtx-2080-ti",
    "titan_rtx": "titan-rtx",
    "titanx": "titan-x-pascal",
    "titanxp": "titan-xp",
}
_XEONS: Mapping[str, str] = {
    "gold_6226": "xeon-gold-6226",
    "gold_6240": "xeon-gold-6240",
    "silver_4114": "xeon-silver-4114",
    "silver_4210r": "xeon-silver-4210r",
}
_PHONES: Mapping[str, str] = {
    "essential_ph_1": "essential-ph-1",
    "pixel2": "pixel-2",
    "samsung_a50": "samsung-a50",
    "samsung_s7": "samsung-s7",
}


def _help_targets() -> dict[str, TableTarget]:
    gpus = {
        f"{column}_{batch}": TableTarget(
            device,
            batch,
            "float32",
            None,
            "pytorch",
            f"device and batch: {_HELP_DEVICES}; PyTorch 1.8.1 with CUDA 10.2: {_HELP}",
        )
        for column, device in _GPU_CARDS.items()
        for batch in (1, 32, 64, 256)
    }
    xeons = {
        column: TableTarget(
            device,
            1,
            "float32",
            None,
            "pytorch",
            f"device: {_HELP_DEVICES}; PyTorch 1.8.1: {_HELP}, whose batch of 256 is taken for a"
            " slip: some 10 ms are too short for it even at the peak",
        )
        for column, device in _XEONS.items()
    }
    phones = {
        column: TableTarget(
            device,
            1,
            "float32",
            None,
            None,
            f"device: {_HELP_DEVICES}; batch and dtype taken to be those of the other columns",
        )
        for column, device in _PHONES.items()
    }
    return gpus | xeons | phones


def _hw_nas_bench(device: str, dtype: str, runtime: str | None) -> TableTarget:
    return TableTarget(
        device,
        1,
        dtype,
        None,
        runtime,
        f"device: {_HW_NAS_BENCH}; one input, and the dtype that the device computes in",
    )


def _eagle(device: str, dtype: str, runtime: str | None) -> TableTarget:
    return TableTarget(
        device,
        1,
        dtype,
        None,
        runtime,
        f"device and dtype: {_EAGLE}; one input, as in its configs/measurements",
    )


def _nn_meter(device: str, dtype: str, runtime: str) -> TableTarget:
    return TableTarget(
        device,
        1,
        dtype,
        None,
        runtime,
        f"device and runtime: {_NN_METER}; batch and dtype: one input in float, float16 on the VPU,"
        " which has no wider arithmetic",
    )


TABLE_TARGETS: Mapping[str, TableTarget] = MappingProxyType(
    {
        **_help_targets(),
        "pixel3": _hw_nas_bench("pixel-3", "float32", None),
        "raspi4": _hw_nas_bench("raspberry-pi-4", "float32", None),
        "eyeriss": _hw_nas_bench("eyeriss", "float16", "estimate"),
        "hwnasbench_edgegpu_jetson_tx2": _hw_nas_bench("jetson-tx2", "float32", None),
        "hwnasbench_edgetpu": _hw_nas_bench("edge-tpu", "int8", "tflite"),
        "embedded_gpu_jetson_nano_fp16": _eagle("jetson-nano", "float16", None),
        "embedded_gpu_jetson_nano_fp32": _eagle("jetson-nano", "float32", None),
        "embedded_tpu_edge_tpu_int8": _eagle("edge-tpu", "int8", "tflite"),
        "mobile_cpu_snapdragon_855_kryo_485_int8": _eagle("snapdragon-855-kryo-485", "int8", None),
        "mobile_dsp_snapdragon_855_hexagon_690_int8": _eagle(
            "snapdragon-855-hexagon-690", "int8", None
        ),
        "mobile_gpu_snapdragon_855_adreno_640_int8": _eagle(
            "snapdragon-855-adreno-640", "int8", None
        ),
        "nnmeter_cortexA76cpu_tflite21": _nn_meter("snapdragon-855-kryo-485", "float32", "tflite"),
        "nnmeter_adreno640gpu_tflite21": _nn_meter(
            "snapdragon-855-adreno-640", "float32", "tflite"
        ),
        "nnmeter_adreno630gpu_tflite21": _nn_meter(
            "snapdragon-845-adreno-630", "float32", "tflite"
        ),
        "nnmeter_myriadvpu_openvino2019r2": _nn_meter("myriad-x", "float16", "openvino"),
    }
)
