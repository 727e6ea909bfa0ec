"""Search spaces by name: this package's, and those that other installed packages offer.

A package offers one through the entry point group `search_spaces.spaces`: the name is the space's,
the object its class. Loading it makes the blocks of its architectures known as well.
"""

from importlib.metadata import entry_points
from typing import Any

GROUP = "search_spaces.spaces"


def load_installed(name: str) -> type[Any] | None:
    """The class that another package offers under this name; None where there is none."""
    for entry in entry_points(group=GROUP, name=name):
        return entry.load()
    return None


def installed_names() -> list[str]:
    """The names that other packages offer, in alphabetical order."""
    return sorted(entry_points(group=GROUP).names)
