-- Days of the ledger, each the sum of its hours in order of time. A day is the site's own: 23 to 25 hours. Kept by the
-- ledger in the transaction that writes the hours (services/store/ledger_days.py); what is computed here is the same,
-- for hours that were there before.

-- The instant at which a date begins on a clock. Where midnight comes twice, the first; where it is skipped, the jump.
CREATE FUNCTION core.day_begins(day date, timezone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN ((day::timestamp AT TIME ZONE timezone - interval '1 hour') AT TIME ZONE timezone)::date = day
        THEN day::timestamp AT TIME ZONE timezone - interval '1 hour'
    ELSE day::timestamp AT TIME ZONE timezone END;

-- A day in which the area of a source or its place in the total changed has a row for each, numbered by `part`; hours
-- of which there is no row are the last part's. `hours`: how many the part has, known or not, over or not. `ends_at`:
-- where the next part begins, or the next day. `length_h`: of the whole day.
CREATE TABLE core.emission_day (
    source_id integer NOT NULL,
    day date NOT NULL,
    basis text NOT NULL,
    part smallint NOT NULL,
    in_total boolean NOT NULL,
    factor_provisional boolean NOT NULL,
    hours smallint NOT NULL,
    hours_known smallint NOT NULL,
    co2e_hours_known smallint NOT NULL,
    estimated_hours smallint NOT NULL,
    ends_at timestamptz NOT NULL,
    last_known_hour timestamptz,
    co2_kg double precision,
    co2e_kg double precision,
    ch4_kg double precision,
    n2o_kg double precision,
    biogenic_co2_kg double precision,
    activity double precision,
    covered_h double precision NOT NULL,
    length_h real NOT NULL,
    activity_unit text,
    area text,
    PRIMARY KEY (source_id, day, basis, part)
) WITH (fillfactor = 85);
CREATE INDEX emission_day_day ON core.emission_day (day);

CREATE TABLE core.energy_day (
    device_id integer NOT NULL,
    day date NOT NULL,
    part smallint NOT NULL,
    in_total boolean NOT NULL,
    hours smallint NOT NULL,
    hours_known smallint NOT NULL,
    energy_hours_known smallint NOT NULL,
    estimated_hours smallint NOT NULL,
    ends_at timestamptz NOT NULL,
    last_known_hour timestamptz,
    amount double precision,
    energy_kwh double precision,
    covered_h double precision NOT NULL,
    length_h real NOT NULL,
    unit text NOT NULL,
    carrier text NOT NULL,
    area text,
    PRIMARY KEY (device_id, day, part)
) WITH (fillfactor = 85);
CREATE INDEX energy_day_day ON core.energy_day (day);

-- The days of all sources of an area that count alike: a portfolio's year is a few rows a day.
-- `at_last_known_hour`: how many of the sources know the newest hour that any knows.
CREATE TABLE core.area_day (
    site text NOT NULL,
    day date NOT NULL,
    scope smallint NOT NULL,
    basis text NOT NULL,
    in_total boolean NOT NULL,
    factor_provisional boolean NOT NULL,
    sources integer NOT NULL,
    hours integer NOT NULL,
    hours_known integer NOT NULL,
    co2e_hours_known integer NOT NULL,
    estimated_hours integer NOT NULL,
    at_last_known_hour integer NOT NULL,
    ends_at timestamptz NOT NULL,
    last_known_hour timestamptz,
    co2_kg double precision,
    co2e_kg double precision,
    coverage double precision NOT NULL,
    least_coverage double precision NOT NULL,
    length_h real NOT NULL,
    method text NOT NULL,
    carrier text NOT NULL,
    area text,
    UNIQUE NULLS NOT DISTINCT (site, day, area, scope, basis, method, carrier, in_total)
) WITH (fillfactor = 85);
CREATE INDEX area_day_day ON core.area_day (day);

INSERT INTO core.emission_day (source_id, day, basis, part, in_total, factor_provisional, hours, hours_known,
    co2e_hours_known, estimated_hours, ends_at, last_known_hour, co2_kg, co2e_kg, ch4_kg, n2o_kg, biogenic_co2_kg,
    activity, covered_h, length_h, activity_unit, area)
SELECT p.source_id, p.day, p.basis,
    row_number() OVER (parts ORDER BY p.first_hour, p.area, p.in_total),
    p.in_total, p.factor_provisional,
    CASE WHEN row_number() OVER (parts ORDER BY p.first_hour DESC, p.area DESC, p.in_total DESC) = 1
        THEN greatest(ceil(d.length_h) - sum(p.recorded) OVER (parts) + p.recorded, p.recorded)
        ELSE p.recorded END,
    p.hours_known, p.co2e_hours_known, p.estimated_hours,
    coalesce(lead(p.first_hour) OVER (parts ORDER BY p.first_hour, p.area, p.in_total), d.ends_at), p.last_known_hour, p.co2_kg, p.co2e_kg,
    p.ch4_kg, p.n2o_kg, p.biogenic_co2_kg, p.activity, p.covered_h, d.length_h, p.activity_unit, p.area
FROM (
    SELECT h.source_id, (h.hour AT TIME ZONE t.timezone)::date AS day, t.timezone, h.basis, h.area, h.in_total,
        min(h.hour) AS first_hour, count(*) AS recorded, bool_or(h.factor_provisional) AS factor_provisional,
        count(h.co2_kg) AS hours_known, count(h.co2e_kg) AS co2e_hours_known,
        count(*) FILTER (WHERE h.estimated) AS estimated_hours,
        max(h.hour) FILTER (WHERE h.co2_kg IS NOT NULL) AS last_known_hour,
        sum(h.co2_kg ORDER BY h.hour) AS co2_kg, sum(h.co2e_kg ORDER BY h.hour) AS co2e_kg,
        CASE WHEN count(h.ch4_kg) = count(h.co2_kg) THEN sum(h.ch4_kg ORDER BY h.hour) END AS ch4_kg,
        CASE WHEN count(h.n2o_kg) = count(h.co2_kg) THEN sum(h.n2o_kg ORDER BY h.hour) END AS n2o_kg,
        CASE WHEN count(h.biogenic_co2_kg) = count(h.co2_kg) THEN sum(h.biogenic_co2_kg ORDER BY h.hour) END
            AS biogenic_co2_kg,
        CASE WHEN min(h.activity_unit) = max(h.activity_unit) THEN sum(h.activity ORDER BY h.hour) END AS activity,
        CASE WHEN min(h.activity_unit) = max(h.activity_unit) THEN min(h.activity_unit) END AS activity_unit,
        sum(h.coverage ORDER BY h.hour) AS covered_h
    FROM core.emission_hour h
    JOIN core.source s USING (source_id)
    JOIN core.site t USING (site)
    GROUP BY h.source_id, (h.hour AT TIME ZONE t.timezone)::date, t.timezone, h.basis, h.area, h.in_total
) AS p
CROSS JOIN LATERAL (
    SELECT core.day_begins(p.day + 1, p.timezone) AS ends_at,
        (extract(epoch FROM core.day_begins(p.day + 1, p.timezone) - core.day_begins(p.day, p.timezone)) / 3600)
            ::double precision AS length_h
) AS d
WINDOW parts AS (PARTITION BY p.source_id, p.day, p.basis);

INSERT INTO core.energy_day (device_id, day, part, in_total, hours, hours_known, energy_hours_known, estimated_hours,
    ends_at, last_known_hour, amount, energy_kwh, covered_h, length_h, unit, carrier, area)
SELECT p.device_id, p.day,
    row_number() OVER (parts ORDER BY p.first_hour, p.area, p.in_total, p.carrier, p.unit),
    p.in_total,
    CASE WHEN row_number() OVER (parts
            ORDER BY p.first_hour DESC, p.area DESC, p.in_total DESC, p.carrier DESC, p.unit DESC) = 1
        THEN greatest(ceil(d.length_h) - sum(p.recorded) OVER (parts) + p.recorded, p.recorded)
        ELSE p.recorded END,
    p.hours_known, p.energy_hours_known, p.estimated_hours,
    coalesce(lead(p.first_hour) OVER (parts ORDER BY p.first_hour, p.area, p.in_total, p.carrier, p.unit), d.ends_at),
    p.last_known_hour, p.amount, p.energy_kwh,
    p.covered_h, d.length_h, p.unit, p.carrier, p.area
FROM (
    SELECT h.device_id, (h.hour AT TIME ZONE t.timezone)::date AS day, t.timezone, h.area, h.in_total, h.carrier,
        h.unit, min(h.hour) AS first_hour, count(*) AS recorded, count(h.amount) AS hours_known,
        count(h.energy_kwh) AS energy_hours_known, count(*) FILTER (WHERE h.estimated) AS estimated_hours,
        max(h.hour) FILTER (WHERE h.amount IS NOT NULL) AS last_known_hour,
        sum(h.amount ORDER BY h.hour) AS amount, sum(h.energy_kwh ORDER BY h.hour) AS energy_kwh,
        sum(h.coverage ORDER BY h.hour) AS covered_h
    FROM core.energy_hour h
    JOIN core.device c USING (device_id)
    JOIN core.site t USING (site)
    GROUP BY h.device_id, (h.hour AT TIME ZONE t.timezone)::date, t.timezone, h.area, h.in_total, h.carrier, h.unit
) AS p
CROSS JOIN LATERAL (
    SELECT core.day_begins(p.day + 1, p.timezone) AS ends_at,
        (extract(epoch FROM core.day_begins(p.day + 1, p.timezone) - core.day_begins(p.day, p.timezone)) / 3600)
            ::double precision AS length_h
) AS d
WINDOW parts AS (PARTITION BY p.device_id, p.day);

INSERT INTO core.area_day (site, day, scope, basis, in_total, factor_provisional, sources, hours, hours_known,
    co2e_hours_known, estimated_hours, at_last_known_hour, ends_at, last_known_hour, co2_kg, co2e_kg, coverage,
    least_coverage, length_h, method, carrier, area)
SELECT p.site, p.day, p.scope, p.basis, p.in_total, bool_or(p.factor_provisional), count(DISTINCT p.source_id),
    sum(p.hours), sum(p.hours_known), sum(p.co2e_hours_known), sum(p.estimated_hours),
    count(*) FILTER (WHERE p.last_known_hour = p.newest), max(p.ends_at), max(p.newest),
    sum(p.co2_kg ORDER BY p.source_id, p.part), sum(p.co2e_kg ORDER BY p.source_id, p.part),
    sum(p.covered_h / p.length_h ORDER BY p.source_id, p.part) / count(DISTINCT p.source_id),
    min(p.covered_h / p.length_h), max(p.length_h), p.method, p.carrier, p.area
FROM (
    SELECT d.*, s.site, s.scope, s.method, s.carrier,
        max(d.last_known_hour) OVER (PARTITION BY s.site, d.day, d.area, s.scope, d.basis, s.method, s.carrier,
            d.in_total) AS newest
    FROM core.emission_day d
    JOIN core.source s USING (source_id)
) AS p
GROUP BY p.site, p.day, p.area, p.scope, p.basis, p.method, p.carrier, p.in_total;
