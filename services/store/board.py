"""What the JSON API and the board read: the views of schema `api`, nothing else.

All functions raise psycopg.Error where the database is away or refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, TypeVar

from psycopg.rows import class_row, scalar_row

from services.store import board_rows as rows
from services.store.pool import Connection

R = TypeVar("R", bound=rows.Row)


async def _all(
    connection: Connection, row: type[R], query: LiteralString, values: Sequence[Any] = ()
) -> list[R]:
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        # Planned anew for each site and time: a plan for all of them would read the hours of all sites.
        await cursor.execute(query, values, prepare=False)
        return await cursor.fetchall()


async def database_now(connection: Connection) -> datetime:
    """The instant at which this transaction began: ages and days of the views are as of it."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT now()")
        instant = await cursor.fetchone()
        assert isinstance(instant, datetime)  # now() is never NULL
        return instant


async def sites(connection: Connection) -> list[rows.SiteRow]:
    """The sites of the registry, by id."""
    return await _all(
        connection, rows.SiteRow, "SELECT site, name, timezone, country, region FROM api.sites ORDER BY site"
    )


async def sources(connection: Connection) -> list[rows.SourceRow]:
    """The emission sources of the registry, by site and id."""
    return await _all(
        connection,
        rows.SourceRow,
        """
        SELECT site, source, name, scope, method, carrier, area, in_total, reconciles_with
        FROM api.sources
        ORDER BY site, source
        """,
    )


async def live(connection: Connection, site: str | None = None) -> list[rows.LiveRow]:
    """What each source emits now, of one site or of all."""
    return await _all(
        connection,
        rows.LiveRow,
        """
        SELECT l.time, l.site, l.source, s.name, l.scope, l.basis, l.method, l.carrier, l.co2_kg_per_h,
            l.co2e_kg_per_h, l.factor,
            (SELECT max(f.valid_to) FROM api.factors f WHERE f.factor = l.factor) AS factor_valid_to,
            l.in_total, l.age_s
        FROM api.emissions_live l
        JOIN api.sources s USING (site, source)
        WHERE %s::text IS NULL OR l.site = %s
        ORDER BY l.site, l.in_total DESC, l.scope, l.source, l.basis
        """,
        [site, site],
    )


async def emissions_by_hour(
    connection: Connection, site: str | None, begin: datetime, end: datetime, limit: int
) -> list[rows.EmissionHourRow]:
    """The hours that begin in [begin, end), at most `limit` rows."""
    return await _all(
        connection,
        rows.EmissionHourRow,
        """
        SELECT hour, site, area, source, scope, basis, method, carrier, activity, activity_unit,
            co2_kg, ch4_kg, n2o_kg, co2e_kg, biogenic_co2_kg, gwp_set, factor, in_total,
            uncertainty_pct, coverage, estimated, status, missing_reason, revision, computed_at,
            activity_uncertainty_pct, factor_uncertainty_pct
        FROM api.emissions_hourly
        WHERE hour >= %s AND hour < %s AND (%s::text IS NULL OR site = %s)
        ORDER BY hour, site, source, basis
        LIMIT %s
        """,
        [begin, end, site, site, limit],
    )


async def emissions_by_day(
    connection: Connection, site: str | None, begin: date, end: date, limit: int
) -> list[rows.EmissionDayRow]:
    """The local days in [begin, end), at most `limit` rows."""
    return await _all(
        connection,
        rows.EmissionDayRow,
        """
        SELECT day, site, area, source, scope, basis, method, carrier, co2_kg, co2e_kg, in_total,
            coverage, status
        FROM api.emissions_daily
        WHERE day >= %s AND day < %s AND (%s::text IS NULL OR site = %s)
        ORDER BY day, site, source, basis
        LIMIT %s
        """,
        [begin, end, site, site, limit],
    )


async def energy_by_hour(
    connection: Connection, site: str | None, begin: datetime, end: datetime, limit: int
) -> list[rows.EnergyHourRow]:
    """The hours that begin in [begin, end), at most `limit` rows."""
    return await _all(
        connection,
        rows.EnergyHourRow,
        """
        SELECT hour, site, area, device, carrier, amount, unit, energy_kwh, in_total, coverage, estimated
        FROM api.energy_hourly
        WHERE hour >= %s AND hour < %s AND (%s::text IS NULL OR site = %s)
        ORDER BY hour, site, device
        LIMIT %s
        """,
        [begin, end, site, site, limit],
    )


async def energy_by_day(
    connection: Connection, site: str | None, begin: date, end: date, limit: int
) -> list[rows.EnergyDayRow]:
    """The local days in [begin, end), at most `limit` rows."""
    return await _all(
        connection,
        rows.EnergyDayRow,
        """
        SELECT day, site, area, device, carrier, amount, unit, energy_kwh, in_total, coverage, estimated
        FROM api.energy_daily
        WHERE day >= %s AND day < %s AND (%s::text IS NULL OR site = %s)
        ORDER BY day, site, device
        LIMIT %s
        """,
        [begin, end, site, site, limit],
    )


