"""How a stage shows where it is: a live bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

LINE_EVERY_S = 10.0


class StageProgress:
    """Progress of one stage, on stderr; use as a context manager."""

    def __init__(self, stage: str, total: int) -> None:
        self._stage, self._total = stage, total
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._last_line = -math.inf
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<8}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[text]}"),
                console=self._console,
            )

    def __enter__(self) -> StageProgress:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self._stage, total=self._total, text="")
        else:
            print(f"{self._stage}: started", file=sys.stderr, flush=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, text: str, *, important: bool = False) -> None:
        """Shows that `done` of the total is done.

        Without a terminal that is a line at most every ten seconds, unless it is important.
        """
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=text)
            if important:
                self._bar.console.print(f"{self._stage}: {text}")
            return
        now = time.monotonic()
        if important or done >= self._total or now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            print(f"{self._stage}: {done}/{self._total}  {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`1 h 05 min`, `3 min 20 s`, `12 s`; `?` where unknown."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
