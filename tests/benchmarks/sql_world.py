"""A portfolio in the database: meters on sites of five time zones, a year of their hours, and raw readings.

The server makes the rows itself, in the order in which the ledger would have written them, hour after hour;
days and areas are summed up by the migrations' own statements.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.store.migrate import MIGRATIONS, read_files
from services.store.pool import Connection

METERS_ON_A_SITE: Final = 100
END: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the portfolio's hours end; its live readings are of now."""
RAW_EVERY: Final = timedelta(minutes=15)
_DAYS_AT_ONCE: Final = 5
_MAKING_DAYS: Final = ("_days", "_area_hours")
"""Migrations that sum up the hours that are there."""

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """How large it is."""

    meters: int = 10_000
    days: int = 365
    raw_days: int = 30

    @property
    def sites(self) -> int:
        """One for each 100 meters."""
        return -(-self.meters // METERS_ON_A_SITE)

    @property
    def hours(self) -> int:
        """Rows of the hourly ledger."""
        return self.meters * self.days * 24

    @property
    def raw(self) -> int:
        """Raw readings."""
        return self.meters * self.raw_days * 96

    @property
    def begin(self) -> datetime:
        """The first hour, by UTC."""
        return END - timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Filled:
    """How long the making of each part took [s]."""

    hours_s: float
    days_s: float
    raw_s: float


# In any zone: an hour of its clock begins a quarter of an hour later in Kathmandu, half of one in Kolkata.
_SITES: Final = """
INSERT INTO core.site (site, timezone)
SELECT 'site-' || lpad(n::text, 4, '0'), (ARRAY['Asia/Shanghai', 'Asia/Kolkata', 'Europe/Berlin',
    'America/New_York', 'Asia/Kathmandu'])[n %% 5 + 1]
FROM generate_series(0, %(sites)s - 1) AS n
"""
_DEVICES: Final = """
INSERT INTO core.device (site, kind, device, first_seen)
SELECT 'site-' || lpad((n / %(on_a_site)s)::text, 4, '0'), 'meter', 'm-' || lpad(n::text, 6, '0'), NULL
FROM generate_series(0, %(meters)s - 1) AS n
ORDER BY n
"""
_PERIODS: Final = """
INSERT INTO core.device_period (device_id, valid_from, area, interval_s)
SELECT device_id, '2020-01-01Z', 'area-' || device_id %% 5, 900 FROM core.device
"""
_SOURCES: Final = """
INSERT INTO core.source (site, source, scope, method, carrier)
SELECT site, 'power-' || device, 2, 'electricity', 'electricity' FROM core.device ORDER BY device_id
"""
_SOURCE_PERIODS: Final = """
INSERT INTO core.source_period (source_id, valid_from, area, device_ids, in_total, bases)
SELECT s.source_id, '2020-01-01Z', 'area-' || s.source_id %% 5, ARRAY[d.device_id], true, ARRAY['location']
FROM core.source s
JOIN core.device d ON d.site = s.site AND s.source = 'power-' || d.device
"""
# One hour in a hundred is unknown.
_HOURS: Final = """
INSERT INTO core.emission_hour (source_id, hour, basis, area, activity, activity_unit, co2_kg, co2e_kg,
    factor, factor_provisional, in_total, coverage, estimated, missing_reason)
SELECT s.source_id, at.hour + t.shift, 'location', 'area-' || s.source_id %% 5,
    CASE WHEN known.known THEN load.kwh END, 'kWh', CASE WHEN known.known THEN load.kwh * 0.5703 END,
    CASE WHEN known.known THEN load.kwh * 0.5703 END, 'CN_MEE_PROVINCE_2023/electricity_CN-SH', false, true,
    CASE WHEN known.known THEN 1 ELSE 0 END, false, CASE WHEN NOT known.known THEN 'no reading' END
FROM generate_series(%(begin)s, %(end)s - interval '1 hour', interval '1 hour') AS at (hour)
CROSS JOIN core.source s
JOIN (
    SELECT site, CASE timezone WHEN 'Asia/Kolkata' THEN interval '30 minutes'
        WHEN 'Asia/Kathmandu' THEN interval '15 minutes' ELSE interval '0' END AS shift
    FROM core.site
) AS t USING (site)
CROSS JOIN LATERAL (SELECT 10 + random() * 90 + s.source_id %% 7 AS kwh) AS load
CROSS JOIN LATERAL (SELECT random() > 0.01 AS known) AS known
ORDER BY at.hour, s.source_id
"""
_RAW: Final = """
INSERT INTO core.reading_meter (device_id, time, received_at, energy_import_kwh, power_kw, voltage_v)
SELECT d.device_id, at.time, at.time + interval '1 second',
    extract(epoch FROM at.time - '2025-01-01Z')::float8 / 100, 10 + random() * 90, 230 + random()
FROM generate_series(%(begin)s, %(end)s - interval '15 minutes', interval '15 minutes') AS at (time)
CROSS JOIN core.device d
ORDER BY at.time, d.device_id
"""
_TRIGGER: Final = """
SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t
WHERE t.tgrelid = 'core.emission_hour'::regclass AND t.tgname = 'keep_emission_revision'
"""
_LIVE: Final = """
INSERT INTO core.live_emission
    (source_id, device_id, time, basis, co2_kg_per_h, co2e_kg_per_h, factor_id, newest)
SELECT p.source_id, p.device_ids[1], now() - age.minutes * interval '1 minute', 'location', 5, 5, 1, true
FROM core.source_period p
CROSS JOIN unnest(ARRAY[31, 16, 1]) AS age (minutes)
ORDER BY age.minutes DESC, p.source_id
"""


async def fill(connection: Connection, portfolio: Portfolio, progress: OnProgress) -> Filled:
    """Make the portfolio in a migrated database, as its owner, which is told how many hours are there."""
    sizes = {"sites": portfolio.sites, "meters": portfolio.meters, "on_a_site": METERS_ON_A_SITE}
    for statement in (_SITES, _DEVICES, _PERIODS, _SOURCES, _SOURCE_PERIODS):
        await connection.execute(statement, sizes)
    # Of rows that nobody saw before there is no former result to look for.
    cursor = await connection.execute(_TRIGGER)
    [(trigger,)] = await cursor.fetchall()
    await connection.execute("DROP TRIGGER keep_emission_revision ON core.emission_hour")
    hours_s = await _slab_by_slab(connection, portfolio, _HOURS, progress)
    await connection.execute(trigger)
    await connection.execute("ANALYZE core.emission_hour")
    days_s = await _days(connection)
    raw = Portfolio(portfolio.meters, portfolio.raw_days, 0)
    raw_s = await _slab_by_slab(connection, raw, _RAW, progress)
    await connection.execute(_LIVE)
    await connection.execute("VACUUM ANALYZE")
    return Filled(hours_s, days_s, raw_s)


async def _slab_by_slab(
    connection: Connection, portfolio: Portfolio, statement: str, progress: OnProgress
) -> float:
    began = time.perf_counter()
    for first in range(0, portfolio.days, _DAYS_AT_ONCE):
        begin = portfolio.begin + timedelta(days=first)
        days = min(_DAYS_AT_ONCE, portfolio.days - first)
        await connection.execute(statement.encode(), {"begin": begin, "end": begin + timedelta(days=days)})
        progress((first + days) * portfolio.meters * 24, portfolio.hours)
    return time.perf_counter() - began


async def _days(connection: Connection) -> float:
    """Days and areas, as a migrated database gets them from the hours that it has."""
    began = time.perf_counter()
    for file in read_files(MIGRATIONS):
        if file.name.endswith(_MAKING_DAYS):
            for statement in file.text.decode().split(";\n"):
                _, insert, values = statement.partition("INSERT INTO ")
                if insert:
                    await connection.execute((insert + values).encode())
    return time.perf_counter() - began
