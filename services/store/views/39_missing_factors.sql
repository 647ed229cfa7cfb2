-- Hours whose activity is known and whose CO2 is not. Those of a mass balance that gives off more carbon than it takes in
-- lack no factor. In the order of the partial index emission_hour_no_factor.
CREATE VIEW api.missing_factors AS
SELECT s.site, s.source, nullif(h.basis, 'none') AS basis, s.scope, s.method, s.carrier,
    coalesce((SELECT fact ->> 'region'
        FROM json_array_elements((SELECT r.document FROM core.registry_version r ORDER BY r.version_id DESC LIMIT 1)
            #> ARRAY['sites', s.site, 'sources', s.source, 'facts']) AS fact
        WHERE (fact -> 'region') IS NOT NULL AND (fact ->> 'from')::timestamptz <= max(h.hour)
        ORDER BY (fact ->> 'from')::timestamptz DESC LIMIT 1), t.region) AS region,
    h.missing_reason, min(h.hour) AS from_hour, max(h.hour) AS to_hour, count(*) AS hours,
    sum(h.activity) AS activity, h.activity_unit, bool_or(h.in_total) AS in_total
FROM core.emission_hour h
JOIN core.source s USING (source_id)
JOIN core.site t USING (site)
WHERE h.co2_kg IS NULL AND h.activity IS NOT NULL AND s.method <> 'mass_balance'
GROUP BY s.site, s.source, h.basis, s.scope, s.method, s.carrier, t.region, h.missing_reason, h.activity_unit;

COMMENT ON VIEW api.missing_factors IS 'Sources whose activity is stored and whose CO2 is unknown for want of a factor: the hours, and why. Loading a factor or naming another computes them.';
COMMENT ON COLUMN api.missing_factors.site IS 'Site id.';
COMMENT ON COLUMN api.missing_factors.source IS 'Emission source id.';
COMMENT ON COLUMN api.missing_factors.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.missing_factors.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.missing_factors.method IS 'fuel, electricity, heat or cems.';
COMMENT ON COLUMN api.missing_factors.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.missing_factors.region IS 'Place of the factor that was looked for: the source''s, else the site''s.';
COMMENT ON COLUMN api.missing_factors.missing_reason IS 'Why there is none.';
COMMENT ON COLUMN api.missing_factors.from_hour IS 'When the first of the hours begins.';
COMMENT ON COLUMN api.missing_factors.to_hour IS 'When the last of them begins.';
COMMENT ON COLUMN api.missing_factors.hours IS 'How many hours.';
COMMENT ON COLUMN api.missing_factors.activity IS 'Their activity in activity_unit.';
COMMENT ON COLUMN api.missing_factors.activity_unit IS 'Unit of activity.';
COMMENT ON COLUMN api.missing_factors.in_total IS 'Whether a total lacks their CO2.';
