"""Sums of emissions over days, in the pieces whose uncertainties may be put together.

All functions raise psycopg.Error where the database is away or refuses.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from psycopg.rows import class_row

from services.store.board_rows import Number, Row
from services.store.pool import Connection


class EmissionSumRow(Row):
    """The hours of one source by one factor that count in a total, those with and without a known uncertainty
    apart."""

    site: str
    source: str
    method: str
    factor: str | None
    assessed: bool
    hours: int
    unknown_hours: int
    co2_kg: Number
    activity_kg: Number
    factor_kg: Number
    """Half widths of the 95 % interval: over the hours of one source and factor both add up linearly."""


async def emission_sums(
    connection: Connection, site: str | None, begin: date, end: date
) -> list[EmissionSumRow]:
    """Over the local days in [begin, end) of one site or of all, each by its own calendar."""
    async with connection.cursor(row_factory=class_row(EmissionSumRow)) as cursor:
        await cursor.execute(_SUMS, {"site": site, "begin": begin, "end": end})
        return await cursor.fetchall()


_SUMS: Final = """
SELECT h.site, h.source, h.method, h.factor, h.uncertainty_pct IS NOT NULL AS assessed,
    count(*) AS hours, count(*) FILTER (WHERE h.co2_kg IS NULL) AS unknown_hours,
    sum(h.co2_kg) AS co2_kg,
    sum(h.co2_kg * h.activity_uncertainty_pct) / 100 AS activity_kg,
    sum(h.co2_kg * h.factor_uncertainty_pct) / 100 AS factor_kg
FROM api.sites s
JOIN api.emissions_hourly h ON h.site = s.site
    AND h.hour >= %(begin)s::timestamp AT TIME ZONE s.timezone
    AND h.hour < %(end)s::timestamp AT TIME ZONE s.timezone
WHERE h.in_total AND (%(site)s::text IS NULL OR s.site = %(site)s)
GROUP BY h.site, h.source, h.method, h.factor, h.uncertainty_pct IS NOT NULL
ORDER BY h.site, h.source, h.factor, assessed
"""
