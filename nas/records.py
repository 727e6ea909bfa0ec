"""Rows of a study, as plain data; the annotations are what a database from elsewhere must keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from nas.errors import plain


def _check_time(text: str) -> str:
    try:
        time = datetime.fromisoformat(text)
        time.timestamp()
    except OverflowError:
        raise ValueError("the year is out of range") from None
    if time.tzinfo is None:
        raise ValueError("expected a time with its zone")
    return text


Finite = Annotated[float, Field(allow_inf_nan=False)]
Option = Annotated[int, Field(ge=0, lt=2**31)]
Seconds = Annotated[float, Field(ge=0.0, le=1e10)]
Latency = Annotated[float, Field(gt=0.0, le=1e10)]
Time = Annotated[str, AfterValidator(_check_time)]
Plain = Annotated[str, AfterValidator(plain)]


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
    genotype: tuple[Option, ...]
    split: Literal["search", "test"]
    status: Literal["ok", "failed"]
    accuracy: Finite | None
    loss: Finite | None
    metrics: dict[str, Finite]
    seed: int
    duration_s: Seconds
    worker: Plain
    created_at: Time
    error: Plain | None
    attempts: Annotated[int, Field(ge=1)]


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
    genotype: tuple[Option, ...]
    purpose: Literal["adapt", "verify"]
    status: Literal["ok", "noisy", "failed"]
    latency_s: Latency | None
    samples_s: tuple[Latency, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: Plain | None = None
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
    started_at: Time
    finished_at: Time | None
    summary: dict[str, Any]
    starts: int


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A point of the training curve."""

    step: int
    epoch: Finite
    metrics: dict[str, Finite]
