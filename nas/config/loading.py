"""From a YAML file and overrides to a `Config`, or to one line that says what is wrong.

Scalars are read by YAML 1.2's core schema, so that `3e-5` is a number and `on` a word, and a key
that comes twice is an error. The document is validated in pydantic's strict JSON mode: a quoted
number is a string and refused.

Reference: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nas.config.messages import describe
from nas.config.models import Config
from nas.errors import UserError


class ConfigError(UserError):
    """A config that is missing, unreadable or wrong; one line with the file and the key."""


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads and checks a config file.

    Args:
        path: The YAML file.
        overrides: `section.key=value` each, the value read as YAML; list entries by position,
            `targets.0.threads=2`.

    Raises:
        ConfigError: If the file cannot be read, or a key, a value or an override is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    document = _read_yaml(text, source=str(path))
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, got {_kind(document)}")
    for override in overrides:
        _apply(document, override)
    source = str(path) if not overrides else f"{path} with --set {' --set '.join(overrides)}"
    return parse_config(document, source=source)


def parse_config(document: Mapping[str, Any], *, source: str) -> Config:
    """Checks a config that is plain data already.

    Args:
        document: What the YAML file holds.
        source: Where it comes from, for messages.

    Raises:
        ConfigError: If a key or a value is wrong.
    """
    try:
        text = json.dumps(document, default=str)
    except (ValueError, RecursionError):
        raise ConfigError(f"{source}: an entry contains itself") from None
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe(error, document)}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2's core schema and without duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"keys must be words, got {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), None
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$", re.IGNORECASE), None
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), None
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|nan)$",
        re.IGNORECASE,
    ),
    None,
)


def _read_yaml(text: str, *, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f" line {mark.line + 1}, column {mark.column + 1}:"
        raise ConfigError(f"{source}:{place} {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{source}: is not YAML: {' '.join(str(error).split())}") from None


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{'a list' if isinstance(value, list) else repr(value)}"


def _apply(document: dict[str, Any], override: str) -> None:
    """Sets one key of the document in place; sections that the file leaves out are made."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(
            f"--set {override}: expected section.key=value, such as search.evaluations=200"
        )
    value = _read_yaml(text, source=f"--set {override}")
    place: Any = document
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(place, list):
            index = _position(place, part, override=override, name=".".join(parts[:depth]))
            if last:
                place[index] = value
            place = place[index]
        elif isinstance(place, dict):
            if last:
                place[part] = value
            elif place.get(part) is None:
                place[part] = {}
            place = place[part]
        else:
            raise ConfigError(
                f"--set {override}: {'.'.join(parts[:depth])} is {place!r} and has no keys"
            )


def _position(items: list[Any], part: str, *, override: str, name: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        valid = f"0 to {len(items) - 1}" if items else "none, as it is empty"
        raise ConfigError(f"--set {override}: positions of {name} are {valid}, got {part}")
    return int(part)
