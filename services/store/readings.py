"""Readings that meet what is stored, and what is stored of a device.

Rows newer than their device's last one are copied straight in (`reading_columns`). Others are staged first: a
temporary table of the session, emptied by each commit, is compared with what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np
from psycopg import sql

from services.domain.ledger.hours import DAY_US, IntArray, from_us
from services.domain.quantities import NAMES, QUANTITIES, STATUS_CODES, Kind, Status, quantity
from services.domain.reading import Measured, Reading
from services.store.binary_copy import HEADER, TRAILER, fields_row, integer_array
from services.store.pool import Connection
from services.store.reading_columns import ReadingColumns, copy_columns
from services.store.schema import reading_table

# As many are looked up without a temporary table.
_FEW: Final = 100


class Stored(NamedTuple):
    """What is stored for the devices and times of readings, by position among them."""

    same: frozenset[int]
    """Where all values and the status are known to be stored already."""
    different: dict[int, Reading]
    """What is stored where they may differ."""


def _names(columns: Iterable[str], alias: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*((alias,) if alias else ()), name) for name in columns)


class _Statements:
    """The statements of one kind, from its definition."""

    def __init__(self, kind: Kind) -> None:
        names = NAMES[kind]
        table = sql.Identifier(*reading_table(kind).split("."))
        stage = sql.Identifier(f"staged_{kind}")

        def made(text: LiteralString, **parts: sql.Composable) -> bytes:
            """Ready to send: psycopg would put it together each time."""
            return sql.SQL(text).format(**common, **parts).as_bytes(None)

        common = {"table": table, "stage": stage, "values": _names(names)}
        self.make_stage = made(_MAKE_STAGE)
        self.empty_stage = made("DELETE FROM {stage}")
        self.copy_stage = made("COPY {stage} FROM STDIN (FORMAT binary)")
        self.compare = made(_COMPARE, stored=_names(names, "r"), staged=_names(names, "s"))
        self.fetch = made(_FETCH, stored=_names(names, "r"))
        self.fetch_few = made(_FETCH_FEW, stored=_names(names, "r"))
        assignments = sql.SQL(", ").join(
            sql.SQL("{name} = s.{name}").format(name=sql.Identifier(name)) for name in names
        )
        self.update = made(_UPDATE, assignments=assignments)
        self.newest = made(_NEWEST)
        self.last_values = {
            each.name: made(_LAST_VALUE, value=sql.Identifier(each.name))
            for each in QUANTITIES[kind]
            if each.register
        }


_MAKE_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS AS
SELECT 0 AS position, device_id, time, received_at, seq, status, quantity_status::text, extra::text, {values}
FROM {table} WITH NO DATA
"""

# Each statement looks at one UTC day, named by constants, so that the planner sees its chunk alone: among a
# year of chunks every row would cost a millisecond more. And each row at the key, whatever the planner thinks
# of a table it knows nothing of: with other joins it would read the whole day. Joined plainly: LATERAL with
# LIMIT costs four times as much.
_BY_KEY = "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"

_COMPARE = """
SELECT s.position, r.device_id IS NOT NULL
FROM {stage} s
LEFT JOIN {table} r
    ON r.device_id = s.device_id AND r.time = s.time AND r.time >= %(low)s AND r.time < %(high)s
WHERE s.time >= %(low)s AND s.time < %(high)s
    AND (r.device_id IS NULL
        OR (r.status, r.quantity_status::text, {stored})
            IS DISTINCT FROM (s.status, s.quantity_status, {staged}))
"""

_FETCH = """
SELECT s.position, r.seq, r.status, r.quantity_status::text, r.extra::text, {stored}
FROM {stage} s
JOIN {table} r ON r.device_id = s.device_id AND r.time = s.time AND r.time >= %(low)s AND r.time < %(high)s
WHERE s.time >= %(low)s AND s.time < %(high)s AND s.position = ANY (%(positions)s)
"""

