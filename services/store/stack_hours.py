"""Hours of judged stacks: what substitution looks back on, and which hours a change re-opens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import HOUR_US, SECOND_US, IntArray
from services.domain.substitution import REACH_US
from services.store.ledger_rows import Span
from services.store.pool import Connection

_REACH_H: Final = REACH_US // HOUR_US


class LookBack(NamedTuple):
    """The hours of one item that missing ones in a window may follow from. `always`: also where no valid hour
    comes after the window."""

    source_id: int
    device_id: int
    item: str
    begin: datetime
    end: datetime
    always: bool


class StoredHours(NamedTuple):
    """Hours of one item, ascending; NaN where not measured."""

    hour_us: IntArray
    ran_h: FloatArray
    measured: FloatArray


class Touched(NamedTuple):
    """What a write changes of what was measured of one stack of a source: the first and the last hour; and
    whether any of it is, or was, valid."""

    source_id: int
    device_id: int
    first: datetime
    last: datetime
    valid: bool


# From the last valid hour before the window, for the gap may begin there, as far back as any rule looks; up
# to the first valid hour after the window, which closes the gap.
_LOOK_BACK: Final = """
SELECT w.number, date_part('epoch', h.hour), h.ran_h, coalesce(h.measured, 'NaN')
FROM unnest(%(source_ids)b::integer[], %(device_ids)b::integer[], %(items)b::text[],
        %(begins)b::timestamptz[], %(ends)b::timestamptz[], %(always)b::boolean[])
    WITH ORDINALITY AS w (source_id, device_id, item, begins, ends, always, number)
LEFT JOIN LATERAL (
    SELECT o.hour FROM core.stack_hour o
    WHERE o.source_id = w.source_id AND o.device_id = w.device_id AND o.item = w.item AND o.hour < w.begins
        AND o.measured IS NOT NULL AND o.ran_h > 0
    ORDER BY o.hour DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT o.hour FROM core.stack_hour o
    WHERE o.source_id = w.source_id AND o.device_id = w.device_id AND o.item = w.item AND o.hour >= w.ends
        AND o.measured IS NOT NULL AND o.ran_h > 0
    ORDER BY o.hour LIMIT 1
) AS after ON true
CROSS JOIN LATERAL (
    SELECT o.hour, o.ran_h, o.measured FROM core.stack_hour o
    WHERE o.source_id = w.source_id AND o.device_id = w.device_id AND o.item = w.item
        AND o.hour >= coalesce(before.hour, w.begins) - make_interval(hours => %(reach_h)s)
        AND o.hour <= coalesce(after.hour, 'infinity'::timestamptz)
    OFFSET 0
) AS h
WHERE w.always OR after.hour IS NOT NULL
ORDER BY w.number, h.hour
"""

_TOUCHED: Final = """
SELECT source_id, device_id, min(hour), max(hour), bool_or(n.measured IS NOT NULL OR o.measured IS NOT NULL)
FROM unnest(%(source_ids)s::integer[], %(device_ids)s::integer[], %(items)s::text[], %(hours)s::timestamptz[],
        %(ran_h)s::float8[], %(measured)s::float8[])
    AS n (source_id, device_id, item, hour, ran_h, measured)
