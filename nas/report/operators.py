"""Where networks' time goes on a target, operator by operator, beside what the device would allow.

Seconds are predictions of the target's own predictor; what bounds an operator, and the least it
could take, come from the roofline of the device's datasheet.

Reference: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from latency_models.explain import BOUNDS


@dataclass(frozen=True, slots=True)
class Kernel:
    """An operator that is started, with all that is fused into it.

    Attributes:
        name: Of the operator.
        slot: Place in the architecture, as its blocks name theirs.
        kind: Of the operator.
        bound: What takes longest on the roofline: compute, memory or launch.
        seconds: Predicted.
        bound_s: The longer of its arithmetic at the peak and its memory traffic.
        flops: Of the operator and what is fused into it.
        moved_bytes: Read and written.
    """

    name: str
    slot: str
    kind: str
    bound: str
    seconds: float
    bound_s: float
    flops: float
    moved_bytes: float

    def __post_init__(self) -> None:
        if self.bound not in BOUNDS:
            raise ValueError(
                f"report: kernel {self.name!r}: bound must be one of {', '.join(BOUNDS)}, "
                f"got {self.bound!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTimes:
    """One network on one target.

    Attributes:
        latency_s: Predicted for the whole; what the kernels leave of it belongs to no operator.
        energy_j: Estimated for one inference of the target's batch.
        kernels: In the order that they run.
    """

    latency_s: float
    energy_j: float
    kernels: tuple[Kernel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """A target's device and what networks reach on it.

    Attributes:
        device: Name of the datasheet.
        peaks: FLOPs a second by name, the highest first.
        bandwidths: Bytes a second of each cache and of main memory, as far as they are known.
        networks: By the id of their evaluation.
    """

    device: str
    peaks: Mapping[str, float]
    bandwidths: Mapping[str, float]
    networks: Mapping[int, NetworkTimes]
