-- Two routes of the same carbon, side by side and never added. A side is known where each of its sources is. Its half
-- width: of independent meters in quadrature, of factors linearly (rather too wide than too narrow), the two in
-- quadrature; of the difference, both sides' in quadrature. What is 0 adds no width.
CREATE VIEW api.reconciliation_hourly AS
SELECT side.hour, side.site, side.source, side.others, side.source_co2_kg, side.other_co2_kg,
    side.source_co2_kg - side.other_co2_kg AS difference_kg,
    100 * (side.source_co2_kg - side.other_co2_kg) / nullif(side.other_co2_kg, 0) AS difference_pct,
    sqrt(side.source_width_kg ^ 2 + side.other_width_kg ^ 2) AS tolerance_kg,
    100 * sqrt(side.source_width_kg ^ 2 + side.other_width_kg ^ 2) / nullif(abs(side.other_co2_kg), 0) AS tolerance_pct,
    CASE WHEN abs(side.source_co2_kg - side.other_co2_kg) <= sqrt(side.source_width_kg ^ 2 + side.other_width_kg ^ 2)
             THEN 'within'
         WHEN abs(side.source_co2_kg - side.other_co2_kg) > sqrt(side.source_width_kg ^ 2 + side.other_width_kg ^ 2)
             THEN 'outside' END AS verdict,
    side.in_total, side.coverage, side.estimated, side.hour + interval '1 hour' <= now() AS closed,
    side.missing_reason, side.source_width_kg, side.other_width_kg
FROM (
    SELECT h.hour, s.site, s.source, p.others,
        max(h.co2_kg) FILTER (WHERE member.own) AS source_co2_kg,
        CASE WHEN count(h.co2_kg) FILTER (WHERE NOT member.own) = cardinality(p.other_ids)
            THEN sum(h.co2_kg) FILTER (WHERE NOT member.own) END AS other_co2_kg,
        max(sqrt(width.activity_kg ^ 2 + width.factor_kg ^ 2)) FILTER (WHERE member.own) AS source_width_kg,
        CASE WHEN count(width.activity_kg + width.factor_kg) FILTER (WHERE NOT member.own) = cardinality(p.other_ids)
            THEN sqrt(sum(width.activity_kg ^ 2) FILTER (WHERE NOT member.own)
                + (sum(width.factor_kg) FILTER (WHERE NOT member.own)) ^ 2) END AS other_width_kg,
        string_agg(m.source, ', ' ORDER BY m.source) FILTER (WHERE h.in_total) AS in_total,
        CASE WHEN count(*) = cardinality(p.other_ids) + 1 THEN min(h.coverage) ELSE 0 END AS coverage,
        bool_or(h.estimated) AS estimated,
        string_agg(m.source || ': ' || h.missing_reason, ' ' ORDER BY m.source) AS missing_reason
    FROM (
        SELECT r.source_id, r.valid_from, r.valid_to, r.other_ids,
            (SELECT string_agg(o.source, ', ' ORDER BY array_position(r.other_ids, o.source_id))
             FROM core.source o WHERE o.source_id = ANY (r.other_ids)) AS others
        FROM core.route_period r
        OFFSET 0  -- once for each pair, not for each hour
    ) p
    JOIN core.source s ON s.source_id = p.source_id
    CROSS JOIN LATERAL (
        SELECT p.source_id AS source_id, true AS own
        UNION ALL
        SELECT other.source_id, false FROM unnest(p.other_ids) AS other (source_id)
    ) member
    JOIN core.source m ON m.source_id = member.source_id
    JOIN core.emission_hour h ON h.source_id = member.source_id AND h.basis <> 'market'
        AND h.hour >= p.valid_from AND h.hour < p.valid_to
    CROSS JOIN LATERAL (
        SELECT CASE WHEN h.co2_kg = 0 THEN 0 ELSE abs(h.co2_kg) * h.activity_uncertainty_pct / 100 END AS activity_kg,
            CASE WHEN h.co2_kg = 0 THEN 0 ELSE abs(h.co2_kg) * h.factor_uncertainty_pct / 100 END AS factor_kg
    ) width
    GROUP BY p.source_id, p.valid_from, p.other_ids, p.others, s.site, s.source, h.hour
) side;

