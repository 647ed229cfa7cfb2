"""Findings on the quality of readings: written with the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.domain.quality.rows import Finding
from services.domain.reading import DeviceKey
from services.store.ledger_rows import Span, Written
from services.store.pool import Connection

# There are few: what is stored is looked at here, not compared by the server.
_STORED: Final = """
SELECT f.device_id, f.kind, f.quantity, f.hour, f.begins, f.ends, f.continues, f.events, f.readings, f.low,
    f.high, f.bound
FROM unnest(%(ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS whole (id, begins, ends)
JOIN core.finding_hour f ON f.device_id = whole.id AND f.hour >= whole.begins AND f.hour < whole.ends
WHERE f.hour >= %(low)s AND f.hour < %(high)s
"""

_REMOVE: Final = """
DELETE FROM core.finding_hour f
USING unnest(%b::integer[], %b::text[], %b::smallint[], %b::timestamptz[], %b::timestamptz[])
    AS gone (device_id, kind, quantity, hour, begins)
WHERE (f.device_id, f.kind, f.quantity, f.hour, f.begins)
    = (gone.device_id, gone.kind, gone.quantity, gone.hour, gone.begins)
"""

_WRITE: Final = """
INSERT INTO core.finding_hour
    (device_id, kind, quantity, hour, begins, ends, continues, events, readings, low, high, bound)
SELECT * FROM unnest(%b::integer[], %b::text[], %b::smallint[], %b::timestamptz[], %b::timestamptz[],
    %b::timestamptz[], %b::boolean[], %b::integer[], %b::bigint[], %b::float8[], %b::float8[], %b::float8[])
ON CONFLICT (device_id, kind, quantity, hour, begins) DO UPDATE SET ends = excluded.ends,
    continues = excluded.continues, events = excluded.events, readings = excluded.readings,
    low = excluded.low, high = excluded.high, bound = excluded.bound
"""


class _Key(NamedTuple):
    device_id: int
    kind: str
    quantity: int
    hour: datetime
    begins: datetime


_Rows = dict[_Key, tuple[Any, ...]]


async def write_findings(
    connection: Connection, found: Iterable[Finding], ids: Mapping[DeviceKey, int], spans: Collection[Span]
) -> Written:
    """Make `found` the findings of the spans; one that is there already keeps the time it was found at.

    Raises KeyError for a device without an id, psycopg.Error.
    """
    if not spans:
        return Written(0, 0)
    rows: _Rows = {
        _Key(ids[each.device], str(each.kind), each.quantity, each.hour, each.begin): tuple(each[5:])
        for each in found
    }
    stored = await _stored(connection, spans)
    gone = [key for key in stored if key not in rows]
    if gone:
        await connection.execute(_REMOVE, _columns(gone))
    changed = [(*key, *values) for key, values in rows.items() if stored.get(key) != values]
    if changed:
        await connection.execute(_WRITE, _columns(changed))
    return Written(len(changed), len(gone))


async def _stored(connection: Connection, spans: Collection[Span]) -> _Rows:
    parameters = {
        "ids": [span.id for span in spans],
        "begins": [span.begin for span in spans],
        "ends": [span.end for span in spans],
        # Around all spans: these let the planner leave out chunks.
        "low": min(span.begin for span in spans),
        "high": max(span.end for span in spans),
    }
    cursor = await connection.execute(_STORED, parameters, binary=True)
    return {_Key(*row[:5]): tuple(row[5:]) for row in await cursor.fetchall()}


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
