"""How the shared weights are trained, as plain frozen data; the config's `train` section says what
each value means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

StrategyName: TypeAlias = Literal["sandwich", "single_path", "progressive"]
OptimizerName: TypeAlias = Literal["sgd", "adamw"]
SamplingName: TypeAlias = Literal["uniform", "macs", "best_up", "worst_up"]
Opening: TypeAlias = int | Literal["all"]
"""How many of a decision's largest options subnets are drawn from."""


@dataclass(frozen=True)
class Phase:
    """A part of training with a learning rate schedule of its own.

    Attributes:
        epochs: How many.
        open: For each kind of decision how many of its largest options are drawn from now on; kinds
            that no phase has named yet stay at their largest option.
        learning_rate: Its highest value, after the warm-up.
        warmup_epochs: Of this phase.
        subnets: Drawn each step.
    """

    epochs: int
    open: Mapping[str, Opening]
    learning_rate: float
    warmup_epochs: float
    subnets: int


@dataclass(frozen=True)
class Recipe:
    """How the weights are trained."""

    strategy: StrategyName
    phases: tuple[Phase, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: float
    optimizer: OptimizerName
    momentum: float
    weight_decay: float
    clip_norm: float
    ema_decay: float
    drop_connect: float
    label_smoothing: float
    random_subnets: int
    sampling: SamplingName
    candidates: int
    kd_ratio: float
    checkpoint_every: int
    crop_padding: int
    flip: bool
    cutout: int
