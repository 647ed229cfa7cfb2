"""Readings on their way into the hypertables of their kinds.

Rows newer than their device's last one are copied straight in. Others are staged first: a temporary table of
the session, emptied by each commit, is compared with what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from psycopg import sql

from services.domain.quantities import NAMES, QUANTITIES, STATUS_CODES, Kind, Status, quantity
from services.domain.reading import Reading
from services.store.binary_copy import HEADER, TRAILER, fields_row, integer_array
from services.store.pool import Connection
from services.store.schema import FIXED_COLUMNS, reading_columns, reading_table

ReadingRow = tuple[Any, ...]
"""A row of a kind's hypertable, in the order of `schema.reading_columns`."""


class Staged(NamedTuple):
    """A reading to be compared with what is stored for its device and time."""

    device_id: int
    reading: Reading


class Stored(NamedTuple):
    """What is stored for the staged readings, by position among them."""

    same: frozenset[int]
    """Where all values and the status are stored already."""
    different: dict[int, Reading]
    """What is stored where it is not the same."""


# In binary COPY a json column takes the bytes of its text.
_TYPES: Final = {
    "device_id": "int4",
    "time": "timestamptz",
    "received_at": "timestamptz",
    "seq": "int8",
    "status": "int2",
    "quantity_status": "text",
    "extra": "text",
}


def _value_types(kind: Kind) -> list[str]:
    return ["bool" if each.boolean else "float8" for each in QUANTITIES[kind]]


def _names(columns: Iterable[str], alias: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*((alias,) if alias else ()), name) for name in columns)


class _Statements:
    """The statements of one kind, from its definition."""

    def __init__(self, kind: Kind) -> None:
        names = NAMES[kind]
        table = sql.Identifier(*reading_table(kind).split("."))
        stage = sql.Identifier(f"staged_{kind}")
        common = {"table": table, "stage": stage, "values": _names(names)}
        self.copy = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT binary)").format(
            columns=_names(reading_columns(kind)), **common
        )
        self.copy_types = [_TYPES[name] for name in FIXED_COLUMNS] + _value_types(kind)
        self.make_stage = sql.SQL(_MAKE_STAGE).format(**common)
        self.empty_stage = sql.SQL("DELETE FROM {stage}").format(**common)
        self.copy_stage = sql.SQL("COPY {stage} FROM STDIN (FORMAT binary)").format(**common)
        self.stage_types = ["int4", *(_TYPES[name] for name in _STAGED), *_value_types(kind)]
        self.compare = sql.SQL(_COMPARE).format(
            stored=_names(names, "r"), staged=_names(names, "s"), **common
        )
        self.fetch = sql.SQL(_FETCH).format(stored=_names(names, "r"), **common)
        assignments = sql.SQL(", ").join(
            sql.SQL("{name} = s.{name}").format(name=sql.Identifier(name)) for name in names
        )
        self.update = sql.SQL(_UPDATE).format(assignments=assignments, **common)
        self.newest = sql.SQL(_NEWEST).format(**common)
        self.last_values = {
            each.name: sql.SQL(_LAST_VALUE).format(value=sql.Identifier(each.name), **common)
            for each in QUANTITIES[kind]
            if each.register
        }


_STAGED: Final = ("device_id", "time", "seq", "status", "quantity_status", "extra")
"""The columns of the temporary table between `position` and the quantities."""

_MAKE_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS AS
SELECT 0 AS position, device_id, time, seq, status, quantity_status::text, extra::text, {values}
FROM {table} WITH NO DATA
"""

# Each statement looks at one UTC day, named by constants, so that the planner sees its chunk alone: among a
# year of chunks every row would cost a millisecond more. LATERAL with LIMIT 1 makes it one look at the key.
_COMPARE = """
SELECT s.position, found.same
FROM {stage} s
CROSS JOIN LATERAL (
    SELECT (r.status, r.quantity_status::text, {stored})
        IS NOT DISTINCT FROM (s.status, s.quantity_status, {staged}) AS same
    FROM {table} r
    WHERE r.device_id = s.device_id AND r.time = s.time AND r.time >= %(low)s AND r.time < %(high)s
    LIMIT 1
) AS found
WHERE s.time >= %(low)s AND s.time < %(high)s
"""

_FETCH = """
SELECT found.*
FROM {stage} s
CROSS JOIN LATERAL (
    SELECT s.position, r.seq, r.status, r.quantity_status::text, r.extra::text, {stored}
    FROM {table} r
    WHERE r.device_id = s.device_id AND r.time = s.time AND r.time >= %(low)s AND r.time < %(high)s
    LIMIT 1
) AS found
WHERE s.time >= %(low)s AND s.time < %(high)s AND s.position = ANY (%(positions)s)
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


