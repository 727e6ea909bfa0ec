"""What is known of many targets, and the predictors it makes for single ones.

What known targets teach is kept relative to the roofline of a middling processor, and for targets
with a datasheet relative to their own roofline too. Both are beliefs about a new target with a
datasheet; without one the former is left. See `prior` for the hypotheses about a new target and
`posterior` for how measurements decide between them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from latency_models.device_spec import DeviceSpec
from latency_models.meta.members import Member, MetaLatencyPredictor, mixture, rooflines
from latency_models.meta.op_features import REFERENCE_DEVICE, Contributions
from latency_models.meta.posterior import (
    USUAL_NOISE_STD,
    Gaussian,
    Posterior,
    Regression,
    fit,
    prior_posterior,
)
from latency_models.meta.prior import Hypothesis, KnownTarget, broad_prior, hypotheses
from latency_models.op_counts import FORMS, OpCounts, count_ops
from latency_models.predictor import Measurements
from latency_models.workload import Workload

# How far the whole of a device may be from its roofline, and from the middling processor.
_SCALE_STD = 1.0
_SCALE_STD_WITHOUT_SPEC = 2.5
# Distances at which two targets cease to be alike, in natural logarithms of their peaks, bandwidths
# and batch sizes, and what another kind of device or runtime adds to half the squared distance.
# Chosen, as `_UNLIKE`, by zero-shot ranks of devices that are in neither list of the published
# splits ND and FD.
_ALIKE_LOG_PEAK = 0.7
_ALIKE_LOG_BATCH = 1.0
_OTHER_KIND = 3.0
_OTHER_RUNTIME = 2.0
# Hypotheses of the kind "like that one" that are looked at closely once there are measurements.
_MOST_ALIKE = 8
_SCREENING_NOISE = 0.1
_DRAWS = 64
# Weight of each of the learned priors, relative to all that a target may be like, before
# there are measurements.
_UNLIKE = 0.3
# Belief that a target runs the same form of the networks as one that it is like.
_SAME_FORM = 0.9


@dataclass(frozen=True)
class _Belief:
    """A hypothesis, the logarithm of its weight, and which roofline it is about, see `Member`."""

    log_weight: float
    hypothesis: Hypothesis
    reference: bool


def general_knowledge(*, with_spec: bool) -> Gaussian:
    """The broad prior of a target with or without a datasheet."""
    return broad_prior(scale_std=_SCALE_STD if with_spec else _SCALE_STD_WITHOUT_SPEC)


@dataclass(frozen=True)
class TargetInfo:
    """What is known of a target beside its measurements, as far as it tells which are alike."""

    kind: str
    log_peak: float
    log_bandwidth: float | None
    batch_size: int
    runtime: str | None

    @staticmethod
    def of(spec: DeviceSpec, *, dtype: str, batch_size: int, runtime: str | None) -> "TargetInfo":
        """Of a datasheet and the way that networks run there."""
        peak = spec.peak_flops_per_s.get(dtype, max(spec.peak_flops_per_s.values()))
        rate = spec.memory_bandwidth_bytes_per_s
        log_rate = None if rate is None else math.log(rate)
        return TargetInfo(spec.kind, math.log(peak), log_rate, batch_size, runtime)

    def log_likeness(self, other: "TargetInfo") -> float:
        """Logarithm of how alike two targets are, 0 for equal ones."""
        squares = ((self.log_peak - other.log_peak) / _ALIKE_LOG_PEAK) ** 2
        if self.log_bandwidth is not None and other.log_bandwidth is not None:
            squares += ((self.log_bandwidth - other.log_bandwidth) / _ALIKE_LOG_PEAK) ** 2
        squares += (math.log(self.batch_size / other.batch_size) / _ALIKE_LOG_BATCH) ** 2
        penalty = _OTHER_KIND * (self.kind != other.kind)
        if self.runtime is not None and other.runtime is not None:
            penalty += _OTHER_RUNTIME * (self.runtime != other.runtime)
        return -squares / 2 - penalty


@dataclass(frozen=True)
class SpecKnowledge:
    """What a target with a datasheet says relative to its own roofline, and what it is."""

    target: KnownTarget
    info: TargetInfo


@dataclass(frozen=True)
class MetaModel:
    """Knows many targets, and makes predictors for single ones.

    Attributes:
        without_spec: What each known target says, relative to the middling processor.
        with_spec: What those with a datasheet say, relative to their own rooflines.
        zero_shot_scale: What the standard deviations of zero-shot predictions are multiplied with.
        few_shot_scale: Likewise once there are measurements.
    """

    without_spec: tuple[KnownTarget, ...] = ()
    with_spec: tuple[SpecKnowledge, ...] = ()
    zero_shot_scale: float = 1.0
    few_shot_scale: float = 1.0

    def for_device(
        self,
        spec: DeviceSpec,
        *,
        threads: int | None = None,
        batch_size: int = 1,
        dtype: str = "float32",
        runtime: str | None = None,
    ) -> MetaLatencyPredictor:
        """Zero-shot: from the datasheet alone.

        Args:
            spec: The datasheet.
            threads: Cores in use, None for all.
            batch_size: Of the networks, to find known targets that are alike.
            dtype: Of the networks, likewise.
            runtime: What runs them, such as `pytorch`, `tflite`, `xla` or `onnxruntime`, likewise.
        """
        info = TargetInfo.of(spec, dtype=dtype, batch_size=batch_size, runtime=runtime)
        return self.predict_from(spec, info, threads=threads)

    def predict_from(
        self, spec: DeviceSpec | None, info: TargetInfo | None, *, threads: int | None = None
    ) -> MetaLatencyPredictor:
        """Zero-shot: from all that is known of the target."""
        members = _merged(_unmeasured(self._start(spec, info)))
        known = spec or REFERENCE_DEVICE
        return MetaLatencyPredictor(known, threads, members, 0, self.zero_shot_scale)

    def adapt(
        self,
        measurements: Measurements,
        spec: DeviceSpec | None = None,
        *,
        threads: int | None = None,
        runtime: str | None = None,
    ) -> MetaLatencyPredictor:
        """Few-shot: from measurements on the target, and the datasheet where there is one."""
        if not measurements.workloads:
            if spec is None:
                return self.predict_from(None, None, threads=threads)
            return self.for_device(spec, threads=threads, runtime=runtime)
        counts = count_ops([workload.ops for workload in measurements.workloads])
        info = _info(spec, measurements.workloads[0], runtime)
        return self.adapt_counts(counts, measurements.latency_s, spec, threads=threads, info=info)

    def adapt_counts(
        self,
        counts: OpCounts,
        latency_s: Float[np.ndarray, " k"],
        spec: DeviceSpec | None = None,
        *,
        threads: int | None = None,
        info: TargetInfo | None = None,
    ) -> MetaLatencyPredictor:
        """`adapt`, for networks whose operators have been counted."""
        known = spec or REFERENCE_DEVICE
        beliefs = self._start(spec, info)
        data = {
            reference: {
                form: Regression(*terms.columns(counts.dense(form)), np.log(latency_s))
                for form in counts.forms
            }
            for reference, terms in rooflines(counts.ops, known, threads, of=beliefs).items()
        }
        beliefs = _screened(beliefs, data)
        weighed: list[tuple[float, Member]] = []
        for belief in beliefs:
            for form, regression in data[belief.reference].items():
                posterior = fit(regression, belief.hypothesis.prior)
                forms = {f: _form_weight(f, belief, beliefs) for f in counts.equal_forms(form)}
                likeliest = max(forms, key=lambda f: forms[f])
                weight = belief.log_weight + math.log(sum(forms.values()))
                member = Member(1.0, likeliest, posterior, belief.reference)
                weighed.append((weight + posterior.log_evidence, member))
        members = _weighed(weighed)
        scale = self.few_shot_scale
        return MetaLatencyPredictor(known, threads, members, len(latency_s), scale)

    def propose(
        self,
        candidates: Sequence[Workload],
        k: int,
        *,
        spec: DeviceSpec | None = None,
        threads: int | None = None,
        runtime: str | None = None,
        measurements: Measurements | None = None,
        rng: np.random.Generator | None = None,
    ) -> list[int]:
        """Positions of the k candidates most worth measuring, the most telling one first.

        Each is the one that most reduces the log latency's variance summed over all candidates,
        given those before it (Cohn, "Neural network exploration using optimal experiment design",
        Neural Networks 9(6), 1996). The covariance is that of draws from the mixture, so that what
        tells the hypotheses apart counts too.

        Args:
            candidates: Networks that could be measured.
            k: How many to choose.
            spec: The target's datasheet, where there is one.
            threads: Cores in use on the target.
            runtime: What runs the networks there.
            measurements: What has been measured there already, and is not chosen again.
            rng: For the draws; the same ones every time if None.

        Raises:
            ValueError: If there are fewer candidates than k that have not been measured.
        """
        known = measurements.workloads if measurements is not None else ()
        chosen = [i for i, candidate in enumerate(candidates) if candidate in known]
        if not 0 <= k <= len(candidates) - len(chosen):
            raise ValueError(
                f"cannot choose {k} of {len(candidates)} candidates, {len(chosen)} of them measured"
            )
        if k == 0:
            return []
        counts = count_ops([workload.ops for workload in candidates])
        info = _info(spec, candidates[0], runtime)
        measured = None
        if measurements is not None and known:
            measured = (count_ops([workload.ops for workload in known]), measurements.latency_s)
        return self.propose_counts(
            counts, k, spec, threads=threads, info=info, measured=measured, chosen=chosen, rng=rng
        )

    def propose_counts(
        self,
        counts: OpCounts,
        k: int,
        spec: DeviceSpec | None = None,
        *,
        threads: int | None = None,
        info: TargetInfo | None = None,
        measured: tuple[OpCounts, Float[np.ndarray, " m"]] | None = None,
        chosen: Sequence[int] = (),
        rng: np.random.Generator | None = None,
    ) -> list[int]:
        """`propose`, for networks whose operators have been counted; those `chosen` are left."""
        if measured is None:
            members = _unmeasured(self._start(spec, info))
        else:
            members = self.adapt_counts(*measured, spec, threads=threads, info=info).members
        known = spec or REFERENCE_DEVICE
        rng = rng or np.random.default_rng(0)
        weights = np.array([member.weight for member in members])
        weights = np.repeat(weights / weights.sum() / _DRAWS, _DRAWS)
        terms = rooflines(counts.ops, known, threads, of=members)
        logs = np.concatenate([_draws(counts, terms[m.reference], m, rng) for m in members])
        deviations = (logs - weights @ logs) * np.sqrt(weights)[:, None]
        return _greedy(deviations, k, USUAL_NOISE_STD**2, chosen)

    def _start(self, spec: DeviceSpec | None, info: TargetInfo | None) -> list[_Belief]:
        """The hypotheses about a target."""
        if spec is None:
            return _beliefs(self._without_spec, None, reference=True)
        infos = {known.target.name: known.info for known in self.with_spec}
        likeness = {name: info.log_likeness(i) if info else 0.0 for name, i in infos.items()}
        found = _beliefs(self._with_spec, likeness, reference=False)
        if not self.without_spec:
            # Of the middling processor nothing is known but that it is none.
            return found
        return found + _beliefs(self._without_spec, likeness, reference=True)

    @cached_property
    def _without_spec(self) -> list[Hypothesis]:
        return hypotheses(self.without_spec, general_knowledge(with_spec=False))

    @cached_property
    def _with_spec(self) -> list[Hypothesis]:
        known = [each.target for each in self.with_spec]
        return hypotheses(known, general_knowledge(with_spec=True))


def _info(spec: DeviceSpec | None, workload: Workload, runtime: str | None) -> TargetInfo | None:
    """What is known of a target that runs networks such as this one."""
    if spec is None:
        return None
    return TargetInfo.of(
        spec, dtype=workload.dtype, batch_size=workload.batch_size, runtime=runtime
    )


def _beliefs(
    found: Sequence[Hypothesis], log_likeness: Mapping[str, float] | None, *, reference: bool
) -> list[_Belief]:
    """Hypotheses with their weights: those of being like a target add up to one.

    Args:
        found: The hypotheses.
        log_likeness: How alike the known targets are; those that are not there are left out. All
            the same if None.
        reference: Which roofline they are about.
    """
    if log_likeness is not None:
        found = [h for h in found if h.like is None or h.like.name in log_likeness]
    likeness = [(log_likeness or {}).get(h.like.name, 0.0) for h in found if h.like is not None]
    total = _log_sum_exp(np.array(likeness)) if likeness else 0.0
    own = iter(likeness)
    return [_Belief(0.0 if h.like is None else next(own) - total, h, reference) for h in found]


def _unmeasured(beliefs: Sequence[_Belief]) -> list[Member]:
    """The beliefs as they are, each with the form of the targets that it comes from.

    The broad priors count only where nothing was learned.
    """
    forms: dict[str, float] = {}
    for belief in beliefs:
        like = belief.hypothesis.like
        if like is not None:
            forms[like.form] = forms.get(like.form, 0.0) + math.exp(belief.log_weight)
    usual = max(forms, key=lambda form: forms[form], default=FORMS[0])
    members: list[Member] = []
    for belief in [b for b in beliefs if not b.hypothesis.broad] or beliefs:
        like = belief.hypothesis.like
        weight = math.exp(belief.log_weight) * (_UNLIKE if like is None else 1.0)
        posterior = prior_posterior(belief.hypothesis.prior)
        form = like.form if like else usual
        members.append(Member(weight, form, posterior, belief.reference))
    return members


def _merged(members: Sequence[Member]) -> tuple[Member, ...]:
    """One member a form and roofline, with the mean and the covariance of all of these."""
    total = sum(member.weight for member in members)
    merged: list[Member] = []
    for kind in dict.fromkeys((member.form, member.reference) for member in members):
        found = [member for member in members if (member.form, member.reference) == kind]
        weights = np.array([member.weight for member in found])
        shares = weights / weights.sum()
        means = np.stack([member.posterior.mean for member in found])
        noise = shares @ [member.posterior.noise_std**2 for member in found]
        mean = shares @ means
        covariances = np.stack([member.posterior.covariance for member in found])
        covariance = np.einsum("m,mij->ij", shares, covariances)
        covariance += (shares * (means - mean).T) @ (means - mean)
        posterior = Posterior(mean, covariance, math.sqrt(noise), 0.0)
        merged.append(Member(float(weights.sum() / total), kind[0], posterior, kind[1]))
    return tuple(merged)


def _form_weight(form: str, belief: _Belief, beliefs: Sequence[_Belief]) -> float:
    """How far a target is expected to run this form: as the one it is like, or as most do."""
    known = [b.hypothesis.like.form for b in beliefs if b.hypothesis.like is not None]
    usual = (known.count(form) + 1) / (len(known) + len(FORMS))
    like = belief.hypothesis.like
    if like is None:
        return usual
    return _SAME_FORM * (form == like.form) + (1 - _SAME_FORM) * usual


def _weighed(fits: Sequence[tuple[float, Member]]) -> tuple[Member, ...]:
    """Members with the weights that the measurements give them."""
    total = _log_sum_exp(np.array([log_weight for log_weight, _ in fits]))
    return mixture([replace(m, weight=math.exp(w - total)) for w, m in fits])


def _screened(
    beliefs: Sequence[_Belief], data: Mapping[bool, Mapping[str, Regression]]
) -> list[_Belief]:
    """Leaves the hypotheses of likeness that explain the measurements best at a glance."""
    alike = [belief for belief in beliefs if belief.hypothesis.like is not None]
    if len(alike) <= _MOST_ALIKE:
        return list(beliefs)
    scores: dict[int, float] = {}
    for belief in alike:
        regression, prior = next(iter(data[belief.reference].values())), belief.hypothesis.prior
        location, gradients = regression.log_sum(prior.mean)
        covariance = gradients @ prior.covariance @ gradients.T
        covariance += _SCREENING_NOISE**2 * np.eye(len(location))
        residual = regression.log_latency - location
        fitted = float(residual @ np.linalg.solve(covariance, residual))
        log_determinant = float(np.linalg.slogdet(covariance)[1])
        scores[id(belief)] = belief.log_weight - (fitted + log_determinant) / 2
    least = sorted(scores.values())[-_MOST_ALIKE]
    return [b for b in beliefs if scores.get(id(b), math.inf) >= least]


def _draws(
    counts: OpCounts, terms: Contributions, member: Member, rng: np.random.Generator
) -> Float[np.ndarray, "s n"]:
    """Log latencies of networks under coefficients drawn from a member."""
    posterior = member.posterior
    factor = np.linalg.cholesky(posterior.covariance)
    standard = rng.standard_normal((_DRAWS, len(posterior.mean)))
    x, features = terms.columns(counts.dense(member.form))
    b = posterior.mean + standard @ factor.T
    return np.log(np.exp(b @ features.T) @ x.T)


def _greedy(
    deviations: Float[np.ndarray, "s n"], k: int, noise: float, taken: Sequence[int]
) -> list[int]:
    """Chooses one after another what most reduces the summed variance of all."""
    chosen: list[int] = []
    left = deviations
    for _ in range(k):
        variance = (left**2).sum(axis=0) + noise
        covariance = left.T @ left
        reduction = (covariance**2).sum(axis=0) / variance
        reduction[[*taken, *chosen]] = -np.inf
        best = int(reduction.argmax())
        chosen.append(best)
        # Conditioning the draws' covariance: left' left - c c' / v = left' (I - a a' / v) left.
        a = left[:, best]
        share = 1 - math.sqrt(max(1 - a @ a / variance[best], 0.0))
        left = left - np.outer(a, share / (a @ a) * (a @ left)) if a @ a > 0 else left
    return chosen


def _log_sum_exp(values: np.ndarray) -> float:
    highest = float(values.max())
    return highest + math.log(float(np.exp(values - highest).sum()))
