"""A process that is asked and answers in lines of JSON, which may crash, hang or babble."""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Self

MAX_LINE_BYTES = 64 << 20
_END_S = 2.0
_POLL_S = 0.005


class LineProcess:
    """A child in a process group of its own, so that what it started ends with it.

    Args:
        arguments: What is run, without a shell.
        name: What it is called in messages.
        environment: Its variables; this process's if None.
        grace_s: Time it has to end by itself once its standard input is closed.

    Attributes:
        alive: False once it has ended or was ended.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        name: str,
        environment: Mapping[str, str] | None = None,
        grace_s: float = 0.0,
    ) -> None:
        self._name = name
        self._grace_s = grace_s
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                start_new_session=True,
            )
        except OSError:
            self._errors.close()
            raise
        self._buffer = b""
        self.alive = True

    def send(self, body: Mapping[str, Any]) -> None:
        """Writes a line; that nobody reads it any more shows when the answer is waited for."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(body).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, timeout_s: float) -> tuple[bytes | None, str]:
        """The next line, or None and why there is none; the process has then been ended."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    return self._give_up(f"no result within {timeout_s:g} s")
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    return self._give_up(self._explain_end())
                self._buffer += chunk
                if len(self._buffer) > MAX_LINE_BYTES:
                    return self._give_up(f"an answer of more than {MAX_LINE_BYTES >> 20} MiB")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line, ""

    def close(self, *, grace_s: float = 0.0) -> None:
        """Ends the process and what it started, `grace_s` after closing its standard input."""
        if not self.alive:
            return
        self.alive = False
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # what is unwritten has nobody left to read it
            self._process.stdin.close()
        self._await_end(grace_s)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(grace_s=self._grace_s if error is None else 0.0)

    def _give_up(self, problem: str) -> tuple[None, str]:
        self.close()
        return None, problem

    def _await_end(self, timeout_s: float) -> Any | None:
        """How it ended, or None if it has not.

        It is not reaped, so that the number of its process group stays its own.
        """
        deadline = time.monotonic() + timeout_s
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG
        while True:
            ended = os.waitid(os.P_PID, self._process.pid, options)
            if ended is not None or time.monotonic() >= deadline:
                return ended
            time.sleep(_POLL_S)

    def _explain_end(self) -> str:
        """How it ended and the last that it said; standard output has been closed."""
        ended = self._await_end(_END_S)
        if ended is None:
            return f"the process of {self._name} closed its output"
        if ended.si_code == os.CLD_EXITED:
            how = f"ended with {ended.si_status}"
        else:
            how = f"was ended by {signal.Signals(ended.si_status).name}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"the process of {self._name} {how}" + (f": {said[-1]}" if said else "")
