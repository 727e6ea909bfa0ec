"""What networks cost on every target: predicted, for whole populations at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from latency_models import EnergyPredictor, Prediction
from latency_models.meta import MetaLatencyPredictor
from latency_models.workload import CostTable
from nas.config import TargetConfig
from nas.errors import StudyError
from nas.evolution.archive import Archive
from nas.evolution.constraints import Constraint, parse_constraint, total_violation
from nas.evolution.gain import Box
from nas.evolution.goals import Goal
from nas.records import Evaluation
from nas.study import Study
from search_spaces.base import SearchSpace, check_genotypes

OBJECTIVES: Mapping[str, str] = {
    "latency": "latency_s",
    "energy": "energy_j",
    "peak_memory": "peak_activation_bytes",
    "params": "params",
    "macs": "macs",
}
"""What a target's objectives are called in a config, and the quantity that each means."""


class TargetCosts:
    """Predicted costs on every target, and how far each network is from keeping its constraints.

    Calling it with canonical genotypes `[n, d]` gives costs `[n, c]` and violations `[n, targets]`.
    The first columns of the costs are each target's latency in seconds; others follow where a
    target has other objectives, and `goals` says which count for whom. A latency counts with its
    median; it keeps a constraint where it does so with the target's `confidence`.
    """

    def __init__(
        self,
        space: SearchSpace,
        targets: Sequence[TargetConfig],
        predictors: Sequence[MetaLatencyPredictor],
    ) -> None:
        self._space, self._targets, self._predictors = space, targets, predictors
        self._tables: dict[tuple[int, str], CostTable] = {}
        self.constraints: list[list[Constraint]] = [
            [parse_constraint(text) for text in target.constraints] for target in targets
        ]
        self._others: list[tuple[int, str]] = []
        goals: list[Goal] = []
        for position, target in enumerate(targets):
            columns: list[int] = []
            for name in target.objectives:
                if name == "latency":
                    columns.append(position)
                else:
                    columns.append(len(targets) + len(self._others))
                    self._others.append((position, OBJECTIVES[name]))
            goals.append(Goal(tuple(columns), target.weight))
        self.goals = tuple(goals)
        """What counts for each target."""

    def __call__(
        self, genotypes: Int[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "n t"]]:
        """Costs and violations."""
        costs: list[np.ndarray] = []
        violation: list[np.ndarray] = []
        for position, target in enumerate(self._targets):
            prediction = self.predict(position, genotypes)
            costs.append(prediction.median_s)
            limited = any(one.quantity == "latency_s" for one in self.constraints[position])
            bound = prediction.quantile_s(target.confidence) if limited else prediction.median_s
            violation.append(self.violation(position, genotypes, bound))
        for position, quantity in self._others:
            costs.append(self._quantity(position, quantity, genotypes, costs[position]))
        return np.stack(costs, axis=1), np.stack(violation, axis=1)

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
        known = {
            quantity: self._quantity(target, quantity, genotypes, latency_s)
            for quantity in {constraint.quantity for constraint in constraints}
        }
        return total_violation(constraints, known, n=len(genotypes))

    def peak_activation_bytes(
        self, target: int, genotypes: Int[np.ndarray, "n d"]
    ) -> Int[np.ndarray, " n"]:
        """Most bytes of activations alive at one time, at the target's batch size and dtype."""
        return self.table(target).peak_activation_bytes(genotypes).astype(np.int64)

    def table(self, target: int) -> CostTable:
        """The cost table at the target's batch size and dtype."""
        key = (self._targets[target].batch_size, self._targets[target].dtype)
        if key not in self._tables:
            self._tables[key] = self._space.cost_table(batch_size=key[0], dtype=key[1])
        return self._tables[key]

    def reference(self, target: int) -> tuple[float, float]:
        """Error 1 and the largest network's predicted latency: the scale of the target's front."""
        return 1.0, float(self.predict(target, self._space.largest[None]).median_s[0])

    def boxes(self) -> tuple[Box, ...]:
        """What counts for each target's hypervolume: from error 0 and nothing to error 1 and the
        costs of the largest network.
        """
        costs, _ = self(self._space.largest[None])
        return tuple(
            Box(np.zeros(1 + len(goal.columns)), np.array([1.0, *costs[0, list(goal.columns)]]))
            for goal in self.goals
        )

    def _quantity(
        self,
        target: int,
        quantity: str,
        genotypes: Int[np.ndarray, "n d"],
        latency_s: Float[np.ndarray, " n"],
    ) -> Shaped[np.ndarray, " n"]:
        table = self.table(target)
        if quantity == "latency_s":
            return latency_s
        if quantity == "energy_j":
            energy = EnergyPredictor(self._predictors[target].spec, self._targets[target].threads)
            return energy.predict_population(table, genotypes, latency_s).total_j
        if quantity == "peak_activation_bytes":
            return self.peak_activation_bytes(target, genotypes)
        return {"params": table.params, "macs": table.macs, "flops": table.flops}[quantity](
            genotypes
        )


def _genotypes(
    study: Study, evaluations: Sequence[Evaluation], space: SearchSpace
) -> Int[np.ndarray, "n d"]:
    """The genotypes of evaluations, which are of the space."""
    for one in evaluations:
        try:
            check_genotypes(np.array(one.genotype, dtype=np.int64), space.decisions)
        except ValueError as error:
            raise StudyError(f"{study.path}/study.db: evaluation {one.id}: {error}") from None
    found = np.array([one.genotype for one in evaluations], dtype=np.int64)
    return found.reshape(len(evaluations), len(space.decisions))


def archive_of(study: Study, costs: TargetCosts, space: SearchSpace) -> tuple[Archive, list[int]]:
    """What the study has evaluated on the search split, and each entry's evaluation id."""
    done = [one for one in study.evaluations("search") if one.accuracy is not None]
    genotypes = _genotypes(study, done, space)
    found, violation = costs(genotypes)
    archive = Archive(decisions=len(space.decisions), targets=len(costs.goals), goals=costs.goals)
    error = np.array([1.0 - (one.accuracy or 0.0) for one in done])
    archive.add(genotypes, error, found, violation)
    return archive, [one.id for one in done]