COMMENT ON VIEW api.reconciliation_hourly IS 'Two routes of the same carbon by hour of the site''s local clock: a source, and the sources that together are its other route. They are compared, never added.';
COMMENT ON COLUMN api.reconciliation_hourly.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.reconciliation_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.reconciliation_hourly.source IS 'Source that the registry sets against others (reconciles_with), such as a stack.';
COMMENT ON COLUMN api.reconciliation_hourly.others IS 'Sources that together are the other route, with commas between.';
COMMENT ON COLUMN api.reconciliation_hourly.source_co2_kg IS 'CO2 by the source; NULL where unknown.';
COMMENT ON COLUMN api.reconciliation_hourly.other_co2_kg IS 'CO2 by the other route; NULL where one of its sources is unknown.';
COMMENT ON COLUMN api.reconciliation_hourly.difference_kg IS 'source_co2_kg less other_co2_kg.';
COMMENT ON COLUMN api.reconciliation_hourly.difference_pct IS 'How much more the source has, in per cent of the other route; NULL where that has 0.';
COMMENT ON COLUMN api.reconciliation_hourly.tolerance_kg IS 'Half width of the 95 % interval of the difference, by the uncertainties of both routes in quadrature; NULL where the registry does not state them all.';
COMMENT ON COLUMN api.reconciliation_hourly.tolerance_pct IS 'tolerance_kg in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_hourly.verdict IS 'within or outside the tolerance; NULL where a side or the tolerance is unknown.';
COMMENT ON COLUMN api.reconciliation_hourly.in_total IS 'Sources of the one route that counts in a total, with commas between.';
COMMENT ON COLUMN api.reconciliation_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1, of the source covered least.';
COMMENT ON COLUMN api.reconciliation_hourly.estimated IS 'Whether part of either route was spread over an outage or substituted.';
COMMENT ON COLUMN api.reconciliation_hourly.closed IS 'Whether the hour is over: of the running one the routes cover different parts.';
COMMENT ON COLUMN api.reconciliation_hourly.missing_reason IS 'Why a source is unknown.';
COMMENT ON COLUMN api.reconciliation_hourly.source_width_kg IS 'Half width of the 95 % interval of source_co2_kg.';
COMMENT ON COLUMN api.reconciliation_hourly.other_width_kg IS 'Half width of the 95 % interval of other_co2_kg.';

-- Over the hours of a meter and a factor half widths add up (docs/adr/0011): a day is no more certain than its hours.
CREATE VIEW api.reconciliation_daily AS
SELECT day, site, source, others, source_co2_kg, other_co2_kg, source_co2_kg - other_co2_kg AS difference_kg,
    100 * (source_co2_kg - other_co2_kg) / nullif(other_co2_kg, 0) AS difference_pct, tolerance_kg,
    100 * tolerance_kg / nullif(abs(other_co2_kg), 0) AS tolerance_pct,
    CASE WHEN known_hours < 20 THEN NULL
         WHEN abs(source_co2_kg - other_co2_kg) <= tolerance_kg THEN 'within'
         WHEN abs(source_co2_kg - other_co2_kg) > tolerance_kg THEN 'outside' END AS verdict,
    in_total, known_hours, estimated
FROM (
    SELECT (h.hour AT TIME ZONE t.timezone)::date AS day, h.site, h.source, h.others, h.in_total,
        count(h.difference_kg) AS known_hours,
        sum(h.source_co2_kg) FILTER (WHERE h.difference_kg IS NOT NULL) AS source_co2_kg,
        sum(h.other_co2_kg) FILTER (WHERE h.difference_kg IS NOT NULL) AS other_co2_kg,
        CASE WHEN count(h.tolerance_kg) FILTER (WHERE h.difference_kg IS NOT NULL) = count(h.difference_kg)
            THEN sqrt(sum(h.source_width_kg) FILTER (WHERE h.difference_kg IS NOT NULL) ^ 2
                + sum(h.other_width_kg) FILTER (WHERE h.difference_kg IS NOT NULL) ^ 2) END AS tolerance_kg,
        bool_or(h.estimated) AS estimated
    FROM api.reconciliation_hourly h
    JOIN core.site t USING (site)
    WHERE h.closed
    GROUP BY (h.hour AT TIME ZONE t.timezone)::date, h.site, h.source, h.others, h.in_total
) summed;

