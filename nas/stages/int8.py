"""An exported network in int8 beside the same in float32: what it costs, and what it brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latency_models.measure import Measured, measure
from nas.config.models import HOST, Config
from nas.export.formats import RUNTIME_FORMATS, load_onnx
from nas.export.quantized import write_quantized_onnx
from nas.export.writing import INT8_FILE
from nas.stages.cards import accuracy_of, opset_of
from nas.stages.measuring import Measuring
from nas.stages.provenance import flat_environment
from nas.stages.setting import Setting
from nas.supernet.standalone import StandaloneNetwork, logits_of


def compare_int8(
    setting: Setting, measuring: Measuring, network: StandaloneNetwork, directory: Path
) -> dict[str, Any]:
    """Quantises an exported network, and tests and measures both of its ONNX files.

    Accuracies are those of ONNX Runtime on the whole test split. Latencies are measured on this
    machine as the study's targets are: with ONNX Runtime and OpenVINO wherever a target of it has
    them, else with ONNX Runtime on one thread, one image at a time.

    Args:
        setting: Of the study.
        measuring: Of the same.
        network: What is in the directory's `model.onnx`.
        directory: Where `model_int8.onnx` is written.
    """
    resolution = network.architecture.input_shape[0]
    images = measuring.quantization_images(resolution)
    write_quantized_onnx(network, directory / INT8_FILE, images=images)
    paths = {"float32": directory / "model.onnx", "int8": directory / INT8_FILE}
    return {
        "file": INT8_FILE,
        "opset": opset_of(directory / INT8_FILE),
        "calibration_images": len(images),
        "accuracy": {
            dtype: accuracy_of(setting, _accuracy(setting, path, resolution))
            for dtype, path in paths.items()
        },
        "latency": [
            _latency(network, paths, runtime=runtime, batch_size=batch_size, threads=threads)
            for runtime, batch_size, threads in runs(setting.config)
        ],
    }


def runs(config: Config) -> list[tuple[str, int, int]]:
    """Runtime, batch size and threads of each way in which both files are measured."""
    found = [
        (str(target.runtime), target.batch_size, target.threads)
        for target in config.targets
        if target.device == HOST
        and RUNTIME_FORMATS.get(str(target.runtime)) == "onnx"
        and target.dtype in ("float32", "int8")
    ]
    return list(dict.fromkeys(found)) or [("onnxruntime", 1, 1)]


def _accuracy(setting: Setting, path: Path, resolution: int) -> float:
    dataset, batch_size = setting.dataset, setting.config.search.batch_size
    logits = logits_of(
        load_onnx(path), dataset, dataset.test, resolution=resolution, batch_size=batch_size
    )
    return float(np.mean(np.argmax(logits, axis=1) == dataset.test.labels))


def _latency(
    network: StandaloneNetwork,
    paths: Mapping[str, Path],
    *,
    runtime: str,
    batch_size: int,
    threads: int,
) -> dict[str, Any]:
    results = list(
        measure(
            paths.values(),
            runtime=runtime,
            input_shape=(batch_size, *network.architecture.input_shape),
            dtype="float32",
            threads=threads,
        )
    )
    return {
        "runtime": runtime,
        "batch_size": batch_size,
        "threads": threads,
        "environment": flat_environment(results[0].environment),
        **{dtype: _figures(result) for dtype, result in zip(paths, results, strict=True)},
    }


def _figures(result: Measured) -> dict[str, Any]:
    interval = result.confidence_interval_s
    return {
        "latency_s": result.latency_s,
        "interval_s": None if interval is None else list(interval),
        "samples": len(result.samples_s),
        "status": result.status,
        "error": result.error,
    }