_FETCH_FEW = """
SELECT found.*
FROM unnest(%(device_ids)s::integer[], %(times)s::timestamptz[])
    WITH ORDINALITY AS wanted (device_id, time, position)
CROSS JOIN LATERAL (
    SELECT wanted.position - 1, r.seq, r.status, r.quantity_status::text, r.extra::text, {stored}
    FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time = wanted.time AND r.time >= %(low)s AND r.time <= %(high)s
    LIMIT 1
) AS found
"""

_UPDATE = """
UPDATE {table} r
SET seq = s.seq, status = s.status, quantity_status = s.quantity_status::json, extra = s.extra::json,
    {assignments}
FROM {stage} s
WHERE r.device_id = s.device_id AND r.time = s.time AND r.time >= %(low)s AND r.time < %(high)s
    AND s.time >= %(low)s AND s.time < %(high)s
"""

_NEWEST = """
SELECT wanted.device_id, found.time
FROM unnest(%(device_ids)s::integer[], %(since)s::timestamptz[]) AS wanted (device_id, since)
CROSS JOIN LATERAL (
    SELECT r.time
    FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time >= wanted.since
        AND r.time >= %(low)s AND r.time < %(high)s
    ORDER BY r.time DESC
    LIMIT 1
) AS found
"""

_LAST_VALUE = """
SELECT wanted.device_id, found.time, found.value
FROM unnest(%(device_ids)s::integer[], %(before)s::timestamptz[]) AS wanted (device_id, before)
CROSS JOIN LATERAL (
    SELECT r.time, r.{value} AS value
    FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time < wanted.before
        AND r.time >= wanted.before - %(reach)s::interval AND r.time >= %(low)s AND r.time < %(high)s
        AND r.{value} IS NOT NULL AND r.status = ANY (%(counting)s)
        AND (r.quantity_status ->> %(name)s IS NULL OR r.quantity_status ->> %(name)s = 'manual')
    ORDER BY r.time DESC
    LIMIT 1
) AS found
"""

_COUNTING: Final = [STATUS_CODES[Status.VALID], STATUS_CODES[Status.MANUAL]]

_DAY: Final = timedelta(days=1)
_LONGEST_STEP: Final = timedelta(days=32)
_FAR: Final = datetime(9999, 12, 31, tzinfo=UTC)

_STATEMENTS: Final = MappingProxyType({kind: _Statements(kind) for kind in Kind})

_DIRTY = "COPY core.dirty (device_ids, quarters) FROM STDIN (FORMAT binary)"


async def compare_readings(connection: Connection, columns: ReadingColumns) -> Stored:
    """What is stored for the devices and times of these readings."""
    if len(columns.readings) <= _FEW:
        return Stored(frozenset(), await _fetch_few(connection, columns))
    statements = _STATEMENTS[columns.kind]
    await _stage(connection, statements, columns)
    same = set(range(len(columns.readings)))
    different: dict[int, Reading] = {}
    for low in _days(columns.times_us):
        day = {"low": low, "high": low + _DAY}
        found = await (await connection.execute(statements.compare, day, prepare=False)).fetchall()
        same.difference_update(position for position, _ in found)
        others = [position for position, is_there in found if is_there]
        if others:
            wanted = {**day, "positions": others}
            rows = await (await connection.execute(statements.fetch, wanted, prepare=False)).fetchall()
            different |= {position: _stored(columns.readings[position], *row) for position, *row in rows}
    return Stored(frozenset(same), different)


async def _fetch_few(connection: Connection, columns: ReadingColumns) -> dict[int, Reading]:
    """What is stored, by position: of few readings all of it is fetched sooner than a table is filled."""
    times = [reading.time for reading in columns.readings]
    wanted = {
        "device_ids": columns.device_ids.tolist(),
        "times": times,
        "low": min(times),
        "high": max(times),
    }
    rows = await (await connection.execute(_STATEMENTS[columns.kind].fetch_few, wanted)).fetchall()
    return {position: _stored(columns.readings[position], *row) for position, *row in rows}


