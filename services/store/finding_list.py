"""Findings as they are told: the newest first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.rows import class_row
from pydantic import Field

from services.domain.quality.rows import FindingKind
from services.store.board_rows import Number, Row
from services.store.pool import Connection

OF_NOW: Final = ("stale", "negative_remainder", "routes_disagree")
"""Findings that are views over what is stored now, beside those that are stored with the ledger."""
NAMES: Final = (*(str(each) for each in FindingKind), *OF_NOW)
"""Every kind of finding."""

# What began before may go on: its first rows are found from those that continue it, by the key.
_HEADS: Final = """
SELECT DISTINCT head.begins
FROM (
    SELECT DISTINCT device_id, kind, quantity FROM core.finding_hour
    WHERE hour >= %(hour)s AND hour < %(hour)s + interval '2 hours'
) AS open
CROSS JOIN LATERAL (
    SELECT h.begins FROM core.finding_hour h
    WHERE h.device_id = open.device_id AND h.kind = open.kind AND h.quantity = open.quantity
        AND NOT h.continues AND h.hour <= %(hour)s + interval '1 hour'
    ORDER BY h.hour DESC, h.begins DESC LIMIT 1
) AS head
"""

_FINDINGS: Final = """
SELECT site, device, kind, finding, severity, quantity, unit, from_time, to_time, events, readings, low,
    high, bound, detail, advice, found_at
FROM api.findings
WHERE (from_time >= %(since)s OR from_time = ANY (%(heads)s) OR finding = ANY (%(of_now)s))
    AND (to_time >= %(since)s OR to_time IS NULL)
    AND (%(site)s::text IS NULL OR site = %(site)s)
    AND (%(finding)s::text IS NULL OR finding = %(finding)s)
    AND (%(with_now)s OR finding <> ALL (%(of_now)s))
ORDER BY from_time DESC NULLS LAST, site, kind, device, finding, quantity
LIMIT %(limit)s
"""


_COUNTS: Final = """
SELECT kind, count(DISTINCT (device_id, quantity))
FROM core.finding_hour
WHERE hour >= %s
GROUP BY kind
"""


class FindingRow(Row):
    site: str
    device: str
    kind: str
    finding: str = Field(description="what was found: gap, stuck, register_back, ...")
    severity: str = Field(description="`warning` where numbers are likely wrong or missing, else `notice`")
    quantity: str | None = Field(description="null where it is the device's as a whole")
    unit: str | None = Field(description="of low, high and bound")
    from_time: datetime | None = Field(description="device time; null where nothing ever came")
    to_time: datetime | None = Field(description="device time; null while nothing has come")
    events: int = Field(description="how many it tells as one")
    readings: int | None = Field(description="how many show it, or are missing")
    low: Number
    high: Number
    bound: Number = Field(description="what it is held against")
    detail: str = Field(description="the evidence in a sentence")
    advice: str = Field(description="what to do")
    found_at: datetime | None


async def list_findings(
    connection: Connection,
    since: datetime,
    limit: int,
    *,
    site: str | None = None,
    finding: str | None = None,
    with_now: bool = True,
) -> list[FindingRow]:
    """Findings that any reading since an instant shows, the newest first; `with_now`: and those of now.

    Raises psycopg.Error.
    """
    hour = since.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    cursor = await connection.execute(_HEADS, {"hour": hour})
    parameters: dict[str, Any] = {
        "since": since,
        "heads": [begins for (begins,) in await cursor.fetchall()],
        "site": site,
        "finding": finding,
        "of_now": list(OF_NOW),
        "with_now": with_now,
        "limit": limit,
    }
    async with connection.cursor(row_factory=class_row(FindingRow)) as rows:
        await rows.execute(_FINDINGS, parameters)
        return await rows.fetchall()


async def count_findings(connection: Connection, since: datetime) -> dict[str, int]:
    """In how many quantities of devices there is each kind of stored finding in the hours that begin since an
    instant. Raises psycopg.Error."""
    cursor = await connection.execute(_COUNTS, [since])
    return dict(await cursor.fetchall())
