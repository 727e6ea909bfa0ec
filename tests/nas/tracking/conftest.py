"""The command line, as the tests of the commands run it."""

from tests.nas.cli.conftest import nas

__all__ = ["nas"]