def _stored(key: Measured, *row: Any) -> Reading:
    """The stored reading of the same device and time."""
    seq, status, quantity_status, extra, *values = row
    return Reading(key.device, key.time, seq, tuple(values), status, quantity_status, extra)


async def update_readings(connection: Connection, columns: ReadingColumns) -> None:
    """Write merged readings over the stored rows of their devices and times."""
    statements = _STATEMENTS[columns.kind]
    await _stage(connection, statements, columns)
    for low in _days(columns.times_us):
        day = {"low": low, "high": low + _DAY}
        await connection.execute(statements.update, day, prepare=False)


async def _stage(connection: Connection, statements: _Statements, columns: ReadingColumns) -> None:
    """Put readings into the session's temporary table, and nothing else, to be looked up by key."""
    await connection.execute(_BY_KEY)
    await connection.execute(statements.make_stage)
    await connection.execute(statements.empty_stage)  # one transaction may stage twice
    await copy_columns(connection, statements.copy_stage, [columns], numbered=True)


async def newest_times(
    connection: Connection, kind: Kind, since: Mapping[int, datetime], now: datetime
) -> dict[int, datetime]:
    """The newest stored time of devices, by id; only of those that have one at or after `since`.

    Looks from the day of `now` back in growing steps: who has sent lately is found at once.
    """
    found: dict[int, datetime] = {}
    wanted = dict(since)
    low, high = _day(now), _FAR
    step = _DAY
    while wanted:
        cursor = await connection.execute(
            _STATEMENTS[kind].newest,
            {"device_ids": list(wanted), "since": list(wanted.values()), "low": low, "high": high},
        )
        found |= dict(await cursor.fetchall())
        wanted = {
            device_id: time for device_id, time in wanted.items() if time < low and device_id not in found
        }
        low, high = low - step, low
        step = min(2 * step, _LONGEST_STEP)
    return found


async def last_register_values(
    connection: Connection, kind: Kind, name: str, before: Mapping[int, datetime], reach_s: float
) -> dict[int, tuple[datetime, float]]:
    """The last counting value (valid, or manual) of register `name` before an instant, by device id.

    Looks back `reach_s` seconds; what is older is no neighbour. Raises KeyError where `name` is no register.
    """
    if not quantity(kind, name).register:
        raise KeyError(f"{name} of a {kind} is no register")
    found: dict[int, tuple[datetime, float]] = {}
    for day in sorted({_day(time) for time in before.values()}):
        wanted = {device_id: time for device_id, time in before.items() if _day(time) == day}
        cursor = await connection.execute(
            _STATEMENTS[kind].last_values[name],
            {
                "device_ids": list(wanted),
                "before": list(wanted.values()),
                "reach": f"{reach_s} s",
                "low": day - timedelta(seconds=reach_s),
                "high": day + _DAY,
                "counting": _COUNTING,
                "name": name,
            },
        )
        found |= {device_id: (time, value) for device_id, time, value in await cursor.fetchall()}
    return found


def _day(time: datetime) -> datetime:
    """The UTC day, and the hypertables' chunk, that an instant in UTC is in."""
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _days(times_us: IntArray) -> list[datetime]:
    return [from_us(int(number) * DAY_US) for number in np.unique(times_us // DAY_US)]


async def mark_dirty(connection: Connection, device_ids: IntArray, quarters: IntArray) -> None:
    """Note, for the ledger, the distinct pairs of device and quarter hour (number of 900 s since 1970)."""
    pairs = np.unique((device_ids << 32) | quarters)
    # As the value of a parameter, psycopg would write each of the thousands of numbers by itself.
    marked = fields_row(integer_array(pairs >> 32), integer_array(pairs & 0xFFFFFFFF))
    async with connection.cursor() as cursor, cursor.copy(_DIRTY) as copy:
        await copy.write(HEADER + marked + TRAILER)
