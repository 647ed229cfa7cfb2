"""What the board remarks on beside the numbers: sources without a factor, and what no sub-meter counts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from psycopg.rows import class_row
from pydantic import Field

from services.store.board_rows import Number, Row
from services.store.pool import Connection


class MissingFactorRow(Row):
    """A source with hours whose activity is known and whose CO2 is not."""

    site: str
    source: str
    basis: str | None
    hours: int
    from_hour: datetime
    to_hour: datetime
    missing_reason: str | None


class RemainderRow(Row):
    """A main meter and the sub-meters directly below it, over 24 closed hours."""

    site: str
    device: str
    kind: str
    carrier: str | None
    main_kwh: Number
    remainder_kwh: Number
    remainder_pct: Number
    tolerance_kwh: Number
    known_hours: int = Field(description="hours in which all of the meters are known")
    submeters: int
    verdict: Literal["negative", "plausible"] | None


async def missing_factors(connection: Connection, since: datetime) -> list[MissingFactorRow]:
    """Of the hours since then, by site and source; `api.missing_factors` has all. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(MissingFactorRow)) as cursor:
        await cursor.execute(
            """
            SELECT site, source, basis, count(*) AS hours, min(hour) AS from_hour, max(hour) AS to_hour,
                missing_reason
            FROM api.emissions_hourly
            WHERE hour >= %s AND co2_kg IS NULL AND activity IS NOT NULL AND method <> 'mass_balance'
            GROUP BY site, source, basis, missing_reason
            ORDER BY site, source, basis, from_hour
            """,
            [since],
        )
        return await cursor.fetchall()


async def remainders(connection: Connection) -> list[RemainderRow]:
    """Of every main meter that has sub-meters, by site and device. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(RemainderRow)) as cursor:
        await cursor.execute(
            """
            SELECT site, device, kind, carrier, main_kwh, remainder_kwh, remainder_pct, tolerance_kwh,
                known_hours, submeters, verdict
            FROM api.energy_remainder_24h
            ORDER BY site, kind, device
            """
        )
        return await cursor.fetchall()
