"""The JSON schema of a config file, for editors and for `experiments/schema.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from latency_models.measure import COMMAND, runtimes
from nas.config.models import Config
from nas.config.spaces import supernet_spaces
from nas.data import DATASETS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """The schema of a whole config, every space's options included, also of installed packages."""
    schema = Config.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    definitions["DataConfig"]["properties"]["name"]["enum"] = sorted(DATASETS)
    runtime = definitions["TargetConfig"]["properties"]["runtime"]
    runtime["anyOf"][0]["enum"] = sorted([*runtimes(), COMMAND])
    spaces = [
        _space_schema(name, space, definitions) for name, space in sorted(supernet_spaces().items())
    ]
    description = definitions["SpaceConfig"]["description"]
    definitions["SpaceConfig"] = {
        "title": "SpaceConfig",
        "description": description,
        "oneOf": spaces,
    }
    return {"$schema": DIALECT, **schema, "title": "Ridgeline config"}


def keys_at(place: Sequence[int | str], document: Mapping[str, Any]) -> list[str]:
    """Valid keys of the section at `place`; the document says which space it is about."""
    schema = config_schema()
    here: Any = schema
    for part in place:
        here = _inside(here, schema, document)
        here = (
            here.get("items", {})
            if isinstance(part, int)
            else here.get("properties", {}).get(part, {})
        )
    return list(_inside(here, schema, document).get("properties", {}))


def _inside(
    here: dict[str, Any], schema: dict[str, Any], document: Mapping[str, Any]
) -> dict[str, Any]:
    """Follows references, and takes the branch of an alternative that has keys or entries."""
    if "$ref" in here:
        return _inside(schema["$defs"][here["$ref"].rpartition("/")[2]], schema, document)
    for branch in here.get("anyOf", ()):
        inner = _inside(branch, schema, document)
        if "properties" in inner or "items" in inner:
            return inner
    if "oneOf" in here:
        space = document.get("space")
        name = space.get("name") if isinstance(space, Mapping) else None
        for branch in here["oneOf"]:
            if branch.get("properties", {}).get("name", {}).get("const") == name:
                return branch
        return next((branch for branch in here["oneOf"] if "items" in branch), {})
    return here


def _space_schema(name: str, space: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    options = TypeAdapter(space.Options).json_schema(ref_template="#/$defs/{model}")
    definitions.update(options.pop("$defs", {}))
    options["properties"] = {"name": {"const": name}, **options["properties"]}
    options["required"] = ["name", *options.get("required", ())]
    return options
