"""A small made-up study, with every figure derived from its seed."""

from dataclasses import replace
from typing import Any

import numpy as np

from nas.report import (
    CONFIDENCES,
    Audit,
    Baseline,
    DatasetSummary,
    Energy,
    Evaluation,
    Failure,
    Kernel,
    Member,
    NetworkTimes,
    ReportData,
    Roofline,
    SearchHistory,
    Target,
    TrainingPoint,
    Worker,
)
from search_spaces.base import Decision

KERNELS = (3.0, 5.0, 7.0)
RATIOS = (3.0, 4.0, 6.0)
STAGES = 3


def make_architecture(genotype: tuple[int, ...]) -> dict[str, Any]:
    blocks: list[dict[str, object]] = [
        {
            "slot": "stem",
            "kind": "mobilenet_stem",
            "in_channels": 1,
            "out_channels": 16,
            "stride": 1,
        }
    ]
    channels = 16
    for stage in range(STAGES):
        for block in range(2):
            kernel, ratio = genotype[4 * stage + 2 * block : 4 * stage + 2 * block + 2]
            out = 16 * (stage + 1)
            blocks.append(
                {
                    "slot": f"stage{stage + 1}.block{block + 1}",
                    "kind": "inverted_residual",
                    "in_channels": channels,
                    "expanded_channels": channels * int(RATIOS[ratio]),
                    "out_channels": out,
                    "kernel": int(KERNELS[kernel]),
                    "stride": 2 if block == 0 and stage else 1,
                    "activation": "relu",
                    "squeeze_channels": 8 if stage == 2 else 0,
                }
            )
            channels = out
    blocks.append({"slot": "head", "kind": "mobilenet_head", "head_channels": 96, "classes": 10})
    return {
        "format": "ridgeline-architecture",
        "version": 1,
        "space": "mobilenet",
        "input_shape": [8, 8, 1],
        "blocks": blocks,
    }


def make_roofline(front: list[Member]) -> Roofline:
    """Two operators a block: a slow convolution near the peak, and a norm that launching bounds."""
    networks: dict[int, NetworkTimes] = {}
    for member in front:
        kernels: list[Kernel] = []
        blocks: Any = member.architecture["blocks"]
        each_s = 0.9 * member.predicted_s / len(blocks)
        for block in blocks:
            slot = str(block["slot"])
            conv = ("conv", "compute", 0.8 * each_s, 0.4 * each_s, 40e9 * each_s)
            norm = ("norm", "launch", 0.2 * each_s, 0.02 * each_s, 1e9 * each_s)
            kernels += [
                Kernel(kind, slot, kind, bound, seconds, bound_s, flops, flops / 4)
                for kind, bound, seconds, bound_s, flops in (conv, norm)
            ]
        networks[member.id] = NetworkTimes(
            latency_s=member.predicted_s, energy_j=1e-3, kernels=tuple(kernels)
        )
    return Roofline(
        device="host",
        peaks={"float32": 100e9},
        bandwidths={"L2": 200e9, "memory": 20e9},
        networks=networks,
    )


def make_target(
    name: str,
    evaluations: tuple[Evaluation, ...],
    rng: np.random.Generator,
    *,
    limit_ms: float | None = 1.2,
    measured: bool = True,
    scale: float = 1.0,
    **options: object,
) -> Target:
    macs = np.array([evaluation.macs for evaluation in evaluations])
    latency_s = scale * (2e-4 + macs * 2e-10) * rng.lognormal(0, 0.08, len(macs))
    limit_s = None if limit_ms is None else limit_ms * 1e-3
    violation = np.zeros(len(macs)) if limit_s is None else np.maximum(0, latency_s / limit_s - 1)
    front: list[Member] = []
    best = 0.0
    for i in np.argsort(latency_s):
        evaluation = evaluations[i]
        if violation[i] > 0 or evaluation.search_accuracy <= best:
            continue
        best = evaluation.search_accuracy
        real = float(latency_s[i] * rng.lognormal(0.03, 0.07)) if measured else None
        front.append(
            Member(
                id=evaluation.id,
                name=f"net-{evaluation.id:08x}",
                latency_bounds_s=tuple(
                    (real or float(latency_s[i])) * (0.9 + 0.2 * level) for level in CONFIDENCES
                ),
                architecture=make_architecture(evaluation.genotype),
                predicted_s=float(latency_s[i]),
                interval_low_s=float(latency_s[i] * 0.86),
                interval_high_s=float(latency_s[i] * 1.16),
                measured_s=real,
                search_accuracy=evaluation.search_accuracy,
                test_accuracy=max(0.0, evaluation.search_accuracy - float(rng.uniform(0, 0.012))),
                params=evaluation.params,
                macs=evaluation.macs,
                peak_activation_bytes=4 * 64 * 96,
                broke_constraint=None if real is None or limit_s is None else real > limit_s,
            )
        )
    steps = np.arange(16, len(macs) + 1, 16)
    volume = 1.8e-3 * scale * (0.78 - 0.1 * np.exp(-steps / 80))
    fields: dict[str, object] = {
        "name": name,
        "device": "host",
        "runtime": "xla" if measured else None,
        "dtype": "float32",
        "batch_size": 1,
        "threads": 1,
        "measurable": measured,
        "latency_s": latency_s.tolist(),
        "front": tuple(front),
        "constraints": () if limit_ms is None else (f"latency_ms <= {limit_ms:g}",),
        "latency_limit_s": limit_s,
        "violation": violation.tolist(),
        "adaptation_samples": 10 if measured else 0,
        "hypervolume": tuple(zip(steps.tolist(), volume.tolist(), strict=True)),
        "reference": (2e-3 * scale, 0.9),
        "audit": Audit(
            members_measured=len(front),
            members_violating=sum(member.broke_constraint is True for member in front),
            kendall=0.91,
            spearman=0.97,
            median_relative_error=0.052,
            coverage=0.92,
        )
        if measured
        else None,
        "baselines": tuple(
            Baseline(name=name, id=evaluations[int(place)].id)
            for name, place in (("smallest", np.argmin(macs)), ("largest", np.argmax(macs)))
        )
        if len(macs)
        else (),
        "roofline": make_roofline(front) if front else None,
        "environment": {"runtime": "xla", "cpu_model": "made up"} if measured else {},
    }
    return Target(**{**fields, **options})  # pyright: ignore[reportArgumentType]


