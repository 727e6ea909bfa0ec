"""A config that is whole, to be broken in one place."""

from typing import Any

from nas.config import Config, parse_config


def config(**sections: Any) -> Config:
    """Digits on two processes; sections are those of a config file, joined to the small one's."""
    document: dict[str, Any] = {
        "name": "small",
        "data": {"name": "digits"},
        "space": {
            "name": "mobilenet",
            "stages": [{"width": 16, "stride": 1}],
            "resolutions": [8],
        },
        "targets": [{"name": "pi", "device": "raspberry-pi-5"}],
        "train": {"executor": "in_process"},
        "search": {"executor": "in_process"},
    }
    for name, section in sections.items():
        known: Any = document.get(name)
        joined = isinstance(known, dict) and isinstance(section, dict)
        document[name] = {**known, **section} if joined else section
    return parse_config(document, source="a test")
