"""YAML that people and strangers hand us, and that we write.

Scalars are read by YAML 1.2's core schema, so that `3e-5` is a number and `on` a word, and a key
that comes twice is an error. Nothing but mappings, lists and scalars can be made, and a few lines
cannot stand for millions of entries.

Reference: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 1 << 18
"""Of a file: some hundred times the longest config that we know."""

MOST_ENTRIES = 20_000
"""Values, each counted wherever an alias repeats it, and once more for every 100 characters."""

_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")

_SCALARS = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|false)$", re.IGNORECASE),
    "int": re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"),
    "float": re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|nan)$",
        re.IGNORECASE,
    ),
}


class YamlError(ValueError):
    """A text that is not YAML as we read it; one line that says where."""


def read_yaml_file(path: Path) -> Any:
    """What a file holds.

    Raises:
        OSError: If it cannot be read.
        YamlError: If it is longer than `MOST_BYTES`, or is not YAML in UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise YamlError(f"expected YAML of at most {MOST_BYTES:,} bytes, got more")
    try:
        return read_yaml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise YamlError(f"is not text in UTF-8: {error.reason} at byte {error.start}") from None


def read_yaml(text: str) -> Any:
    """What a text says, as dicts with words as keys, lists, and scalars.

    Raises:
        YamlError: If it is not YAML, a key comes twice, or it is too large or too deep.
    """
    try:
        document = yaml.load(text, Loader=_Loader)
        entries = _count(document, {})
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise YamlError(f"{place}{error.problem or error.context}") from None
    except RecursionError:
        raise YamlError("is nested too deeply, or an entry contains itself") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        # Besides its own errors, PyYAML lets out those of converting a value that has a tag.
        raise YamlError(f"is not YAML: {' '.join(str(error).split())}") from None
    if entries > MOST_ENTRIES:
        raise YamlError(f"expected at most {MOST_ENTRIES:,} entries, got {entries:,}")
    return document


def write_yaml(document: Mapping[str, Any]) -> str:
    """Text that `read_yaml` reads back, and readers of YAML 1.1 as well."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    yaml_constructors = {  # noqa: RUF012
        **{
            f"tag:yaml.org,2002:{kind}": yaml.SafeLoader.yaml_constructors[
                f"tag:yaml.org,2002:{kind}"
            ]
            for kind in _PLAIN
        },
        None: yaml.SafeLoader.yaml_constructors[None],
    }

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(
                None, None, "expected a mapping node, found another", node.start_mark
            )
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"keys must be words, got {key!r:.60}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key:.60} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes the words that either version of YAML takes for something else, and has no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind, _pattern in _SCALARS.items():
    for _user in (_Loader, _Dumper):
        _user.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _pattern, None)


def _count(document: Any, known: dict[int, int]) -> int:
    """Entries as `MOST_ENTRIES` counts them.

    Raises:
        RecursionError: If an entry contains itself.
    """
    if not isinstance(document, dict | list):
        return 1 + (len(document) // 100 if isinstance(document, str) else 0)
    if id(document) not in known:
        inner = document.values() if isinstance(document, dict) else document
        known[id(document)] = 1 + sum(_count(entry, known) for entry in inner)
    return known[id(document)]
