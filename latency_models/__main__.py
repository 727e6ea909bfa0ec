"""The command line: `python -m latency_models COMMAND`; one module of `cli` a command."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from latency_models.cli import (
    adapting,
    devices,
    evaluating,
    measuring,
    predicting,
    proposing,
    training,
)

_COMMANDS = (devices, predicting, measuring, proposing, adapting, training, evaluating)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; a mistake of the user's is one line on standard error and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing is left to be written at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one line, as the commands do."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message}; {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m latency_models", description="How long will this network take there?"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
