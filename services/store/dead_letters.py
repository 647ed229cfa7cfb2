"""Dead letters: what could not be stored, kept with its reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple

from psycopg.rows import class_row

from services.store.binary_copy import HEADER, TRAILER
from services.store.pool import Connection

# Text of PostgreSQL holds no NUL.
_NO_NUL: Final = "\ufffd"


class DeadLetter(NamedTuple):
    """What is kept of a rejected unit. `payload` may be only the beginning of what was sent."""

    received_at: datetime
    topic: str
    reason: str
    detail: str
    payload: bytes
    payload_bytes: int
    payload_sha256: bytes

    @property
    def key(self) -> bytes:
        """What makes a redelivered rejection the same: its topic and payload."""
        topic = self.topic.encode("utf-8", "surrogatepass")
        return sha256(len(topic).to_bytes(4, "big") + topic + self.payload_sha256).digest()


class ReplayableLetter(NamedTuple):
    """What a replay needs of a dead letter."""

    received_at: datetime
    topic: str
    payload: bytes
    payload_bytes: int
    payload_sha256: bytes


class KeptLetter(NamedTuple):
    """A dead letter as it is listed."""

    dead_letter_id: int
    received_at: datetime
    topic: str
    reason: str
    detail: str
    payload: bytes
    payload_bytes: int
    replayed_at: datetime | None
    accepted_at: datetime | None


# A temporary table takes COPY, and only INSERT passes over what is kept already: together they take less than
# half of the time of an INSERT of arrays.
_MAKE_STAGE: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_letter ON COMMIT DELETE ROWS AS
SELECT client, received_at, topic, reason, detail, payload, payload_bytes, payload_sha256, key
FROM core.dead_letter
WITH NO DATA
"""
_EMPTY_STAGE: Final = "DELETE FROM staged_letter"
_COPY_STAGE: Final = "COPY staged_letter FROM STDIN (FORMAT binary)"
_KEEP: Final = """
INSERT INTO core.dead_letter
    (client, received_at, topic, reason, detail, payload, payload_bytes, payload_sha256, key)
SELECT * FROM staged_letter
ON CONFLICT (key) DO NOTHING
RETURNING key
"""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""From which PostgreSQL counts."""
_US: Final = timedelta(microseconds=1)
# Of binary COPY: each field has its length before it, each row the number of its fields.
_COUNT_FIELDS: Final = (9).to_bytes(2, "big")
_LENGTH: Final = Struct(">i")
_BIGINT: Final = Struct(">iq")
_DIGEST_LENGTH: Final = _LENGTH.pack(32)
_PORTION_BYTES: Final = 1024 * 1024
"""So much is made at once of what is copied: the payloads are in memory once already."""

_LOCK_OPEN = """
SELECT received_at, topic, payload, payload_bytes, payload_sha256
FROM core.dead_letter
WHERE dead_letter_id = %s AND replayed_at IS NULL
FOR UPDATE SKIP LOCKED
"""

_KEPT = "SELECT key FROM core.dead_letter WHERE key = ANY (%s::bytea[]) AND replayed_at IS NULL"

_MARK_REPLAYED = "UPDATE core.dead_letter SET replayed_at = now() WHERE dead_letter_id = %s"

_ACCEPT = """
UPDATE core.dead_letter SET accepted_at = now()
WHERE dead_letter_id = ANY (%s) AND accepted_at IS NULL AND replayed_at IS NULL
RETURNING dead_letter_id
"""

_WHICH_EXIST = "SELECT dead_letter_id FROM core.dead_letter WHERE dead_letter_id = ANY (%s)"


async def keep_dead_letters(
    connection: Connection, client: str, letters: Sequence[DeadLetter]
) -> list[DeadLetter]:
    """Keep dead letters of an ingest client. Returns those that were not kept already."""
    first: dict[bytes, DeadLetter] = {}
    for letter in letters:
        first.setdefault(letter.key, letter)
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_MAKE_STAGE)
        await cursor.execute(_EMPTY_STAGE)
        async with cursor.copy(_COPY_STAGE) as copy:
            for portion in _portions(client, first):
                await copy.write(portion)
        await cursor.execute(_KEEP)
        new = {key for (key,) in await cursor.fetchall()}
    return [letter for key, letter in first.items() if key in new]


def _portions(client: str, letters: Mapping[bytes, DeadLetter]) -> Iterator[bytes]:
    """Dead letters by key as COPY takes them, about `_PORTION_BYTES` at a time."""
    whose = client.encode()
    begin = _COUNT_FIELDS + _LENGTH.pack(len(whose)) + whose
    portion, size = [HEADER], 0
    for key, letter in letters.items():
        topic, detail, reason = _text(letter.topic), _text(letter.detail), letter.reason.encode()
        row = b"".join(
            (
                begin,
                _BIGINT.pack(8, (letter.received_at - _EPOCH) // _US),
                _LENGTH.pack(len(topic)),
                topic,
                _LENGTH.pack(len(reason)),
                reason,
                _LENGTH.pack(len(detail)),
                detail,
                _LENGTH.pack(len(letter.payload)),
                letter.payload,
                _BIGINT.pack(8, letter.payload_bytes),
                _DIGEST_LENGTH,
                letter.payload_sha256,
                _DIGEST_LENGTH,
                key,
            )
        )
        portion.append(row)
        size += len(row)
        if size >= _PORTION_BYTES:
            yield b"".join(portion)
            portion, size = [], 0
    yield b"".join([*portion, TRAILER])


def _text(text: str) -> bytes:
    return text.replace("\0", _NO_NUL).encode("utf-8", "replace")


async def kept_keys(connection: Connection, keys: Collection[bytes]) -> list[bytes]:
    """Which of these are the keys of dead letters that were not replayed."""
    cursor = await connection.execute(_KEPT, [list(keys)], binary=True)
    return [key for (key,) in await cursor.fetchall()]


async def lock_open_letter(connection: Connection, letter_id: int) -> ReplayableLetter | None:
    """A dead letter, held until the transaction ends; None where it was, or is being, replayed by another."""
    async with connection.cursor(row_factory=class_row(ReplayableLetter)) as cursor:
        await cursor.execute(_LOCK_OPEN, [letter_id])
        return await cursor.fetchone()


async def mark_replayed(connection: Connection, letter_id: int) -> None:
    """What a dead letter holds is stored."""
    await connection.execute(_MARK_REPLAYED, [letter_id])


async def accept_letters(connection: Connection, ids: Collection[int]) -> list[int]:
    """Set dead letters aside as no loss. Returns the ids of those that were neither accepted nor replayed."""
    cursor = await connection.execute(_ACCEPT, [list(ids)])
    return sorted(letter_id for (letter_id,) in await cursor.fetchall())


async def missing_letters(connection: Connection, ids: Collection[int]) -> list[int]:
    """Which of these ids are of no dead letter."""
    cursor = await connection.execute(_WHICH_EXIST, [list(ids)])
    return sorted(set(ids) - {letter_id for (letter_id,) in await cursor.fetchall()})
