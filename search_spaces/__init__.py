"""What can be built: genotypes, architectures and their workloads. No training, no Ray."""

from search_spaces.base import Architecture, Block, Decision, Genotype, Genotypes, SearchSpace
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace

SPACES = {MobileNetSpace.name: MobileNetSpace}
"""Search spaces by the name that a config gives."""

__all__ = [
    "SPACES",
    "Architecture",
    "Block",
    "Decision",
    "Genotype",
    "Genotypes",
    "MobileNetOptions",
    "MobileNetSpace",
    "SearchSpace",
]