COMMENT ON VIEW api.reconciliation_daily IS 'Two routes of the same carbon by day of the site''s local calendar, over the closed hours in which both are known.';
COMMENT ON COLUMN api.reconciliation_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.reconciliation_daily.site IS 'Site id.';
COMMENT ON COLUMN api.reconciliation_daily.source IS 'Source that the registry sets against others.';
COMMENT ON COLUMN api.reconciliation_daily.others IS 'Sources that together are the other route.';
COMMENT ON COLUMN api.reconciliation_daily.source_co2_kg IS 'CO2 by the source, of the hours in which both routes are known; NULL where none is.';
COMMENT ON COLUMN api.reconciliation_daily.other_co2_kg IS 'CO2 by the other route, of the same hours.';
COMMENT ON COLUMN api.reconciliation_daily.difference_kg IS 'source_co2_kg less other_co2_kg.';
COMMENT ON COLUMN api.reconciliation_daily.difference_pct IS 'How much more the source has, in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_daily.tolerance_kg IS 'Half width of the 95 % interval of the difference: over the hours each route''s adds up, then both in quadrature. NULL where that of an hour is unknown.';
COMMENT ON COLUMN api.reconciliation_daily.tolerance_pct IS 'tolerance_kg in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_daily.verdict IS 'within or outside the tolerance; NULL with fewer than 20 known hours, or where the tolerance is unknown.';
COMMENT ON COLUMN api.reconciliation_daily.in_total IS 'Sources of the one route that counts in a total.';
COMMENT ON COLUMN api.reconciliation_daily.known_hours IS 'Closed hours in which both routes are known.';
COMMENT ON COLUMN api.reconciliation_daily.estimated IS 'Whether part of either route was spread over an outage or substituted.';

CREATE VIEW api.reconciliation_monthly AS
SELECT month, site, source, others, source_co2_kg, other_co2_kg, source_co2_kg - other_co2_kg AS difference_kg,
    100 * (source_co2_kg - other_co2_kg) / nullif(other_co2_kg, 0) AS difference_pct, tolerance_kg,
    100 * tolerance_kg / nullif(abs(other_co2_kg), 0) AS tolerance_pct,
    CASE WHEN known_hours * 6 < closed_hours * 5 THEN NULL
         WHEN abs(source_co2_kg - other_co2_kg) <= tolerance_kg THEN 'within'
         WHEN abs(source_co2_kg - other_co2_kg) > tolerance_kg THEN 'outside' END AS verdict,
    in_total, known_hours, closed_hours, estimated
FROM (
    SELECT date_trunc('month', h.hour AT TIME ZONE t.timezone)::date AS month, h.site, h.source, h.others, h.in_total,
        count(h.difference_kg) AS known_hours, count(*) AS closed_hours,
        sum(h.source_co2_kg) FILTER (WHERE h.difference_kg IS NOT NULL) AS source_co2_kg,
        sum(h.other_co2_kg) FILTER (WHERE h.difference_kg IS NOT NULL) AS other_co2_kg,
        CASE WHEN count(h.tolerance_kg) FILTER (WHERE h.difference_kg IS NOT NULL) = count(h.difference_kg)
            THEN sqrt(sum(h.source_width_kg) FILTER (WHERE h.difference_kg IS NOT NULL) ^ 2
                + sum(h.other_width_kg) FILTER (WHERE h.difference_kg IS NOT NULL) ^ 2) END AS tolerance_kg,
        bool_or(h.estimated) AS estimated
    FROM api.reconciliation_hourly h
    JOIN core.site t USING (site)
    WHERE h.closed
    GROUP BY date_trunc('month', h.hour AT TIME ZONE t.timezone)::date, h.site, h.source, h.others, h.in_total
) summed;

COMMENT ON VIEW api.reconciliation_monthly IS 'Two routes of the same carbon by month of the site''s local calendar, over the closed hours in which both are known.';
COMMENT ON COLUMN api.reconciliation_monthly.month IS 'First day of the month on the site''s local calendar.';
COMMENT ON COLUMN api.reconciliation_monthly.site IS 'Site id.';
COMMENT ON COLUMN api.reconciliation_monthly.source IS 'Source that the registry sets against others.';
COMMENT ON COLUMN api.reconciliation_monthly.others IS 'Sources that together are the other route.';
COMMENT ON COLUMN api.reconciliation_monthly.source_co2_kg IS 'CO2 by the source, of the hours in which both routes are known; NULL where none is.';
COMMENT ON COLUMN api.reconciliation_monthly.other_co2_kg IS 'CO2 by the other route, of the same hours.';
COMMENT ON COLUMN api.reconciliation_monthly.difference_kg IS 'source_co2_kg less other_co2_kg.';
COMMENT ON COLUMN api.reconciliation_monthly.difference_pct IS 'How much more the source has, in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_monthly.tolerance_kg IS 'Half width of the 95 % interval of the difference: over the hours each route''s adds up, then both in quadrature. NULL where that of an hour is unknown.';
COMMENT ON COLUMN api.reconciliation_monthly.tolerance_pct IS 'tolerance_kg in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_monthly.verdict IS 'within or outside the tolerance; NULL with fewer than five in six hours known, or where the tolerance is unknown.';
COMMENT ON COLUMN api.reconciliation_monthly.in_total IS 'Sources of the one route that counts in a total.';
COMMENT ON COLUMN api.reconciliation_monthly.known_hours IS 'Closed hours in which both routes are known.';
COMMENT ON COLUMN api.reconciliation_monthly.closed_hours IS 'Closed hours of the month in which either route has a row.';
COMMENT ON COLUMN api.reconciliation_monthly.estimated IS 'Whether part of either route was spread over an outage or substituted.';

