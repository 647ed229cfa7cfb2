"""The outage journal: chunks of messages on the local disk, while the database takes none.

A SQLite file in WAL mode with synchronous=FULL: what `append` has returned from survives kill -9 and a lost
power. One process has it open: SQLite's exclusive lock, which ends with the process, however that ends.
It is bounded: SQLite itself refuses to grow beyond the limit. Pages of removed chunks are filled again before
the file grows, and an empty journal gives its space back to the disk.

All of it belongs to one thread, and blocks. `stats` may be read by any.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from services.store.journal_file import (
    MAX_CHUNK_BYTES,
    PAGE_BYTES,
    WAL_BYTES,
    JournalDamagedError,
    JournalError,
    Row,
    aside_of,
    checksum,
    connect,
    disk_bytes,
    is_whole,
    readable,
    set_aside,
    translated,
)

MIN_BYTES: Final = 2 * WAL_BYTES
"""The smallest limit."""
_FORMAT: Final = 1
_SHRINK_FROM_BYTES: Final = 16 * 1024 * 1024

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS chunk (
    seq INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL,
    oldest_us INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS damaged (seq, messages, oldest_us, checksum, body);
"""
_APPEND: Final = "INSERT INTO chunk (seq, messages, oldest_us, checksum, body) VALUES (?, ?, ?, ?, ?)"
_READ: Final = "SELECT seq, messages, oldest_us, checksum, body FROM chunk WHERE seq > ? ORDER BY seq"
_READ_ONE: Final = "SELECT seq, messages, oldest_us, checksum, body FROM chunk WHERE seq = ?"
_REMOVE: Final = "DELETE FROM chunk WHERE seq <= ? RETURNING messages"
_DROP: Final = "DELETE FROM chunk WHERE seq = ?"
_KEEP_DAMAGED: Final = "INSERT INTO damaged (seq, messages, oldest_us, checksum, body) VALUES (?, ?, ?, ?, ?)"
_COUNT: Final = "SELECT count(*), coalesce(sum(messages), 0), coalesce(max(seq), 0) FROM chunk"
_COUNT_DAMAGED: Final = "SELECT count(*) FROM damaged"
_OLDEST: Final = "SELECT oldest_us FROM chunk ORDER BY seq LIMIT 1"

_T = TypeVar("_T")


class Chunk(NamedTuple):
    """Messages that were appended together, packed by whoever appended them."""

    seq: int
    messages: int
    oldest_us: int
    """When the first of them was received, microseconds since 1970."""
    body: bytes


class Stats(NamedTuple):
    """What is in a journal."""

    chunks: int = 0
    messages: int = 0
    used_bytes: int = 0
    """Of the file, in use."""
    disk_bytes: int = 0
    """Of the disk: also the write-ahead log, and what is free inside the file."""
    oldest_us: int | None = None
    """When the oldest message was received, microseconds since 1970; None where there is none."""
    damaged: int = 0
    """Chunks whose checksum was wrong and files that were damaged, kept aside."""


