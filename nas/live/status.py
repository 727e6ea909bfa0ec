"""Where a run is, as plain data that the study keeps: whoever opens the study can show it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from nas.records import Plain, Time
from nas.study import Study

STAGE_NAMES = ("train", "adapt", "search", "verify", "export", "report")
"""In the order in which a run goes through them."""

KEY = "progress"
"""Of the status in the study's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a stage is.

    Attributes:
        stage: One of `STAGE_NAMES`.
        done: Steps done, of `total`.
        state: `stopped` where an error or the user ended the stage.
        text: What is happening, a few words.
        rate: Of `rate_of` a second, None where unknown.
        eta_s: Seconds left, None where unknown.
        hypervolume: Of each target, 0..1.
        failures: Of evaluations so far.
        updated_at: UTC, ISO 8601.
    """

    stage: Plain
    done: int
    total: int
    state: Literal["running", "stopped"] = "running"
    text: Plain = ""
    rate: float | None = None
    rate_of: Plain = ""
    eta_s: float | None = None
    hypervolume: Mapping[Plain, float] = field(default_factory=dict[str, float])
    failures: int = 0
    updated_at: Time = ""

    def line(self) -> str:
        """One line for a log."""
        parts = [f"{self.stage}: {self.done}/{self.total}", self.text, *self.figures()]
        volumes = "  ".join(f"{name} {value:.3f}" for name, value in self.hypervolume.items())
        if volumes:
            parts.append(f"hypervolume {volumes}")
        if self.failures:
            parts.append(f"{self.failures} failed")
        return "  ".join(filter(None, parts))

    def figures(self) -> list[str]:
        """Rate and time left, as far as they are known."""
        found: list[str] = []
        if self.rate is not None:
            found.append(f"{self.rate:{'.0f' if self.rate >= 100 else '.2f'}} {self.rate_of}/s")
        if self.eta_s is not None:
            found.append(f"ETA {duration(self.eta_s)}")
        return found

    def to_document(self) -> dict[str, Any]:
        """JSON types; stamped with the time."""
        document = {**asdict(self), "updated_at": datetime.now(UTC).isoformat(timespec="seconds")}
        unknown = self.eta_s is None or not math.isfinite(self.eta_s)
        return {**document, "eta_s": None if unknown else self.eta_s}

    def age_s(self, now: datetime) -> float:
        """Seconds since the status was written."""
        return (now - datetime.fromisoformat(self.updated_at)).total_seconds()


def read_status(study: Study) -> Status | None:
    """What the run wrote last; None before its first stage that can say how far it is."""
    return study.kept(KEY, Status)


def duration(seconds: float) -> str:
    """`1 h 05 min`, `3 min 20 s`, `12 s`; `?` where unknown."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
