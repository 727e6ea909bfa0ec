"""Networks that were exported, in float32 and, where that was asked for, in int8."""

from dataclasses import dataclass

from nas.report.target import check_accuracy, check_latency


@dataclass(frozen=True, slots=True)
class Share:
    """An accuracy, 0..1, with its interval and the number of test images."""

    value: float
    low: float
    high: float
    images: int

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            check_accuracy(f"report: exported accuracy: {name}", getattr(self, name))


@dataclass(frozen=True, slots=True)
class Int8Run:
    """Latencies of both files, run in one way; None where measuring failed."""

    runtime: str
    batch_size: int
    threads: int
    float32_s: float | None
    int8_s: float | None

    def __post_init__(self) -> None:
        for name in ("float32_s", "int8_s"):
            check_latency(f"report: exported network: {name}", getattr(self, name))


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """An exported network; `int8_accuracy` and `runs` are missing where it was not quantised."""

    name: str
    formats: tuple[str, ...]
    accuracy: Share | None
    int8_accuracy: Share | None = None
    runs: tuple[Int8Run, ...] = ()
