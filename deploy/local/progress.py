"""Telling a waiting person what goes on."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO


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
        done = threading.Event()
        shown = threading.Thread(target=self._show, args=(text, started, done), daemon=True)
        shown.start()
        try:
            yield
        finally:
            done.set()
            shown.join()
        self._finish(text, time.monotonic() - started)

    def _show(self, text: str, started: float, done: threading.Event) -> None:
        wait_s = self.first_s
        while not done.wait(wait_s):
            self._write(text, time.monotonic() - started)
            wait_s = 0.2 if self.tty else self.every_s

    def _finish(self, text: str, seconds: float) -> None:
        if seconds >= self.first_s:
            self._write(text, seconds, end=", done\n")

    def _write(self, text: str, seconds: float, end: str = " ...") -> None:
        if self.tty:
            self.stream.write(f"\r\033[K{text}: {seconds:.0f} s{end}")
        else:
            self.stream.write(f"{text}: {seconds:.0f} s{end.rstrip()}\n")
        self.stream.flush()


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def step(self, text: str) -> Iterator[None]:  # noqa: ARG002
        """Show nothing."""
        yield
