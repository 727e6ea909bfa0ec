"""Devices by name: the catalogue, the machine that this runs on as `host`, and datasheet files."""

import reprlib
from difflib import get_close_matches
from pathlib import Path

from latency_models.catalogue import DEVICES
from latency_models.device_spec import KINDS, CacheLevel, DeviceSpec
from latency_models.host import host_device

__all__ = [
    "DATASHEET_SUFFIX",
    "DEVICES",
    "KINDS",
    "CacheLevel",
    "DeviceSpec",
    "find_device",
    "host_device",
    "read_device",
]

DATASHEET_SUFFIX = ".json"
"""How the name of a datasheet's file ends; no device's name does."""


def find_device(name: str) -> DeviceSpec:
    """The device of that name; `host` is this machine, and `NAME.json` the datasheet in that file.

    Raises:
        ValueError: If there is none, saying which names there are, the nearest first; or if the
            file is no datasheet.
    """
    if name == "host":
        return host_device()
    if name in DEVICES:
        return DEVICES[name]
    if name.endswith(DATASHEET_SUFFIX):
        return read_device(Path(name))
    names = ["host", *DEVICES]
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown device {name!r}{hint}, valid: {', '.join(names)}")


def read_device(path: Path) -> DeviceSpec:
    """A datasheet of the user's: a JSON object with fields of `DeviceSpec`, in SI units.

    `nas devices NAME --json` prints one.

    Raises:
        ValueError: If the file cannot be read, or a field is missing, unknown or wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(DeviceSpec).validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        field = f" {where}:" if where else ""
        raise ValueError(
            f"{path}:{field} {first['msg']}, got {reprlib.repr(first['input'])}"
        ) from None