def make_evaluations(n: int, rng: np.random.Generator) -> tuple[Evaluation, ...]:
    genotypes = rng.integers(0, 3, (n, 4 * STAGES))
    size = genotypes.mean(1) / 2
    macs = (5e5 + 6e6 * size**1.5).astype(int)
    accuracy = 0.985 - 0.22 * np.exp(-4.5 * size) - np.abs(rng.normal(0, 0.012, n))
    accuracy[size > 0.5] -= np.where(rng.random((size > 0.5).sum()) < 0.04, 0.25, 0.0)
    return tuple(
        Evaluation(
            id=i + 1,
            genotype=tuple(genotypes[i].tolist()),
            search_accuracy=float(accuracy[i]),
            params=int(3e4 + macs[i] // 40),
            macs=int(macs[i]),
        )
        for i in range(n)
    )


def make_report(n: int = 300, *, seed: int = 0, **options: object) -> ReportData:
    rng = np.random.default_rng(seed)
    evaluations = make_evaluations(n, rng)
    decisions = tuple(
        Decision(f"stage{stage + 1}.block{block + 1}.{what}", choices)
        for stage in range(STAGES)
        for block in range(2)
        for what, choices in (("kernel", KERNELS), ("expand", RATIOS))
    )
    epochs = np.arange(1, 31)
    report = ReportData(
        study_name="quickstart",
        study_path="runs/quickstart",
        created="2025-06-01T10:00:00+00:00",
        dataset=DatasetSummary(
            name="digits",
            digest="3b1f" * 16,
            classes=10,
            train_images=1149,
            search_images=288,
            test_images=360,
        ),
        decisions=decisions,
        evaluations=evaluations,
        targets=(
            make_target("host-xla", evaluations, rng),
            make_target("host-onnx", evaluations, rng, scale=0.45, limit_ms=None),
            make_target("pi5", evaluations, rng, scale=6.0, limit_ms=9.0, measured=False),
        ),
        config="name: quickstart\nseed: 0\ndata: {name: digits}\n",
        seeds={"study": 0},
        versions={"ridgeline": "0.1.0", "jax": "0.10.2", "python": "3.11.7"},
        stage_durations_s={"train": 141.0, "adapt": 31.5, "search": 96.0, "verify": 22.0},
        training=tuple(
            TrainingPoint(
                float(e),
                2.2 * float(np.exp(-e / 7)) + 0.3,
                {"smallest": 0.93 - 0.7 / e, "largest": 0.98 - 0.5 / e, "subnet1": 0.95 - 0.6 / e},
            )
            for e in epochs.tolist()
        ),
        history=SearchHistory(
            elapsed_s=tuple(0.5 * (i + 1) for i in range(n)),
            bin_s=max(n, 1) / 240,
            workers=tuple(Worker(f"vm/{i}", n // 2, (0.9,) * 119 + (0.2,)) for i in (1, 2)),
            utilisation=0.93,
            failures=(Failure("ValueError: NaN in the logits", 2),),
            retries=1,
        ),
        energy=Energy(7200.0, "0.17 core hours at 12 W"),
    )
    return replace(report, **options)  # pyright: ignore[reportArgumentType]
