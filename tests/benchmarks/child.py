"""Processes under measurement: their output, CPU time and memory, from proc(5)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PATIENCE_S: Final = 60.0


class BenchError(Exception):
    """A benchmark cannot be measured."""


class Child:
    """A Python process that tells its state by lines on stdout; what it says on stderr goes to a log."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: Path) -> None:
        self._process = process
        self._name = name
        self._log = log
        self._reading = asyncio.create_task(self._read(), name=f"output of {name}")
        self._news = asyncio.Event()
        self.last = ""
        """The last line."""

    @classmethod
    async def start(
        cls, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Child:
        """Start `python ARGUMENTS` in the clone, with only `environment` of Carbonflow's own."""
        others = {key: value for key, value in os.environ.items() if not key.startswith("CARBONFLOW_")}
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                cwd=ROOT,
                env={**others, **environment},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        return cls(process, name, log)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    async def first_line(self) -> str:
        """The last line, once there is one. Raises BenchError."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not self.last:
                    self.check()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise BenchError(f"{self._name} says nothing: {self.tail()}") from None
        return self.last

    def check(self) -> None:
        """Raises BenchError where it has ended."""
        if self._process.returncode is not None:
            raise BenchError(f"{self._name} ended: {self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:]

    async def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.send_signal(first)
            try:
                async with asyncio.timeout(20):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._reading

    async def wait(self) -> str:
        """The last line, once it has ended in order. Raises BenchError."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if await self._process.wait():
            raise BenchError(f"{self._name} failed: {self.tail()}")
        await self._reading
        return self.last

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.last = line.decode().strip()
            self._news.set()
        await self._process.wait()
        self._news.set()


def cpu_s(pid: int) -> float:
    """CPU time of a process and of all its children, also those that have ended [s]."""
    own = _times(pid)
    return sum(own) + sum(sum(_times(child)[:2]) for child in _children(pid))


def machine_busy_s() -> float:
    """CPU time that all processors together spent on anything, or were taken away [s]."""
    user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S


def peak_rss_mb(pid: int) -> float:
    """The largest resident size that a process has had [MB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"process {pid} has no memory: it has ended")


def _times(pid: int) -> tuple[float, ...]:
    """User and system time of a process, and of its children that have ended [s]."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return (0.0,) * 4
    return tuple(int(field) / _TICKS_PER_S for field in fields[11:15])


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
