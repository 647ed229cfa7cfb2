"""Readings as columns, in the order in which the server finds them: what the ledger computes from.

Rows of Python's own numbers are dear: 3 us each for client and server. Here the server strings the binary
form of each column together (`string_agg` of what its `send` functions give: the network order of bytes), and
an answer is one row of a few long byte strings that numpy reads as they are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np
from psycopg import sql

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import IntArray
from services.domain.quantities import NAMES, QUANTITIES, Kind, Quantity
from services.store.binary_copy import EPOCH_US
from services.store.ledger_readings import Stretch, bounds, columns
from services.store.pool import Connection
from services.store.schema import reading_table

_MANY_DEVICES: Final = 100
_RAGGED: Final = 1.25
"""Where many devices are read over the same time, the planner may go through that time instead of looking
at the key for each: their rows lie in the order in which they came. No more than this is read in vain."""


class RawReadings(NamedTuple):
    """Stored readings of one kind as columns, in any order. Times in microseconds since 1970, NaN where not
    sent."""

    device_id: IntArray
    time: IntArray
    received_at: IntArray
    status: IntArray
    quantity_status: Mapping[int, str]
    """By index of the reading, of the few that have one."""
    seq: FloatArray
    """NaN where not sent; numbers above 2^53 are not exact."""
    values: Mapping[str, FloatArray]
    """Of the quantities that any of the readings has; of others none has a value."""


class Sent:
    """The quantities that readings of each kind had lately. Others are counted only, and read where there are
    any: to read a column costs the server as much as to find the row."""

    def __init__(self) -> None:
        self._names: Final[dict[Kind, frozenset[str]]] = {}

    def of(self, kind: Kind) -> tuple[str, ...]:
        """In the kind's order; all before anything was read."""
        return tuple(name for name in NAMES[kind] if name in self._names.get(kind, NAMES[kind]))

    def note(self, kind: Kind, names: Collection[str]) -> None:
        """Readings had these."""
        self._names[kind] = self._names.get(kind, frozenset()).union(names)


# OFFSET 0 holds the planner to a look at the key for each stretch, in its own chunks alone.
_BY_STRETCH: Final[LiteralString] = """
FROM unnest(%(device_ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS wanted (device_id, begins, ends)
CROSS JOIN LATERAL (
    SELECT * FROM {table} r
    WHERE r.device_id = wanted.device_id AND r.time >= wanted.begins AND r.time < wanted.ends
        AND r.time >= %(low)s AND r.time < %(high)s
    OFFSET 0
) AS r
"""

_BY_TIME: Final[LiteralString] = """
FROM (SELECT DISTINCT unnest(%(device_ids)b::integer[]) AS device_id) AS wanted
JOIN {table} r USING (device_id)
WHERE r.time >= %(low)s AND r.time < %(high)s
"""

# Statuses that count are the rule: of others alone is told whose they are.
_COLUMNS: Final[LiteralString] = """
SELECT {others},
    string_agg(int4send(r.device_id), ''),
    string_agg(timestamptz_send(r.time), ''),
    string_agg(timestamptz_send(r.received_at), ''),
    string_agg(float8send(coalesce(r.seq::float8, 'NaN')), ''),
    string_agg(int4send(r.device_id) || timestamptz_send(r.time) || int2send(r.status), '')
        FILTER (WHERE r.status <> 0),
    json_agg(ARRAY[
        r.device_id::text, (date_part('epoch', r.time) * 1e6)::bigint::text, r.quantity_status::text
    ]) FILTER (WHERE r.quantity_status IS NOT NULL)::text{values}
"""

_STATUS: Final = np.dtype([("device_id", ">i4"), ("time", ">i8"), ("status", ">i2")])


def _statement(kind: Kind, names: Sequence[str], source: LiteralString) -> sql.Composed:
    """The statement that reads the quantities `names`, and counts the readings that have any other."""
    table = sql.Identifier(*reading_table(kind).split("."))
    read = [sql.SQL(", string_agg(float8send(coalesce({}, 'NaN')), '')").format(_value(each))
            for each in QUANTITIES[kind] if each.name in names]  # fmt: skip
    others = [_value(each) for each in QUANTITIES[kind] if each.name not in names]
    counted = sql.SQL("count(coalesce({}))").format(sql.SQL(", ").join(others)) if others else sql.SQL("0")
    return sql.SQL(_COLUMNS + source).format(table=table, others=counted, values=sql.SQL("").join(read))


