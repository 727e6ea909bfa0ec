"""The type checker under which the three packages are imported by the tests.

It looks at arrays alone: their dtypes and shapes are what pyright cannot see, while the rest of the
annotations use what cannot be checked at run time (plain protocols, Self, names imported for type
checking only).
"""

from collections.abc import Callable
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its array annotations checked at every call."""
    arrays = {name: hint for name, hint in function.__annotations__.items() if _has_array(hint)}
    if not arrays:
        return function
    function.__annotations__ = arrays
    return beartype(function)


def _has_array(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_array(part) for part in get_args(hint))
