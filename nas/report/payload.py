"""What the page's script reads: the report's data as JSON types, long columns rounded."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, fields
from typing import Any

from nas.report.data import ReportData
from nas.report.drawing import draw_architecture
from nas.report.history import SearchHistory
from nas.report.operators import Kernel, Roofline
from nas.report.target import CONFIDENCES, Member, Target

_KERNEL_FIELDS = tuple(field.name for field in fields(Kernel))


def report_payload(data: ReportData) -> dict[str, Any]:
    """The whole report; evaluations as columns, to six significant digits."""
    evaluations = data.evaluations
    return {
        "study": {
            "name": data.study_name,
            "path": data.study_path,
            "created": data.created,
            "config": data.config,
            "seeds": dict(data.seeds),
            "versions": dict(data.versions),
            "stages": [
                {"name": name, "duration_s": duration_s}
                for name, duration_s in data.stage_durations_s.items()
            ],
            "energy": None if data.energy is None else asdict(data.energy),
        },
        "dataset": asdict(data.dataset),
        "confidences": CONFIDENCES,
        "decisions": [asdict(decision) for decision in data.decisions],
        "evaluations": {
            "id": [evaluation.id for evaluation in evaluations],
            "genotype": [list(map(int, evaluation.genotype)) for evaluation in evaluations],
            "accuracy": rounded(evaluation.search_accuracy for evaluation in evaluations),
            "params": [evaluation.params for evaluation in evaluations],
            "macs": [evaluation.macs for evaluation in evaluations],
        },
        "targets": [_target_payload(target) for target in data.targets],
        "training": [
            {"epoch": point.epoch, "loss": point.loss, "accuracies": dict(point.accuracies)}
            for point in data.training
        ],
        "rollbacks": [asdict(rollback) for rollback in data.rollbacks],
        "history": None if data.history is None else _history_payload(data.history),
        "exported": [asdict(network) for network in data.exported],
    }


def changes(history: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The first and the last point of a staircase, and those at which it steps."""
    return [
        point
        for i, point in enumerate(history)
        if i in (0, len(history) - 1) or point[1] != history[i - 1][1]
    ]


def rounded(values: Iterable[float]) -> list[float]:
    """To six significant digits."""
    return [float(f"{value:.6g}") for value in values]


def _target_payload(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "device": target.device,
        "runtime": target.runtime,
        "dtype": target.dtype,
        "batch_size": target.batch_size,
        "threads": target.threads,
        "measurable": target.measurable,
        "constraints": list(target.constraints),
        "latency_limit_s": target.latency_limit_s,
        "feasible": target.feasible,
        "adaptation_samples": target.adaptation_samples,
        "interval_level": target.interval_level,
        "latency_s": rounded(target.latency_s),
        "violation": rounded(target.violation),
        "front": [_member_payload(member) for member in target.front],
        "closest": None if target.closest is None else _member_payload(target.closest),
        "hypervolume": changes(target.hypervolume),
        "reference": target.reference,
        "audit": None if target.audit is None else asdict(target.audit),
        "baselines": [asdict(baseline) for baseline in target.baselines],
        "roofline": None if target.roofline is None else _roofline_payload(target.roofline),
        "environment": dict(target.environment),
    }


def _member_payload(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "name": member.name,
        "drawing": draw_architecture(member.architecture),
        "predicted_s": member.predicted_s,
        "interval_low_s": member.interval_low_s,
        "interval_high_s": member.interval_high_s,
        "measured_s": member.measured_s,
        "latency_bounds_s": member.latency_bounds_s,
        "noisy": member.noisy,
        "search_accuracy": member.search_accuracy,
        "test_accuracy": member.test_accuracy,
        "params": member.params,
        "macs": member.macs,
        "peak_activation_bytes": member.peak_activation_bytes,
        "broke_constraint": member.broke_constraint,
    }


def _roofline_payload(roofline: Roofline) -> dict[str, Any]:
    """Kernels as columns, each once: networks share most of theirs."""
    numbers: dict[tuple[Any, ...], int] = {}
    networks: dict[str, Any] = {}
    for identity, network in roofline.networks.items():
        positions = [
            numbers.setdefault(
                tuple(
                    float(f"{value:.4g}") if isinstance(value, float) else value
                    for value in astuple(kernel)
                ),
                len(numbers),
            )
            for kernel in network.kernels
        ]
        networks[str(identity)] = {
            "latency_s": network.latency_s,
            "energy_j": network.energy_j,
            "kernels": positions,
        }
    columns = zip(*numbers, strict=True) if numbers else ([] for _ in _KERNEL_FIELDS)
    return {
        "device": roofline.device,
        "peaks": dict(roofline.peaks),
        "bandwidths": dict(roofline.bandwidths),
        "kernels": {
            name: list(column) for name, column in zip(_KERNEL_FIELDS, columns, strict=True)
        },
        "networks": networks,
    }


def _history_payload(history: SearchHistory) -> dict[str, Any]:
    return {
        "elapsed_s": rounded(history.elapsed_s),
        "paused_s": history.paused_s,
        "bin_s": history.bin_s,
        "workers": [asdict(worker) for worker in history.workers],
        "utilisation": history.utilisation,
        "failures": [asdict(failure) for failure in history.failures],
        "retries": history.retries,
        "surrogate": [asdict(point) for point in history.surrogate],
    }
