"""What can be built: genotypes, architectures and their workloads. No training, no Ray."""

from search_spaces.base import (
    Architecture,
    Block,
    BlockSlot,
    ChainSpace,
    Decision,
    Genotype,
    Genotypes,
    SearchSpace,
    register_block,
)
from search_spaces.fbnet import FBNetOptions, FBNetSpace
from search_spaces.macs_sampling import MacsSampler
from search_spaces.mobilenet import MobileNetOptions, MobileNetSpace
from search_spaces.named import SPACES, find_space
from search_spaces.nasbench201 import NasBench201Options, NasBench201Space
from search_spaces.op_chain import OpChain
from search_spaces.resnet import ResNetOptions, ResNetSpace
from search_spaces.vit import AUTOFORMER, ViTOptions, ViTSpace

__all__ = [
    "AUTOFORMER",
    "SPACES",
    "Architecture",
    "Block",
    "BlockSlot",
    "ChainSpace",
    "Decision",
    "FBNetOptions",
    "FBNetSpace",
    "Genotype",
    "Genotypes",
    "MacsSampler",
    "MobileNetOptions",
    "MobileNetSpace",
    "NasBench201Options",
    "NasBench201Space",
    "OpChain",
    "ResNetOptions",
    "ResNetSpace",
    "SearchSpace",
    "ViTOptions",
    "ViTSpace",
    "find_space",
    "register_block",
]
