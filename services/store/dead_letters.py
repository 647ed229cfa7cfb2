"""Dead letters: what could not be stored, kept with its reason."""

from __future__ import annotations

from collections.abc import Sequence
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

_EXISTS = "SELECT EXISTS (SELECT FROM core.dead_letter WHERE key = %s)"


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


async def has_dead_letter(connection: Connection, letter: DeadLetter) -> bool:
    """Whether this one is kept already."""
    cursor = await connection.execute(_EXISTS, [letter.key])
    row = await cursor.fetchone()
    return bool(row and row[0])


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
