"""The command line's frame: which commands there are, and what a user sees of an error.

A mistake is one line on stderr and exit code 2. Mistakes are told from defects by their type and by
where they were raised: a `UserError`, an `OSError`, or a `ValueError` that code of ours raised
itself. Anything else is a defect and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated

import typer

from nas.cli import comparing, doctor, latency, studies, watching
from nas.errors import plain

FAILED = 1
USER_ERROR = 2
INTERRUPTED = 130

LONGEST = 2000
"""Characters of a message; what came may be of any length."""

OURS = ("nas.", "search_spaces.", "latency_models.")

app = typer.Typer(
    name="nas",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"nas {version('ridgeline-nas')}")
        raise typer.Exit


@app.callback()
def _frame(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of errors; may stand anywhere.")
    ] = False,
) -> None:
    """Ridgeline: hardware-aware neural architecture search.

    One search, one verified accuracy-latency front for every target. Start with:

        nas run experiments/quickstart.yaml
    """
    del version, debug


studies.register(app)
watching.register(app)
doctor.register(app)
comparing.register(app)
latency.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0, 2 for a user's mistake, 130 when interrupted.

    Args:
        arguments: Without the program's name; those of the process if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        code = app(
            [item for item in given if item != "--debug"], prog_name="nas", standalone_mode=False
        )
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        _tell("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`nas devices | head`); Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        if not _is_mistake(error):
            raise
        if debug:
            traceback.print_exc()
        text = _one_line(error)
        # Without a command Typer has shown the help already and has nothing to add.
        if text:
            _tell(f"error: {text}")
        sys.exit(USER_ERROR)
    sys.exit(code if isinstance(code, int) else 0)


def _is_mistake(error: Exception) -> bool:
    from nas.errors import UserError

    if isinstance(error, UserError | OSError | typer.TyperException):
        return True
    return isinstance(error, ValueError) and _raised_in(error.__traceback__).startswith(OURS)


def _raised_in(place: TracebackType | None) -> str:
    module = ""
    while place is not None:
        module = str(place.tb_frame.f_globals.get("__name__", ""))
        place = place.tb_next
    return module


def _one_line(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        # A mistake that is about no single parameter needs no "Invalid value" before it.
        alone = isinstance(error, typer.BadParameter) and error.param is None
        text = error.message if alone else error.format_message()
        context = getattr(error, "ctx", None)
        if text and context is not None:
            text += f" (`{context.command_path} --help` says what there is)"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    text = plain(" ".join(text.split()))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _tell(text: str) -> None:
    print(f"nas: {text}", file=sys.stderr)
