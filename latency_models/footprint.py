"""How much memory a network needs: its weights, and the activations alive at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from latency_models.device_spec import DeviceSpec
from latency_models.workload import CostTable, Workload


@dataclass(frozen=True)
class MemoryFootprint:
    """Bytes that a network occupies while it runs, a runtime's own and its copies not counted."""

    weight_bytes: int
    peak_activation_bytes: int

    @property
    def total_bytes(self) -> int:
        """Weights and activations together."""
        return self.weight_bytes + self.peak_activation_bytes

    def fits(self, spec: DeviceSpec) -> bool | None:
        """Whether the device's main memory holds it; None where its size is not known."""
        return None if spec.memory_bytes is None else self.total_bytes <= spec.memory_bytes


def memory_footprint(workload: Workload) -> MemoryFootprint:
    """Memory of one network."""
    return MemoryFootprint(workload.weight_bytes, workload.peak_activation_bytes)


def population_memory_bytes(
    table: CostTable, genotypes: Int[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"]:
    """Weights and activations of each genotype together."""
    return table.weight_bytes(genotypes) + table.peak_activation_bytes(genotypes)
