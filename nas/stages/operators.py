"""Where the time of a front's members goes: their operators on the target's roofline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latency_models import CostTable, Explanation, LatencyPredictor, explain
from latency_models.roofline import bandwidths_bytes_per_s, peak_flops_per_s
from nas.report import Kernel, NetworkTimes, Roofline
from nas.stages.fronts import Front


def roofline_of(front: Front, predictor: LatencyPredictor, table: CostTable) -> Roofline | None:
    """The target's roofline with every member's operators; None for a front without members."""
    found: dict[int, NetworkTimes] = {}
    explanation = None
    for member in front.members:
        slots = slots_of_operators(table, member.genotype)
        explanation = explain(table.workload(member.genotype), predictor)
        found[member.evaluation] = network_times(explanation, slots)
    if explanation is None:
        return None
    spec, threads, dtype = explanation.spec, explanation.threads, explanation.dtype
    matrix = peak_flops_per_s(spec, dtype, threads=threads)
    vector = peak_flops_per_s(spec, dtype, threads=threads, matrix=False)
    peaks = {dtype: matrix}
    if vector != matrix:
        peaks = {f"{dtype}, matrix units": matrix, f"{dtype}, vector units": vector}
    return Roofline(
        device=spec.name,
        peaks=peaks,
        bandwidths=bandwidths_bytes_per_s(spec, threads=threads),
        networks=found,
    )


def slots_of_operators(table: CostTable, genotype: Sequence[int]) -> list[str]:
    """For each operator of the genotype's workload the name of the slot that it belongs to."""
    rows = table.row_index(np.asarray(genotype, np.int64)[None])[0]
    return [
        slot.name
        for slot, row in zip(table.slots, rows, strict=True)
        for _ in range(slot.repeat * len(table.rows[row]))
    ]


def network_times(explanation: Explanation, slots: Sequence[str]) -> NetworkTimes:
    """An explanation with each operator added to the one that it is fused into."""
    started: dict[int, list[int]] = {}
    for position, op in enumerate(explanation.operators):
        started.setdefault(op.kernel, []).append(position)
    kernels: list[Kernel] = []
    for first, members in started.items():
        lead, ops = explanation.operators[first], [explanation.operators[i] for i in members]
        kernels.append(
            Kernel(
                name=lead.name,
                slot=slots[first],
                kind=lead.kind,
                bound=lead.bound,
                seconds=sum(op.seconds for op in ops),
                bound_s=sum(op.bound_s for op in ops),
                flops=sum(op.flops for op in ops),
                moved_bytes=sum(op.moved_bytes for op in ops),
            )
        )
    return NetworkTimes(
        latency_s=explanation.latency_s,
        energy_j=sum(explanation.energy_j.values()),
        kernels=tuple(kernels),
    )
