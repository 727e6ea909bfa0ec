"""What training tells while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Compiling:
    """How many blocks are compiled, of how many, before the first step after `step`."""

    step: int
    done: int
    total: int


@dataclass(frozen=True)
class Progress:
    """Where training is.

    Attributes:
        step: Steps done, of `steps` in all.
        epoch: Epochs done, with fraction.
        loss: Mean cross-entropy on the labels, of each step's first subnet, since the epoch began.
        images_per_s: Training images a second since the last report, each counted once for all
            subnets.
        validation: After an epoch, what `validate` returned; empty otherwise.
        rollbacks: How often training collapsed and was rolled back so far.
        rate_factor: What the recipe's learning rate is multiplied by because of that.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    images_per_s: float
    validation: dict[str, float] = field(default_factory=dict[str, float])
    epoch_images: int = 1
    epoch_steps: int = 1
    rollbacks: int = 0
    rate_factor: float = 1.0

    @property
    def eta_s(self) -> float:
        """Seconds left at the current rate."""
        images = (self.steps - self.step) * self.epoch_images / self.epoch_steps
        return images / self.images_per_s if self.images_per_s > 0 else math.inf

    def __str__(self) -> str:
        accuracies = "".join(f", {name} {value:.1%}" for name, value in self.validation.items())
        return (
            f"epoch {self.epoch:.2f}, step {self.step}/{self.steps}: loss {self.loss:.3f}, "
            f"{self.images_per_s:.0f} images/s{accuracies}"
        )


@dataclass(frozen=True)
class Rollback:
    """Training collapsed, and goes on from an earlier state with a lower learning rate.

    Attributes:
        step: Steps done when it was noticed.
        to_step: Steps done in the state that it goes on from.
        reason: What was seen.
        rate_factor: What the recipe's learning rate is multiplied by from now on.
    """

    step: int
    to_step: int
    reason: str
    rate_factor: float

    def __str__(self) -> str:
        return (
            f"collapsed at step {self.step} ({self.reason}); back to step {self.to_step} with "
            f"{self.rate_factor:g} times the learning rate"
        )


Told: TypeAlias = Progress | Rollback | Compiling
"""What training tells."""

Report: TypeAlias = Callable[[Told], None]
