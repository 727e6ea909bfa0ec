"""`nas doctor`: whether a run would work, and what to do where it would not."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.studies import Overrides

if TYPE_CHECKING:
    from nas.config import Config
    from nas.doctor import Check

FAILED = 1
MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command("doctor", rich_help_panel="Search")(doctor)


def doctor(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CONFIG|STUDY]", help="What is to be run; without it, the machine alone."
        ),
    ] = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Look whether a run would work here, and say what to do where it would not.

    Packages, processors, JAX, latency runtimes, data, disk, Ray and its nodes, and what workers
    start with. Set RAY_ADDRESS to look at a cluster. Exit code 1 if anything fails.
    """
    from nas.doctor import examine, worst

    config = _config(source, overrides or ())
    found: dict[str, list[Check]] = {}
    if as_json:
        found = {section.title: list(section.look()) for section in examine(config)}
    elif sys.stdout.isatty():
        found = _on_terminal(config)
    else:
        for section in examine(config):
            found[section.title] = list(section.look())
            _print_lines(section.title, found[section.title])
    state = worst(check for checks in found.values() for check in checks)
    if as_json:
        sections = {title: [asdict(one) for one in checks] for title, checks in found.items()}
        print(json.dumps({"state": state, "sections": sections}, indent=2))
    else:
        print(_conclusion(found))
    if state == "fail":
        raise typer.Exit(FAILED)


def _config(source: Path | None, overrides: Sequence[str]) -> Config | None:
    from nas.config import load_config, parse_config
    from nas.study import Study

    if source is not None and not source.is_dir():
        return load_config(source, overrides)
    if overrides:
        raise typer.BadParameter("--set goes with a config; a study keeps the one it was made with")
    if source is None:
        return None
    with Study.open(source, read_only=True) as study:
        config = parse_config(study.config, source=f"{source}/config.yaml")
    return config.model_copy(update={"output": source})


def _on_terminal(config: Config | None) -> dict[str, list[Check]]:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nas.doctor import examine

    console = Console(highlight=False)
    found: dict[str, list[Check]] = {}
    for section in examine(config):
        with console.status(f"looking at: {section.title}"):
            checks = found[section.title] = list(section.look())
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(min_width=16)
        table.add_column()
        for check in checks:
            mark, colour = MARKS[check.state]
            text = Text(check.found)
            if check.advice:
                text.append(f"\n→ {check.advice}", "dim" if check.state == "ok" else "bold")
            table.add_row(Text(mark, colour), check.name, text)
        console.print(Text(section.title, "bold"), table, sep="\n")
    return found


def _print_lines(title: str, checks: Sequence[Check]) -> None:
    print(f"{title}:")
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        print(f"  {check.state:4}  {check.name:{width}}  {check.found}")
        if check.advice:
            print(f"  {'':4}  {'':{width}}  -> {check.advice}")
    sys.stdout.flush()


def _conclusion(found: dict[str, list[Check]]) -> str:
    states = [check.state for checks in found.values() for check in checks]
    warned, failed = states.count("warn"), states.count("fail")
    if not warned and not failed:
        return f"all {len(states)} checks are fine"
    return f"{len(states)} checks: {failed} failed, {warned} with a warning"
