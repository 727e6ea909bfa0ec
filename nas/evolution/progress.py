"""What a search tells while it runs and when it has ended."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from nas.evolution.archive import Archive

Stopped: TypeAlias = Literal["evaluations", "wall time", "converged", "exhausted"]
"""Why a search ended: all evaluations made, the time over, the fronts found, or no network left."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    Attributes:
        evaluations: Done so far, failed and recorded ones included.
        total: How many there will be, unless the space is exhausted before.
        evaluations_per_s: Made in this session; 0 before the first.
        failures: How many of `evaluations` failed.
        recorded: How many of `evaluations` came from the study.
        hypervolume: For each target what its front dominates of the box between (0, 0) and the
            reference point, 0..1; in the synchronous mode as of the last complete generation.
        steps: Complete generations; in the asynchronous mode how often a front has changed.
        workers: How many there are at the moment.
        utilisation: Share of the workers' time in this session that evaluations took, 0..1.
    """

    evaluations: int
    total: int
    evaluations_per_s: float
    failures: int
    recorded: int
    hypervolume: tuple[float, ...]
    steps: int
    workers: int
    utilisation: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search ended with.

    Attributes:
        archive: All completed evaluations, in the order they were told.
        evaluations: Number of evaluations told, failed ones included.
        failures: How many of them failed.
        recorded: How many came from the study.
        reference: For each target the error and costs that hypervolumes are relative to.
        stopped: Why it ended.
        history: Evaluations so far and each target's hypervolume (0..1): after each generation, or
            in the asynchronous mode wherever one has changed; and at the end.
        evaluations_per_s: Made in this session; 0 if none was.
        utilisation: Share of the workers' time in this session that evaluations took, 0..1.
    """

    archive: Archive
    evaluations: int
    failures: int
    recorded: int
    reference: tuple[Float[np.ndarray, " _"], ...]
    stopped: Stopped
    history: tuple[tuple[int, tuple[float, ...]], ...]
    evaluations_per_s: float
    utilisation: float
