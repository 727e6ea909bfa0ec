"""Search spaces by name."""

from typing import Any

from search_spaces.fbnet import FBNetSpace
from search_spaces.installed import installed_names, load_installed
from search_spaces.mobilenet import MobileNetSpace
from search_spaces.nasbench201 import NasBench201Space
from search_spaces.resnet import ResNetSpace
from search_spaces.vit import ViTSpace

SPACES = {
    space.name: space
    for space in (MobileNetSpace, NasBench201Space, FBNetSpace, ResNetSpace, ViTSpace)
}
"""The search spaces of this package by name."""


def find_space(name: str) -> type[Any]:
    """The class of the space of that name, of this package or of another that is installed.

    Raises:
        ValueError: If there is none; says which there are.
    """
    found = SPACES.get(name) or load_installed(name)
    if found is None:
        valid = ", ".join(sorted({*SPACES, *installed_names()}))
        raise ValueError(f"unknown search space {name!r}, valid: {valid}")
    return found
