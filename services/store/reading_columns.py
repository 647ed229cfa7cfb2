"""Readings of one kind by columns: as many go into their hypertable, and through the formulas, at once."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from psycopg import sql

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import IntArray, from_us
from services.domain.quantities import NAMES, QUANTITIES, Kind
from services.domain.reading import Measured, Values
from services.store.binary_copy import HEADER, TRAILER, Column, encode, floats, instants, integers, text
from services.store.pool import Connection
from services.store.schema import FIXED_COLUMNS, reading_columns, reading_table

# In binary COPY a json column takes the bytes of its text.
_FIXED_TYPES: Final = MappingProxyType(
    {
        "device_id": "int4",
        "time": "timestamptz",
        "received_at": "timestamptz",
        "seq": "int8",
        "status": "int2",
        "quantity_status": "text",
        "extra": "text",
    }
)


class ReadingColumns(NamedTuple):
    """Readings of one kind: parallel columns, a row for each."""

    kind: Kind
    device_ids: IntArray
    times_us: IntArray
    """Device time, microseconds since 1970."""
    received_us: IntArray
    """When it was received, microseconds since 1970."""
    readings: Sequence[Measured]
    statuses: IntArray
    has_words: bool
    """Whether any has a status by quantity, or fields that the contract does not know."""
    values: FloatArray
    """By row and quantity of the kind, NaN where not measured; a last column is NaN."""


def columns_of(
    kind: Kind, device_ids: IntArray, times_us: IntArray, received_us: IntArray, readings: Sequence[Measured]
) -> ReadingColumns:
    """The columns of one or more readings; their times are given, as they are known already."""
    quantity_statuses = [each.quantity_status for each in readings]
    extras = [each.extra for each in readings]
    return ReadingColumns(
        kind,
        device_ids,
        times_us,
        received_us,
        readings,
        np.fromiter([each.status for each in readings], np.int64, len(readings)),
        quantity_statuses.count(None) + extras.count(None) < 2 * len(readings),
        _matrix([each.values for each in readings], len(NAMES[kind])),
    )


def _matrix(rows: Sequence[Values], quantities: int) -> FloatArray:
    matrix = np.full((len(rows), quantities + 1), np.nan, order="F")
    for number, column in enumerate(zip(*rows, strict=True)):
        try:
            matrix[:, number] = np.fromiter(column, np.float64, len(rows))  # the quickest, and takes no None
        except TypeError:
            if column.count(None) < len(rows):
                matrix[:, number] = np.array(column, np.float64)
    return matrix


def _copy(kind: Kind) -> sql.Composed:
    """COPY into the hypertable of a kind."""
    columns = sql.SQL(", ").join(map(sql.Identifier, reading_columns(kind)))
    table = sql.Identifier(*reading_table(kind).split("."))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, columns)


_COPY: Final = MappingProxyType({kind: _copy(kind) for kind in Kind})


def _types(kind: Kind) -> list[str]:
    """The types of a row's columns, as COPY wants them named."""
    return [_FIXED_TYPES[name] for name in FIXED_COLUMNS] + [
        "bool" if each.boolean else "float8" for each in QUANTITIES[kind]
    ]


async def copy_readings(connection: Connection, columns: ReadingColumns) -> None:
    """Store new readings. Raises UniqueViolation where one is stored already."""
    await copy_columns(connection, _COPY[columns.kind], columns)


async def copy_columns(
    connection: Connection, statement: sql.Composed, columns: ReadingColumns, *, numbered: bool = False
) -> None:
    """Copy rows in the order of `schema.reading_columns`, before which each has its number where told so.

    Those with words of their own (statuses by quantity, unknown fields) go one by one: their length varies.
    """
    plain: list[int] | None = None
    if columns.has_words:
        worded = [each.quantity_status is not None or each.extra is not None for each in columns.readings]
        plain = [row for row, has in enumerate(worded) if not has]
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([*(["int4"] if numbered else []), *_types(columns.kind)])
            for row, has in enumerate(worded):
                if has:
                    await copy.write_row([*([row] if numbered else []), *_row(columns, row)])
    if plain != []:
        numbers = np.arange(len(columns.readings)) if plain is None else np.array(plain)
        data = encode([*([integers(numbers, 4)] if numbered else []), *_columns(columns, plain)])
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            await copy.write(HEADER + data + TRAILER)


def _row(columns: ReadingColumns, row: int) -> tuple[Any, ...]:
    """One row, in the order of `schema.reading_columns`."""
    reading = columns.readings[row]
    return (
        int(columns.device_ids[row]),
        reading.time,
        from_us(int(columns.received_us[row])),
        reading.seq,
        reading.status,
        reading.quantity_status,
        reading.extra,
        *reading.values,
    )


def _columns(columns: ReadingColumns, chosen: list[int] | None) -> list[Column]:
    """The columns in the order of `schema.reading_columns`, of the chosen rows; None: of all."""
    readings, rows = columns.readings, slice(None) if chosen is None else np.array(chosen, np.int64)
    if chosen is not None:
        readings = [readings[row] for row in chosen]
    no_words = text(None, len(readings))
    values = columns.values[rows]
    return [
        integers(columns.device_ids[rows], 4),
        instants(columns.times_us[rows]),
        instants(columns.received_us[rows]),
        _seqs([reading.seq for reading in readings]),
        integers(columns.statuses[rows], 2),
        no_words,
        no_words,
        *(
            _booleans(values[:, number]) if each.boolean else floats(values[:, number])
            for number, each in enumerate(QUANTITIES[columns.kind])
        ),
    ]


def _seqs(seqs: Sequence[int | None]) -> Column:
    try:
        return integers(np.fromiter(seqs, np.int64, len(seqs)), 8)
    except TypeError:
        known = np.array([each is not None for each in seqs])
        return Column(integers([each or 0 for each in seqs], 8).data, known)


def _booleans(values: FloatArray) -> Column:
    return Column(integers(values == 1, 1).data, ~np.isnan(values))
