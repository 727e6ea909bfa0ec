"""Devices by name: the catalogue, and the machine that this runs on as `host`."""

from difflib import get_close_matches

from latency_models.catalogue import DEVICES
from latency_models.device_spec import KINDS, CacheLevel, DeviceSpec
from latency_models.host import host_device

__all__ = ["DEVICES", "KINDS", "CacheLevel", "DeviceSpec", "find_device", "host_device"]


def find_device(name: str) -> DeviceSpec:
    """The device of that name; `host` is this machine.

    Raises:
        ValueError: If there is none; says which names there are, the nearest first.
    """
    if name == "host":
        return host_device()
    if name in DEVICES:
        return DEVICES[name]
    names = ["host", *DEVICES]
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown device {name!r}{hint}, valid: {', '.join(names)}")
