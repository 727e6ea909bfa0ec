"""Python expressions as they are written into a file: calls, nested, and literals."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

LINE_LENGTH = 100
INDENT = 4


@dataclass(frozen=True)
class Call:
    """A call of `name`; with `is_list` its arguments are the items of the one list it takes.

    Without a name it is a tuple of two or more.
    """

    name: str
    arguments: tuple[Expression, ...] = ()
    named: Mapping[str, Expression] = field(default_factory=dict[str, "Expression"])
    is_list: bool = False


Expression: TypeAlias = Call | str


def literal(value: Any) -> Expression:
    """The value as Python reads it.

    Raises:
        ValueError: If it is not made of numbers, texts, booleans, None, tuples, lists and dicts.
    """
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value)
    try:
        plain = ast.literal_eval(text) == value
    except (SyntaxError, ValueError):
        plain = False
    if not plain:
        raise ValueError(f"expected plain data, got {text}")
    if isinstance(value, tuple) and len(text) > LINE_LENGTH // 2 and len(value) > 1:
        return Call("", tuple(map(literal, value)))
    return text if '"' in text else text.replace("'", '"')


def render(expression: Expression, *, indent: int, before: int = 0) -> str:
    """The expression's text, broken into lines where it is long.

    Args:
        expression: What is written.
        indent: Of the line that it starts on, in spaces.
        before: Characters in front of it on that line, and behind it.
    """
    if isinstance(expression, str):
        return expression
    opening, closing = ("([", "])") if expression.is_list else ("(", ")")
    flat = ", ".join(f"{key}{render(value, indent=0)}" for key, value in _arguments(expression))
    line = f"{expression.name}{opening}{flat}{closing}"
    if "\n" not in line and indent + before + len(line) <= LINE_LENGTH:
        return line
    inner = indent + INDENT
    values = (value for _, value in _arguments(expression))
    short = inner + len(flat) <= LINE_LENGTH and all(isinstance(value, str) for value in values)
    if expression.name and short:
        return f"{expression.name}{opening}\n{' ' * inner}{flat}\n{' ' * indent}{closing}"
    lines = [
        f"{' ' * inner}{key}{render(value, indent=inner, before=len(key) + 1)},\n"
        for key, value in _arguments(expression)
    ]
    return f"{expression.name}{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _arguments(call: Call) -> Iterator[tuple[str, Expression]]:
    yield from (("", value) for value in call.arguments)
    yield from ((f"{name}=", value) for name, value in call.named.items())
