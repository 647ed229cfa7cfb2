"""Hours and days of areas: the sums of their sources, made some seconds after the hours were written.

A round of the ledger notes which hours of which sites it wrote, and here the sums follow, in portions. One
session at a time makes them, so that it sums up what all workers have committed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from services.store.pool import Connection

# Any number: one session at a time.
_LOCK_KEY: Final = 0x6172_6561_7321
PORTION: Final = timedelta(hours=48)
"""Notes of so much time are worked off at once; of a long restatement there are many portions."""
# Around the noted hours, in any zone: these let the planner leave out chunks.
_AROUND: Final = timedelta(hours=26)

_NEWEST: Final = """
SELECT max(begins) FROM core.area_note WHERE %(before)s::timestamptz IS NULL OR begins < %(before)s
"""
_NOTES: Final = """
SELECT note_id, site, begins, ends FROM core.area_note WHERE begins >= %(low)s AND begins <= %(newest)s
"""


async def roll_up_areas(connection: Connection, before: datetime | None = None) -> datetime | None:
    """Make the sums of the areas what their sources' are, of the newest portion of what was noted (`before`
    an instant): where the portion begins; None where nothing is left, or another session is at it.

    Raises psycopg.Error.
    """
    async with connection.transaction():
        cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK_KEY])
        if await cursor.fetchone() != (True,):
            return None
        cursor = await connection.execute(_NEWEST, {"before": before})
        row = await cursor.fetchone()
        if row is None or row[0] is None:
            return None
        newest: datetime = row[0]
        low = newest - PORTION
        cursor = await connection.execute(_NOTES, {"low": low, "newest": newest})
        notes = await cursor.fetchall()
        # These statements see at least what the noting transactions committed.
        await connection.execute(_DAYS, _columns(notes), binary=True)
        await connection.execute(_HOURS, _columns(notes), binary=True)
        ids = [note_id for note_id, *_ in notes]
        await connection.execute("DELETE FROM core.area_note WHERE note_id = ANY (%s)", [ids])
    return low


def _columns(notes: list[tuple[Any, ...]]) -> dict[str, Any]:
    _, sites, begins, ends = zip(*notes, strict=True)
    return {
        "sites": list(sites),
        "begins": list(begins),
        "ends": list(ends),
        "low": min(begins) - _AROUND,
        "high": max(ends) + _AROUND,
    }


_DAYS: Final = """
WITH touched AS MATERIALIZED (
    SELECT DISTINCT t.site, local.day::date AS day
    FROM unnest(%(sites)b::text[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
        AS note (site, begins, ends)
    JOIN core.site t USING (site)
    CROSS JOIN LATERAL generate_series(
        (note.begins AT TIME ZONE t.timezone)::date::timestamp,
        ((note.ends - interval '1 microsecond') AT TIME ZONE t.timezone)::date::timestamp, interval '1 day'
    ) AS local (day)
), found AS MATERIALIZED (
    SELECT t.site, t.day, s.scope, s.method, s.carrier, d.source_id, d.basis, d.part, d.area, d.in_total,
        d.factor_provisional, d.hours, d.hours_known, d.co2e_hours_known, d.estimated_hours, d.ends_at,
        d.last_known_hour, d.co2_kg, d.co2e_kg, d.covered_h / d.length_h AS coverage, d.length_h,
        max(d.last_known_hour) OVER (
            PARTITION BY t.site, t.day, d.area, s.scope, d.basis, s.method, s.carrier, d.in_total) AS newest
    FROM core.emission_day d
    JOIN core.source s USING (source_id)
    JOIN touched t ON t.site = s.site AND t.day = d.day
    WHERE d.day >= %(low)s::date AND d.day <= %(high)s::date
), summed AS MATERIALIZED (
    SELECT f.site, f.day, f.scope, f.basis, f.in_total, bool_or(f.factor_provisional) AS factor_provisional,
        count(DISTINCT f.source_id) AS sources, sum(f.hours) AS hours, sum(f.hours_known) AS hours_known,
        sum(f.co2e_hours_known) AS co2e_hours_known, sum(f.estimated_hours) AS estimated_hours,
        count(*) FILTER (WHERE f.last_known_hour = f.newest) AS at_last_known_hour, max(f.ends_at) AS ends_at,
        max(f.newest) AS last_known_hour, sum(f.co2_kg ORDER BY f.source_id, f.part) AS co2_kg,
        sum(f.co2e_kg ORDER BY f.source_id, f.part) AS co2e_kg,
        sum(f.coverage ORDER BY f.source_id, f.part) / count(DISTINCT f.source_id) AS coverage,
        min(f.coverage) AS least_coverage, max(f.length_h) AS length_h, f.method, f.carrier, f.area
    FROM found f
    GROUP BY f.site, f.day, f.area, f.scope, f.basis, f.method, f.carrier, f.in_total
), gone AS (
    DELETE FROM core.area_day d USING touched t
    WHERE d.site = t.site AND d.day = t.day
        AND NOT EXISTS (SELECT FROM summed s
            WHERE (s.site, s.day, s.scope, s.basis, s.method, s.carrier, s.in_total)
                    = (d.site, d.day, d.scope, d.basis, d.method, d.carrier, d.in_total)
                AND s.area IS NOT DISTINCT FROM d.area)
)
INSERT INTO core.area_day AS d (site, day, scope, basis, in_total, factor_provisional, sources, hours,
    hours_known, co2e_hours_known, estimated_hours, at_last_known_hour, ends_at, last_known_hour, co2_kg,
    co2e_kg, coverage, least_coverage, length_h, method, carrier, area)
SELECT * FROM summed
ON CONFLICT (site, day, area, scope, basis, method, carrier, in_total) DO UPDATE SET
    factor_provisional = excluded.factor_provisional, sources = excluded.sources, hours = excluded.hours,
    hours_known = excluded.hours_known, co2e_hours_known = excluded.co2e_hours_known,
    estimated_hours = excluded.estimated_hours, at_last_known_hour = excluded.at_last_known_hour,
    ends_at = excluded.ends_at, last_known_hour = excluded.last_known_hour, co2_kg = excluded.co2_kg,
    co2e_kg = excluded.co2e_kg, coverage = excluded.coverage, least_coverage = excluded.least_coverage,
    length_h = excluded.length_h
WHERE (d.*) IS DISTINCT FROM (excluded.*)
"""

# The hours are read by their time, for all sites at once: far less than to look for each by its key.
_HOURS: Final = """
WITH touched AS MATERIALIZED (
    SELECT DISTINCT note.site, hour.at
    FROM unnest(%(sites)b::text[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
        AS note (site, begins, ends)
    CROSS JOIN LATERAL generate_series(
        note.begins, note.ends - interval '1 microsecond', interval '15 minutes') AS hour (at)
), found AS MATERIALIZED (
    SELECT s.site, s.scope, s.method, s.carrier, h.source_id, h.hour, h.basis, h.area, h.in_total,
        h.estimated, h.factor_provisional, h.co2_kg, h.co2e_kg, h.coverage
    FROM core.emission_hour h
    JOIN core.source s USING (source_id)
    WHERE h.hour >= %(low)s AND h.hour < %(high)s
        AND h.hour = ANY (ARRAY(SELECT DISTINCT t.at FROM touched t))
), summed AS MATERIALIZED (
    SELECT f.site, f.hour, f.scope, f.basis, f.in_total,
        bool_or(f.factor_provisional) AS factor_provisional, count(*) AS sources,
        count(f.co2_kg) AS sources_known, count(f.co2e_kg) AS co2e_sources_known,
        count(*) FILTER (WHERE f.estimated) AS estimated_sources,
        sum(f.co2_kg ORDER BY f.source_id) AS co2_kg,
        sum(f.co2e_kg ORDER BY f.source_id) AS co2e_kg,
        sum(f.coverage ORDER BY f.source_id) / count(*) AS coverage, min(f.coverage) AS least_coverage,
        f.method, f.carrier, f.area
    FROM found f
    JOIN touched t ON t.site = f.site AND t.at = f.hour
    GROUP BY f.site, f.hour, f.area, f.scope, f.basis, f.method, f.carrier, f.in_total
), gone AS (
    DELETE FROM core.area_hour d USING touched t
    WHERE d.site = t.site AND d.hour = t.at
        AND NOT EXISTS (SELECT FROM summed s
            WHERE (s.site, s.hour, s.scope, s.basis, s.method, s.carrier, s.in_total)
                    = (d.site, d.hour, d.scope, d.basis, d.method, d.carrier, d.in_total)
                AND s.area IS NOT DISTINCT FROM d.area)
)
INSERT INTO core.area_hour AS d (site, hour, scope, basis, in_total, factor_provisional, sources,
    sources_known, co2e_sources_known, estimated_sources, co2_kg, co2e_kg, coverage, least_coverage, method,
    carrier, area)
SELECT * FROM summed
ON CONFLICT (site, hour, area, scope, basis, method, carrier, in_total) DO UPDATE SET
    factor_provisional = excluded.factor_provisional, sources = excluded.sources,
    sources_known = excluded.sources_known, co2e_sources_known = excluded.co2e_sources_known,
    estimated_sources = excluded.estimated_sources, co2_kg = excluded.co2_kg, co2e_kg = excluded.co2e_kg,
    coverage = excluded.coverage, least_coverage = excluded.least_coverage
WHERE (d.*) IS DISTINCT FROM (excluded.*)
"""
