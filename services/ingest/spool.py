"""The spool: keeps messages in the journal while the database is away, and hands them out again in order.

While it is active every message goes through the journal, so that those of a device stay in order. It ends
when the journal is empty: then what waits to be kept is given back, to be written directly.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import structlog

from services.ingest.journal_thread import CHUNK_BYTES, JournalThread, Read
from services.ingest.message import Message
from services.ingest.packed import microseconds
from services.store.journal import Journal, Stats
from services.store.journal_file import JournalError

GATHER_S: Final = 0.2
"""How long messages wait for more of their chunk: five fsyncs a second instead of twenty-five, and half the
bytes, as larger chunks pack better."""
_TRY_AGAIN_S: Final = 1.0
_HOLD_S: Final = 1.0
_FIRST_MESSAGES: Final = 500

Write: TypeAlias = Callable[[Sequence[Message]], Awaitable[None]]
"""Writes messages, however long the database is away. It is called for the next ones while it is at work, and
keeps those of a device in order."""


@dataclass(slots=True)
class _Waiting:
    """Messages of one caller; `kept` is whether all of them are in the journal."""

    messages: Sequence[Message]
    kept: asyncio.Future[bool]
    done: int = 0
    """How many of them are in the journal."""


@dataclass(slots=True)
class _Gathered:
    """The messages of the next chunk, and how many of them are of whom."""

    messages: list[Message] = field(default_factory=list)
    of: list[tuple[_Waiting, int]] = field(default_factory=list)


class _Written(NamedTuple):
    task: asyncio.Task[None]
    through: int


class Spool:
    """Between the lanes and the journal."""

    def __init__(
        self, open_journal: Callable[[], Journal], clock: Callable[[], datetime], portion_messages: int
    ) -> None:
        self._journal = JournalThread(open_journal)
        self._clock = clock
        self._most = portion_messages
        self._log = structlog.get_logger("spool")
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._active = asyncio.Event()
        self._progress = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._appending = False
        self._appends = 0
        self._through = 0
        self._proven = False
        self.problem: str | None = None
        """Why the journal takes nothing, in a sentence."""

    async def open(self) -> None:
        """Open the journal. What is in it is handed out first. Raises JournalError and OSError."""
        stats = await self._journal.open()
        if stats.chunks:
            self._log.info("journal holds messages", messages=stats.messages)
            self._active.set()

    async def close(self) -> None:
        """Close the journal; what is in it stays."""
        await self._journal.close()

    @property
    def active(self) -> bool:
        """Whether messages must go through the journal."""
        return self._active.is_set()

    @property
    def stats(self) -> Stats:
        """What is in the journal."""
        return self._journal.stats

    @property
    def room_bytes(self) -> int:
        """How much the journal may still take: 0 where it takes nothing."""
        return 0 if self.problem is not None else max(0, self.limit_bytes - self.stats.used_bytes)

    @property
    def limit_bytes(self) -> int:
        """How much the journal may hold."""
        return self._journal.limit_bytes

    @property
    def oldest_age_s(self) -> float:
        """How long ago the oldest message in the journal was received; 0 where there is none."""
        oldest_us = self.stats.oldest_us
        return 0.0 if oldest_us is None else max(0.0, (microseconds(self._clock()) - oldest_us) / 1e6)

    async def packed_size(self, messages: Sequence[Message]) -> int:
        """What messages would take in the journal [bytes]."""
        return await self._journal.packed_size(messages)

    def begin(self, problem: str) -> None:
        """The database is away: from now on messages go through the journal."""
        self._proven = False
        if not self.active:
            self._log.warning("messages go to the journal", problem=problem)
            self._active.set()

    async def keep(self, messages: Sequence[Message]) -> bool:
        """Keep messages. True once they are on the disk; False where the spool has ended: write them."""
        if not messages:
            return True
        if not self.active:
            return False
        waiting = _Waiting(messages, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.kept

    async def run(self, write: Write) -> None:
        """Keep and hand out for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_for_ever(), name="journal in")
            tasks.create_task(self._hand_out_for_ever(write), name="journal out")

    # Into the journal.

    async def _keep_for_ever(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GATHER_S)
            await self._open.wait()
            while self._waiting and await self._keep_chunk():
                pass
            if not self._waiting:
                self._arrived.clear()

    async def _keep_chunk(self) -> bool:
        """Append what waits, one chunk of it; whether that worked."""
        gathered = self._gather()
        self._appending = True
        try:
            await self._journal.append(gathered.messages)
        except JournalError as error:
            self._has(str(error))
        else:
            self._has(None)
            self._kept(gathered)
        finally:
            self._appending = False
            self._appends += 1
            self._progress.set()
        if self.problem is None:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(_TRY_AGAIN_S):
                self._progress.clear()
                await self._progress.wait()
        return False

    def _gather(self) -> _Gathered:
        gathered, size = _Gathered(), 0
        for waiting in self._waiting:
            count = 0
            for message in waiting.messages[waiting.done :]:
                if size >= CHUNK_BYTES:
                    break
                size += len(message.topic) + len(message.payload)
                gathered.messages.append(message)
                count += 1
            gathered.of.append((waiting, count))
        return gathered

    def _kept(self, gathered: _Gathered) -> None:
        for waiting, count in gathered.of:
            waiting.done += count
            if waiting.done == len(waiting.messages):
                self._settle(waiting, kept=True)
        while self._waiting and self._waiting[0].kept.done():
            self._waiting.popleft()

    def _settle(self, waiting: _Waiting, *, kept: bool) -> None:
        if not waiting.kept.done():  # whoever waited may have been cancelled
            waiting.kept.set_result(kept)

    def _has(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            self._log.error("journal takes nothing", problem=problem)
        elif problem is None and self.problem is not None:
            self._log.info("journal takes messages again")
        self.problem = problem

    # Out of it.

    async def _hand_out_for_ever(self, write: Write) -> None:
        while True:
            await self._active.wait()
            await self._hand_out(write)

    async def _hand_out(self, write: Write) -> None:
        """Have all of it written, oldest first: while one portion is written the next is made ready.

        What was written is removed after that: killed in between, it comes again, and counts as duplicate.
        """
        portion = min(_FIRST_MESSAGES, self._most)
        before: _Written | None = None
        async with asyncio.TaskGroup() as tasks:
            while self.active:
                appends = self._appends
                read = await self._read(portion)
                if read is None:
                    self._open.set()
                    await asyncio.sleep(_TRY_AGAIN_S)
                    continue
                now = None
                if read.through > self._through:
                    now = _Written(tasks.create_task(_written(write, read.messages)), read.through)
                    self._through = read.through
                    portion = min(2 * portion, self._most)
                if before is not None:
                    if now is None:
                        await self._hold_until(before.task)
                    await self._finish(before)
                elif now is None and not self._appending and appends == self._appends:
                    await self._end_or_wait()
                if now is not None or before is None:
                    self._open.set()
                before = now

    async def _hold_until(self, last: asyncio.Task[None]) -> None:
        """Keep nothing more while the last portion is written, if it does not take long: then it ends here,
        however fast messages come.
        """
        self._open.clear()
        await asyncio.wait([last], timeout=_HOLD_S)
        if not last.done():
            self._open.set()

    async def _finish(self, portion: _Written) -> None:
        await portion.task
        self._proven = True
        try:
            await self._journal.remove(portion.through)
        except JournalError as error:
            # On a full disk. It goes with the next.
            self._log.warning("not removed from the journal", problem=str(error))
        else:
            self._progress.set()

    async def _read(self, portion: int) -> Read | None:
        """The next messages; None where the journal cannot be read now."""
        try:
            return await self._journal.read(self._through, portion)
        except JournalError as error:
            self._has(str(error))
            return None

    async def _end_or_wait(self) -> None:
        """The journal is empty. Unless the database is known to work, wait for what is to be kept."""
        if self._proven or self.problem is not None:
            self._end()
            return
        self._progress.clear()
        await self._progress.wait()

    def _end(self) -> None:
        self._active.clear()
        self._has(None)
        self._log.info("journal is empty")
        while self._waiting:
            self._settle(self._waiting.popleft(), kept=False)


async def _written(write: Write, messages: Sequence[Message]) -> None:
    await write(messages)
