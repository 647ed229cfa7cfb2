"""What is no longer kept: dropping old raw readings and live rows, and since when the ledger can compute.

An hour whose readings are gone stays as it was computed: nobody may compute it again, as if nothing had been
measured. Dropping and computing keep out of each other's way by the lock of registry and factors.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from services.store.pool import Connection
from services.store.registry import lock_registry


async def raw_since(connection: Connection) -> datetime | None:
    """Since when all raw readings are kept; None: nothing was ever dropped. Raises psycopg.Error."""
    cursor = await connection.execute("SELECT raw_since FROM core.setting")
    row = await cursor.fetchone()
    since: datetime | None = row[0] if row else None
    return since


async def drop_raw(connection: Connection, before: datetime) -> int:
    """Drop the chunks of raw readings that are older as a whole; how many. Raises psycopg.Error."""
    async with connection.transaction():
        # Held by all who compute: nobody's readings go while he reads them.
        await lock_registry(connection)
        return await _number(connection, "SELECT core.drop_raw_readings(%s)", before)


async def drop_live(connection: Connection, before: datetime) -> int:
    """Drop the chunks of live emissions that are older as a whole; how many. Raises psycopg.Error."""
    async with connection.transaction():
        return await _number(connection, "SELECT core.drop_live_emissions(%s)", before)


async def _number(connection: Connection, statement: str, before: datetime) -> int:
    cursor = await connection.execute(statement.encode(), [before])
    row = await cursor.fetchone()
    assert row is not None, "a function gives a row"
    number: int = row[0]
    return number


async def step_ends(
    connection: Connection, device_ids: Collection[int], since: datetime
) -> dict[int, datetime]:
    """Of devices with hours before an instant: where the last hour ends that follows from a reading before
    it, because a register's step or a value reaches over the instant. Raises psycopg.Error."""
    cursor = await connection.execute(_STEP_ENDS, {"ids": list(device_ids), "since": since})
    return dict(await cursor.fetchall())


# By the primary key: the last hour before, and the first after, in which a quantity has readings.
_STEP_ENDS: Final = """
SELECT d.device_id, max(after.hour + interval '1 hour')
FROM unnest(%(ids)s::integer[]) AS wanted (device_id)
JOIN core.device d USING (device_id)
JOIN core.quantity q ON q.kind = d.kind
CROSS JOIN LATERAL (
    SELECT h.hour FROM core.device_hour h
    WHERE h.device_id = d.device_id AND h.quantity = q.code AND h.hour < %(since)s AND h.readings > 0
    ORDER BY h.hour DESC LIMIT 1
) AS before
CROSS JOIN LATERAL (
    SELECT h.hour FROM core.device_hour h
    WHERE h.device_id = d.device_id AND h.quantity = q.code AND h.hour >= %(since)s AND h.readings > 0
    ORDER BY h.hour LIMIT 1
) AS after
GROUP BY d.device_id
"""
