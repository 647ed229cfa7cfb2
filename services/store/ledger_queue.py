"""The ledger's work: taken in from what ingest noted, shared among workers by locks, done.

A note may be worked on only under the lock of its device's bucket (`services.domain.ledger.groups`), and is
read again once the lock is there: another worker may have done it. Work that is done is deleted in the
transaction that writes the rows, and only where it was not noted again since it was read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

import numpy as np
import numpy.typing as npt

from services.store.pool import Connection

# Any numbers: one worker takes in at a time; the class of the buckets' locks.
_INTAKE_LOCK: Final = 0x6C65_6467_6572
_BUCKET_LOCKS: Final = 0x6C65_6467

FLUSHES_AT_ONCE: Final = 1000
PAIRS_AT_ONCE: Final = 200_000
"""Some 2 s: a crash repeats no more than that."""
LIVE_QUARTERS: Final = 8
"""Notes of the last two hours are live: the running hour of every site's clock is in them, and the last."""


class Notes(NamedTuple):
    """Quarter hours (number of 900 s since 1970) of devices, as parallel arrays."""

    device_ids: npt.NDArray[np.int64]
    quarters: npt.NDArray[np.int64]
    touches: npt.NDArray[np.int64]
    """Which of the notes of the quarter hour this is: another one each time it is noted again."""

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Notes:
        """Some of them."""
        return Notes(self.device_ids[chosen], self.quarters[chosen], self.touches[chosen])


class DirtyRange(NamedTuple):
    """A stretch of a device's time that a registry or factor change re-opened."""

    id: int
    device_id: int
    from_time: datetime
    to_time: datetime
    reason: str
    written_at: datetime


# Sorted, for two that write the same rows must not wait for each other.
_TAKE_IN: Final = """
WITH taken AS (
    DELETE FROM core.dirty
    WHERE dirty_id IN (
        SELECT oldest.dirty_id
        FROM (
            SELECT d.dirty_id, sum(cardinality(d.device_ids)) OVER (ORDER BY d.dirty_id)
                - cardinality(d.device_ids) AS before
            FROM (SELECT * FROM core.dirty ORDER BY dirty_id LIMIT %(flushes)s) AS d
        ) AS oldest
        WHERE oldest.before < %(pairs)s
    )
    RETURNING written_at, device_ids, quarters
), pairs AS (
    SELECT pair.device_id, pair.quarter, min(t.written_at) AS written_at
    FROM taken t CROSS JOIN LATERAL unnest(t.device_ids, t.quarters) AS pair (device_id, quarter)
    GROUP BY pair.device_id, pair.quarter
), noted AS (
    INSERT INTO core.dirty_quarter AS q (device_id, quarter, written_at)
    SELECT p.device_id, p.quarter, p.written_at FROM pairs p ORDER BY p.device_id, p.quarter
    ON CONFLICT (device_id, quarter) DO UPDATE SET touch = excluded.touch
)
SELECT count(*) FROM taken
"""

_LIVE: Final = """
SELECT device_id, quarter, touch FROM core.dirty_quarter
WHERE quarter >= floor(extract(epoch FROM now()) / 900)::integer - %(live)s
ORDER BY written_at, device_id, quarter
LIMIT %(limit)s
"""

_LATE: Final = """
SELECT device_id, quarter, touch FROM core.dirty_quarter
WHERE quarter < floor(extract(epoch FROM now()) / 900)::integer - %(live)s
ORDER BY written_at, device_id, quarter
LIMIT %(limit)s
"""

_STILL_NOTED: Final = """
SELECT q.device_id, q.quarter, q.touch
FROM unnest(%b::integer[], %b::integer[]) AS wanted (device_id, quarter)
JOIN core.dirty_quarter q USING (device_id, quarter)
"""

_DONE: Final = """
DELETE FROM core.dirty_quarter q
USING unnest(%b::integer[], %b::integer[], %b::bigint[]) AS done (device_id, quarter, touch)
WHERE (q.device_id, q.quarter, q.touch) = (done.device_id, done.quarter, done.touch)
"""

# What was noted again is as old as the round that did not see it.
_NOTED_AGAIN: Final = """
UPDATE core.dirty_quarter q SET written_at = now()
FROM unnest(%b::integer[], %b::integer[]) AS done (device_id, quarter)
WHERE (q.device_id, q.quarter) = (done.device_id, done.quarter)
"""

_RANGES: Final = """
SELECT dirty_id, device_id, from_time, to_time, reason, written_at FROM core.dirty_range
ORDER BY dirty_id LIMIT %s
"""

