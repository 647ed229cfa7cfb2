"""Days of the ledger: each the sum of its hours, in order of time, by the site's own calendar.

The database makes them from the hours it has, as sets; the same hours give the same bits. A day is written in
the transaction that wrote its hours, so nobody sees the one without the other.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from services.store.ledger_rows import Span
from services.store.pool import Connection

# Around the touched hours, in any zone: these let the planner leave out chunks.
_AROUND: Final = timedelta(hours=26)


async def roll_up_days(connection: Connection, sources: Collection[Span], devices: Collection[Span]) -> None:
    """Make the days that the spans of sources and of devices touch what their hours are now, and note that
    the sums of their areas follow (`ledger_areas`).

    Call it in the transaction that wrote the hours, by the worker that has these sources. Raises
    psycopg.Error.
    """
    if devices:
        await connection.execute(_ENERGY_DAYS, _columns(devices), binary=True)
    if sources:
        await connection.execute(_EMISSION_DAYS, _columns(sources), binary=True)
        await connection.execute(_NOTE_AREAS, _columns(sources), binary=True)


def _columns(spans: Collection[Span]) -> dict[str, Any]:
    return {
        "ids": [span.id for span in spans],
        "begins": [span.begin for span in spans],
        "ends": [span.end for span in spans],
        "low": min(span.begin for span in spans) - _AROUND,
        "high": max(span.end for span in spans) + _AROUND,
    }


# Each touched day once, with its bounds on the site's clock. The last instant of a span is not in it.
_TOUCHED_SOURCES: Final = """
WITH touched AS MATERIALIZED (
    SELECT DISTINCT s.source_id, local.day::date AS day, t.timezone
    FROM unnest(%(ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
        AS span (id, begins, ends)
    JOIN core.source s ON s.source_id = span.id
    JOIN core.site t USING (site)
    CROSS JOIN LATERAL generate_series(
        (span.begins AT TIME ZONE t.timezone)::date::timestamp,
        ((span.ends - interval '1 microsecond') AT TIME ZONE t.timezone)::date::timestamp, interval '1 day'
    ) AS local (day)
)"""

# Of a day with several parts, the last one has the hours of which there is no row.
_SUM_EMISSIONS: Final = """, bounded AS MATERIALIZED (
    SELECT t.source_id, t.day, core.day_begins(t.day, t.timezone) AS begins_at,
        core.day_begins(t.day + 1, t.timezone) AS ends_at
    FROM touched t
), summed AS (
    SELECT b.source_id, b.day, b.ends_at AS day_ends_at, h.*,
        (extract(epoch FROM b.ends_at - b.begins_at) / 3600)::double precision AS length_h
    FROM bounded b
    CROSS JOIN LATERAL (
        SELECT h.basis, h.area, h.in_total, min(h.hour) AS first_hour, count(*) AS recorded,
            bool_or(h.factor_provisional) AS factor_provisional, count(h.co2_kg) AS hours_known,
            count(h.co2e_kg) AS co2e_hours_known, count(*) FILTER (WHERE h.estimated) AS estimated_hours,
            max(h.hour) FILTER (WHERE h.co2_kg IS NOT NULL) AS last_known_hour,
            sum(h.co2_kg ORDER BY h.hour) AS co2_kg, sum(h.co2e_kg ORDER BY h.hour) AS co2e_kg,
            CASE WHEN count(h.ch4_kg) = count(h.co2_kg) THEN sum(h.ch4_kg ORDER BY h.hour) END AS ch4_kg,
            CASE WHEN count(h.n2o_kg) = count(h.co2_kg) THEN sum(h.n2o_kg ORDER BY h.hour) END AS n2o_kg,
            CASE WHEN count(h.biogenic_co2_kg) = count(h.co2_kg)
                THEN sum(h.biogenic_co2_kg ORDER BY h.hour) END AS biogenic_co2_kg,
            CASE WHEN min(h.activity_unit) = max(h.activity_unit) THEN sum(h.activity ORDER BY h.hour) END
                AS activity,
            CASE WHEN min(h.activity_unit) = max(h.activity_unit) THEN min(h.activity_unit) END
                AS activity_unit,
            sum(h.coverage ORDER BY h.hour) AS covered_h
        FROM core.emission_hour h
        WHERE h.source_id = b.source_id AND h.basis = ANY (ARRAY['location', 'market', 'none'])
            AND h.hour >= b.begins_at AND h.hour < b.ends_at AND h.hour >= %(low)s AND h.hour < %(high)s
        GROUP BY h.basis, h.area, h.in_total
    ) AS h
), part AS MATERIALIZED (
    SELECT s.*, row_number() OVER (parts ORDER BY s.first_hour, s.area, s.in_total) AS part,
        CASE WHEN row_number() OVER (parts ORDER BY s.first_hour DESC, s.area DESC, s.in_total DESC) = 1
            THEN greatest(ceil(s.length_h) - sum(s.recorded) OVER (parts) + s.recorded, s.recorded)
            ELSE s.recorded END AS hours,
        coalesce(lead(s.first_hour) OVER (parts ORDER BY s.first_hour, s.area, s.in_total), s.day_ends_at)
            AS ends_at
    FROM summed s
    WINDOW parts AS (PARTITION BY s.source_id, s.day, s.basis)
), gone AS (
    DELETE FROM core.emission_day d USING touched t
    WHERE d.source_id = t.source_id AND d.day = t.day
        AND NOT EXISTS (SELECT FROM part p
            WHERE (p.source_id, p.day, p.basis, p.part) = (d.source_id, d.day, d.basis, d.part))
)
INSERT INTO core.emission_day AS d (source_id, day, basis, part, in_total, factor_provisional, hours,
    hours_known, co2e_hours_known, estimated_hours, ends_at, last_known_hour, co2_kg, co2e_kg, ch4_kg, n2o_kg,
    biogenic_co2_kg, activity, covered_h, length_h, activity_unit, area)
SELECT p.source_id, p.day, p.basis, p.part, p.in_total, p.factor_provisional, p.hours, p.hours_known,
    p.co2e_hours_known, p.estimated_hours, p.ends_at, p.last_known_hour, p.co2_kg, p.co2e_kg, p.ch4_kg,
    p.n2o_kg, p.biogenic_co2_kg, p.activity, p.covered_h, p.length_h, p.activity_unit, p.area
FROM part p
ON CONFLICT (source_id, day, basis, part) DO UPDATE SET
    in_total = excluded.in_total, factor_provisional = excluded.factor_provisional, hours = excluded.hours,
    hours_known = excluded.hours_known, co2e_hours_known = excluded.co2e_hours_known,
    estimated_hours = excluded.estimated_hours, ends_at = excluded.ends_at,
    last_known_hour = excluded.last_known_hour, co2_kg = excluded.co2_kg, co2e_kg = excluded.co2e_kg,
    ch4_kg = excluded.ch4_kg, n2o_kg = excluded.n2o_kg, biogenic_co2_kg = excluded.biogenic_co2_kg,
    activity = excluded.activity, covered_h = excluded.covered_h, length_h = excluded.length_h,
    activity_unit = excluded.activity_unit, area = excluded.area
WHERE (d.*) IS DISTINCT FROM (excluded.*)
"""

_EMISSION_DAYS: Final = _TOUCHED_SOURCES + _SUM_EMISSIONS

# Of one site and day a note, however many of its sources there are.
_NOTE_AREAS: Final = """
INSERT INTO core.area_note (site, begins, ends)
SELECT s.site, min(span.begins), max(span.ends)
FROM unnest(%(ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
    AS span (id, begins, ends)
JOIN core.source s ON s.source_id = span.id
GROUP BY s.site, date_bin('1 day', span.begins, '2000-01-01Z')
"""

_ENERGY_DAYS: Final = """
WITH touched AS MATERIALIZED (
    SELECT DISTINCT c.device_id, local.day::date AS day, t.timezone
    FROM unnest(%(ids)b::integer[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
        AS span (id, begins, ends)
    JOIN core.device c ON c.device_id = span.id
    JOIN core.site t USING (site)
    CROSS JOIN LATERAL generate_series(
        (span.begins AT TIME ZONE t.timezone)::date::timestamp,
        ((span.ends - interval '1 microsecond') AT TIME ZONE t.timezone)::date::timestamp, interval '1 day'
    ) AS local (day)
), bounded AS MATERIALIZED (
    SELECT t.device_id, t.day, core.day_begins(t.day, t.timezone) AS begins_at,
        core.day_begins(t.day + 1, t.timezone) AS ends_at
    FROM touched t
), summed AS (
    SELECT b.device_id, b.day, b.ends_at AS day_ends_at, h.*,
        (extract(epoch FROM b.ends_at - b.begins_at) / 3600)::double precision AS length_h
    FROM bounded b
    CROSS JOIN LATERAL (
        SELECT h.area, h.in_total, h.carrier, h.unit, min(h.hour) AS first_hour, count(*) AS recorded,
            count(h.amount) AS hours_known, count(h.energy_kwh) AS energy_hours_known,
            count(*) FILTER (WHERE h.estimated) AS estimated_hours,
            max(h.hour) FILTER (WHERE h.amount IS NOT NULL) AS last_known_hour,
            sum(h.amount ORDER BY h.hour) AS amount, sum(h.energy_kwh ORDER BY h.hour) AS energy_kwh,
            sum(h.coverage ORDER BY h.hour) AS covered_h
        FROM core.energy_hour h
        WHERE h.device_id = b.device_id AND h.hour >= b.begins_at AND h.hour < b.ends_at
            AND h.hour >= %(low)s AND h.hour < %(high)s
        GROUP BY h.area, h.in_total, h.carrier, h.unit
    ) AS h
), part AS MATERIALIZED (
    SELECT s.*,
        row_number() OVER (parts ORDER BY s.first_hour, s.area, s.in_total, s.carrier, s.unit) AS part,
        CASE WHEN row_number() OVER (parts
                ORDER BY s.first_hour DESC, s.area DESC, s.in_total DESC, s.carrier DESC, s.unit DESC) = 1
            THEN greatest(ceil(s.length_h) - sum(s.recorded) OVER (parts) + s.recorded, s.recorded)
            ELSE s.recorded END AS hours,
        coalesce(lead(s.first_hour) OVER (parts ORDER BY s.first_hour, s.area, s.in_total, s.carrier, s.unit),
            s.day_ends_at) AS ends_at
    FROM summed s
    WINDOW parts AS (PARTITION BY s.device_id, s.day)
), gone AS (
    DELETE FROM core.energy_day d USING touched t
    WHERE d.device_id = t.device_id AND d.day = t.day
        AND NOT EXISTS (SELECT FROM part p WHERE (p.device_id, p.day, p.part) = (d.device_id, d.day, d.part))
)
INSERT INTO core.energy_day AS d (device_id, day, part, in_total, hours, hours_known, energy_hours_known,
    estimated_hours, ends_at, last_known_hour, amount, energy_kwh, covered_h, length_h, unit, carrier, area)
SELECT p.device_id, p.day, p.part, p.in_total, p.hours, p.hours_known, p.energy_hours_known,
    p.estimated_hours, p.ends_at, p.last_known_hour, p.amount, p.energy_kwh, p.covered_h, p.length_h, p.unit,
    p.carrier, p.area
FROM part p
ON CONFLICT (device_id, day, part) DO UPDATE SET
    in_total = excluded.in_total, hours = excluded.hours, hours_known = excluded.hours_known,
    energy_hours_known = excluded.energy_hours_known, estimated_hours = excluded.estimated_hours,
    ends_at = excluded.ends_at, last_known_hour = excluded.last_known_hour, amount = excluded.amount,
    energy_kwh = excluded.energy_kwh, covered_h = excluded.covered_h, length_h = excluded.length_h,
    unit = excluded.unit, carrier = excluded.carrier, area = excluded.area
WHERE (d.*) IS DISTINCT FROM (excluded.*)
"""
