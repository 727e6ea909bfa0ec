"""What a long command is doing, on standard error."""

import sys
import time


class Progress:
    """Says steps with the seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def __call__(self, text: str) -> None:
        """Says what has been done."""
        print(f"[{self.elapsed_s:6.1f} s] {text}", file=sys.stderr, flush=True)