-- The last 24 closed hours, by which a pair is judged.
CREATE VIEW api.reconciliation_24h AS
SELECT summed.site, summed.source, summed.others, summed.source_co2_kg, summed.other_co2_kg,
    summed.source_co2_kg - summed.other_co2_kg AS difference_kg,
    100 * (summed.source_co2_kg - summed.other_co2_kg) / nullif(summed.other_co2_kg, 0) AS difference_pct,
    summed.tolerance_kg, 100 * summed.tolerance_kg / nullif(abs(summed.other_co2_kg), 0) AS tolerance_pct,
    CASE WHEN summed.known_hours < 20 THEN NULL
         WHEN abs(summed.source_co2_kg - summed.other_co2_kg) <= summed.tolerance_kg THEN 'within'
         WHEN abs(summed.source_co2_kg - summed.other_co2_kg) > summed.tolerance_kg THEN 'outside' END AS verdict,
    summed.known_hours, summed.from_time, summed.to_time
FROM (
    SELECT h.site, h.source, h.others, count(h.difference_kg) AS known_hours,
        sum(h.source_co2_kg) FILTER (WHERE h.difference_kg IS NOT NULL) AS source_co2_kg,
        sum(h.other_co2_kg) FILTER (WHERE h.difference_kg IS NOT NULL) AS other_co2_kg,
        CASE WHEN count(h.tolerance_kg) FILTER (WHERE h.difference_kg IS NOT NULL) = count(h.difference_kg)
            THEN sqrt(sum(h.source_width_kg) FILTER (WHERE h.difference_kg IS NOT NULL) ^ 2
                + sum(h.other_width_kg) FILTER (WHERE h.difference_kg IS NOT NULL) ^ 2) END AS tolerance_kg,
        min(h.hour) AS from_time, max(h.hour) + interval '1 hour' AS to_time
    FROM api.reconciliation_hourly h
    WHERE h.hour > now() - interval '25 hours' AND h.hour <= now() - interval '1 hour'
    GROUP BY h.site, h.source, h.others
) summed;

COMMENT ON VIEW api.reconciliation_24h IS 'Two routes of the same carbon over the last 24 closed hours, by which they are judged: coal lies in bunkers for hours between its scale and the stack, which a day cancels, and a bias of a meter it does not.';
COMMENT ON COLUMN api.reconciliation_24h.site IS 'Site id.';
COMMENT ON COLUMN api.reconciliation_24h.source IS 'Source that the registry sets against others.';
COMMENT ON COLUMN api.reconciliation_24h.others IS 'Sources that together are the other route.';
COMMENT ON COLUMN api.reconciliation_24h.source_co2_kg IS 'CO2 by the source, of the hours in which both routes are known; NULL where none is.';
COMMENT ON COLUMN api.reconciliation_24h.other_co2_kg IS 'CO2 by the other route, of the same hours.';
COMMENT ON COLUMN api.reconciliation_24h.difference_kg IS 'source_co2_kg less other_co2_kg.';
COMMENT ON COLUMN api.reconciliation_24h.difference_pct IS 'How much more the source has, in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_24h.tolerance_kg IS 'Half width of the 95 % interval of the difference; NULL where that of an hour is unknown.';
COMMENT ON COLUMN api.reconciliation_24h.tolerance_pct IS 'tolerance_kg in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_24h.verdict IS 'within or outside the tolerance; NULL with fewer than 20 known hours, or where the tolerance is unknown. outside is a finding.';
COMMENT ON COLUMN api.reconciliation_24h.known_hours IS 'Hours in which both routes are known.';
COMMENT ON COLUMN api.reconciliation_24h.from_time IS 'When the first of the hours begins.';
COMMENT ON COLUMN api.reconciliation_24h.to_time IS 'When the last of the hours ends.';
