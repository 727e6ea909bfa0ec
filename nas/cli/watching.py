"""`nas watch`: where a run is, from another shell; the study is only read."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.studies import StudyPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.live import Status
    from nas.records import Stage
    from nas.study import Study

EVERY_S = 1.0


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command("watch", rich_help_panel="Search")(watch)


def watch(
    study_path: StudyPath,
    once: Annotated[
        bool, typer.Option("--once", help="Show where it is now, and do not wait for more.")
    ] = False,
) -> None:
    """Show where a run is, while it runs in another shell; ends when the run does.

    On a terminal one screen, elsewhere a line whenever something has changed.
    """
    from nas.study import Study

    with Study.open(study_path, read_only=True) as study:
        if sys.stdout.isatty():
            _watch_screen(study, study_path, once=once)
        else:
            _watch_lines(study, once=once)


def _watch_screen(study: Study, path: Path, *, once: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from nas.live.screen import screen

    console = Console(highlight=False)
    title = path.absolute().name
    stages, status = _look(study)
    if once:
        console.print(screen(title, stages, status, now=datetime.now(UTC)))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(screen(title, stages, status, now=datetime.now(UTC)), refresh=True)
            if _over(stages, status):
                return
            time.sleep(EVERY_S)
            stages, status = _look(study)


def _watch_lines(study: Study, *, once: bool) -> None:
    told = ""
    while True:
        stages, status = _look(study)
        line = _line(stages, status)
        if line != told:
            print(line, flush=True)
            told = line
        if once or _over(stages, status):
            return
        time.sleep(EVERY_S)


def _look(study: Study) -> tuple[Sequence[Stage], Status | None]:
    from nas.live import read_status

    return study.stages(), read_status(study)


def _line(stages: Sequence[Stage], status: Status | None) -> str:
    if not stages:
        return "not begun"
    running = [stage.name for stage in stages if stage.status == "running"]
    if not running:
        return f"{stages[-1].name}: done"
    if status is None or status.stage != running[-1]:
        return f"{running[-1]}: running"
    return status.line() + ("  stopped" if status.state == "stopped" else "")


def _over(stages: Sequence[Stage], status: Status | None) -> bool:
    """Whether nothing more will come: all stages are done, or the running one was stopped."""
    from nas.live import STAGE_NAMES

    done = {stage.name for stage in stages if stage.status == "done"}
    if done >= set(STAGE_NAMES):
        return True
    return status is not None and status.state == "stopped" and status.stage not in done
