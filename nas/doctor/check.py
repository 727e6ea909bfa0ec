"""What a look at one thing gave: fine or not, what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]
"""From good to bad: `warn` is what a run survives, `fail` what it does not."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table.

    Attributes:
        name: What was looked at.
        state: Good or bad.
        found: What is there.
        advice: What to do about it; empty where nothing has to be done.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def worst(checks: Iterable[Check]) -> State:
    """The worst state among the checks; `ok` of none."""
    found = {check.state for check in checks}
    return "fail" if "fail" in found else "warn" if "warn" in found else "ok"


def gigabytes(size_bytes: float) -> str:
    """`7.9 GB`."""
    return f"{size_bytes / 1e9:.1f} GB"
