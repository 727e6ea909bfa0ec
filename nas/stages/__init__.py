"""The stages of a run, in order; each reads what the ones before wrote into the study."""

from collections.abc import Callable

from nas.config import Config
from nas.stages.train import train
from nas.study import Study

STAGES: dict[str, Callable[[Study, Config], None]] = {
    "train": train,
}
