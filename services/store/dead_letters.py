"""Dead letters: what could not be stored, kept with its reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from psycopg.rows import class_row

from services.store.pool import Connection

# Text of PostgreSQL holds no NUL.
_NO_NUL = {0: "�"}


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


_KEEP = """
INSERT INTO core.dead_letter
    (client, received_at, topic, reason, detail, payload, payload_bytes, payload_sha256, key)
SELECT %s, letter.*
FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::bigint[], %s::bytea[],
    %s::bytea[]) AS letter
ON CONFLICT (key) DO NOTHING
RETURNING key
"""

_LIST = """
SELECT id AS dead_letter_id, received_at, topic, reason, detail, decode(payload, 'escape') AS payload,
    payload_bytes, replayed_at, accepted_at
FROM api.dead_letters
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY received_at DESC, id DESC
LIMIT %(limit)s
"""

_COUNT = """
SELECT reason, count(*)
FROM api.dead_letters
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
GROUP BY reason
ORDER BY count(*) DESC, reason
"""

_FIND_OPEN = """
SELECT dead_letter_id
FROM core.dead_letter
WHERE replayed_at IS NULL
    AND CASE WHEN %(ids)s::bigint[] IS NULL THEN accepted_at IS NULL ELSE dead_letter_id = ANY (%(ids)s) END
    AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY dead_letter_id
"""

_LOCK_OPEN = """
SELECT received_at, topic, payload, payload_bytes, payload_sha256
FROM core.dead_letter
WHERE dead_letter_id = %s AND replayed_at IS NULL
FOR UPDATE SKIP LOCKED
"""

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
    keys = [letter.key for letter in letters]
    columns: list[list[Any]] = [
        [letter.received_at for letter in letters],
        [letter.topic.translate(_NO_NUL) for letter in letters],
        [letter.reason for letter in letters],
        [letter.detail.translate(_NO_NUL) for letter in letters],
        [letter.payload for letter in letters],
        [letter.payload_bytes for letter in letters],
        [letter.payload_sha256 for letter in letters],
        keys,
    ]
    cursor = await connection.execute(_KEEP, [client, *columns], binary=True)
    new = {key for (key,) in await cursor.fetchall()}
    first = dict(zip(reversed(keys), reversed(letters), strict=True))
    return [letter for key, letter in first.items() if key in new]


async def list_dead_letters(
    connection: Connection, *, reason: str | None = None, since: datetime | None = None, limit: int = 50
) -> list[KeptLetter]:
    """The newest dead letters first."""
    async with connection.cursor(row_factory=class_row(KeptLetter)) as cursor:
        await cursor.execute(_LIST, {"reason": reason, "since": since, "limit": limit})
        return await cursor.fetchall()


async def count_dead_letters(
    connection: Connection, *, reason: str | None = None, since: datetime | None = None
) -> dict[str, int]:
    """How many dead letters there are by reason, most frequent first."""
    cursor = await connection.execute(_COUNT, {"reason": reason, "since": since})
    return dict(await cursor.fetchall())


async def find_open_letters(
    connection: Connection,
    *,
    ids: Collection[int] | None = None,
    reason: str | None = None,
    since: datetime | None = None,
) -> list[int]:
    """The ids of dead letters that were not replayed, ascending; accepted ones only where named by `ids`."""
    wanted = None if ids is None else list(ids)
    cursor = await connection.execute(_FIND_OPEN, {"ids": wanted, "reason": reason, "since": since})
    return [letter_id for (letter_id,) in await cursor.fetchall()]


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