def reading_row(device_id: int, reading: Reading, received_at: datetime) -> ReadingRow:
    """The row of a reading."""
    _, time, seq, values, status, quantity_status, extra = reading
    return (device_id, time, received_at, seq, status, quantity_status, extra, *values)


async def copy_readings(connection: Connection, kind: Kind, rows: Iterable[ReadingRow]) -> None:
    """Store new readings of one kind. Raises UniqueViolation where one is stored already."""
    statements = _STATEMENTS[kind]
    async with connection.cursor() as cursor, cursor.copy(statements.copy) as copy:
        copy.set_types(statements.copy_types)
        for row in rows:
            await copy.write_row(row)


async def compare_readings(connection: Connection, kind: Kind, staged: Sequence[Staged]) -> Stored:
    """What is stored for the devices and times of these readings."""
    statements = _STATEMENTS[kind]
    await _stage(connection, statements, staged)
    same: list[int] = []
    different: dict[int, Reading] = {}
    for low in _days(each.reading.time for each in staged):
        day = {"low": low, "high": low + _DAY}
        found = await (await connection.execute(statements.compare, day)).fetchall()
        same += [position for position, is_same in found if is_same]
        others = [position for position, is_same in found if not is_same]
        if others:
            rows = await (await connection.execute(statements.fetch, {**day, "positions": others})).fetchall()
            different |= {position: _stored(staged[position], *row) for position, *row in rows}
    return Stored(frozenset(same), different)


def _stored(staged: Staged, *row: Any) -> Reading:
    """The stored reading of the staged one's device and time."""
    seq, status, quantity_status, extra, *values = row
    key = staged.reading
    return Reading(key.device, key.time, seq, tuple(values), status, quantity_status, extra)


async def update_readings(connection: Connection, kind: Kind, merged: Sequence[Staged]) -> None:
    """Write merged readings over the stored rows of their devices and times."""
    statements = _STATEMENTS[kind]
    await _stage(connection, statements, merged)
    for low in _days(each.reading.time for each in merged):
        await connection.execute(statements.update, {"low": low, "high": low + _DAY})


async def _stage(connection: Connection, statements: _Statements, staged: Sequence[Staged]) -> None:
    """Put readings into the session's temporary table, and nothing else."""
    await connection.execute(statements.make_stage)
    await connection.execute(statements.empty_stage)  # one transaction may stage twice
    async with connection.cursor() as cursor, cursor.copy(statements.copy_stage) as copy:
        copy.set_types(statements.stage_types)
        for position, (device_id, reading) in enumerate(staged):
            _, time, seq, values, status, quantity_status, extra = reading
            await copy.write_row((position, device_id, time, seq, status, quantity_status, extra, *values))


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
    for day in _days(before.values()):
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


def _days(times: Iterable[datetime]) -> list[datetime]:
    return sorted({_day(time) for time in times})


async def mark_dirty(
    connection: Connection, device_ids: npt.NDArray[np.int64], quarters: npt.NDArray[np.int64]
) -> None:
    """Note, for the ledger, the distinct pairs of device and quarter hour (number of 900 s since 1970)."""
    pairs = np.unique((device_ids << 32) | quarters)
    # As the value of a parameter, psycopg would write each of the thousands of numbers by itself.
    marked = fields_row(integer_array(pairs >> 32), integer_array(pairs & 0xFFFFFFFF))
    async with connection.cursor() as cursor, cursor.copy(_DIRTY) as copy:
        await copy.write(HEADER + marked + TRAILER)
