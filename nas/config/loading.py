"""From a YAML file and overrides to a `Config`, or to one line that says what is wrong.

The document is validated in pydantic's strict JSON mode: a quoted number is a string and refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nas.config.messages import describe
from nas.config.models import Config
from nas.errors import UserError
from nas.yaml_text import YamlError, read_yaml, read_yaml_file


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
        document = read_yaml_file(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except YamlError as error:
        raise ConfigError(f"{path}: {error}") from None
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
        raise ConfigError(f"{source}: is nested too deeply, or an entry contains itself") from None
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe(error, document)}") from None


def _read(text: str, *, source: str) -> Any:
    try:
        return read_yaml(text)
    except YamlError as error:
        raise ConfigError(f"{source}: {error}") from None


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"{value!r:.60}"


def _apply(document: dict[str, Any], override: str) -> None:
    """Sets one key of the document in place; sections that the file leaves out are made."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(
            f"--set {override}: expected section.key=value, such as search.evaluations=200"
        )
    value = _read(text, source=f"--set {override}")
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
