"""What every latency predictor offers: seconds with an interval, for workloads and for whole
populations.

A predicted latency is a log-normal variable: latencies are positive and their errors are relative.
`mean_s` and `std_s` fix it completely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import DeviceSpec
from latency_models.workload import CostTable, Workload


@dataclass(frozen=True)
class Prediction:
    """Log-normal latencies, one a network; a `std_s` of 0 says that no uncertainty is known."""

    mean_s: Float[np.ndarray, " n"]
    std_s: Float[np.ndarray, " n"]

    @staticmethod
    def from_log(mean: Float[np.ndarray, " n"], std: Float[np.ndarray, " n"]) -> "Prediction":
        """From the mean and the standard deviation of the logarithm of the seconds.

        Raises:
            ValueError: If they are not those of a latency, as a spoilt predictor's may be.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            mean_s = np.exp(mean + std**2 / 2)
            std_s = mean_s * np.sqrt(np.expm1(std**2))
        if not (np.isfinite(std_s) & (mean_s > 0)).all():
            raise ValueError("latency predictor: what it predicts are no finite, positive seconds")
        return Prediction(mean_s, std_s)

    @property
    def median_s(self) -> Float[np.ndarray, " n"]:
        """The latency that is as likely to be exceeded as not: the best single guess.

        Far below the mean where the uncertainty is a matter of factors, as it is zero-shot.
        """
        return self.mean_s / np.sqrt(1 + (self.std_s / self.mean_s) ** 2)

    def quantile_s(self, q: float) -> Float[np.ndarray, " n"]:
        """Seconds that the latency stays below with probability q.

        Raises:
            ValueError: If q is not strictly between 0 and 1.
        """
        if not 0 < q < 1:
            raise ValueError(f"a quantile must lie strictly between 0 and 1, got {q}")
        log_variance = np.log1p((self.std_s / self.mean_s) ** 2)
        location = np.log(self.mean_s) - log_variance / 2
        return np.exp(location + np.sqrt(log_variance) * NormalDist().inv_cdf(q))


@dataclass(frozen=True)
class Measurements:
    """Latencies measured on one target.

    Raises:
        ValueError: If the two differ in length or a latency is not positive and finite.
    """

    workloads: tuple[Workload, ...]
    latency_s: Float[np.ndarray, " k"]

    def __post_init__(self) -> None:
        if np.shape(self.latency_s) != (len(self.workloads),):
            raise ValueError(
                f"measurements: {len(self.workloads)} workloads but latencies of shape"
                f" {np.shape(self.latency_s)}"
            )
        if not (np.isfinite(self.latency_s) & (np.asarray(self.latency_s) > 0)).all():
            raise ValueError("measurements: latencies must be positive and finite seconds")

    def __len__(self) -> int:
        return len(self.workloads)


@runtime_checkable
class LatencyPredictor(Protocol):
    """Predicts the latency of networks on one target."""

    def predict(self, workloads: Sequence[Workload]) -> Prediction:
        """Latency of each workload."""
        ...

    def predict_population(self, table: CostTable, genotypes: Int[np.ndarray, "n d"]) -> Prediction:
        """Latency of each genotype; the same as `predict` on its workload."""
        ...


@runtime_checkable
class MetaPredictor(Protocol):
    """Knows many devices, and makes predictors for single targets."""

    def for_device(self, spec: DeviceSpec, *, threads: int | None = None) -> LatencyPredictor:
        """Zero-shot: from the datasheet alone; `threads` limits the cores in use."""
        ...

    def adapt(
        self,
        measurements: Measurements,
        spec: DeviceSpec | None = None,
        *,
        threads: int | None = None,
    ) -> LatencyPredictor:
        """Few-shot: from measurements on the target, and the datasheet where there is one."""
        ...

    def propose(self, candidates: Sequence[Workload], k: int) -> list[int]:
        """Positions of the k candidates most worth measuring, the most telling one first."""
        ...