def _value(quantity: Quantity) -> sql.Composed:
    template = "r.{}::integer::float8" if quantity.boolean else "r.{}"
    return sql.SQL(template).format(sql.Identifier(quantity.name))


async def read_readings(
    connection: Connection, kind: Kind, stretches: Collection[Stretch], sent: Sent
) -> RawReadings:
    """All readings of the stretches, which must not overlap within a device, and maybe some beside them.

    Raises psycopg.Error.
    """
    if not stretches:
        return _raw((), (None,) * 6)
    names = sent.of(kind)
    beyond, *row = await _fetch(connection, kind, names, stretches)
    if beyond:
        names = NAMES[kind]
        _, *row = await _fetch(connection, kind, names, stretches)
    raw = _raw(names, row)
    sent.note(kind, raw.values)
    return raw


async def _fetch(
    connection: Connection, kind: Kind, names: Sequence[str], stretches: Collection[Stretch]
) -> tuple[Any, ...]:
    statement = _statement(kind, names, _BY_TIME if _alike(stretches) else _BY_STRETCH)
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, {**columns(stretches), **bounds(stretches)})
        row = await cursor.fetchone()
    assert row is not None, "aggregates always give a row"
    return row


def _alike(stretches: Collection[Stretch]) -> bool:
    """Whether there are many, and nearly all of the same time."""
    if len(stretches) < _MANY_DEVICES:
        return False
    low, high = bounds(stretches).values()
    devices = len({each.device_id for each in stretches})
    wanted_s = sum((each.end - each.begin).total_seconds() for each in stretches)
    return devices * (high - low).total_seconds() <= _RAGGED * wanted_s


def _raw(names: Sequence[str], row: Sequence[Any]) -> RawReadings:
    device_id, time, received_at, seq, status, words, *values = row
    device_ids, times = _integers(device_id, 4), _instants(time)
    read = {name: _floats(each) for name, each in zip(names, values, strict=True)}
    return RawReadings(
        device_ids,
        times,
        _instants(received_at),
        _statuses(device_ids, times, status),
        _words(device_ids, times, words),
        _floats(seq),
        {name: each for name, each in read.items() if not np.isnan(each).all()},
    )


def _integers(data: bytes | None, size: int) -> IntArray:
    return np.frombuffer(data or b"", f">i{size}").astype(np.int64)


def _instants(data: bytes | None) -> IntArray:
    return _integers(data, 8) + EPOCH_US


def _floats(data: bytes | None) -> FloatArray:
    return np.frombuffer(data or b"", ">f8").astype(np.float64)


def _statuses(device_id: IntArray, time: IntArray, others: bytes | None) -> IntArray:
    """The statuses of all readings, from those that are not 0."""
    status = np.zeros(len(time), np.int64)
    if others:
        found = np.frombuffer(others, _STATUS)
        times = found["time"].astype(np.int64) + EPOCH_US
        status[_places(device_id, time, found["device_id"].astype(np.int64), times)] = found["status"]
    return status


def _words(device_id: IntArray, time: IntArray, others: str | None) -> Mapping[int, str]:
    if not others:
        return MappingProxyType({})
    devices, times, words = zip(*json.loads(others), strict=True)
    places = _places(device_id, time, np.array(devices, np.int64), np.array(times, np.int64))
    return dict(zip(places.tolist(), words, strict=True))


def _places(device_id: IntArray, time: IntArray, of_device: IntArray, of_time: IntArray) -> IntArray:
    """Where the readings are that have these devices and times; each is among them, once."""
    among = np.flatnonzero(np.isin(device_id, np.unique(of_device)))
    devices = np.concatenate([of_device, device_id[among]])
    # What is looked for sorts right before the reading itself.
    order = np.lexsort((np.concatenate([of_time, time[among]]), devices))
    wanted = np.flatnonzero(order < len(of_device))
    result = np.empty(len(of_device), np.int64)
    result[order[wanted]] = among[order[wanted + 1] - len(of_device)]
    return result
