"""What the ledger reads beside the readings: its work, and the neighbours of a stretch of time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.domain.quantities import QUANTITIES, Kind
from services.domain.reading import DeviceKey
from services.store.ledger_readings import Stretch, columns
from services.store.pool import Connection

# Any number: one ledger worker computes at a time.
_LOCK_KEY: Final = 0x6C65_6467_6572


class Dirty(NamedTuple):
    """Touched quarter hours (number of 900 s since 1970), as ingest noted them."""

    ids: list[int]
    device_ids: npt.NDArray[np.int64]
    quarters: npt.NDArray[np.int64]


class DirtyRange(NamedTuple):
    """A stretch of a device's time that a registry or factor change re-opened."""

    id: int
    device_id: int
    from_time: datetime
    to_time: datetime


class Versions(NamedTuple):
    """Of what the ledger follows from, beside the readings; they differ where anything was added."""

    registry: int
    factors: int


class Neighbours(NamedTuple):
    """The hours nearest to a stretch, on either side, in which a quantity has readings that count; None:
    there is none. `inside`: whether the stretch itself has."""

    device_id: int
    quantity: int
    before: datetime | None
    after: datetime | None
    inside: bool


# By the primary key, from the stretch outwards: rows without readings are the hours of an outage.
_NEIGHBOURS: Final = """
SELECT wanted.device_id, q.code, before.hour, after.hour, inside.hour IS NOT NULL
FROM unnest(%(device_ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS wanted (device_id, begins, ends)
CROSS JOIN unnest(%(quantities)b::smallint[]) AS q (code)
LEFT JOIN LATERAL (
    SELECT h.hour FROM core.device_hour h
    WHERE h.device_id = wanted.device_id AND h.quantity = q.code AND h.hour < wanted.begins AND h.readings > 0
    ORDER BY h.hour DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT h.hour FROM core.device_hour h
    WHERE h.device_id = wanted.device_id AND h.quantity = q.code AND h.hour >= wanted.ends AND h.readings > 0
    ORDER BY h.hour LIMIT 1
) AS after ON true
LEFT JOIN LATERAL (
    SELECT h.hour FROM core.device_hour h
    WHERE h.device_id = wanted.device_id AND h.quantity = q.code AND h.readings > 0
        AND h.hour >= wanted.begins AND h.hour < wanted.ends
    LIMIT 1
) AS inside ON true
WHERE before.hour IS NOT NULL OR after.hour IS NOT NULL OR inside.hour IS NOT NULL
"""


_DIRTY: Final = """
SELECT counted.dirty_id, counted.device_ids, counted.quarters
FROM (
    SELECT oldest.*, sum(cardinality(oldest.device_ids)) OVER (ORDER BY oldest.dirty_id) AS pairs
    FROM (SELECT * FROM core.dirty d ORDER BY d.dirty_id LIMIT %(flushes)s) AS oldest
) AS counted
WHERE counted.pairs - cardinality(counted.device_ids) < %(pairs)s
ORDER BY counted.dirty_id
"""


async def lock_ledger(connection: Connection) -> bool:
    """Be the one who computes, until the transaction ends; False where another session is."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK_KEY])
    return await cursor.fetchone() == (True,)


async def read_dirty(connection: Connection, flushes: int, pairs: int) -> Dirty:
    """The oldest flushes of ingest that the ledger has before it: up to `flushes`, and no more after `pairs`
    of device and quarter hour."""
    cursor = await connection.execute(_DIRTY, {"flushes": flushes, "pairs": pairs}, binary=True)
    rows = await cursor.fetchall()
    return Dirty(
        [dirty_id for dirty_id, _, _ in rows],
        np.array([each for _, device_ids, _ in rows for each in device_ids], np.int64),
        np.array([each for _, _, quarters in rows for each in quarters], np.int64),
    )


async def read_dirty_ranges(connection: Connection, limit: int) -> list[DirtyRange]:
    """The oldest `limit` stretches that a registry or factor change re-opened."""
    cursor = await connection.execute(
        "SELECT dirty_id, device_id, from_time, to_time FROM core.dirty_range ORDER BY dirty_id LIMIT %s",
        [limit],
    )
    return [DirtyRange(*row) for row in await cursor.fetchall()]


async def delete_dirty(connection: Connection, ids: Collection[int], ranges: Collection[int]) -> None:
    """What was computed is done."""
    await connection.execute("DELETE FROM core.dirty WHERE dirty_id = ANY (%s)", [list(ids)])
    if ranges:
        await connection.execute("DELETE FROM core.dirty_range WHERE dirty_id = ANY (%s)", [list(ranges)])


async def versions(connection: Connection) -> Versions:
    """The newest registry and factor; cheap, to see whether they changed."""
    cursor = await connection.execute(
        "SELECT coalesce((SELECT max(version_id) FROM core.registry_version), 0),"
        " coalesce((SELECT max(factor_id) FROM core.factor), 0)"
    )
    row = await cursor.fetchone()
    assert row is not None, "two scalar subqueries always give a row"
    return Versions(*row)


async def device_keys(connection: Connection, ids: Collection[int]) -> dict[int, DeviceKey]:
    """Who the devices with these ids are."""
    cursor = await connection.execute(
        "SELECT device_id, site, kind, device FROM core.device WHERE device_id = ANY (%s)", [list(ids)]
    )
    return {key: DeviceKey(site, Kind(kind), device) for key, site, kind, device in await cursor.fetchall()}


async def neighbours(connection: Connection, kind: Kind, stretches: Collection[Stretch]) -> list[Neighbours]:
    """The neighbours of each stretch, of one kind of devices, in the ledger as it stands."""
    codes = [each.code for each in QUANTITIES[kind]]
    cursor = await connection.execute(_NEIGHBOURS, {**columns(stretches), "quantities": codes})
    return [Neighbours(*row) for row in await cursor.fetchall()]
