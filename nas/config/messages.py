"""A failed validation in one line: the key, what was expected, what came, which names are valid."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nas.config.schema import keys_at

MOST_SHOWN = 3
"""Mistakes that one message names; the others are counted."""

UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument", "unexpected_property")

UNION_TAGS = ("<all>", "<choices>", "<count>")
"""Marks that alternatives leave in pydantic's paths; no key is spelt so."""

PHRASES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "path_type": "must be a path",
    "literal_error": "must be one of {expected}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} entries or fewer",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
}


def describe(error: ValidationError, document: Mapping[str, Any]) -> str:
    """What is wrong with the document, unknown keys first: a misspelt one is often missing too."""
    details = [item for item in error.errors() if not _follows(item)]
    details.sort(key=lambda item: item["type"] not in UNKNOWN_KEY)
    shown = [_describe_one(item, document) for item in details[:MOST_SHOWN]]
    rest = len(details) - len(shown)
    more = f"; and {rest} more" if rest else ""
    return "; ".join(shown) + more


def _follows(item: ErrorDetails) -> bool:
    """Whether pydantic says it only because of another mistake, which it tells as well."""
    if item["type"] == "too_short":
        # Entries that are wrong are not counted.
        return len(item["input"]) >= item.get("ctx", {})["min_length"]
    return item["type"] == "default_factory_not_called"


def _describe_one(item: ErrorDetails, document: Mapping[str, Any]) -> str:
    kind = item["type"]
    place = _place(item["loc"])
    key = ".".join(str(part) for part in place)
    if kind in UNKNOWN_KEY:
        return _unknown_key(place, document)
    if kind in ("missing", "missing_argument"):
        return f"{key} is required"
    context = item.get("ctx", {})
    if kind == "value_error":
        return _with_key(str(context["error"]), place, document)
    phrase = PHRASES.get(kind)
    expected = phrase.format(**context) if phrase else item["msg"]
    return f"{key} {expected}, got {_shown(item['input'])}"


def _with_key(text: str, place: Sequence[int | str], document: Mapping[str, Any]) -> str:
    """A validator's own words after the key they are about, unless they name it themselves."""
    if not place or text.startswith((f"{place[0]}.", f"{place[0]}:")):
        return text
    key = ".".join(str(part) for part in place)
    if text.startswith("must "):
        return f"{key} {text}"
    names_option = text.split(" ", 1)[0] in keys_at(place, document)
    return f"{key}.{text}" if names_option else f"{key}: {text}"


def _place(loc: Sequence[int | str]) -> list[int | str]:
    """The path in the document: pydantic's, without the marks of alternatives."""
    return [part for part in loc if part not in UNION_TAGS]


def _unknown_key(place: Sequence[int | str], document: Mapping[str, Any]) -> str:
    *section, name = place
    valid = sorted(keys_at(section, document))
    near = difflib.get_close_matches(str(name), valid, n=1)
    guess = f"; did you mean {near[0]}?" if near else "."
    where = ".".join(str(part) for part in section)
    of_section = f" of {where}" if where else ""
    key = f"{where}.{name}" if where else name
    return f"{key} is not a key{guess} The keys{of_section} are {', '.join(valid)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
