"""The networks of published latency tables, for `latency_models.spaces`.

Networks are costed as they are written, with every edge and operator: what the published tables
were measured on where nothing compiled them; predictors find out what a target leaves out.
"""

from collections.abc import Sequence

from latency_models.workload import CostTable
from search_spaces.base import Genotypes
from search_spaces.fbnet import FBNetOptions, FBNetSpace
from search_spaces.nasbench201 import NasBench201Options, NasBench201Space
from search_spaces.nasbench201_cell import read_cells

_CIFAR_IMAGE = (32, 32, 3)


class NasBench201Table:
    """Cells such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|`, in networks for CIFAR-10."""

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        """The operators of all networks."""
        space = NasBench201Space(NasBench201Options(as_written=True), _CIFAR_IMAGE, classes=10)
        return space.cost_table(batch_size=batch_size, dtype=dtype, integers_throughout=True)

    def read(self, networks: Sequence[str]) -> Genotypes:
        """The genotypes of cells."""
        return read_cells(networks)


class FBNetTable:
    """Networks such as `k3_e1-skip-k5_e6-...`, for CIFAR-100."""

    def __init__(self) -> None:
        self._space = FBNetSpace(FBNetOptions(), _CIFAR_IMAGE, classes=100)

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        """The operators of all networks."""
        return self._space.cost_table(batch_size=batch_size, dtype=dtype, integers_throughout=True)

    def read(self, networks: Sequence[str]) -> Genotypes:
        """The genotypes of networks."""
        return self._space.read(networks)
