"""The search spaces that a config can name: those whose networks can share a supernet's weights."""

from __future__ import annotations

from typing import Any

from search_spaces import MobileNetSpace, NasBench201Space, ResNetSpace, ViTSpace
from search_spaces.installed import installed_names, load_installed

OWN: dict[str, type[Any]] = {
    space.name: space for space in (MobileNetSpace, NasBench201Space, ResNetSpace, ViTSpace)
}
"""Ours, by name."""


def supernet_spaces() -> dict[str, type[Any]]:
    """Ours, and those of installed packages that declare `Options`, by name."""
    others = ((name, load_installed(name)) for name in installed_names())
    return OWN | {name: space for name, space in others if space and hasattr(space, "Options")}


def supernet_space(name: str) -> type[Any]:
    """The class of the space of that name.

    It declares `Options`, a dataclass of what a config says of it, and takes `options`,
    `image_shape` (height, width, channels) and `classes`.

    Raises:
        ValueError: If there is none; says which there are.
    """
    found = OWN.get(name) or load_installed(name)
    if found is not None and hasattr(found, "Options"):
        return found
    lacking = "" if found is None else ", which declares no Options"
    valid = ", ".join(sorted(supernet_spaces()))
    raise ValueError(f"must be one of {valid}, got {name!r}{lacking}")
