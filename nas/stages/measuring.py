"""Measures networks on a target, as shipped, while nothing else of ours runs there.

Where that is: this machine, the Ray nodes that are the device, or wherever a program of the user's
reaches.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from latency_models.measure import Measured, measure, runtimes
from nas.config import TargetConfig
from nas.data import prepare
from nas.errors import UserError
from nas.evaluation.subnets import SubnetEvaluation
from nas.export.formats import FORMATS, RUNTIME_FORMATS
from nas.export.quantized import write_quantized_onnx
from nas.records import Measurement
from nas.stages.setting import Setting
from nas.supernet.standalone import StandaloneNetwork, subnet
from search_spaces.base import Architecture

Purpose = Literal["adapt", "verify"]

QUANTIZATION_IMAGES = 256
"""Training images from which the scales of int8 networks are taken."""
HINTED = ("bfloat16", "float16")
"""What an ONNX file is not written in: the runtime is told to compute in it."""


class Measuring:
    """Cuts subnets from the trained supernet, writes them in a runtime's format, and times them."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    @cached_property
    def evaluation(self) -> SubnetEvaluation:
        """Recalibrates the statistics that the measured networks carry."""
        payload = self._setting.payload
        return SubnetEvaluation(
            payload.space,
            payload.weights,
            self._setting.dataset,
            calibration_images=payload.calibration_images,
            batch_size=payload.batch_size,
            seed=payload.seed,
        )

    def network(self, architecture: Architecture) -> StandaloneNetwork:
        """The subnet as a network of its own."""
        statistics = self.evaluation.statistics(architecture)
        return subnet(self._setting.weights, architecture, statistics)

    def measure(
        self,
        target: TargetConfig,
        genotypes: Sequence[tuple[int, ...]],
        purpose: Purpose,
        on_done: Callable[[Measurement], None],
    ) -> None:
        """Measures the genotypes that the study has no measurement of, and records each.

        Args:
            target: One with a runtime.
            genotypes: Canonical ones.
            purpose: What the measurements are for.
            on_done: Called after each, those measured before included.
        """
        study = self._setting.study
        known = {found.genotype: found for found in study.measurements(target.name, purpose)}
        missing = [genotype for genotype in genotypes if genotype not in known]
        for genotype in genotypes:
            if genotype in known:
                on_done(known[genotype])
        with tempfile.TemporaryDirectory(prefix="ridgeline-") as scratch:
            groups: dict[int, list[tuple[tuple[int, ...], Path]]] = {}
            for position, genotype in enumerate(missing):
                architecture = self._setting.space.decode(np.array(genotype))
                path = self._write(target, architecture, Path(scratch) / str(position))
                groups.setdefault(architecture.input_shape[0], []).append((genotype, path))
            for resolution, group in groups.items():
                self._time(target, resolution, group, purpose, on_done)

    def _write(self, target: TargetConfig, architecture: Architecture, stem: Path) -> Path:
        """The network's file for the target, beside others at `stem`."""
        name = file_format(target)
        path = stem.with_suffix(FORMATS[name].suffix)
        network = self.network(architecture)
        if name == "onnx" and target.dtype == "int8":
            images = self.quantization_images(architecture.input_shape[0])
            write_quantized_onnx(network, path, images=images)
        else:
            told = name == "onnx" and target.dtype in HINTED
            FORMATS[name].write(network, path, "float32" if told else target.dtype)
        return path

    def quantization_images(self, resolution: int) -> np.ndarray:
        """Prepared training images from which the scales of int8 networks are taken."""
        dataset = self._setting.dataset
        count = min(QUANTIZATION_IMAGES, len(dataset.train))
        rng = np.random.default_rng([self._setting.config.seed, 4])
        rows = np.sort(rng.choice(len(dataset.train), count, replace=False))
        images = prepare(
            dataset.train.images[rows],
            mean=dataset.mean.astype(np.float32),
            std=dataset.std.astype(np.float32),
            resolution=resolution,
        )
        return np.asarray(images)

    def _time(
        self,
        target: TargetConfig,
        resolution: int,
        group: list[tuple[tuple[int, ...], Path]],
        purpose: Purpose,
        on_done: Callable[[Measurement], None],
    ) -> None:
        channels = self._setting.dataset.train.images.shape[3]
        input_shape = (target.batch_size, resolution, resolution, channels)
        for position, result in _results(target, input_shape, [path for _, path in group]):
            notes = {"marks": list(result.marks), "compile_s": result.compile_s}
            found = Measurement(
                target=target.name,
                genotype=group[position][0],
                purpose=purpose,
                status=result.status,  # pyright: ignore[reportArgumentType]
                latency_s=result.latency_s,
                samples_s=result.samples_s,
                environment={**result.environment, **notes},
                error=result.error,
            )
            self._setting.study.record_measurement(found)
            on_done(found)


def file_format(target: TargetConfig) -> str:
    """The file format that the target's runtime loads.

    Raises:
        UserError: If it is none of those that networks are written in.
    """
    assert target.runtime is not None
    if target.command:
        return target.command_reads
    if target.runtime not in RUNTIME_FORMATS:
        suffixes = ", ".join(form.suffix for form in FORMATS.values())
        raise UserError(
            f"targets.{target.name}: runtime must read networks as they are written here, "
            f"{suffixes}; {target.runtime} reads {runtimes()[target.runtime].suffix}"
        )
    return RUNTIME_FORMATS[target.runtime]


def _results(
    target: TargetConfig, input_shape: tuple[int, ...], files: list[Path]
) -> Iterable[tuple[int, Measured]]:
    """Each file's position and result, in the order they finish."""
    options: dict[str, Any] = {
        "runtime": target.runtime,
        "input_shape": input_shape,
        "dtype": "float32",
        "compute_dtype": (
            target.dtype if file_format(target) == "onnx" and target.dtype in HINTED else None
        ),
        "threads": target.threads,
        "command": target.command,
    }
    if target.measure_on is None:
        return enumerate(measure(files, **options))
    from nas.execution.measuring import measure_on_nodes

    return measure_on_nodes(files, resource=target.measure_on, options=options)
