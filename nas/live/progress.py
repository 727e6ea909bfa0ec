"""What a stage tells while it runs: one live screen on a terminal, a line now and then elsewhere.

Lines go to stderr: those of a job submitted to Ray are in its log, which Ray's dashboard shows. The
study keeps the latest status, for `nas watch`.
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live

from nas.errors import StudyError
from nas.live.screen import screen
from nas.live.status import KEY, Status
from nas.study import Study

LINE_EVERY_S = 10.0
KEEP_EVERY_S = 1.0
REFRESH_PER_S = 2


class StageProgress:
    """Progress of one stage; use as a context manager."""

    def __init__(self, study: Study, stage: str, total: int) -> None:
        self._study = study
        self._status = Status(stage=stage, done=0, total=total)
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._last_line = self._last_kept = -math.inf

    def __enter__(self) -> StageProgress:
        if self._console.is_terminal:
            self._stages = self._study.stages()
            self._live = Live(
                console=self._console,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
                get_renderable=self._render,
            )
            self._live.start()
        else:
            print(f"{self._status.stage}: started", file=sys.stderr, flush=True)
        self._keep()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if kind is None:
            self._keep()
            return
        self._status = replace(self._status, state="stopped")
        # What ended the stage is what the user should hear of, perhaps a disk that is full.
        with suppress(StudyError):
            self._keep()

    def update(self, done: int, text: str = "", *, important: bool = False, **figures: Any) -> None:
        """Says that `done` of the total is done.

        Args:
            done: Steps done.
            text: What is happening, a few words.
            important: Whether it is to stay on the terminal, and in a log whenever it comes.
            figures: Others of `Status`: `rate`, `rate_of`, `eta_s`, `hypervolume`, `failures`.
        """
        self._status = replace(self._status, done=done, text=text, **figures)
        now = time.monotonic()
        if now - self._last_kept >= KEEP_EVERY_S:
            self._keep()
        last = done >= self._status.total
        if self._live is not None:
            if important:
                self._console.print(f"{self._status.stage}: {text}", markup=False)
        elif important or last or now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            print(self._status.line(), file=sys.stderr, flush=True)

    def _keep(self) -> None:
        self._last_kept = time.monotonic()
        self._study.set_metadata(KEY, self._status.to_document())

    def _render(self) -> Any:
        now = datetime.now(UTC)
        status = replace(self._status, updated_at=now.isoformat())
        return screen(self._study.path.name, self._stages, status, now=now)
