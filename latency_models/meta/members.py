"""A target's predictor: a mixture of what is believed of it.

Each member is a posterior of the coefficients together with the form of the networks that the
target is believed to run, see `op_counts`, and the roofline that it corrects. A network's log
latency is normal under each member; the mixture's mean and variance make the prediction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import DeviceSpec
from latency_models.meta.op_features import (
    CONSTANT_FEATURES,
    REFERENCE_DEVICE,
    Contributions,
    contributions,
)
from latency_models.meta.posterior import Posterior
from latency_models.op_counts import OpCounts, count_ops, form_masks
from latency_models.operators import Op
from latency_models.predictor import Prediction
from latency_models.workload import CostTable, Workload

# Random networks by which the directions of uncertainty that matter in a space are found, how many
# are kept for populations, and members below which weight are left out.
_PROBES = 256
_DIRECTIONS = 4
_LEAST_WEIGHT = 0.02
_MOST_MEMBERS = 4


@dataclass(frozen=True)
class Member:
    """One belief about a target.

    Attributes:
        weight: In the mixture.
        form: Of the networks that it runs, of `op_counts.FORMS`.
        posterior: Of the coefficients.
        reference: Whether they correct the roofline of the middling processor, and not that of the
            target's own datasheet: how devices use their peaks may differ more than what they take.
    """

    weight: float
    form: str
    posterior: Posterior
    reference: bool = False


@dataclass(frozen=True)
class PopulationColumns:
    """What a member says of the rows of a cost table, to be added up over a network's rows.

    Attributes:
        rows: Seconds, and their derivatives along the directions of the coefficients that matter
            most in the space, in standard deviations.
        constant_s, constant_directions: The same of what a call costs beside its operators.
        variance: Of the log latency from the other directions, on average, and from noise.
    """

    rows: Float[np.ndarray, "r c"]
    constant_s: float
    constant_directions: Float[np.ndarray, " d"]
    variance: float


@dataclass(frozen=True)
class MetaLatencyPredictor:
    """Latencies on one target.

    Attributes:
        spec: The datasheet whose roofline is corrected.
        threads: Cores in use, None for all.
        members: Of the mixture; weights add up to 1.
        samples: Number of measurements behind it; 0 is zero-shot.
        interval_scale: What standard deviations are multiplied with, so that intervals cover what
            they say on targets that were held out of the training.
    """

    spec: DeviceSpec
    threads: int | None
    members: tuple[Member, ...]
    samples: int
    interval_scale: float = 1.0

    def predict(self, workloads: Sequence[Workload]) -> Prediction:
        """Latency of each workload, in seconds."""
        return Prediction.from_log(*self.predict_log(count_ops([w.ops for w in workloads])))

    def predict_log(
        self, counts: OpCounts
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and standard deviation of the logarithm of the seconds, for counted operators."""
        terms = self._contributions(counts.ops)
        return self._mix([_member_log(counts, terms[m.reference], m) for m in self.members])

    def _contributions(self, ops: Sequence[Op]) -> dict[bool, Contributions]:
        return rooflines(ops, self.spec, self.threads, of=self.members)

    def predict_population(self, table: CostTable, genotypes: Int[np.ndarray, "n d"]) -> Prediction:
        """Latency of each genotype, in seconds; nearly the same as `predict` on its workload.

        Of the uncertainty, the directions that matter most in the space are worked out for each
        network, and the others on average.
        """
        columns = self._population_columns(table)
        width = columns[0].rows.shape[1]
        sums = table.sum_rows(np.concatenate([each.rows for each in columns], axis=1), genotypes)
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for i, each in enumerate(columns):
            own = sums[:, i * width : (i + 1) * width]
            total = own[:, 0] + each.constant_s
            directions = (own[:, 1:] + each.constant_directions) / total[:, None]
            found.append(
                (np.log(total), np.einsum("nr,nr->n", directions, directions) + each.variance)
            )
        mean, std = self._mix(found)
        constant = table.constant_networks(genotypes)
        if constant.any():
            # What these need of a row depends on the other rows.
            mean[constant], std[constant] = self.predict_log(
                table.count_networks(genotypes[constant])
            )
        return Prediction.from_log(mean, std)

    def _population_columns(self, table: CostTable) -> list[PopulationColumns]:
        """Worked out once a table."""
        known = self._tables.get(id(table))
        if known is None:
            counts = table.op_counts
            terms = self._contributions(counts.ops)
            options = np.array(table.cardinalities)
            random = np.random.default_rng(0).integers(0, options, (_PROBES, len(options)))
            probes = table.count_networks(random)
            columns = [
                _population_columns(counts, probes, terms[m.reference], m) for m in self.members
            ]
            known = table, columns
            self._tables[id(table)] = known
        return known[1]

    @cached_property
    def _tables(self) -> dict[int, tuple[CostTable, list[PopulationColumns]]]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def operator_seconds(self, workload: Workload) -> Float[np.ndarray, " m"]:
        """Expected seconds of each operator of a workload.

        Operators that the target is believed not to run count as far as it may run them. What a
        call costs beside its operators is not among them.
        """
        terms = self._contributions(workload.ops)
        masks = form_masks(workload.ops)
        seconds = np.zeros(len(workload.ops))
        for member in self.members:
            runs = member.weight * masks[member.form]
            seconds += runs * terms[member.reference].seconds(member.posterior.mean)
        return seconds

    def _mix(self, found: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        weights = np.array([member.weight for member in self.members])[:, None]
        means = np.stack([mean for mean, _ in found])
        variances = np.stack([variance for _, variance in found])
        mean = (weights * means).sum(axis=0)
        variance = (weights * (variances + (means - mean) ** 2)).sum(axis=0)
        return mean, np.sqrt(variance) * self.interval_scale


class Relative(Protocol):
    """What says which roofline it is about, see `Member`."""

    @property
    def reference(self) -> bool: ...


def rooflines(
    ops: Sequence[Op], spec: DeviceSpec, threads: int | None, *, of: Iterable[Relative]
) -> dict[bool, Contributions]:
    """The contributions by each roofline that is asked for; True is the middling processor's."""
    found: dict[bool, Contributions] = {}
    for reference in {each.reference for each in of}:
        if reference:
            found[True] = contributions(ops, REFERENCE_DEVICE)
        else:
            found[False] = contributions(ops, spec, threads=threads)
    return found


def _member_log(
    counts: OpCounts, terms: Contributions, member: Member
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Mean and variance of the log latency of networks under one member, noise included."""
    posterior = member.posterior
    total, gradient = _totals(counts, terms, member)
    shares = gradient / total[:, None]
    variance = np.einsum("np,np->n", shares @ posterior.covariance, shares)
    return np.log(total), variance + posterior.noise_std**2


def mixture(members: Sequence[Member]) -> tuple[Member, ...]:
    """The heaviest members, their weights scaled to add up to 1."""
    ordered = sorted(members, key=lambda member: -member.weight)
    least = _LEAST_WEIGHT * sum(member.weight for member in members)
    kept = [m for m in ordered[:_MOST_MEMBERS] if m.weight >= least] or ordered[:1]
    total = sum(member.weight for member in kept)
    return tuple(replace(member, weight=member.weight / total) for member in kept)


def _totals(
    counts: OpCounts, terms: Contributions, member: Member
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n p"]]:
    b = member.posterior.mean
    matrix = counts.counts[member.form]
    constant = terms.constant(b)
    gradient = matrix @ terms.gradient(b) + constant * CONSTANT_FEATURES
    return matrix @ terms.seconds(b) + constant, gradient


def _population_columns(
    counts: OpCounts, probes: OpCounts, terms: Contributions, member: Member
) -> PopulationColumns:
    b, covariance = member.posterior.mean, member.posterior.covariance
    total, gradient = _totals(probes, terms, member)
    factor = np.linalg.cholesky(covariance)
    shares = (gradient / total[:, None]) @ factor
    _, strengths, directions = np.linalg.svd(shares, full_matrices=False)
    kept = factor @ directions[:_DIRECTIONS].T
    others = float((strengths[_DIRECTIONS:] ** 2).sum()) / len(shares)
    matrix = counts.counts[member.form]
    constant = terms.constant(b)
    return PopulationColumns(
        rows=np.column_stack([matrix @ terms.seconds(b), matrix @ (terms.gradient(b) @ kept)]),
        constant_s=constant,
        constant_directions=constant * (CONSTANT_FEATURES @ kept),
        variance=others + member.posterior.noise_std**2,
    )
