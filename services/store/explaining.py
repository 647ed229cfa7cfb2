"""What is kept of one hour of a source, read for its explanation. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg.rows import dict_row

from services.store.pool import Connection


class SourceOf(NamedTuple):
    """A source of the registry."""

    source_id: int
    scope: int
    method: str
    carrier: str
    timezone: str


_SOURCE: Final = """
SELECT s.source_id, s.scope, s.method, s.carrier, t.timezone
FROM core.source s
JOIN core.site t USING (site)
WHERE s.site = %s AND s.source = %s
"""

_HOUR: Final = """
SELECT h.*, r.document AS recipe_document, c.version, c.code, c.libraries, c.registry_version,
    (SELECT v.status FROM api.emissions_hourly v
     WHERE v.hour = h.hour AND v.site = s.site AND v.source = s.source
        AND v.basis IS NOT DISTINCT FROM nullif(h.basis, 'none')) AS status
FROM core.emission_hour h
JOIN core.source s USING (source_id)
LEFT JOIN core.recipe r USING (recipe)
LEFT JOIN core.calculation c USING (calculation_id)
WHERE h.source_id = %(source_id)s AND h.hour = %(hour)s AND h.basis = %(basis)s
"""

_BASES: Final = """
SELECT h.basis FROM core.emission_hour h
WHERE h.source_id = %(source_id)s AND h.hour = %(hour)s
    AND h.basis = ANY (ARRAY['location', 'market', 'none'])
ORDER BY NOT h.in_total, h.basis
"""

# By the whole key: without the quantity every hour of the device is looked at.
_DEVICE_HOURS: Final = """
SELECT d.kind || '/' || d.device, q.quantity, h.readings, h.mean, h.consumption, h.coverage, h.estimated
FROM core.device d
JOIN core.quantity q USING (kind)
CROSS JOIN LATERAL (
    SELECT * FROM core.device_hour o
    WHERE o.device_id = d.device_id AND o.quantity = q.code AND o.hour = %(hour)s
    LIMIT 1
) AS h
WHERE d.device_id = ANY (%(device_ids)s)
"""

_STACK_HOURS: Final = """
SELECT d.kind || '/' || d.device, h.item, h.ran_h, h.measured, h.substituted, h.method, h.reason,
    h.availability_pct, h.gap_h
FROM core.stack_hour h
JOIN core.device d USING (device_id)
WHERE h.source_id = %(source_id)s AND h.device_id = ANY (%(device_ids)s) AND h.hour = %(hour)s
ORDER BY 1, 2
"""

# Those that were in force when the hour was computed.
_CORRECTIONS: Final = """
SELECT c.kind || '/' || c.device, c.correction, c.quantity, c.action, c.value, c.unit, c.from_time, c.to_time,
    c.author, c.recorded_at, c.reason
FROM api.corrections c
JOIN core.device d USING (site, kind, device)
WHERE d.device_id = ANY (%(device_ids)s) AND c.from_time <= %(high)s AND c.to_time > %(low)s
    AND c.recorded_at <= %(at)s AND (c.withdrawn_at IS NULL OR c.withdrawn_at > %(at)s)
ORDER BY c.correction
"""

# Quarter hours are numbers of 900 s since 1970.
_AWAITED: Final = """
WITH span AS (
    SELECT extract(epoch FROM %(low)s::timestamptz) / 900 AS low,
        extract(epoch FROM %(high)s::timestamptz) / 900 AS high
)
SELECT EXISTS (
    SELECT FROM core.dirty d
    CROSS JOIN LATERAL unnest(d.device_ids, d.quarters) AS t (device_id, quarter)
    CROSS JOIN span
    WHERE t.device_id = ANY (%(device_ids)s) AND t.quarter BETWEEN span.low AND span.high
) OR EXISTS (
    SELECT FROM core.dirty_quarter t CROSS JOIN span
    WHERE t.device_id = ANY (%(device_ids)s) AND t.quarter BETWEEN span.low AND span.high
) OR EXISTS (
    SELECT FROM core.dirty_range r
    WHERE r.device_id = ANY (%(device_ids)s) AND r.from_time < %(high)s AND r.to_time > %(low)s
)
"""


async def find_source(connection: Connection, site: str, source: str) -> SourceOf | None:
    """The source; None where the registry never had it. Raises psycopg.Error."""
    cursor = await connection.execute(_SOURCE, [site, source])
    row = await cursor.fetchone()
    return None if row is None else SourceOf(*row)


async def kept_bases(connection: Connection, source_id: int, hour: datetime) -> list[str]:
    """The bases that the hour is kept on, that of the total first. Raises psycopg.Error."""
    cursor = await connection.execute(_BASES, {"source_id": source_id, "hour": hour})
    return [basis for (basis,) in await cursor.fetchall()]


async def kept_hour(
    connection: Connection, source_id: int, basis: str, hour: datetime
) -> dict[str, Any] | None:
    """The row of an hour, with its recipe, its calculation and its status; None where there is none. Raises
    psycopg.Error."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_HOUR, {"source_id": source_id, "basis": basis, "hour": hour})
        return await cursor.fetchone()


async def kept_quantities(
    connection: Connection, device_ids: Collection[int], hour: datetime
) -> list[tuple[Any, ...]]:
    """Of each quantity of the devices: device (kind/id), quantity, readings, mean, consumption, coverage,
    estimated. Raises psycopg.Error."""
    cursor = await connection.execute(_DEVICE_HOURS, {"device_ids": list(device_ids), "hour": hour})
    return await cursor.fetchall()


async def kept_stacks(
    connection: Connection, source_id: int, device_ids: Collection[int], hour: datetime
) -> list[tuple[Any, ...]]:
    """Of each item of judged stacks: device (kind/id), then the columns of `core.stack_hour`. Raises
    psycopg.Error."""
    parameters = {"source_id": source_id, "device_ids": list(device_ids), "hour": hour}
    cursor = await connection.execute(_STACK_HOURS, parameters)
    return await cursor.fetchall()


class Corrected(NamedTuple):
    """A correction of stored readings that an hour was computed with."""

    device: str
    """kind/id"""
    correction: int
    quantity: str | None
    """None: all."""
    action: str
    value: float | None
    unit: str | None
    begin: datetime
    end: datetime
    author: str
    recorded_at: datetime
    reason: str


async def kept_corrections(
    connection: Connection, device_ids: Collection[int], low: datetime, high: datetime, at: datetime
) -> list[Corrected]:
    """Of the devices between two instants, as in force at `at`. Raises psycopg.Error."""
    parameters = {"device_ids": list(device_ids), "low": low, "high": high, "at": at}
    cursor = await connection.execute(_CORRECTIONS, parameters)
    return [Corrected(*row) for row in await cursor.fetchall()]


async def is_awaited(
    connection: Connection, device_ids: Collection[int], low: datetime, high: datetime
) -> bool:
    """Whether the ledger still has something of the devices to compute between two instants. Raises
    psycopg.Error."""
    parameters = {"device_ids": list(device_ids), "low": low, "high": high}
    cursor = await connection.execute(_AWAITED, parameters)
    return await cursor.fetchone() == (True,)
