"""The spaces of the data set of latencies that this project measured on its own machine.

`experiments/benchmarks/measure_dataset.py` draws networks from them; `latency_models.spaces` finds
them by these names when the data set is read.
"""

from collections.abc import Sequence

import numpy as np

from latency_models.workload import CostTable
from search_spaces.base import Genotypes, SearchSpace, cardinalities
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace, MobileNetStage
from search_spaces.nasbench201 import NasBench201Options, NasBench201Space

CLASSES = 10
MOBILENET = MobileNetSpace(
    MobileNetOptions(
        stages=[
            MobileNetStage(16, 2),
            MobileNetStage(24, 2),
            MobileNetStage(40, 2, "relu", squeeze_excite=True),
            MobileNetStage(80, 1, "hard_swish"),
            MobileNetStage(112, 1, "hard_swish", squeeze_excite=True),
        ],
        stem_stride=2,
        head_width=480,
        feature_width=640,
        width_multipliers=[0.75, 1.0],
        resolutions=[64, 96, 128],
    ),
    (128, 128, 3),
    CLASSES,
)
NASBENCH201 = NasBench201Space(NasBench201Options(), (32, 32, 3), CLASSES)


class _MeasuredSpace:
    """Networks by the option taken at each decision, such as `0-2-1`."""

    space: SearchSpace

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        """The operators of all networks."""
        return self.space.cost_table(batch_size=batch_size, dtype=dtype)

    def read(self, networks: Sequence[str]) -> Genotypes:
        """The genotypes of networks.

        Raises:
            ValueError: If a text is not one option a decision.
        """
        counts = cardinalities(self.space.decisions)
        genotypes = np.zeros((len(networks), len(counts)), np.int64)
        for row, network in enumerate(networks):
            options = network.split("-")
            valid = len(options) == len(counts) and all(map(str.isdecimal, options))
            if valid:
                genotypes[row] = [int(option) for option in options]
            if not valid or (genotypes[row] >= counts).any():
                raise ValueError(f"expected {len(counts)} options such as 0-2-1, got {network!r}")
        return genotypes


class MeasuredMobileNet(_MeasuredSpace):
    """The data set's `mobilenet`."""

    space = MOBILENET


class MeasuredNasBench201(_MeasuredSpace):
    """The data set's `nasbench201`."""

    space = NASBENCH201
