"""Counts what XLA compiles."""

from collections.abc import Generator
from contextlib import contextmanager

import jax


@contextmanager
def counted_compilations() -> Generator[list[str]]:
    """The compilations that happen in the block."""
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if "backend_compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
