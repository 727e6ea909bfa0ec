"""What a look at one thing gave: fine or not, what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]
STATES: tuple[State, ...] = ("ok", "warn", "fail")
"""From good to bad: `warn` is what a run survives, `fail` what it does not."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table.

    Attributes:
        name: What was looked at.
        state: One of `STATES`.
        found: What is there.
        advice: What to do about it; empty where nothing has to be done.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def worst(checks: Iterable[Check]) -> State:
    """The worst state among the checks; `ok` of none."""
    return max((check.state for check in checks), key=STATES.index, default="ok")


def gigabytes(size_bytes: float) -> str:
    """`7.9 GB`."""
    return f"{size_bytes / 1e9:.1f} GB"
