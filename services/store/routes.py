"""Two routes of the same carbon, as the board shows them and Prometheus counts them."""

from __future__ import annotations

from typing import Literal

from psycopg.rows import class_row
from pydantic import Field

from services.store.board_rows import Number, Row
from services.store.pool import Connection

Verdict = Literal["within", "outside"]


class RouteRow(Row):
    """A source beside the sources that together are its other route, now and over 24 closed hours."""

    site: str
    source: str
    others: str = Field(description="with commas between")
    source_co2_kg_per_h: Number
    other_co2_kg_per_h: Number
    difference_pct: Number = Field(description="how much more the source has, in per cent of the other route")
    tolerance_pct: Number = Field(description="95 % interval of that difference, by both uncertainties")
    verdict: Verdict | None = Field(description="null where a side or the tolerance is unknown")
    in_total: str | None = Field(description="sources of the route that counts in a total")
    age_s: Number
    day_known_hours: int = Field(description="of the last 24 closed hours those in which both are known")
    day_source_co2_kg: Number
    day_other_co2_kg: Number
    day_difference_pct: Number
    day_tolerance_pct: Number
    day_verdict: Verdict | None


async def routes_live(connection: Connection) -> list[RouteRow]:
    """Every pair of routes in force, by site and source. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(RouteRow)) as cursor:
        await cursor.execute(
            """
            SELECT site, source, others, source_co2_kg_per_h, other_co2_kg_per_h, difference_pct,
                tolerance_pct, verdict, in_total, age_s, day_known_hours, day_source_co2_kg,
                day_other_co2_kg, day_difference_pct, day_tolerance_pct, day_verdict
            FROM api.reconciliation_live
            ORDER BY site, source
            """
        )
        return await cursor.fetchall()