async def devices(
    connection: Connection, site: str | None, kind: str | None, after: tuple[str, str, str], limit: int
) -> list[rows.DeviceRow]:
    """Devices by (site, kind, device), those that come after `after`, at most `limit`."""
    return await _all(
        connection,
        rows.DeviceRow,
        """
        SELECT site, area, device, kind, assigned, state, last_time, last_received_at, interval_s, stale
        FROM api.devices
        WHERE (%s::text IS NULL OR site = %s) AND (%s::text IS NULL OR kind = %s)
            AND (site, kind, device) > (%s, %s, %s)
        ORDER BY site, kind, device
        LIMIT %s
        """,
        [site, site, kind, kind, *after, limit],
    )


async def troubled_devices(connection: Connection, limit: int) -> list[rows.DeviceRow]:
    """Devices that are silent, say they are offline, or that the registry does not know."""
    return await _all(
        connection,
        rows.DeviceRow,
        """
        SELECT site, area, device, kind, assigned, state, last_time, last_received_at, interval_s, stale
        FROM api.devices
        WHERE stale OR state = 'offline' OR NOT assigned
        ORDER BY site, assigned DESC, kind, device
        LIMIT %s
        """,
        [limit],
    )


async def device_counts(connection: Connection) -> list[rows.DeviceCountRow]:
    """How many devices each site has, and how many of them are in trouble."""
    return await _all(
        connection,
        rows.DeviceCountRow,
        """
        SELECT site, count(*) AS devices, count(*) FILTER (WHERE stale) AS stale,
            count(*) FILTER (WHERE state = 'offline') AS offline,
            count(*) FILTER (WHERE NOT assigned) AS unassigned
        FROM api.devices
        GROUP BY site
        ORDER BY site
        """,
    )


async def ingest_totals(connection: Connection) -> list[rows.TotalsRow]:
    """What became of every reading received, by ingest client."""
    return await _all(
        connection,
        rows.TotalsRow,
        "SELECT client, received, stored, duplicate, rejected FROM api.ingest_totals ORDER BY client",
    )


async def dead_letter_reasons(connection: Connection) -> list[rows.ReasonRow]:
    """The dead letters that nobody replayed or accepted yet, by reason."""
    return await _all(
        connection,
        rows.ReasonRow,
        """
        SELECT reason, count(*) AS outstanding, max(received_at) AS newest_at
        FROM api.dead_letters
        WHERE replayed_at IS NULL AND accepted_at IS NULL
        GROUP BY reason
        ORDER BY count(*) DESC, reason
        """,
    )


async def newest_dead_letters(connection: Connection, limit: int) -> list[rows.DeadLetterRow]:
    """The newest outstanding dead letters."""
    return await _all(
        connection,
        rows.DeadLetterRow,
        """
        SELECT id, received_at, topic, reason, detail
        FROM api.dead_letters
        WHERE replayed_at IS NULL AND accepted_at IS NULL
        ORDER BY received_at DESC, id DESC
        LIMIT %s
        """,
        [limit],
    )


async def ledger_backlog(connection: Connection) -> rows.BacklogRow:
    """How far the hourly ledger is behind the stored readings."""
    found = await _all(
        connection,
        rows.BacklogRow,
        "SELECT backlog, oldest_written_at, lag_s, live_lag_s FROM api.ledger_backlog",
    )
    return found[0]


async def applied_migrations(connection: Connection) -> frozenset[str]:
    """Names of the migrations that made this database."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT name FROM api.migrations")
        return frozenset(await cursor.fetchall())


async def source_hours(connection: Connection, begin: datetime) -> list[rows.SourceHourRow]:
    """The hours of every source from `begin` on, each once: of two bases the one that counts in a total."""
    return await _all(
        connection,
        rows.SourceHourRow,
        """
        SELECT DISTINCT ON (site, source, hour)
            site, source, hour, co2_kg, in_total, coverage, estimated, status, missing_reason, method,
            factor, activity_uncertainty_pct, factor_uncertainty_pct
        FROM api.emissions_hourly
        WHERE hour >= %s
        ORDER BY site, source, hour, in_total DESC, basis
        """,
        [begin],
    )


async def carrier_hours(connection: Connection, begin: datetime) -> list[rows.CarrierHourRow]:
    """The hours of every energy carrier from `begin` on, over the devices that count in a total."""
    return await _all(
        connection,
        rows.CarrierHourRow,
        """
        SELECT site, carrier, hour, sum(energy_kwh) AS energy_kwh, count(*) AS devices,
            count(*) FILTER (WHERE energy_kwh IS NULL) AS unknown, avg(coverage) AS coverage,
            bool_or(estimated) AS estimated
        FROM api.energy_hourly
        WHERE hour >= %s AND in_total
        GROUP BY site, carrier, hour
        ORDER BY site, carrier, hour
        """,
        [begin],
    )
