"""Holds predicted accuracies against what their evaluation gave."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from latency_models.metrics import spearman
from nas.evolution.proposals import genotype_keys

WINDOW = 50
"""Last predictions that the surrogate's quality is of."""

STEP = 10
"""Predictions after which it is noted again."""


@dataclass(frozen=True, slots=True)
class SurrogateQuality:
    """How good the last predictions of accuracy were, made before the networks were evaluated.

    Attributes:
        evaluations: How many evaluations there were.
        spearman: Rank correlation of predicted with evaluated accuracy; None where undefined.
        mean_absolute_error: Of the predicted accuracy.
    """

    evaluations: int
    spearman: float | None
    mean_absolute_error: float


class Predictions:
    """Predictions that wait for their evaluation, and how good the others were.

    Attributes:
        quality: Noted every `STEP` predictions that came true or not.
    """

    def __init__(self) -> None:
        self.quality: list[SurrogateQuality] = []
        self._expected: dict[bytes, float] = {}
        self._checked: list[tuple[float, float]] = []

    def expect(self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"]) -> None:
        """Notes the predicted error of genotypes that are about to be evaluated."""
        self._expected |= dict(zip(genotype_keys(genotypes), error.tolist(), strict=True))

    def check(
        self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"], evaluations: int
    ) -> None:
        """Compares with what has come; genotypes of which nothing was predicted are left out.

        Args:
            genotypes: Those evaluated.
            error: What came of them.
            evaluations: How many there are by now.
        """
        for key, found in zip(genotype_keys(genotypes), error, strict=True):
            expected = self._expected.pop(key, None)
            if expected is None:
                continue
            self._checked.append((expected, float(found)))
            if len(self._checked) % STEP == 0:
                predicted, true = np.array(self._checked[-WINDOW:]).T
                rank = spearman(predicted, true)
                self.quality.append(
                    SurrogateQuality(
                        evaluations=evaluations,
                        spearman=float(rank) if np.isfinite(rank) else None,
                        mean_absolute_error=float(np.abs(predicted - true).mean()),
                    )
                )
