-- The newest rate of each device of a source, on each of its bases, of which the first may count in a total. One device silent for 3 intervals makes the sum unknown, and so does
-- one that never sent. A device may have several rows of one instant, such as two carbon streams: they are summed.
CREATE VIEW api.emissions_live AS
SELECT CASE WHEN bool_and(newest.time IS NOT NULL) THEN min(newest.time) END AS time, s.site, s.source, s.scope,
    nullif(basis.word, 'none') AS basis, s.method, s.carrier,
    CASE WHEN bool_and(newest.fresh AND newest.co2_kg_per_h IS NOT NULL)
        AND NOT (s.method = 'mass_balance' AND sum(newest.co2_kg_per_h) < 0) THEN sum(newest.co2_kg_per_h) END
        AS co2_kg_per_h,
    CASE WHEN bool_and(newest.fresh AND newest.co2e_kg_per_h IS NOT NULL)
        AND NOT (s.method = 'mass_balance' AND sum(newest.co2_kg_per_h) < 0) THEN sum(newest.co2e_kg_per_h) END
        AS co2e_kg_per_h,
    CASE WHEN bool_and(newest.factor_id IS NOT NULL) AND min(newest.factor_id) = max(newest.factor_id) THEN
        (SELECT f.factor FROM api.factors f WHERE f.factor_id = min(newest.factor_id)) END AS factor,
    p.in_total AND basis.number = 1 AS in_total,
    CASE WHEN bool_and(newest.time IS NOT NULL) THEN
        extract(epoch FROM now() - min(newest.time))::double precision END AS age_s
FROM core.source s
JOIN core.source_period p ON p.source_id = s.source_id AND p.valid_from <= now() AND now() < p.valid_to
CROSS JOIN LATERAL unnest(coalesce(p.bases, ARRAY[CASE WHEN s.method = 'electricity' THEN 'location' ELSE 'none' END]))
    WITH ORDINALITY AS basis (word, number)
CROSS JOIN LATERAL unnest(p.device_ids) AS member (device_id)
LEFT JOIN core.device_period dp
    ON dp.device_id = member.device_id AND dp.valid_from <= now() AND now() < dp.valid_to
LEFT JOIN LATERAL (
    SELECT l.time FROM core.live_emission l
    WHERE l.source_id = s.source_id AND l.device_id = member.device_id AND l.newest
    ORDER BY l.time DESC LIMIT 1
) last ON true
CROSS JOIN LATERAL (
    SELECT last.time,
        coalesce(last.time >= now() - make_interval(secs => 3 * dp.interval_s), false) AS fresh,
        CASE WHEN count(*) = count(l.co2_kg_per_h) THEN sum(l.co2_kg_per_h) END AS co2_kg_per_h,
        CASE WHEN count(*) = count(l.co2e_kg_per_h) THEN sum(l.co2e_kg_per_h) END AS co2e_kg_per_h,
        CASE WHEN count(*) = count(l.factor_id) AND min(l.factor_id) = max(l.factor_id) THEN min(l.factor_id) END
            AS factor_id
    FROM core.live_emission l
    WHERE l.source_id = s.source_id AND l.device_id = member.device_id AND l.newest AND l.time = last.time
        AND (l.basis IS NOT DISTINCT FROM 'market') = (basis.word = 'market')
) newest
WHERE s.ended_at IS NULL OR s.ended_at > now()
GROUP BY s.source_id, s.site, s.source, s.scope, s.method, s.carrier, p.in_total, basis.word, basis.number;

COMMENT ON VIEW api.emissions_live IS 'What each source emits now: the sum of the newest rate of each of its devices.';
COMMENT ON COLUMN api.emissions_live.time IS 'Device time of the oldest of the newest readings.';
COMMENT ON COLUMN api.emissions_live.site IS 'Site id.';
COMMENT ON COLUMN api.emissions_live.source IS 'Emission source id.';
COMMENT ON COLUMN api.emissions_live.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.emissions_live.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emissions_live.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.emissions_live.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.emissions_live.co2_kg_per_h IS 'CO2 rate; NULL where a device is silent for 3 intervals, the rate is unknown, or more carbon leaves a mass balance than enters.';
COMMENT ON COLUMN api.emissions_live.co2e_kg_per_h IS 'CO2 equivalent rate; NULL where unknown.';
COMMENT ON COLUMN api.emissions_live.factor IS 'Factor used; see api.factors. NULL where several make the rate, as contracts and the rest do.';
COMMENT ON COLUMN api.emissions_live.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.emissions_live.age_s IS 'Seconds since the oldest of the newest readings.';

CREATE VIEW api.emissions_rate AS
SELECT l.time, s.site, s.source, d.device, l.basis, l.co2_kg_per_h, l.co2e_kg_per_h
FROM core.live_emission l
JOIN core.source s USING (source_id)
JOIN core.device d USING (device_id);

COMMENT ON VIEW api.emissions_rate IS 'The live stream as it was: the rate of each device of a source at each reading. Never restated.';
COMMENT ON COLUMN api.emissions_rate.time IS 'Device time of the reading.';
COMMENT ON COLUMN api.emissions_rate.site IS 'Site id.';
COMMENT ON COLUMN api.emissions_rate.source IS 'Emission source id.';
COMMENT ON COLUMN api.emissions_rate.device IS 'Device id.';
COMMENT ON COLUMN api.emissions_rate.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emissions_rate.co2_kg_per_h IS 'CO2 rate; NULL where unknown.';
COMMENT ON COLUMN api.emissions_rate.co2e_kg_per_h IS 'CO2 equivalent rate; NULL where unknown.';