FULL JOIN (
    SELECT h.source_id, h.device_id, h.item, h.hour, h.ran_h, h.measured
    FROM core.stack_hour h
    JOIN unnest(%(ids)s::integer[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
        AS whole (id, begins, ends)
        ON h.source_id = whole.id AND h.hour >= whole.begins AND h.hour < whole.ends
    WHERE h.hour >= %(low)s AND h.hour < %(high)s
) AS o USING (source_id, device_id, item, hour)
WHERE (n.ran_h, n.measured) IS DISTINCT FROM (o.ran_h, o.measured)
GROUP BY source_id, device_id
"""

# A missing hour follows from hours before it as far as any rule looks back, and from the valid hours around
# its gap: what comes after a changed hour is re-opened, and the gap before it where it may have been closed
# or opened. Hours in a row are one stretch.
_REOPEN: Final = """
INSERT INTO core.dirty_range (device_id, from_time, to_time, reason)
SELECT device_id, min(hour), max(hour) + interval '1 hour' - interval '1 microsecond',
    coalesce(nullif(current_setting('carbonflow.reopened', true), ''), 'substitution')
FROM (
    SELECT t.device_id, t.source_id, h.hour, h.hour - row_number() OVER
        (PARTITION BY t.source_id, t.device_id ORDER BY h.hour) * interval '1 hour' AS island
    FROM unnest(%(source_ids)s::integer[], %(device_ids)s::integer[], %(firsts)s::timestamptz[],
            %(lasts)s::timestamptz[], %(valid)s::boolean[], %(begins)s::timestamptz[],
            %(ends)s::timestamptz[])
        AS t (source_id, device_id, first, last, valid, begins, ends)
    LEFT JOIN LATERAL (
        SELECT o.hour FROM core.stack_hour o
        WHERE o.source_id = t.source_id AND o.device_id = t.device_id AND o.item = 'co2_kg'
            AND o.hour < t.first AND o.measured IS NOT NULL AND o.ran_h > 0
        ORDER BY o.hour DESC LIMIT 1
    ) AS before ON true
    JOIN core.stack_hour h ON h.source_id = t.source_id AND h.device_id = t.device_id AND h.item = 'co2_kg'
        AND h.measured IS NULL
        AND h.hour >= CASE WHEN t.valid THEN coalesce(before.hour, '-infinity') ELSE t.first END
        AND h.hour <= t.last + make_interval(hours => %(reach_h)s)
        AND NOT (h.hour >= t.begins AND h.hour < t.ends)
) AS missing
GROUP BY device_id, source_id, island
"""


async def look_back(connection: Connection, wanted: Sequence[LookBack]) -> list[StoredHours]:
    """The hours of each item, in the order asked for. Raises psycopg.Error."""
    parameters = {
        "source_ids": [each.source_id for each in wanted],
        "device_ids": [each.device_id for each in wanted],
        "items": [each.item for each in wanted],
        "begins": [each.begin for each in wanted],
        "ends": [each.end for each in wanted],
        "always": [each.always for each in wanted],
        "reach_h": _REACH_H,
    }
    cursor = await connection.execute(_LOOK_BACK, parameters, binary=True)
    rows = np.array(await cursor.fetchall(), np.float64).reshape(-1, 4)
    number = rows[:, 0]
    begins = np.searchsorted(number, np.arange(1, len(wanted) + 2))
    return [
        StoredHours(
            np.rint(rows[first:last, 1]).astype(np.int64) * SECOND_US,
            rows[first:last, 2],
            rows[first:last, 3],
        )
        for first, last in pairwise(begins.tolist())
    ]


async def touched(
    connection: Connection, rows: Sequence[tuple[Any, ...]], spans: Collection[Span]
) -> list[Touched]:
    """What of the spans would change if `rows` were all there is in them: source and device id, item, hour,
    hours of running, measured value. To be asked before they are written."""
    columns = list(zip(*rows, strict=True)) or [()] * 6
    names = ("source_ids", "device_ids", "items", "hours", "ran_h", "measured")
    parameters: dict[str, Any] = {name: list(column) for name, column in zip(names, columns, strict=True)}
    parameters |= {
        "ids": [span.id for span in spans],
        "begins": [span.begin for span in spans],
        "ends": [span.end for span in spans],
        "low": min(span.begin for span in spans),
        "high": max(span.end for span in spans),
    }
    cursor = await connection.execute(_TOUCHED, parameters)
    return [Touched(*row) for row in await cursor.fetchall()]


async def reopen(connection: Connection, changes: Collection[Touched], spans: Collection[Span]) -> None:
    """Note the missing hours outside the spans that follow from what changed. Raises psycopg.Error."""
    window = {span.id: span for span in spans}
    parameters = {
        "source_ids": [each.source_id for each in changes],
        "device_ids": [each.device_id for each in changes],
        "firsts": [each.first for each in changes],
        "lasts": [each.last for each in changes],
        "valid": [each.valid for each in changes],
        "begins": [window[each.source_id].begin for each in changes],
        "ends": [window[each.source_id].end for each in changes],
        "reach_h": _REACH_H,
    }
    await connection.execute(_REOPEN, parameters)
