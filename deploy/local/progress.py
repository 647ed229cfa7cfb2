"""Telling a waiting person what goes on."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

_LIVE_S = 0.2


class Progress(Protocol):
    """Shows the steps of a long task."""

    def step(self, text: str) -> AbstractContextManager[None]:
        """Show that `text` is being done for as long as the context lasts."""
        ...


class LineProgress:
    """One line for each step that takes longer than a moment, with the seconds it has taken."""

    def __init__(self, stream: TextIO | None = None, first_s: float = 1.0, every_s: float = 15.0) -> None:
        self.stream = stream or sys.stderr
        self.first_s = first_s
        self.every_s = every_s
        self.tty = self.stream.isatty()

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show `text` while the context lasts."""
        started = time.monotonic()
        ended = threading.Event()
        shown = threading.Thread(target=self._show, args=(text, started, ended), daemon=True)
        shown.start()
        outcome = "stopped"
        try:
            yield
            outcome = "done"
        finally:
            ended.set()
            shown.join()
            self._finish(text, outcome, time.monotonic() - started)

    def _show(self, text: str, started: float, ended: threading.Event) -> None:
        if ended.wait(self.first_s):
            return
        self._write(f"{text} ...")
        while not ended.wait(_LIVE_S if self.tty else self.every_s):
            self._write(f"{text} ... {time.monotonic() - started:.0f} s")

    def _finish(self, text: str, outcome: str, seconds: float) -> None:
        if seconds >= self.first_s:
            self._write(f"{text}: {outcome} after {seconds:.0f} s", last=True)

    def _write(self, line: str, *, last: bool = False) -> None:
        """Show a line; on a terminal in the place of the step's former line."""
        start, end = ("\r\033[K", "\n" if last else "") if self.tty else ("", "\n")
        self.stream.write(f"{start}{line}{end}")
        self.stream.flush()


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def step(self, text: str) -> Iterator[None]:  # noqa: ARG002
        """Show nothing."""
        yield
