"""What networks cost on every target: predicted, for whole populations at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from latency_models import LatencyPredictor, Prediction
from latency_models.workload import CostTable
from nas.config import TargetConfig
from nas.evolution.archive import Archive
from nas.evolution.constraints import Constraint, parse_constraint, total_violation
from nas.study import Study
from search_spaces.base import SearchSpace


class TargetCosts:
    """Predicted latency on every target, and how far each network is from keeping its constraints.

    Calling it with canonical genotypes `[n, d]` gives latencies in seconds `[n, targets]` and
    violations `[n, targets]`.
    """

    def __init__(
        self,
        space: SearchSpace,
        targets: Sequence[TargetConfig],
        predictors: Sequence[LatencyPredictor],
    ) -> None:
        self._space, self._targets, self._predictors = space, targets, predictors
        self._tables: dict[tuple[int, str], CostTable] = {}
        self.constraints: list[list[Constraint]] = [
            [parse_constraint(text) for text in target.constraints] for target in targets
        ]

    def __call__(
        self, genotypes: Int[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, "n t"], Float[np.ndarray, "n t"]]:
        """Latencies and violations."""
        latency = [
            self.predict(position, genotypes).median_s for position in range(len(self._targets))
        ]
        violation = [
            self.violation(position, genotypes, latency_s)
            for position, latency_s in enumerate(latency)
        ]
        return np.stack(latency, axis=1), np.stack(violation, axis=1)

    def predict(self, target: int, genotypes: Int[np.ndarray, "n d"]) -> Prediction:
        """Latency on one target, with its uncertainty."""
        return self._predictors[target].predict_population(self.table(target), genotypes)

    def violation(
        self,
        target: int,
        genotypes: Int[np.ndarray, "n d"],
        latency_s: Float[np.ndarray, " n"],
    ) -> Float[np.ndarray, " n"]:
        """Relative violation of a target's constraints for latencies, predicted or measured."""
        constraints = self.constraints[target]
        table = self.table(target)
        quantities: Mapping[str, Callable[[], np.ndarray]] = {
            "latency_s": lambda: latency_s,
            "params": lambda: table.params(genotypes),
            "macs": lambda: table.macs(genotypes),
            "flops": lambda: table.flops(genotypes),
            "peak_activation_bytes": lambda: self.peak_activation_bytes(target, genotypes),
        }
        wanted = {constraint.quantity for constraint in constraints}
        known = {name: make() for name, make in quantities.items() if name in wanted}
        return total_violation(constraints, known, n=len(genotypes))

    def peak_activation_bytes(
        self, target: int, genotypes: Int[np.ndarray, "n d"]
    ) -> Int[np.ndarray, " n"]:
        """Most bytes of activations alive at one time, at the target's batch size and dtype."""
        chosen = self._targets[target]
        workloads = [
            self._space.decode(genotype).workload(batch_size=chosen.batch_size, dtype=chosen.dtype)
            for genotype in genotypes
        ]
        return np.array([workload.peak_activation_bytes for workload in workloads], dtype=np.int64)

    def table(self, target: int) -> CostTable:
        """The cost table at the target's batch size and dtype."""
        key = (self._targets[target].batch_size, self._targets[target].dtype)
        if key not in self._tables:
            self._tables[key] = self._space.cost_table(batch_size=key[0], dtype=key[1])
        return self._tables[key]

    def reference(self, target: int) -> tuple[float, float]:
        """The hypervolume's reference point: error 1, the largest network's predicted latency."""
        return 1.0, float(self.predict(target, self._space.largest[None]).median_s[0])


def archive_of(study: Study, costs: TargetCosts, space: SearchSpace) -> tuple[Archive, list[int]]:
    """What the study has evaluated on the search split, and each entry's evaluation id."""
    done = [one for one in study.evaluations("search") if one.accuracy is not None]
    genotypes = np.array([one.genotype for one in done], dtype=np.int64)
    genotypes = genotypes.reshape(len(done), len(space.decisions))
    latency_s, violation = costs(genotypes)
    archive = Archive(decisions=len(space.decisions), targets=latency_s.shape[1])
    error = np.array([1.0 - (one.accuracy or 0.0) for one in done])
    archive.add(genotypes, error, latency_s, violation)
    return archive, [one.id for one in done]
