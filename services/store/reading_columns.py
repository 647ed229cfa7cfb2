"""Readings of one kind by columns: as many go into their hypertable, and through the formulas, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from psycopg import sql

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import IntArray, from_us
from services.domain.quantities import NAMES, QUANTITIES, Kind
from services.domain.reading import Measured
from services.store.binary_copy import HEADER, TRAILER, Column, encode, floats, instants, integers, text
from services.store.pool import Connection
from services.store.schema import FIXED_COLUMNS, reading_columns, reading_table
from services.store.unboxed import matrix

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
    seqs: Sequence[int | None]
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
        [each.seq for each in readings],
        np.fromiter([each.status for each in readings], np.int64, len(readings)),
        quantity_statuses.count(None) + extras.count(None) < 2 * len(readings),
        matrix([each.values for each in readings], len(NAMES[kind])),
    )


def _copy(kind: Kind) -> bytes:
    """COPY into the hypertable of a kind, ready to send."""
    columns = sql.SQL(", ").join(map(sql.Identifier, reading_columns(kind)))
    table = sql.Identifier(*reading_table(kind).split("."))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, columns).as_bytes(None)


_COPY: Final = MappingProxyType({kind: _copy(kind) for kind in Kind})


def _types(kind: Kind) -> list[str]:
    """The types of a row's columns, as COPY wants them named."""
    return [_FIXED_TYPES[name] for name in FIXED_COLUMNS] + [
        "bool" if each.boolean else "float8" for each in QUANTITIES[kind]
    ]


Meanwhile: TypeAlias = Callable[[ReadingColumns], None]


async def copy_readings(
    connection: Connection, pieces: Iterable[ReadingColumns], meanwhile: Meanwhile | None = None
) -> ReadingColumns | None:
    """Store new readings of one kind, piece by piece: while one is made the server takes those before.

    `meanwhile` gets them as one while the server takes the last. Returns them as one; None where there are
    none. Raises UniqueViolation where one is stored already.
    """
    first = next(iterator := iter(pieces), None)
    if first is None:
        return None
    return await copy_columns(connection, _COPY[first.kind], chain([first], iterator), meanwhile=meanwhile)


async def copy_columns(
    connection: Connection,
    statement: bytes,
    pieces: Iterable[ReadingColumns],
    *,
    numbered: bool = False,
    meanwhile: Meanwhile | None = None,
) -> ReadingColumns:
    """Copy rows in the order of `schema.reading_columns`, before which each has its number where told so.

    Those with words of their own (statuses by quantity, unknown fields) go one by one: their length varies.
    """
    copied: list[ReadingColumns] = []
    number = 0
    worded: list[tuple[Any, ...]] = []
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(HEADER)
        for piece in pieces:
            plain, others = _by_words(piece)
            lead = [integers(number + plain, 4)] if numbered else []
            if len(plain):
                await copy.write(encode([*lead, *_columns(piece, plain)]))
            worded += [(*([number + row] if numbered else ()), *_row(piece, row)) for row in others]
            copied.append(piece)
            number += len(piece.readings)
        await copy.write(TRAILER)
        all_copied = joined(copied)
        if meanwhile is not None:
            meanwhile(all_copied)
    if worded:
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([*(["int4"] if numbered else []), *_types(copied[0].kind)])
            for row in worded:
                await copy.write_row(row)
    return all_copied


def _by_words(piece: ReadingColumns) -> tuple[IntArray, list[int]]:
    """The rows without words of their own, and those with."""
    if not piece.has_words:
        return np.arange(len(piece.readings)), []
    worded = [each.quantity_status is not None or each.extra is not None for each in piece.readings]
    return np.flatnonzero(~np.array(worded)), [row for row, has in enumerate(worded) if has]


def joined(pieces: Sequence[ReadingColumns]) -> ReadingColumns:
    """Pieces of one kind, at least one, as one."""
    if len(pieces) == 1:
        return pieces[0]
    return ReadingColumns(
        pieces[0].kind,
        np.concatenate([each.device_ids for each in pieces]),
        np.concatenate([each.times_us for each in pieces]),
        np.concatenate([each.received_us for each in pieces]),
        list(chain.from_iterable(each.readings for each in pieces)),
        list(chain.from_iterable(each.seqs for each in pieces)),
        np.concatenate([each.statuses for each in pieces]),
        any(each.has_words for each in pieces),
        np.concatenate([each.values for each in pieces]),
    )


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


def _columns(columns: ReadingColumns, rows: IntArray) -> list[Column]:
    """The columns in the order of `schema.reading_columns`, of some rows, none of which has words."""
    seqs = columns.seqs
    no_words = text(None, len(rows))
    values = columns.values[rows]
    return [
        integers(columns.device_ids[rows], 4),
        instants(columns.times_us[rows]),
        instants(columns.received_us[rows]),
        _seqs([seqs[row] for row in rows.tolist()]),
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
