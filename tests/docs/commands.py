"""Whether a command line of a page would be accepted, without running it."""

import re
import shlex
import tomllib
import warnings
from pathlib import Path
from typing import Any

import typer

from latency_models.__main__ import _parser
from nas.cli import app

ROOT = Path(__file__).parents[2]
MODULES = ("venv", "pip", "http.server")
OTHERS = ("cd", "git", "kubectl", "sbatch", "tensorboard", ".")
"""Programs of others, whose arguments are theirs."""


def lines_of(text: str) -> list[str]:
    """A block's commands: comments left out, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def check_command(line: str) -> None:
    """Checks one line, or the parts that `&&` joins.

    Raises:
        AssertionError: If a file of ours that it names does not exist, or a program is unknown.
        Exception: Whatever the program's own parser raises.
    """
    for part in line.split("&&"):
        words = shlex.split(part, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if ">" in words:
            words = words[: words.index(">")]
        for word in words:
            if re.match(r"(experiments|docs|tests)/", word):
                assert (ROOT / word).exists() or "*" in word, f"{line}: there is no {word}"
        _check_program(words, line)


def check_inline(line: str) -> None:
    """Checks that a command named in the running text exists, with the options that it names."""
    words = line.split()
    if words[0] == "nas" and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
        known = {option for param in _commands()[words[1]].params for option in param.opts}
        for word in words[2:]:
            assert not word.startswith("--") or word in known, f"{line}: no option {word}"
    elif words[:1] == ["python"] and words[1].endswith(".py"):
        _check_script(words[1:], line)


def _check_program(words: list[str], line: str) -> None:
    program, *arguments = words
    if program == "nas":
        if not arguments[0].startswith("-"):
            _commands()[arguments[0]].make_context(arguments[0], arguments[1:])
    elif program in ("python", "python3"):
        _check_python(arguments, line)
    elif program == "pip":
        _check_extras(arguments, line)
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE), line
    elif program == "ray":
        _check_ray(arguments)
    elif not program.startswith("experiments/"):
        assert program in OTHERS, f"{line}: do not know how to check {program}"


def _check_python(arguments: list[str], line: str) -> None:
    if arguments[0] != "-m":
        _check_script(arguments, line)
    elif arguments[1] == "latency_models":
        _parser().parse_args(arguments[2:])
    elif arguments[1] == "pip":
        _check_extras(arguments[2:], line)
    else:
        assert arguments[1] in MODULES, line


def _check_script(words: list[str], line: str) -> None:
    """A script of the repository has the options that are named."""
    source = (ROOT / words[0]).read_text()
    for word in words[1:]:
        name = word.partition("=")[0]
        assert not name.startswith("--") or f'"{name}"' in source, f"{line}: no option {name}"


def _check_extras(arguments: list[str], line: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for argument in arguments:
        for names in re.findall(r"^(?:\.|ridgeline-nas)\[(.*)\]$", argument):
            assert set(names.split(",")) <= set(extras), line


def _check_ray(arguments: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.scripts.scripts import cli

    command: Any = cli
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    if "--" in arguments:
        position = arguments.index("--")
        _check_program(arguments[position + 1 :], " ".join(arguments))
    command.make_context(command.name, arguments)


def _commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return group.commands
