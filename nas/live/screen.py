"""The one screen of a run: its stages, and of the one that runs how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.live.status import STAGE_NAMES, Status, duration
from nas.records import Stage

SILENT_S = 120.0
"""A run that has not written its status for so long is said to be silent."""


def screen(
    title: str, stages: Sequence[Stage], status: Status | None, *, now: datetime
) -> RenderableType:
    """What a terminal shows.

    Args:
        title: The study's name.
        stages: As the study holds them.
        status: What the run wrote last.
        now: With a time zone.
    """
    known = {stage.name: stage for stage in stages}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for name in STAGE_NAMES:
        stage = known.get(name)
        current = status is not None and status.stage == name
        if stage is not None and stage.status == "done":
            table.add_row(Text("✓", "green"), name, Text(_took(stage), "dim"))
        elif stage is not None:
            lively = current and status is not None and status.state == "running"
            mark = Text("▶", "bold") if lively else Text("‖", "yellow")
            table.add_row(mark, Text(name, "bold"), _details(stage, status, now, current=current))
        else:
            table.add_row(Text("·", "dim"), Text(name, "dim"), "")
    return Group(Text(title, "bold"), table)


def _took(stage: Stage) -> str:
    seconds = stage.summary.get("duration_s")
    return duration(float(seconds)) if isinstance(seconds, int | float) else ""


def _details(
    stage: Stage, status: Status | None, now: datetime, *, current: bool
) -> RenderableType:
    since = (now - datetime.fromisoformat(stage.started_at)).total_seconds()
    if not current or status is None:
        return Text(f"for {duration(since)}", "dim")
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=max(status.total, 1), completed=status.done, width=28),
        f"{status.done}/{status.total}",
        "  ".join(status.figures()),
    )
    rows: list[RenderableType] = [head]
    if status.text:
        rows.append(Text(status.text, "dim", overflow="ellipsis", no_wrap=True))
    if status.hypervolume:
        volumes = "   ".join(f"{name} {value:.3f}" for name, value in status.hypervolume.items())
        rows.append(Text(f"hypervolume  {volumes}"))
    if status.failures:
        rows.append(Text(f"{status.failures} failed", "red"))
    silent_s = status.age_s(now)
    if status.state == "stopped":
        rows.append(Text("stopped", "yellow"))
    elif silent_s > SILENT_S:
        rows.append(Text(f"no sign of life for {duration(silent_s)}", "yellow"))
    return Group(*rows)
