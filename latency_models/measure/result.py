"""What came of measuring one file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """The latency of one network, or why there is none.

    Attributes:
        path: The file.
        status: `ok`; `noisy` when the samples scatter or drift even after repeats; `failed`.
        latency_s: Median of the samples; None if it failed.
        samples_s: Seconds a call, each sample the mean of as many calls as a sample needs to be
            timed well.
        confidence_interval_s: Of the median, at 95 %, from order statistics.
        error: Why it failed.
        environment: Runtime versions, processor, governor, threads, date.
    """

    path: Path
    status: str
    latency_s: float | None = None
    samples_s: tuple[float, ...] = ()
    confidence_interval_s: tuple[float, float] | None = None
    error: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}
