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
        status: `ok`; `noisy` when the samples scatter or drift, or the machine was slowed, even
            after repeats; `failed`.
        latency_s: Median of the samples; None if it failed.
        samples_s: Seconds a call, each sample the mean of as many calls as a sample needs to be
            timed well.
        confidence_interval_s: Of the median, at the confidence of the timing plan (95 % unless
            changed), from order statistics.
        marks: What is wrong with the samples: `scattered`, `drifting`, `unsettled`, `slowed`,
            `throttled`; and `imprecise` where the interval is wider than the plan asked for, which
            alone makes no noisy run.
        attempts: Runs that were made; more than one where a noisy run was repeated.
        compile_s: Time to read and compile the network, which no sample contains.
        reference_s: Time of the machine's reference loop before and after the samples, where it
            was timed.
        frequency_hz: Its clock likewise, where the operating system tells it.
        error: Why it failed.
        environment: Runtime versions, processor, governor, threads, date.
    """

    path: Path
    status: str
    latency_s: float | None = None
    samples_s: tuple[float, ...] = ()
    confidence_interval_s: tuple[float, float] | None = None
    marks: tuple[str, ...] = ()
    attempts: int = 0
    compile_s: float | None = None
    reference_s: tuple[float, float] | None = None
    frequency_hz: tuple[float, float] | None = None
    error: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}
