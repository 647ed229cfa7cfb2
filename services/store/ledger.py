"""What the ledger reads beside the readings and its work: versions, ids, and the neighbours of a stretch of
time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from services.domain.quantities import QUANTITIES, Kind
from services.domain.reading import DeviceKey
from services.store.ledger_readings import Stretch, columns
from services.store.pool import Connection


class Versions(NamedTuple):
    """Of what the ledger follows from, beside the readings; they differ where anything was added."""

    registry: int
    factors: int


class Neighbours(NamedTuple):
    """The hours nearest to a stretch, on either side, in which a register has readings that count; None:
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
    """The neighbours of each stretch, of the registers of one kind of devices, in the ledger as it stands."""
    codes = [each.code for each in QUANTITIES[kind] if each.register]
    cursor = await connection.execute(_NEIGHBOURS, {**columns(stretches), "quantities": codes})
    return [Neighbours(*row) for row in await cursor.fetchall()]
