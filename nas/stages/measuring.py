"""Measures networks on a target of this machine, as shipped, while nothing else of ours runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from latency_models.measure import RUNTIMES, measure
from nas.config import TargetConfig
from nas.evaluation.subnets import SubnetEvaluation
from nas.export.formats import FORMATS, RUNTIME_FORMATS
from nas.records import Measurement
from nas.stages.setting import Setting
from nas.supernet.standalone import StandaloneNetwork, subnet
from search_spaces.base import Architecture

Purpose = Literal["adapt", "verify"]


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
        assert target.runtime is not None
        known = {found.genotype: found for found in study.measurements(target.name, purpose)}
        missing = [genotype for genotype in genotypes if genotype not in known]
        for genotype in genotypes:
            if genotype in known:
                on_done(known[genotype])
        with tempfile.TemporaryDirectory(prefix="ridgeline-") as scratch:
            groups: dict[int, list[tuple[tuple[int, ...], Path]]] = {}
            for position, genotype in enumerate(missing):
                architecture = self._setting.space.decode(np.array(genotype))
                path = Path(scratch) / f"{position}{RUNTIMES[target.runtime].suffix}"
                FORMATS[RUNTIME_FORMATS[target.runtime]].write(
                    self.network(architecture), path, target.dtype
                )
                groups.setdefault(architecture.input_shape[0], []).append((genotype, path))
            for resolution, group in groups.items():
                self._time(target, resolution, group, purpose, on_done)

    def _time(
        self,
        target: TargetConfig,
        resolution: int,
        group: list[tuple[tuple[int, ...], Path]],
        purpose: Purpose,
        on_done: Callable[[Measurement], None],
    ) -> None:
        assert target.runtime is not None
        channels = self._setting.dataset.train.images.shape[3]
        results = measure(
            [path for _, path in group],
            runtime=target.runtime,
            input_shape=(target.batch_size, resolution, resolution, channels),
            dtype="float32",
            threads=target.threads,
        )
        for (genotype, _), result in zip(group, results, strict=True):
            found = Measurement(
                target=target.name,
                genotype=genotype,
                purpose=purpose,
                status=result.status,  # pyright: ignore[reportArgumentType]
                latency_s=result.latency_s,
                samples_s=result.samples_s,
                environment=result.environment,
                error=result.error,
            )
            self._setting.study.record_measurement(found)
            on_done(found)
