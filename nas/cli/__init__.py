"""The `nas` command: `nas --help` says what there is.

Commands import what they need when they run, so that help and mistakes are answered at once.
"""

from nas.cli.main import app, main

__all__ = ["app", "main"]
