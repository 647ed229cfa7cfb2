"""What the ledger writes: rows that changed, and away with those that no longer follow from anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np
from psycopg import sql

from services.domain.conversion import SourceKey
from services.domain.ledger.device_hour_columns import DeviceHours
from services.domain.ledger.lineages import Read
from services.domain.ledger.rows import EmissionHour, EnergyHour, StackHour
from services.domain.reading import DeviceKey
from services.store import packed_arrays
from services.store.pool import Connection


class Span(NamedTuple):
    """The time of a device or source of which all rows are given: `begin` is in it, `end` is not."""

    id: int
    begin: datetime
    end: datetime


class Written(NamedTuple):
    """How many rows were added or changed, and how many removed."""

    changed: int
    removed: int


# A row that is there already as it should be is left alone: it keeps its time of computation and costs no
# write. LATERAL with LIMIT 1 holds the planner to a look at the key for each row.
_WRITE: Final = """
INSERT INTO {table} AS h ({columns})
SELECT n.*
FROM unnest({arrays}) AS n ({columns})
LEFT JOIN LATERAL (
    SELECT ({stored}) IS NOT DISTINCT FROM ({new}) AS same
    FROM {table} o
    WHERE ({stored_key}) = ({new_key})
    LIMIT 1
) AS found ON true
WHERE found.same IS NOT TRUE
ON CONFLICT ({key}) DO UPDATE SET {assignments}
"""

# There may be no other who writes rows of these spans: then a row that is there already is an error.
_ADD: Final = """
INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) AS n ({columns})
"""

_HOLDS_ANY: Final = """
SELECT EXISTS (
    SELECT FROM unnest(%(ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
        AS whole (id, begins, ends)
    CROSS JOIN LATERAL (
        SELECT FROM {table} h
        WHERE h.{id} = whole.id AND h.hour >= whole.begins AND h.hour < whole.ends
            AND h.hour >= %(low)s AND h.hour < %(high)s
        LIMIT 1
    ) AS found
)
"""

_REMOVE: Final = """
DELETE FROM {table} h
USING unnest(%(ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS whole (id, begins, ends)
WHERE h.{id} = whole.id AND h.hour >= whole.begins AND h.hour < whole.ends
    AND h.hour >= %(low)s AND h.hour < %(high)s
    AND ({old_key}) NOT IN (SELECT * FROM unnest({key_arrays}))
"""

# What the row said before, and its number, is the trigger's business (migration `revisions`).
_RESTATED: Final = "computed_at = now()"

_LAST_RECEIVED: Final = """
UPDATE core.device d
SET last_received_at = heard.at
FROM unnest(%b::integer[], %b::timestamptz[]) AS heard (device_id, at)
WHERE d.device_id = heard.device_id AND (d.last_received_at IS NULL OR d.last_received_at < heard.at)
"""


def _floats(values: Sequence[float | None]) -> packed_arrays.PackedArray:
    return packed_arrays.floats(np.array(values, np.float64))  # None becomes NaN


def _booleans(values: Sequence[bool]) -> packed_arrays.PackedArray:
    return packed_arrays.booleans(np.array(values, np.bool_))


_PACK: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = MappingProxyType(
    {"float8": _floats, "boolean": _booleans, "text": packed_arrays.texts}
)
"""By type; columns of others are few, or their values are of all sorts."""


class _Table:
    """The statements of one table of the ledger; `key` are its first columns, of which the first is the
    id."""

    def __init__(
        self,
        name: str,
        key: Mapping[str, str],
        values: Mapping[str, str],
        besides: LiteralString | None = None,
        traced: Mapping[str, str] | None = None,
        noted: Mapping[str, str] | None = None,
    ) -> None:
        """`traced` columns follow the values and are compared with them, but are no figures; `noted` ones say
        by what a row was written and are no reason to write it."""
        compared = {**values, **(traced or {})}

        def names(columns: Collection[str], alias: str | None = None) -> sql.Composed:
            parts = [sql.Identifier(*((alias, each) if alias else (each,))) for each in columns]
            return sql.SQL(", ").join(parts)

        columns = {**key, **compared, **(noted or {})}
        assignments: list[sql.Composable] = [
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(each)) for each in columns if each not in key
        ]
        if besides is not None:
            assignments.append(sql.SQL(besides))
        table = sql.Identifier("core", name)
        arrays = sql.SQL(", ").join(sql.SQL("%b::" + each + "[]") for each in columns.values())
        self.types: Final = tuple(columns.values())
        self.key_width: Final = len(key)
        self.write: Final = sql.SQL(_WRITE).format(
            table=table,
            columns=names(columns),
            arrays=arrays,
            stored=names(compared, "o"),
            new=names(compared, "n"),
            stored_key=names(key, "o"),
            new_key=names(key, "n"),
            key=names(key),
            assignments=sql.SQL(", ").join(assignments),
        )
        self.add: Final = sql.SQL(_ADD).format(table=table, columns=names(columns), arrays=arrays)
        self.holds_any: Final = sql.SQL(_HOLDS_ANY).format(table=table, id=sql.Identifier(next(iter(key))))
        self.remove: Final = sql.SQL(_REMOVE).format(
            table=table,
            id=sql.Identifier(next(iter(key))),
            old_key=names(key, "h"),
            key_arrays=sql.SQL(", ").join(
                sql.SQL(f"%(key_{index})b::{each}[]") for index, each in enumerate(key.values())
            ),
        )


_DEVICE_HOUR: Final = _Table(
    "device_hour",
    {"device_id": "integer", "hour": "timestamptz", "quantity": "smallint"},
    {
        "readings": "integer",
        "min": "float8",
        "max": "float8",
        "mean": "float8",
        "first": "float8",
        "last": "float8",
        "consumption": "float8",
        "coverage": "float8",
        "estimated": "boolean",
    },
)

_ENERGY_HOUR: Final = _Table(
    "energy_hour",
    {"device_id": "integer", "hour": "timestamptz"},
    {
        "area": "text",
        "carrier": "text",
        "amount": "float8",
        "unit": "text",
        "energy_kwh": "float8",
        "in_total": "boolean",
        "coverage": "float8",
        "estimated": "boolean",
    },
)

_EMISSION_HOUR: Final = _Table(
    "emission_hour",
    {"source_id": "integer", "basis": "text", "hour": "timestamptz"},
    {
        "area": "text",
        "activity": "float8",
        "activity_unit": "text",
        "co2_kg": "float8",
        "ch4_kg": "float8",
        "n2o_kg": "float8",
        "co2e_kg": "float8",
        "biogenic_co2_kg": "float8",
        "gwp_set": "text",
        "factor": "text",
        "factor_provisional": "boolean",
        "in_total": "boolean",
        "uncertainty_pct": "float8",
        "coverage": "float8",
        "estimated": "boolean",
        "missing_reason": "text",
        "activity_uncertainty_pct": "float8",
        "factor_uncertainty_pct": "float8",
    },
    _RESTATED,
    traced={
        "parts": "jsonb",
        "recipe": "uuid",
        "read_from": "timestamptz",
        "read_to": "timestamptz",
        "readings": "integer",
    },
    noted={"calculation_id": "integer"},
)


_STACK_HOUR: Final = _Table(
    "stack_hour",
    {"source_id": "integer", "device_id": "integer", "item": "text", "hour": "timestamptz"},
    {
        "ran_h": "float8",
        "measured": "float8",
        "substituted": "float8",
        "method": "text",
        "reason": "text",
        "availability_pct": "float8",
        "gap_h": "integer",
        "reporting_value": "float8",
        "reporting_unit": "text",
    },
)


async def write_device_hours(
    connection: Connection, rows: DeviceHours, ids: Mapping[DeviceKey, int], spans: Collection[Span]
) -> Written:
    """Make `rows` the device-hours of the spans.

    Raises KeyError for a device without an id, psycopg.Error.
    """
    device_ids = np.array([ids[device] for device in rows.devices], np.int64)
    device, hour_us, quantity, readings, *values, estimated = rows.columns
    columns = [
        packed_arrays.integers(device_ids[device]),
        packed_arrays.instants(hour_us),
        packed_arrays.smallints(quantity),
        packed_arrays.integers(readings),
        *map(packed_arrays.floats, values),
        packed_arrays.booleans(estimated),
    ]
    return await _write_columns(connection, _DEVICE_HOUR, columns, spans)


async def write_energy_hours(
    connection: Connection, rows: Sequence[EnergyHour], ids: Mapping[DeviceKey, int], spans: Collection[Span]
) -> Written:
    """Make `rows` the energy view's hours of the spans. Raises as `write_device_hours`."""
    return await _write(connection, _ENERGY_HOUR, [(ids[row.device], *row[1:]) for row in rows], spans)


async def write_emission_hours(
    connection: Connection,
    rows: Sequence[EmissionHour],
    ids: Mapping[SourceKey, int],
    spans: Collection[Span],
    lineages: Sequence[Read],
    calculation_id: int,
) -> Written:
    """Make `rows`, each with its lineage, the emissions of the spans; a changed hour that was final gets a
    new revision.

    Raises KeyError for a source without an id, psycopg.Error.
    """
    values = [
        (ids[SourceKey(*row.source[:2])], row.source.basis, *row[1:], *lineage, calculation_id)
        for row, lineage in zip(rows, lineages, strict=True)
    ]
    return await _write(connection, _EMISSION_HOUR, values, spans)


async def write_stack_hours(
    connection: Connection,
    rows: Sequence[StackHour],
    sources: Mapping[SourceKey, int],
    devices: Mapping[DeviceKey, int],
    spans: Collection[Span],
) -> Written:
    """Make `rows` the stack-hours of the sources' spans. Raises as `write_emission_hours`."""
    values = [
        (sources[row.source], devices[row.device], row.item, row.hour, *row[_STACK_HOUR.key_width :])
        for row in rows
    ]
    return await _write(connection, _STACK_HOUR, values, spans)


async def note_received(connection: Connection, received_at: Mapping[int, datetime]) -> None:
    """When a reading of each device, by id, last arrived; what is older than noted changes nothing."""
    await connection.execute(_LAST_RECEIVED, [list(received_at), list(received_at.values())])


async def _write(
    connection: Connection, table: _Table, rows: Sequence[tuple[Any, ...]], spans: Collection[Span]
) -> Written:
    values = list(zip(*rows, strict=True)) or [()] * len(table.types)
    columns = [_PACK.get(each, list)(column) for each, column in zip(table.types, values, strict=True)]
    return await _write_columns(connection, table, columns, spans)


async def _write_columns(
    connection: Connection, table: _Table, columns: Sequence[Any], spans: Collection[Span]
) -> Written:
    """Make the rows of `columns` (each a list, or packed) those of the spans."""
    if not spans:
        return Written(0, 0)
    whole = {
        "ids": [span.id for span in spans],
        "begins": [span.begin for span in spans],
        "ends": [span.end for span in spans],
        # Around all spans: these let the planner leave out chunks.
        "low": min(span.begin for span in spans),
        "high": max(span.end for span in spans),
    }
    async with packed_arrays.cursor_of(connection) as cursor:
        await cursor.execute(table.holds_any, whole)
        if await cursor.fetchone() == (False,):
            # Nothing to compare with, as of hours that are computed for the first time.
            return Written((await cursor.execute(table.add, columns)).rowcount, 0)
        keys = {f"key_{index}": columns[index] for index in range(table.key_width)}
        removed = (await cursor.execute(table.remove, {**whole, **keys})).rowcount
        return Written((await cursor.execute(table.write, columns)).rowcount, removed)
