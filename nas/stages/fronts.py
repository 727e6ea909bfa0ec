"""The fronts of a study: their members with everything known of them, and their files."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from nas.config import Config, TargetConfig
from nas.stages.costs import TargetCosts, archive_of
from nas.study import Study
from search_spaces.base import SearchSpace

INTERVAL_LEVEL = 0.9
"""Probability that a latency lies in the interval that a front gives."""


@dataclass(frozen=True)
class Member:
    """One network of a target's front; latencies in seconds, accuracies 0 to 1.

    Attributes:
        network: Short name, the same in every front that has it.
        evaluation: Number of its evaluation in the study.
        measured_status: `ok`, `noisy`, `failed`, or None where it was not measured.
        samples_s: The timed runs that `measured_s` is the median of.
        broke_constraint: Whether a constraint does not hold with the measured latency; None where
            it was not measured.
    """

    network: str
    evaluation: int
    genotype: tuple[int, ...]
    predicted_s: float
    interval_low_s: float
    interval_high_s: float
    measured_s: float | None
    measured_status: str | None
    search_accuracy: float
    test_accuracy: float | None
    params: int
    macs: int
    peak_activation_bytes: int
    broke_constraint: bool | None
    samples_s: tuple[float, ...] = ()

    @property
    def latency_s(self) -> float:
        """Measured where there is a measurement, else predicted."""
        return self.predicted_s if self.measured_s is None else self.measured_s

    def latency_within_s(self, confidence: float) -> float:
        """What the latency stays within at a confidence of 0.5 to 1, 1 excluded.

        That is the quantile of the timed runs where the network was measured, else of the
        prediction, which is log-normal; at 0.5 it is `latency_s`.
        """
        if not 0.5 <= confidence < 1:
            raise ValueError(f"confidence must be at least 0.5 and below 1, got {confidence:g}")
        if self.measured_s is not None:
            if confidence == 0.5 or not self.samples_s:
                return self.measured_s
            return max(self.measured_s, float(np.quantile(self.samples_s, confidence)))
        half_width = NormalDist().inv_cdf((1 + INTERVAL_LEVEL) / 2)
        spread = math.log(self.interval_high_s / self.interval_low_s) / (2 * half_width)
        return self.predicted_s * math.exp(NormalDist().inv_cdf(confidence) * spread)

    @property
    def accuracy(self) -> float:
        """On the test split where it was tested, else on the search split."""
        return self.search_accuracy if self.test_accuracy is None else self.test_accuracy


@dataclass(frozen=True)
class Front:
    """A target's members in ascending predicted latency; the closest one if none is feasible."""

    target: TargetConfig
    feasible: bool
    members: tuple[Member, ...]


_COLUMNS = {
    "network": "string",
    "evaluation": "int64",
    "predicted_s": "float64",
    "interval_low_s": "float64",
    "interval_high_s": "float64",
    "measured_s": "float64",
    "measured_status": "string",
    "search_accuracy": "float64",
    "test_accuracy": "float64",
    "params": "int64",
    "macs": "int64",
    "peak_activation_bytes": "int64",
    "broke_constraint": "boolean",
    "feasible": "bool",
    "genotype": "string",
}
"""Types of a front's columns, the same in every target's file, whatever is missing there."""


def network_name(genotype: Sequence[int]) -> str:
    """A short name for a canonical genotype."""
    digest = hashlib.sha256(json.dumps([int(option) for option in genotype]).encode()).hexdigest()
    return f"net-{digest[:8]}"


def fronts_of(study: Study, config: Config, costs: TargetCosts, space: SearchSpace) -> list[Front]:
    """Every target's front, with the tests and measurements that the study has."""
    archive, ids = archive_of(study, costs, space)
    tested = {one.genotype: one.accuracy for one in study.evaluations("test")}
    fronts: list[Front] = []
    for position, target in enumerate(config.targets):
        chosen = archive.front(position)
        feasible = len(chosen) > 0
        if not feasible and len(archive):
            chosen = np.array([archive.closest(position)])
        genotypes = archive.genotypes[chosen]
        prediction = costs.predict(position, genotypes)
        low = prediction.quantile_s((1 - INTERVAL_LEVEL) / 2)
        high = prediction.quantile_s((1 + INTERVAL_LEVEL) / 2)
        table = costs.table(position)
        params, macs = table.params(genotypes), table.macs(genotypes)
        memory = costs.peak_activation_bytes(position, genotypes)
        measured = {one.genotype: one for one in study.measurements(target.name, "verify")}
        members: list[Member] = []
        for row, index in enumerate(chosen):
            genotype = tuple(int(option) for option in genotypes[row])
            found = measured.get(genotype)
            latency_s = None if found is None else found.latency_s
            broke = None
            if latency_s is not None:
                violation = costs.violation(
                    position, genotypes[row : row + 1], np.array([latency_s])
                )
                broke = bool(violation[0] > 0)
            members.append(
                Member(
                    network=network_name(genotype),
                    evaluation=ids[index],
                    genotype=genotype,
                    predicted_s=float(prediction.median_s[row]),
                    interval_low_s=float(low[row]),
                    interval_high_s=float(high[row]),
                    measured_s=latency_s,
                    measured_status=None if found is None else found.status,
                    search_accuracy=float(1.0 - archive.error[index]),
                    test_accuracy=tested.get(genotype),
                    params=int(params[row]),
                    macs=int(macs[row]),
                    peak_activation_bytes=int(memory[row]),
                    broke_constraint=broke,
                    samples_s=() if found is None else found.samples_s,
                )
            )
        fronts.append(Front(target, feasible, tuple(members)))
    return fronts


def write_front(front: Front, directory: Path) -> None:
    """Writes `TARGET.csv` and `TARGET.parquet`, a row a member."""
    import pandas as pd

    rows = [
        {
            **asdict(member),
            "feasible": front.feasible,
            "genotype": json.dumps(member.genotype),
        }
        for member in front.members
    ]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    for suffix in ("csv", "parquet"):
        path = directory / f"{front.target.name}.{suffix}"
        partial = path.with_name(path.name + ".part")
        if suffix == "csv":
            frame.to_csv(partial, index=False)
        else:
            frame.to_parquet(partial, index=False)
        os.replace(partial, path)
