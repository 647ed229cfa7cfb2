"""The SQLite file of the outage journal: how it is opened, its errors, and what a damaged one still holds."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeAlias

from services.store.errors import StoreError

PAGE_BYTES: Final = 4096
_CHECKPOINT_PAGES: Final = 1000
MAX_CHUNK_BYTES: Final = 4 * 1024 * 1024
"""Of one chunk's body."""
WAL_BYTES: Final = 12 * 1024 * 1024
"""More than the write-ahead log takes: it begins anew after `_CHECKPOINT_PAGES` and the transaction that
crosses them, which is one chunk at most."""

Row: TypeAlias = tuple[int, int, int, bytes, bytes]
"""A chunk: seq, messages, oldest_us, checksum, body."""

_ASIDE: Final = ".damaged-"
_DIGEST_BYTES: Final = 16
_PRIMARY: Final = 0xFF
"""The primary part of SQLite's extended result codes."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})

_FORWARD: Final = "SELECT seq, messages, oldest_us, checksum, body FROM chunk WHERE seq > ? ORDER BY seq"
_BACKWARD: Final = (
    "SELECT seq, messages, oldest_us, checksum, body FROM chunk WHERE seq > ? ORDER BY seq DESC"
)


class JournalError(StoreError):
    """The journal cannot be used."""


class JournalFullError(JournalError):
    """The journal takes no more: its bound is reached, or the disk is full or takes no writes."""


class JournalTakenError(JournalError):
    """Another process has this journal open."""


class JournalDamagedError(JournalError):
    """The file is not what was written."""


def connect(path: Path, *, damaged: bool = False) -> sqlite3.Connection:
    """The file as a database of ours alone; made where there is none. Raises sqlite3.Error and OSError."""
    # SQLite would make it readable for others. Its log gets the same mode. Only where there is none: closing
    # a file ends all locks that this process has on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    _sync_folder(path.parent)
    database = sqlite3.connect(path, timeout=0, isolation_level=None)
    database.text_factory = bytes  # there is none, but what damage may look like
    try:
        if damaged:
            # Otherwise nothing is read of a file that is shorter than its header says.
            database.execute("PRAGMA writable_schema = ON")
        # Before the log is touched for the first time: so no memory is shared, and the lock is kept.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        # Debian's SQLite overwrites what is deleted: that would write everything twice.
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error:
        database.close()
        raise
    return database


def translated(error: sqlite3.DatabaseError, path: Path) -> JournalError:
    """The error as ours, in a sentence."""
    # Of some errors SQLite does not know: those of Python's own module.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code == sqlite3.SQLITE_BUSY:
        return JournalTakenError(
            f"Another process has the journal {path} open: give each ingest its own "
            "CARBONFLOW_INGEST_CLIENT_ID."
        )
    if code in _DAMAGED:
        return JournalDamagedError(f"The journal {path} is damaged: {error}.")
    if code in _NO_ROOM:
        return JournalFullError(
            f"The journal {path} takes no more ({error}): bring the database back, free some disk, or raise "
            "CARBONFLOW_JOURNAL_MAX_BYTES."
        )
    return JournalError(f"The journal {path} cannot be used: {error}.")


def checksum(seq: int, messages: int, oldest_us: int, body: bytes) -> bytes:
    """Of a chunk, all its columns."""
    return blake2b(b"%d %d %d " % (seq, messages, oldest_us) + body, digest_size=_DIGEST_BYTES).digest()


def is_whole(row: Row) -> bool:
    """Whether the checksum is right."""
    *numbers, digest, body = row
    if not (all(isinstance(each, int) for each in numbers) and isinstance(body, bytes)):
        return False  # a damaged cell may be of any type
    return digest == checksum(*row[:3], body)


def log_of(path: Path) -> Path:
    """The write-ahead log beside a file."""
    return path.with_name(f"{path.name}-wal")


def disk_bytes(path: Path) -> int:
    """What file and log take of the disk."""
    return sum(each.stat().st_size for each in (path, log_of(path)) if each.exists())


def set_aside(path: Path, stamp: int) -> Path:
    """Give a damaged file another name; the new one. Raises OSError."""
    aside = path.with_name(f"{path.name}{_ASIDE}{stamp}")
    # The log goes first: left behind, it would be taken for that of the next file.
    if log_of(path).exists():
        log_of(path).rename(log_of(aside))
    path.rename(aside)
    _sync_folder(path.parent)
    return aside


def aside_of(path: Path) -> list[Path]:
    """The damaged files that were set aside and are still there."""
    return [each for each in path.parent.glob(f"{path.name}{_ASIDE}*") if not each.name.endswith("-wal")]


def readable(path: Path) -> Iterator[Row]:
    """What can be read of a damaged file: from its beginning to the damage, and from its end back to it."""
    last = 0
    with suppress(sqlite3.DatabaseError), closing(connect(path, damaged=True)) as database:
        with suppress(sqlite3.DatabaseError):
            for row in database.execute(_FORWARD, (0,)):
                if is_whole(row):
                    last = row[0]
                    yield row
        for row in database.execute(_BACKWARD, (last,)):
            if is_whole(row):
                yield row


def _sync_folder(folder: Path) -> None:
    """So that a new name survives a lost power too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
