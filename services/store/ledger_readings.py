"""What there is of readings in stretches of devices' time: how many, from when, of which registers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from psycopg import sql

from services.domain.quantities import QUANTITIES, Kind
from services.store.pool import Connection
from services.store.schema import reading_table


class Stretch(NamedTuple):
    """Some time of a device: `begin` is in it, `end` is not."""

    device_id: int
    begin: datetime
    end: datetime


class _Statements:
    """The statements of one kind, from its definition."""

    def __init__(self, kind: Kind) -> None:
        table = sql.Identifier(*reading_table(kind).split("."))
        sent = [
            sql.SQL("WHEN {} THEN r.{} IS NOT NULL").format(each.code, sql.Identifier(each.name))
            for each in QUANTITIES[kind]
            if each.register
        ]
        self.sent = sql.SQL(_SENT).format(table=table, sent=sql.SQL(" ").join(sent)) if sent else None
        self.count = sql.SQL(_COUNT).format(table=table)
        self.extent = sql.SQL(_EXTENT).format(table=table)
        self.last_before = sql.SQL(_LAST_BEFORE).format(table=table)
        self.first_after = sql.SQL(_FIRST_AFTER).format(table=table)
        self.earlier = sql.SQL(_EARLIER).format(table=table)


_COUNT: Final = """
SELECT wanted.device_id, sum(found.readings)::bigint
FROM unnest(%(device_ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS wanted (device_id, begins, ends)
CROSS JOIN LATERAL (
    SELECT count(*) AS readings FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time >= wanted.begins AND r.time < wanted.ends
        AND r.time >= %(low)s AND r.time < %(high)s
) AS found
GROUP BY wanted.device_id
"""

# LATERAL with LIMIT 1 holds the planner to a look at the key, and to the first reading that has a value.
_SENT: Final = """
SELECT wanted.device_id, wanted.code
FROM unnest(%(device_ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[],
    %(codes)b::smallint[]) AS wanted (device_id, begins, ends, code)
CROSS JOIN LATERAL (
    SELECT FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time >= wanted.begins AND r.time < wanted.ends
        AND r.time >= %(low)s AND r.time < %(high)s
        AND CASE wanted.code {sent} END
    LIMIT 1
) AS found
"""

_EXTENT: Final = """
SELECT wanted.device_id, first.time, last.time
FROM unnest(%s::integer[]) AS wanted (device_id)
CROSS JOIN LATERAL (
    SELECT r.time FROM {table} r WHERE r.device_id = wanted.device_id ORDER BY r.time LIMIT 1
) AS first
CROSS JOIN LATERAL (
    SELECT r.time FROM {table} r WHERE r.device_id = wanted.device_id ORDER BY r.time DESC LIMIT 1
) AS last
"""

_LAST_BEFORE: Final = """
SELECT wanted.device_id, found.time
FROM unnest(%(device_ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS wanted (device_id, begins, ends)
CROSS JOIN LATERAL (
    SELECT r.time FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time < wanted.begins AND r.time < %(high)s
    ORDER BY r.time DESC LIMIT 1
) AS found
"""

_FIRST_AFTER: Final = """
SELECT wanted.device_id, found.time
FROM unnest(%(device_ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS wanted (device_id, begins, ends)
CROSS JOIN LATERAL (
    SELECT r.time FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time >= wanted.ends AND r.time >= %(low)s
    ORDER BY r.time LIMIT 1
) AS found
"""

_EARLIER: Final = """
SELECT wanted.number, min(found.time)
FROM unnest(%b::integer[], %b::timestamptz[]) WITH ORDINALITY AS wanted (device_id, before, number)
CROSS JOIN LATERAL (
    SELECT r.time FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time < wanted.before
    ORDER BY r.time DESC
    LIMIT %s
) AS found
GROUP BY wanted.number
"""

_STATEMENTS: Final = MappingProxyType({kind: _Statements(kind) for kind in Kind})


async def extents(
    connection: Connection, kind: Kind, device_ids: Collection[int]
) -> dict[int, tuple[datetime, datetime]]:
    """The first and the last stored reading of each device that has any."""
    cursor = await connection.execute(_STATEMENTS[kind].extent, [list(device_ids)])
    return {device_id: (first, last) for device_id, first, last in await cursor.fetchall()}


async def last_before(
    connection: Connection, kind: Kind, stretches: Collection[Stretch]
) -> dict[int, datetime]:
    """The last reading of each device before its stretch, whatever its status; where there is one."""
    return await _times(connection, _STATEMENTS[kind].last_before, stretches)


async def first_after(
    connection: Connection, kind: Kind, stretches: Collection[Stretch]
) -> dict[int, datetime]:
    """The first reading of each device after its stretch, whatever its status; where there is one."""
    return await _times(connection, _STATEMENTS[kind].first_after, stretches)


async def _times(
    connection: Connection, statement: sql.Composed, stretches: Collection[Stretch]
) -> dict[int, datetime]:
    if not stretches:
        return {}
    cursor = await connection.execute(statement, {**columns(stretches), **bounds(stretches)})
    return dict(await cursor.fetchall())


async def count_readings(
    connection: Connection, kind: Kind, stretches: Collection[Stretch]
) -> dict[int, int]:
    """How many readings each device has in all of its stretches together."""
    if not stretches:
        return {}
    parameters = {**columns(stretches), **bounds(stretches)}
    cursor = await connection.execute(_STATEMENTS[kind].count, parameters)
    return dict(await cursor.fetchall())


async def registers_sent(
    connection: Connection, kind: Kind, wanted: Collection[tuple[Stretch, int]]
) -> set[tuple[int, int]]:
    """Device and code of the registers, of those asked for, that have any value in the stretch given."""
    statement = _STATEMENTS[kind].sent
    if statement is None or not wanted:
        return set()
    stretches, codes = zip(*wanted, strict=True)
    parameters = {**columns(stretches), **bounds(stretches), "codes": list(codes)}
    return set(await (await connection.execute(statement, parameters)).fetchall())


async def backed_up(
    connection: Connection, kind: Kind, stretches: Sequence[Stretch], readings: int
) -> list[Stretch]:
    """The stretches, each begun so many readings earlier (or with the device's first)."""
    device_ids, begins = [each.device_id for each in stretches], [each.begin for each in stretches]
    cursor = await connection.execute(_STATEMENTS[kind].earlier, [device_ids, begins, readings])
    earlier: dict[int, datetime] = dict(await cursor.fetchall())
    return [
        each._replace(begin=earlier.get(number, each.begin)) for number, each in enumerate(stretches, start=1)
    ]


def columns(stretches: Iterable[Stretch]) -> dict[str, list[Any]]:
    """The stretches as the parameters device_ids, begins and ends."""
    rows = list(stretches)
    return {
        "device_ids": [row.device_id for row in rows],
        "begins": [row.begin for row in rows],
        "ends": [row.end for row in rows],
    }


def bounds(stretches: Collection[Stretch]) -> dict[str, datetime]:
    """Around all stretches: these let the planner leave out chunks."""
    return {"low": min(each.begin for each in stretches), "high": max(each.end for each in stretches)}
