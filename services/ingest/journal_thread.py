"""The outage journal in a thread of its own: who calls it never waits for the disk in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import structlog

from services.ingest.message import Message
from services.ingest.packed import PackedError, microseconds, pack, unpack
from services.store.journal import Journal, Stats
from services.store.journal_file import PAGE_BYTES

CHUNK_BYTES: Final = 1024 * 1024
"""Topics and payloads of a chunk, before packing; more only where one message is larger."""

_T = TypeVar("_T")


class Read(NamedTuple):
    """Messages of the journal, oldest first."""

    messages: list[Message]
    through: int
    """The chunk they end with."""


class JournalThread:
    """A journal of messages. What it does not say otherwise raises JournalError."""

    def __init__(self, open_journal: Callable[[], Journal]) -> None:
        self._open_journal = open_journal
        self._thread = ThreadPoolExecutor(1, "journal")
        self._journal: Journal | None = None
        self._log = structlog.get_logger("spool")

    async def open(self) -> Stats:
        """Open it; what is in it. Raises OSError, too."""
        self._journal = await self._in_thread(self._open_journal)
        return self._journal.stats

    async def close(self) -> None:
        """Close it; what is in it stays."""
        if self._journal is not None:
            await self._in_thread(self._journal.close)
        self._thread.shutdown()

    @property
    def stats(self) -> Stats:
        """What is in it."""
        return Stats() if self._journal is None else self._journal.stats

    @property
    def limit_bytes(self) -> int:
        """How much it may hold."""
        return 0 if self._journal is None else self._journal.limit_bytes

    async def packed_size(self, messages: Sequence[Message]) -> int:
        """What messages would take in it [bytes]; half of the last page is empty, on average."""
        return PAGE_BYTES // 2 + len(await self._in_thread(lambda: pack(messages)))

    async def append(self, messages: Sequence[Message]) -> None:
        """One chunk of them, on the disk when this returns."""
        oldest_us = microseconds(messages[0].received_at)
        await self._in_thread(lambda: self._opened.append(len(messages), oldest_us, pack(messages)))

    async def read(self, after: int, most_messages: int) -> Read:
        """The messages of the chunks behind `after`, about so many; none where there are none."""
        return await self._in_thread(lambda: self._unpacked(after, most_messages))

    async def remove(self, through: int) -> None:
        """All chunks up to this one."""
        await self._in_thread(lambda: self._opened.remove(through))

    def _unpacked(self, after: int, most_messages: int) -> Read:
        journal, messages = self._opened, list[Message]()
        chunks = journal.read(after, most_messages, CHUNK_BYTES)
        for chunk in chunks:
            try:
                messages += unpack(chunk.body)
            except PackedError as error:
                self._log.error("chunk set aside", problem=str(error))
                journal.set_aside(chunk.seq)
        return Read(messages, chunks[-1].seq if chunks else after)

    @property
    def _opened(self) -> Journal:
        assert self._journal is not None
        return self._journal

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
