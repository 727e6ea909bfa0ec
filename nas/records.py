"""Rows of a study, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One genotype on one split, as it ended.

    Attributes:
        id: Number in the study.
        genotype: Canonical option indices.
        split: "search" or "test".
        status: "ok" or "failed".
        accuracy: Top-1, 0..1; None where failed.
        loss: None where failed or not reported.
        metrics: What else the evaluator reported.
        seed: What the evaluation's randomness came from.
        duration_s: Time of the last attempt.
        worker: Host and process of the last attempt.
        created_at: UTC, ISO 8601.
        error: Why it failed, one line.
        attempts: How often it was tried, over all sessions.
    """

    id: int
    genotype: tuple[int, ...]
    split: Literal["search", "test"]
    status: Literal["ok", "failed"]
    accuracy: float | None
    loss: float | None
    metrics: dict[str, float]
    seed: int
    duration_s: float
    worker: str
    created_at: str
    error: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """The latency of one network on one target.

    Attributes:
        target: Its name.
        genotype: Canonical option indices.
        purpose: "adapt" where a predictor learns from it, "verify" where it audits a front.
        status: "ok", "noisy" (kept, but spread too widely) or "failed".
        latency_s: Median; None where failed.
        samples_s: The single timings.
        environment: Runtime versions, CPU, governor, whatever the number depends on; JSON types.
        error: Why it failed, one line.
        created_at: UTC, ISO 8601; set when recorded.
    """

    target: str
    genotype: tuple[int, ...]
    purpose: Literal["adapt", "verify"]
    status: Literal["ok", "noisy", "failed"]
    latency_s: float | None
    samples_s: tuple[float, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the run.

    Attributes:
        name: The stage.
        status: "running" also where it was killed.
        started_at: UTC, ISO 8601, of the latest start.
        finished_at: UTC, ISO 8601; None until it is done.
        summary: What the stage had to say when it was done.
        starts: How often it was begun, kills and repeats included.
    """

    name: str
    status: Literal["running", "done"]
    started_at: str
    finished_at: str | None
    summary: dict[str, Any]
    starts: int


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A point of the training curve."""

    step: int
    epoch: int | float
    metrics: dict[str, float]