class Journal:
    """An open journal. Raises JournalError, and OSError where the folder does not let us."""

    def __init__(self, path: Path, max_bytes: int, now_us: Callable[[], int] | None = None) -> None:
        if max_bytes < MIN_BYTES:
            raise JournalError(f"A journal of {max_bytes} bytes is too small: give it at least {MIN_BYTES}.")
        self._path = path
        self._max_pages = (max_bytes - WAL_BYTES) // PAGE_BYTES
        self._now_us = now_us or (lambda: time.time_ns() // 1000)
        self._log = structlog.get_logger("journal")
        self._next = 1
        self.stats = Stats()
        """What is in it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._open()
        except JournalDamagedError as error:
            self._salvage(error)

    @property
    def limit_bytes(self) -> int:
        """How large `used_bytes` may become."""
        return self._max_pages * PAGE_BYTES

    def append(self, messages: int, oldest_us: int, body: bytes) -> None:
        """Append a chunk, on the disk when this returns. Raises JournalFullError where it is not kept."""
        if len(body) > MAX_CHUNK_BYTES:
            raise JournalError(f"A chunk of {len(body)} bytes is too large: cut it.")

        def append() -> None:
            # Never the same number again: where this fails, nobody knows whether it is there.
            seq, self._next = self._next, self._next + 1
            self._write((_APPEND, (seq, messages, oldest_us, checksum(seq, messages, oldest_us, body), body)))
            self._note(1, messages)

        self._mended(append)

    def read(self, after: int, most_messages: int, most_bytes: int) -> list[Chunk]:
        """The oldest chunks behind `after`: whole ones, at least one where there is one. Raises JournalError.

        One whose checksum is wrong is set aside, and the next takes its place.
        """
        rows, damaged = self._mended(lambda: self._rows(after, most_messages, most_bytes))
        for row in damaged:
            self._mended(lambda row=row: self._keep_damaged(row))  # type: ignore[misc]
        return [Chunk(seq, messages, oldest_us, body) for seq, messages, oldest_us, _, body in rows]

    def remove(self, through: int) -> None:
        """Remove all chunks up to this one. Raises JournalError where they may still be there."""

        def remove() -> None:
            removed = [messages for (messages,) in self._write((_REMOVE, (through,)))]
            self._note(-len(removed), -sum(removed))

        self._mended(remove)
        if not self.stats.chunks and self.stats.disk_bytes > _SHRINK_FROM_BYTES:
            self._shrink()

    def set_aside(self, seq: int) -> None:
        """Take a chunk out of the way, for somebody to look at. Raises JournalError."""

        def set_aside() -> None:
            with self._errors():
                row = self._database.execute(_READ_ONE, (seq,)).fetchone()
            self._keep_damaged(row)

        self._mended(set_aside)

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._database.close()

    # Inside.

    def _open(self) -> None:
        """Open the file, make what is missing, count what is there."""
        with self._errors():
            self._database = connect(self._path)
        try:
            with self._errors():
                (version,) = self._database.execute("PRAGMA user_version").fetchone()
                if version not in (0, _FORMAT):
                    raise JournalError(
                        f"The journal {self._path} is of another version ({version}): drain it with that one."
                    )
                self._database.execute(f"PRAGMA max_page_count = {self._max_pages}")
                if version == 0:  # nothing is written to one that exists: the disk may be full
                    self._database.executescript(
                        f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT"
                    )
                self._look()
        except JournalError:
            self._database.close()
            raise

    def _look(self) -> None:
        with self._errors():
            chunks, messages, last = self._database.execute(_COUNT).fetchone()
            (damaged,) = self._database.execute(_COUNT_DAMAGED).fetchone()
        self._next = max(self._next, last + 1)
        self.stats = Stats(damaged=damaged + len(aside_of(self._path)))
        self._note(chunks, messages)

    def _note(self, chunks: int, messages: int) -> None:
        """There are so many more."""
        before = self.stats
        with self._errors():
            oldest = self._database.execute(_OLDEST).fetchone()
            (pages,) = self._database.execute("PRAGMA page_count").fetchone()
            (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        self.stats = Stats(
            chunks=before.chunks + chunks,
            messages=before.messages + messages,
            used_bytes=(pages - free) * PAGE_BYTES,
            disk_bytes=disk_bytes(self._path),
            oldest_us=None if oldest is None else oldest[0],
            damaged=before.damaged,
        )

    def _rows(self, after: int, most_messages: int, most_bytes: int) -> tuple[list[Row], list[Row]]:
        """Whole chunks, and the damaged ones among them."""
        rows: list[Row] = []
        damaged: list[Row] = []
        messages = size = 0
        with self._errors():
            for row in self._database.execute(_READ, (after,)):
                if not is_whole(row):
                    damaged.append(row)
                    continue
                messages, size = messages + row[1], size + len(row[4])
                if rows and (messages > most_messages or size > most_bytes):
                    break
                rows.append(row)
        return rows, damaged

    def _keep_damaged(self, row: Row) -> None:
        """Out of the way of the others. In this order, so that also a full journal has the room."""
        self._write((_DROP, (row[0],)), (_KEEP_DAMAGED, row))
        self._log.error("damaged chunk set aside", journal=str(self._path), seq=row[0], messages=row[1])
        self._look()

    def _shrink(self) -> None:
        """Give the space of an empty journal back. Where that fails it is filled again later."""
        with suppress(sqlite3.OperationalError):
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._note(0, 0)

    def _mended(self, work: Callable[[], _T]) -> _T:
        """Do it; where the file is damaged, once more with what is left of it."""
        try:
            return work()
        except JournalDamagedError as error:
            self._database.close()
            self._salvage(error)
            return work()

    def _salvage(self, error: JournalDamagedError) -> None:
        """Set the damaged file aside, and begin a new one with what can be read of it."""
        aside = set_aside(self._path, self._now_us())
        self._open()
        kept = 0
        for row in readable(aside):
            self._write((_APPEND, row))
            kept += row[1]
        self._look()
        self._log.error("damaged journal set aside", problem=str(error), aside=str(aside), messages_kept=kept)

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> list[tuple[int, ...]]:
        """Statements in one transaction, on the disk when this returns; the rows of the last one."""
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for statement, parameters in statements:
                    rows = self._database.execute(statement, parameters).fetchall()
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    with suppress(sqlite3.OperationalError):
                        self._database.execute("ROLLBACK")
        return rows

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise translated(error, self._path) from error
