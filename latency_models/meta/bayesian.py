"""Bayesian correction of the roofline: one inverse efficiency an operator class, learned from a few
measurements.

latency = sum over classes of (roofline seconds of the class) * (inverse efficiency) + starts + a
constant, see `features` and `posterior`. The prior says how real kernels behave before the target
has been seen; it is wide, ten measurements overrule it where they speak.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import DeviceSpec
from latency_models.meta.features import FEATURES, constant_seconds, operator_features
from latency_models.meta.posterior import Posterior, fit, prior_posterior
from latency_models.predictor import Measurements, Prediction
from latency_models.workload import CostTable, Workload

# (typical inverse efficiency, standard deviation of its logarithm), from how kernels behave:
# dense convolutions are matrix products and reach most of the peak, matrix-vector products most of
# the bandwidth; a depthwise convolution has no product to block, and it and reductions differ most
# between runtimes: on one server core those of ONNX Runtime reached 1.6 and 0.4 of the roofline, of
# XLA 0.02 and 0.006; the element-wise class is near zero where the runtime fuses and near one where
# it does not.
CLASS_PRIOR: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "spatial_conv": (1.5, 0.6),
        "pointwise_conv": (1.5, 0.6),
        "depthwise_conv": (4.0, 1.5),
        "linear": (1.5, 0.8),
        "pool_and_scale": (4.0, 1.5),
        "elementwise": (0.3, 1.0),
        "launch": (1.0, 0.8),
        "constant": (1.0, 1.0),
    }
)
# What all classes have in common: how good the runtime is, and whether the clock and the bandwidth
# are those printed.
_SHARED_LOG_STD = 0.6
# Without a datasheet the scale is open, and a middling CPU stands for the balance of arithmetic and
# memory.
_SHARED_LOG_STD_WITHOUT_SPEC = 3.0
_UNKNOWN_DEVICE = DeviceSpec(
    "unknown", "cpu", {"float32": 1e11, "int8": 4e11}, memory_bandwidth_bytes_per_s=2e10
)
_CHUNK = 16384


@dataclass(frozen=True)
class BayesianPredictor:
    """A target's predictor: its datasheet, its threads and what is known of its efficiencies.

    Attributes:
        spec: The datasheet whose roofline is corrected.
        threads: Cores in use, None for all.
        posterior: Of the logarithm of the inverse efficiencies, in the order of `FEATURES`.
        samples: Number of measurements behind it; 0 is zero-shot.
    """

    spec: DeviceSpec
    threads: int | None
    posterior: Posterior
    samples: int

    def predict(self, workloads: Sequence[Workload]) -> Prediction:
        """Latency of each workload."""
        return self._predict(workload_features(workloads, self.spec, threads=self.threads))

    def predict_population(self, table: CostTable, genotypes: Int[np.ndarray, "n d"]) -> Prediction:
        """Latency of each genotype."""
        by_operator = operator_features(table.arrays, self.spec, threads=self.threads)
        sums = table.sum_rows(table.sum_ops(by_operator), genotypes)
        constant = np.full((len(sums), 1), constant_seconds(self.spec))
        return self._predict(np.hstack([sums, constant]))

    def efficiencies(self) -> dict[str, float]:
        """Share of the roofline's speed that each class reaches, the posterior's median."""
        return {
            name: float(np.exp(-w)) for name, w in zip(FEATURES, self.posterior.mean, strict=True)
        }

    def _predict(self, features: np.ndarray) -> Prediction:
        parts = [
            self.posterior.predict_log(features[start : start + _CHUNK])
            for start in range(0, max(len(features), 1), _CHUNK)
        ]
        mean, std = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return Prediction.from_log(mean, std)


class BayesianRoofline:
    """The roofline with a prior over what real kernels make of it: a `MetaPredictor`."""

    def for_device(self, spec: DeviceSpec, *, threads: int | None = None) -> BayesianPredictor:
        """Zero-shot: from the datasheet alone."""
        return BayesianPredictor(spec, threads, prior_posterior(*_prior(_SHARED_LOG_STD)), 0)

    def adapt(
        self,
        measurements: Measurements,
        spec: DeviceSpec | None = None,
        *,
        threads: int | None = None,
    ) -> BayesianPredictor:
        """Few-shot: from measurements on the target; without any it equals `for_device`."""
        known, prior = _start(spec)
        features = workload_features(measurements.workloads, known, threads=threads)
        posterior = fit(features, measurements.latency_s, *prior)
        return BayesianPredictor(known, threads, posterior, len(measurements))

    def propose(
        self,
        candidates: Sequence[Workload],
        k: int,
        *,
        spec: DeviceSpec | None = None,
        threads: int | None = None,
        measurements: Measurements | None = None,
    ) -> list[int]:
        """Positions of the k candidates most worth measuring, the most telling one first.

        Each is the one that most reduces the log latency's variance summed over all candidates,
        given those before it (Cohn, "Neural network exploration using optimal experiment design",
        Neural Networks 9(6), 1996).

        Args:
            candidates: Networks that could be measured.
            k: How many to choose.
            spec: The target's datasheet, where there is one.
            threads: Cores in use on the target.
            measurements: What has been measured there already.

        Raises:
            ValueError: If there are fewer candidates than k.
        """
        if not 0 <= k <= len(candidates):
            raise ValueError(f"cannot choose {k} of {len(candidates)} candidates")
        known, prior = _start(spec)
        if measurements is None:
            posterior = prior_posterior(*prior)
        else:
            posterior = self.adapt(measurements, spec, threads=threads).posterior
        features = workload_features(candidates, known, threads=threads) * np.exp(posterior.mean)
        return _most_telling(features / features.sum(axis=1, keepdims=True), k, posterior)


def workload_features(
    workloads: Sequence[Workload], spec: DeviceSpec, *, threads: int | None = None
) -> Float[np.ndarray, "n f"]:
    """Roofline seconds by class for each workload, columns as in `FEATURES`."""
    constant = constant_seconds(spec)
    rows = [
        [*operator_features(workload.arrays, spec, threads=threads).sum(axis=0), constant]
        for workload in workloads
    ]
    return np.array(rows, float).reshape(len(rows), len(FEATURES))


def _prior(shared_log_std: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the log inverse efficiencies."""
    typical, log_std = np.array([CLASS_PRIOR[name] for name in FEATURES]).T
    return np.log(typical), np.diag(log_std**2) + shared_log_std**2


def _start(spec: DeviceSpec | None) -> tuple[DeviceSpec, tuple[np.ndarray, np.ndarray]]:
    if spec is None:
        return _UNKNOWN_DEVICE, _prior(_SHARED_LOG_STD_WITHOUT_SPEC)
    return spec, _prior(_SHARED_LOG_STD)


def _most_telling(shares: np.ndarray, k: int, posterior: Posterior) -> list[int]:
    covariance = posterior.covariance
    noise = posterior.noise_std**2
    moment = shares.T @ shares
    chosen: list[int] = []
    for _ in range(k):
        through = shares @ covariance
        variance = np.einsum("nf,nf->n", through, shares) + noise
        reduction = np.einsum("nf,nf->n", through @ moment, through) / variance
        reduction[chosen] = -np.inf
        best = int(reduction.argmax())
        chosen.append(best)
        covariance = covariance - np.outer(through[best], through[best]) / variance[best]
    return chosen
