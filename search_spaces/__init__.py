"""What can be built: genotypes, architectures and their workloads. No training, no Ray."""

from search_spaces.base import Architecture, Block, Decision, Genotype, Genotypes, SearchSpace
from search_spaces.fbnet import FBNetOptions, FBNetSpace
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace
from search_spaces.nasbench201 import NasBench201Options, NasBench201Space
from search_spaces.resnet import ResNetOptions, ResNetSpace
from search_spaces.vit import AUTOFORMER, ViTOptions, ViTSpace

SPACES = {
    space.name: space
    for space in (MobileNetSpace, NasBench201Space, FBNetSpace, ResNetSpace, ViTSpace)
}
"""Search spaces by the name that a config gives."""

__all__ = [
    "AUTOFORMER",
    "SPACES",
    "Architecture",
    "Block",
    "Decision",
    "FBNetOptions",
    "FBNetSpace",
    "Genotype",
    "Genotypes",
    "MobileNetOptions",
    "MobileNetSpace",
    "NasBench201Options",
    "NasBench201Space",
    "ResNetOptions",
    "ResNetSpace",
    "SearchSpace",
    "ViTOptions",
    "ViTSpace",
]
