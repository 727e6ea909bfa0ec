"""From what a database holds, which may be anything, to the values that we expect."""

from __future__ import annotations

import json
import math
import sqlite3
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nas.errors import StudyError

JSON_COLUMNS = {"genotype", "metrics", "samples", "environment", "summary"}
LONGEST_NUMBER = 300
"""Digits of a whole number; all of those are floats too."""

Kind = TypeVar("Kind")


def read_row(kind: type[Kind], row: sqlite3.Row, where: str) -> Kind:
    """A row of a study as the dataclass of its table.

    Raises:
        StudyError: If a column does not hold what the dataclass's annotations say.
    """
    values = dict(row)
    where = f"{where}, row {values.get('id', values.get('step'))}"
    for column in JSON_COLUMNS & values.keys():
        values[column] = read_json(values[column], f"{where}: {column}")
    if "samples" in values:
        values["samples_s"] = values.pop("samples")
    return check(kind, values, where)


def read_json(text: Any, where: str) -> Any:
    """What a text says, with numbers that a float can hold.

    Raises:
        StudyError: If it is not JSON, or has other numbers.
    """
    try:
        return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except (ValueError, TypeError, RecursionError) as error:
        raise StudyError(f"{where}: expected JSON, {error}") from None


def check(kind: type[Kind], value: Any, where: str) -> Kind:
    """The value as the type.

    Raises:
        StudyError: If it is another kind of value; names the first part that is wrong.
    """
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        told = f"{first['msg']}, got {first['input']!r:.60}"
        raise StudyError(": ".join(filter(None, (where, place, told)))) from None


@lru_cache
def _adapter(kind: type[Kind]) -> TypeAdapter[Kind]:
    return TypeAdapter(kind)


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"got a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"got the number {text}")
    return number
