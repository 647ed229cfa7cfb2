"""Dead letters beyond their bounds of age and bytes: how much there is, and dropping the oldest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Literal, NamedTuple

from services.store.pool import Connection

State = Literal["settled", "open"]
"""Settled: replayed or accepted; open: neither."""
Bound = Literal["age", "bytes"]

# Any number: of two sessions that dropped by bytes at once, each would drop the excess.
_LOCK_KEY: Final = 0x6C65_7474_6572

MOST_LETTERS: Final = 2_000
"""Dropped in one transaction: the payload of a large one is 130 rows of its own."""


class Kept(NamedTuple):
    """What there is of dead letters of one state. `size_bytes` is what they take on disk, about."""

    letters: int
    size_bytes: int


class Measured(NamedTuple):
    """What there is of dead letters."""

    settled: Kept
    open: Kept

    @property
    def size_bytes(self) -> int:
        """What they all take on disk, about."""
        return self.settled.size_bytes + self.open.size_bytes


_MORE_TIME: Final = "SET LOCAL statement_timeout = '10min'"
"""Where the bound is set to hundreds of gigabytes and the disk is slow."""

# A letter's row and its entries in five indexes take about 400 bytes besides its texts (measured). A payload
# counts as it is stored, which may be compressed, and is not read for it.
_MEASURE: Final = """
SELECT
    count(*) FILTER (WHERE settled), coalesce(sum(bytes) FILTER (WHERE settled), 0)::bigint,
    count(*) FILTER (WHERE NOT settled), coalesce(sum(bytes) FILTER (WHERE NOT settled), 0)::bigint
FROM (
    SELECT replayed_at IS NOT NULL OR accepted_at IS NOT NULL AS settled,
        400 + octet_length(topic) + octet_length(detail) + pg_column_size(payload) AS bytes
    FROM core.dead_letter
) AS letter
"""

# The conditions on the state are those of the index: only the oldest are looked at, never all.
_DROP_SETTLED: Final = """
WITH oldest AS (
    SELECT dead_letter_id, received_at,
        400 + octet_length(topic) + octet_length(detail) + pg_column_size(payload) AS bytes
    FROM core.dead_letter
    WHERE (replayed_at IS NOT NULL OR accepted_at IS NOT NULL) AND received_at < %(before)s
    ORDER BY received_at, dead_letter_id
    LIMIT %(letters)s
)
"""
_DROP_OPEN: Final = """
WITH oldest AS (
    SELECT dead_letter_id, received_at,
        400 + octet_length(topic) + octet_length(detail) + pg_column_size(payload) AS bytes
    FROM core.dead_letter
    WHERE replayed_at IS NULL AND accepted_at IS NULL AND received_at < %(before)s
    ORDER BY received_at
    LIMIT %(letters)s
)
"""
_DROP: Final = """, doomed AS (
    SELECT dead_letter_id, bytes
    FROM (SELECT *, sum(bytes) OVER (ORDER BY received_at, dead_letter_id) AS up_to FROM oldest) AS summed
    WHERE up_to - bytes < %(bytes)s
), dropped AS (
    DELETE FROM core.dead_letter d USING doomed
    WHERE d.dead_letter_id = doomed.dead_letter_id
        AND (d.replayed_at IS NOT NULL OR d.accepted_at IS NOT NULL) = (%(state)s = 'settled')
    RETURNING d.client, doomed.bytes
), counted AS (
    INSERT INTO core.dead_letter_dropped AS total (client, state, bound, letters, bytes)
    SELECT client, %(state)s, %(bound)s, count(*), sum(bytes) FROM dropped GROUP BY client
    ON CONFLICT (client, state, bound) DO UPDATE SET
        letters = total.letters + excluded.letters,
        bytes = total.bytes + excluded.bytes,
        last_dropped_at = now()
)
SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM dropped
"""
_STATEMENTS: Final[dict[State, str]] = {"settled": _DROP_SETTLED + _DROP, "open": _DROP_OPEN + _DROP}


@asynccontextmanager
async def letter_bounds_lock(connection: Connection) -> AsyncIterator[bool]:
    """Be the one who drops dead letters while the context lasts; False where another session is."""
    async with connection.transaction():
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_KEY])
        ours = await cursor.fetchone() == (True,)
    try:
        yield ours
    finally:
        # A connection that broke has lost the lock with it.
        if ours and not connection.broken:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK_KEY])


async def measure_letters(connection: Connection) -> Measured:
    """How many dead letters there are and what they take: reads the rows of all, not their payloads."""
    async with connection.transaction():
        await connection.execute(_MORE_TIME)
        cursor = await connection.execute(_MEASURE)
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has a row"
    return Measured(Kept(row[0], row[1]), Kept(row[2], row[3]))


async def drop_letters(
    connection: Connection, state: State, bound: Bound, *, before: datetime, size_bytes: int
) -> Kept:
    """Drop the oldest dead letters of a state that were received before an instant, until `size_bytes` are
    free, and count them, in one transaction: of `MOST_LETTERS` at most, so that more may be left.
    """
    parameters = {
        "state": state,
        "bound": bound,
        "before": before,
        "bytes": size_bytes,
        "letters": MOST_LETTERS,
    }
    async with connection.transaction():
        cursor = await connection.execute(_STATEMENTS[state], parameters)
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has a row"
    return Kept(*row)
