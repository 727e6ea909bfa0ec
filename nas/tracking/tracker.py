"""What a tracker is, and how one is kept from getting in a run's way."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Protocol, runtime_checkable

from nas.execution.base import one_line

CLOSE_TIMEOUT_S = 20.0
"""How long the end of a stage waits for what is still to be sent."""


@runtime_checkable
class Tracker(Protocol):
    """Takes the figures of one stage."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a point to the curve of each metric; a `/` in its name makes groups."""
        ...

    def close(self) -> None:
        """Sends what is left."""
        ...


class BackgroundTracker:
    """A tracker in a thread of its own: a server that is slow or away delays and ends no run.

    What goes wrong is said on stderr once; what is logged after that is tried all the same, unless
    the tracker could not be opened.

    Args:
        name: What it is called in messages.
        build: Opens the tracker, in the thread.
        close_timeout_s: How long `close` waits for what is still to be sent.
    """

    def __init__(
        self, name: str, build: Callable[[], Tracker], *, close_timeout_s: float = CLOSE_TIMEOUT_S
    ) -> None:
        self._name, self._build, self._close_timeout_s = name, build, close_timeout_s
        self._warned = False
        self._entries: SimpleQueue[tuple[int, dict[str, float]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._send, name=f"track-{name}", daemon=True)
        self._thread.start()

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hands the point to the thread."""
        if self._thread.is_alive():
            self._entries.put((step, dict(metrics)))

    def close(self) -> None:
        """Waits until all is sent, but not for long."""
        self._entries.put(None)
        self._thread.join(self._close_timeout_s)
        if self._thread.is_alive():
            self._warn(f"not all was sent within {self._close_timeout_s:g} s")

    def _send(self) -> None:
        try:
            tracker = self._build()
        except Exception as problem:
            self._warn(one_line(problem))
            return
        while (entry := self._entries.get()) is not None:
            self._attempt(lambda entry=entry: tracker.log(*entry))
        self._attempt(tracker.close)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as problem:
            self._warn(one_line(problem))

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            text = f"nas: tracking with {self._name} failed: {reason}; the run goes on"
            print(text, file=sys.stderr, flush=True)
