-- What was reported on a day, and why it differs today.
CREATE VIEW api.settings AS
SELECT s.final_after, s.raw_since FROM core.setting s;

COMMENT ON VIEW api.settings IS 'What the services were told that views go by; one row.';
COMMENT ON COLUMN api.settings.final_after IS 'How long after its end an hour is final (CARBONFLOW_FINAL_AFTER_DAYS).';
COMMENT ON COLUMN api.settings.raw_since IS 'Since when all raw readings are kept; hours before stay as they are (CARBONFLOW_RETENTION_RAW_DAYS). NULL: nothing was dropped.';

-- A function is not dropped with the views; its columns can only change if it is made anew.
DROP FUNCTION IF EXISTS api.emissions_difference(timestamptz, timestamptz, timestamptz, text);
DROP FUNCTION IF EXISTS api.emissions_as_of(timestamptz);

-- Both are inlined into the query that asks: what it says of hour and site is looked up by index.
CREATE FUNCTION api.emissions_as_of(as_of timestamptz)
RETURNS TABLE (hour timestamptz, site text, area text, source text, scope smallint, basis text, method text,
    carrier text, activity double precision, activity_unit text, co2_kg double precision, ch4_kg double precision,
    n2o_kg double precision, co2e_kg double precision, biogenic_co2_kg double precision, gwp_set text, factor text,
    in_total boolean, uncertainty_pct double precision, coverage double precision, estimated boolean, status text,
    missing_reason text, revision integer, stands_since timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT v.hour, v.site, v.area, v.source, v.scope, v.basis, v.method, v.carrier, v.activity, v.activity_unit,
        v.co2_kg, v.ch4_kg, v.n2o_kg, v.co2e_kg, v.biogenic_co2_kg, v.gwp_set, v.factor, v.in_total,
        v.uncertainty_pct, v.coverage, v.estimated,
        CASE WHEN as_of < v.hour + interval '1 hour' THEN 'open'
             WHEN as_of < v.hour + interval '1 hour' + (SELECT s.final_after FROM api.settings s)
                 OR v.factor_provisional THEN 'provisional'
             ELSE 'final' END,
        v.missing_reason, v.revision, v.stands_since
    FROM (
        SELECT h.hour, h.site, h.area, h.source, h.scope, h.basis, h.method, h.carrier, h.activity,
            h.activity_unit, h.co2_kg, h.ch4_kg, h.n2o_kg, h.co2e_kg, h.biogenic_co2_kg, h.gwp_set, h.factor,
            h.in_total, h.uncertainty_pct, h.coverage, h.estimated, h.factor_provisional, h.missing_reason,
            h.revision, h.stands_since
        FROM api.emissions_hourly h
        WHERE h.stands_since <= as_of
        UNION ALL
        SELECT r.hour, r.site, r.area, r.source, r.scope, r.basis, r.method, r.carrier, r.activity,
            r.activity_unit, r.co2_kg, r.ch4_kg, r.n2o_kg, r.co2e_kg, r.biogenic_co2_kg, r.gwp_set, r.factor,
            r.in_total, r.uncertainty_pct, r.coverage, r.estimated, r.factor_provisional, r.missing_reason,
            r.revision, r.stands_since
        FROM api.emission_revisions r
        WHERE r.stands_since <= as_of AND r.superseded_at > as_of
    ) AS v
$$;

COMMENT ON FUNCTION api.emissions_as_of(timestamptz) IS 'api.emissions_hourly as it stood at an instant. Exact at every full quarter of an hour, of hours that had ended before it; of final and restated hours at every instant.';

CREATE FUNCTION api.emissions_difference(as_of timestamptz, from_hour timestamptz DEFAULT '-infinity',
    to_hour timestamptz DEFAULT 'infinity', of_site text DEFAULT NULL)
RETURNS TABLE (site text, source text, basis text, reason text, detail text, restatement bigint, hours bigint,
    co2_kg double precision, co2_kg_in_total double precision)
LANGUAGE sql STABLE
AS $$
    WITH result AS (
        SELECT h.site, h.source, h.basis, h.hour, h.revision, h.stands_since, 'infinity'::timestamptz AS superseded_at,
            h.co2_kg, h.in_total, NULL AS reason, NULL AS detail, NULL::bigint AS restatement,
            NULL::double precision AS co2_kg_after
        FROM api.emissions_hourly h
        WHERE h.hour >= from_hour AND h.hour < to_hour AND h.hour < as_of - interval '1 hour'
            AND (of_site IS NULL OR h.site = of_site)
        UNION ALL
        SELECT r.site, r.source, r.basis, r.hour, r.revision, r.stands_since, r.superseded_at, r.co2_kg, r.in_total,
            r.reason, r.detail, r.restatement, r.co2_kg_after
        FROM api.emission_revisions r
        WHERE r.hour >= from_hour AND r.hour < to_hour AND r.hour < as_of - interval '1 hour'
            AND (of_site IS NULL OR r.site = of_site) AND r.superseded_at > as_of
    ), step AS (
        SELECT r.*, coalesce(r.co2_kg, 0) AS before_kg, coalesce(r.co2_kg_after, 0) AS after_kg,
            coalesce(r.in_total, false) AS counted_before,
            coalesce(lead(r.in_total) OVER (PARTITION BY r.site, r.source, r.basis, r.hour ORDER BY r.revision),
                false) AS counted_after
        FROM result r
    ), hourly AS (
        SELECT s.site, s.source, s.basis, s.hour,
            coalesce(sum(s.before_kg) FILTER (WHERE s.stands_since <= as_of), 0) AS then_kg,
            coalesce(sum(s.before_kg) FILTER (WHERE s.stands_since <= as_of AND s.counted_before), 0) AS then_counted_kg,
            coalesce(sum(s.before_kg) FILTER (WHERE s.superseded_at = 'infinity'), 0) AS now_kg,
            coalesce(sum(s.before_kg) FILTER (WHERE s.superseded_at = 'infinity' AND s.counted_before), 0)
                AS now_counted_kg,
            coalesce(sum(s.after_kg - s.before_kg) FILTER (WHERE s.reason IS NOT NULL), 0) AS told_kg,
            coalesce(sum(CASE WHEN s.counted_after THEN s.after_kg ELSE 0 END
                - CASE WHEN s.counted_before THEN s.before_kg ELSE 0 END) FILTER (WHERE s.reason IS NOT NULL), 0)
                AS told_counted_kg,
            bool_or(s.stands_since <= as_of) AS was_there
        FROM step s
        GROUP BY s.site, s.source, s.basis, s.hour
    ), change AS (
        SELECT s.site, s.source, s.basis, s.reason, s.detail, s.restatement, s.after_kg - s.before_kg AS kg,
            CASE WHEN s.counted_after THEN s.after_kg ELSE 0 END
                - CASE WHEN s.counted_before THEN s.before_kg ELSE 0 END AS counted_kg
        FROM step s
        WHERE s.reason IS NOT NULL
        UNION ALL
        -- What no kept result tells of: the hour was not there, or changed within a quarter of an hour.
        SELECT h.site, h.source, h.basis, CASE WHEN h.was_there THEN 'late data' ELSE 'added' END, NULL, NULL,
            h.now_kg - h.then_kg - h.told_kg, h.now_counted_kg - h.then_counted_kg - h.told_counted_kg
        FROM hourly h
        WHERE NOT h.was_there OR abs(h.now_kg - h.then_kg - h.told_kg) > 1e-9 * (h.now_kg + h.then_kg)
    )
    SELECT c.site, c.source, c.basis, c.reason, c.detail, c.restatement, count(*), sum(c.kg), sum(c.counted_kg)
    FROM change c
    GROUP BY c.site, c.source, c.basis, c.reason, c.detail, c.restatement
$$;

COMMENT ON FUNCTION api.emissions_difference(timestamptz, timestamptz, timestamptz, text) IS 'Why the sums of hours that had ended by an instant are others today than api.emissions_as_of says: kg of CO2 by source and reason (late data, correction, registry, factor, code; added: the hour had no result then), co2_kg_in_total of what counts in a total. Of the hours from from_hour until before to_hour, of one site or of all.';