_SHORTEN_RANGES: Final = """
WITH gone AS (DELETE FROM core.dirty_range WHERE dirty_id = ANY (%(ids)s) RETURNING *)
INSERT INTO core.dirty_range (device_id, from_time, to_time, reason, written_at)
SELECT device_id, %(rest)s, to_time, reason, written_at FROM gone ORDER BY dirty_id
"""


async def take_in(connection: Connection) -> int:
    """Move what ingest noted into the queue, in a transaction of its own; the number of flushes, 0 also where
    another worker is at it. Raises psycopg.Error."""
    async with connection.transaction():
        cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_INTAKE_LOCK])
        if await cursor.fetchone() != (True,):
            return 0
        cursor = await connection.execute(_TAKE_IN, {"flushes": FLUSHES_AT_ONCE, "pairs": PAIRS_AT_ONCE})
        row = await cursor.fetchone()
        assert row is not None, "an aggregate always gives a row"
        flushes: int = row[0]
        return flushes


async def live_notes(connection: Connection, limit: int) -> Notes:
    """Up to `limit` notes of the running hour and the last, the oldest first. Raises psycopg.Error."""
    return await _notes(connection, _LIVE, {"live": LIVE_QUARTERS, "limit": limit})


async def late_notes(connection: Connection, limit: int) -> Notes:
    """Up to `limit` notes of any time before, the oldest first. Raises psycopg.Error."""
    return await _notes(connection, _LATE, {"live": LIVE_QUARTERS, "limit": limit})


async def _notes(connection: Connection, query: LiteralString, parameters: dict[str, int]) -> Notes:
    cursor = await connection.execute(query, parameters, binary=True)
    return _as_notes(await cursor.fetchall())


def _as_notes(rows: Sequence[tuple[int, int, int]]) -> Notes:
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Notes(table[:, 0], table[:, 1], table[:, 2])


async def lock_buckets(connection: Connection, buckets: Collection[int]) -> set[int]:
    """Those of the buckets that no other worker has: they are ours until the transaction ends. Waits for
    nobody. Raises psycopg.Error."""
    cursor = await connection.execute(
        "SELECT bucket FROM unnest(%s::integer[]) AS bucket WHERE pg_try_advisory_xact_lock(%s, bucket)",
        [list(buckets), _BUCKET_LOCKS],
    )
    return {bucket for (bucket,) in await cursor.fetchall()}


async def still_noted(connection: Connection, notes: Notes) -> Notes:
    """The notes of the same quarter hours as they are now, where there are any. Raises psycopg.Error."""
    parameters = [notes.device_ids.tolist(), notes.quarters.tolist()]
    cursor = await connection.execute(_STILL_NOTED, parameters, binary=True)
    return _as_notes(await cursor.fetchall())


async def delete_notes(connection: Connection, notes: Notes) -> None:
    """What was computed is done, but for what was noted again. Nothing is taken in from here until the
    transaction ends: whoever takes in may wait for these rows. Raises psycopg.Error."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INTAKE_LOCK])
    device_ids, quarters = notes.device_ids.tolist(), notes.quarters.tolist()
    cursor = await connection.execute(_DONE, [device_ids, quarters, notes.touches.tolist()])
    if cursor.rowcount < len(device_ids):
        await connection.execute(_NOTED_AGAIN, [device_ids, quarters])


async def read_ranges(connection: Connection, limit: int) -> list[DirtyRange]:
    """The oldest stretches that a registry or factor change re-opened. Raises psycopg.Error."""
    cursor = await connection.execute(_RANGES, [limit])
    return [DirtyRange(*row) for row in await cursor.fetchall()]


async def still_open(connection: Connection, ids: Collection[int]) -> list[DirtyRange]:
    """Those of the stretches that nobody has done meanwhile. Raises psycopg.Error."""
    cursor = await connection.execute(
        "SELECT dirty_id, device_id, from_time, to_time, reason, written_at FROM core.dirty_range"
        " WHERE dirty_id = ANY (%s) ORDER BY dirty_id",
        [list(ids)],
    )
    return [DirtyRange(*row) for row in await cursor.fetchall()]


async def close_ranges(connection: Connection, ids: Collection[int]) -> None:
    """The stretches are done. Raises psycopg.Error."""
    await connection.execute("DELETE FROM core.dirty_range WHERE dirty_id = ANY (%s)", [list(ids)])


async def shorten_ranges(connection: Connection, ids: Collection[int], rest: datetime) -> None:
    """The stretches are done up to `rest`, which is in them; what is left stays open. Raises
    psycopg.Error."""
    await connection.execute(_SHORTEN_RANGES, {"ids": list(ids), "rest": rest})
