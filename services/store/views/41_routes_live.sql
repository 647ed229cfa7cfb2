-- Now: the rates by the newest readings, with the uncertainties of each source's newest hour that states them (hours,
-- not readings, are assessed); and the last 24 closed hours, by which the pair is judged.
CREATE VIEW api.reconciliation_live AS
SELECT side.site, side.source, side.others, side.source_co2_kg_per_h, side.other_co2_kg_per_h,
    side.source_co2_kg_per_h - side.other_co2_kg_per_h AS difference_kg_per_h,
    100 * (side.source_co2_kg_per_h - side.other_co2_kg_per_h) / nullif(side.other_co2_kg_per_h, 0) AS difference_pct,
    100 * sqrt(side.source_width ^ 2 + side.other_width ^ 2) / nullif(abs(side.other_co2_kg_per_h), 0) AS tolerance_pct,
    CASE WHEN abs(side.source_co2_kg_per_h - side.other_co2_kg_per_h) <= sqrt(side.source_width ^ 2 + side.other_width ^ 2)
             THEN 'within'
         WHEN abs(side.source_co2_kg_per_h - side.other_co2_kg_per_h) > sqrt(side.source_width ^ 2 + side.other_width ^ 2)
             THEN 'outside' END AS verdict,
    side.in_total, side.age_s, coalesce(day.known_hours, 0) AS day_known_hours, day.source_co2_kg AS day_source_co2_kg,
    day.other_co2_kg AS day_other_co2_kg, day.difference_pct AS day_difference_pct,
    day.tolerance_pct AS day_tolerance_pct, day.verdict AS day_verdict
FROM (
    SELECT s.site, s.source, p.others,
        max(l.co2_kg_per_h) FILTER (WHERE member.own) AS source_co2_kg_per_h,
        CASE WHEN count(l.co2_kg_per_h) FILTER (WHERE NOT member.own) = cardinality(p.other_ids)
            THEN sum(l.co2_kg_per_h) FILTER (WHERE NOT member.own) END AS other_co2_kg_per_h,
        max(sqrt(width.activity ^ 2 + width.factor ^ 2)) FILTER (WHERE member.own) AS source_width,
        CASE WHEN count(width.activity + width.factor) FILTER (WHERE NOT member.own) = cardinality(p.other_ids)
            THEN sqrt(sum(width.activity ^ 2) FILTER (WHERE NOT member.own)
                + (sum(width.factor) FILTER (WHERE NOT member.own)) ^ 2) END AS other_width,
        string_agg(m.source, ', ' ORDER BY m.source) FILTER (WHERE l.in_total) AS in_total,
        CASE WHEN bool_and(l.age_s IS NOT NULL) THEN max(l.age_s) END AS age_s
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
    LEFT JOIN api.emissions_live l ON l.site = m.site AND l.source = m.source AND l.basis IS DISTINCT FROM 'market'
    LEFT JOIN LATERAL (
        SELECT h.activity_uncertainty_pct, h.factor_uncertainty_pct FROM core.emission_hour h
        WHERE h.source_id = member.source_id AND h.basis <> 'market' AND h.uncertainty_pct IS NOT NULL
            AND h.hour > now() - interval '2 days'
        ORDER BY h.hour DESC LIMIT 1
    ) newest ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN l.co2_kg_per_h = 0 THEN 0
                ELSE abs(l.co2_kg_per_h) * newest.activity_uncertainty_pct / 100 END AS activity,
            CASE WHEN l.co2_kg_per_h = 0 THEN 0
                ELSE abs(l.co2_kg_per_h) * newest.factor_uncertainty_pct / 100 END AS factor
    ) width
    WHERE p.valid_from <= now() AND now() < p.valid_to
    GROUP BY p.source_id, p.valid_from, p.other_ids, p.others, s.site, s.source
) side
LEFT JOIN api.reconciliation_24h day USING (site, source, others);

COMMENT ON VIEW api.reconciliation_live IS 'Two routes of the same carbon now, and over the last 24 closed hours, by which they are judged: coal lies in bunkers for hours between its scale and the stack, which a day cancels, and a bias of a meter it does not.';
COMMENT ON COLUMN api.reconciliation_live.site IS 'Site id.';
COMMENT ON COLUMN api.reconciliation_live.source IS 'Source that the registry sets against others (reconciles_with), such as a stack.';
COMMENT ON COLUMN api.reconciliation_live.others IS 'Sources that together are the other route, with commas between.';
COMMENT ON COLUMN api.reconciliation_live.source_co2_kg_per_h IS 'CO2 rate by the source; NULL where unknown.';
COMMENT ON COLUMN api.reconciliation_live.other_co2_kg_per_h IS 'CO2 rate by the other route; NULL where one of its sources is unknown.';
COMMENT ON COLUMN api.reconciliation_live.difference_kg_per_h IS 'source_co2_kg_per_h less other_co2_kg_per_h.';
COMMENT ON COLUMN api.reconciliation_live.difference_pct IS 'How much more the source has, in per cent of the other route; NULL where that has 0.';
COMMENT ON COLUMN api.reconciliation_live.tolerance_pct IS 'Half width of the 95 % interval of the difference in per cent of the other route, by the uncertainties of both in quadrature; NULL where the registry does not state them all.';
COMMENT ON COLUMN api.reconciliation_live.verdict IS 'within or outside the tolerance now; NULL where a side or the tolerance is unknown.';
COMMENT ON COLUMN api.reconciliation_live.in_total IS 'Sources of the one route that counts in a total, with commas between.';
COMMENT ON COLUMN api.reconciliation_live.age_s IS 'Seconds since the oldest of the newest readings of both routes.';
COMMENT ON COLUMN api.reconciliation_live.day_known_hours IS 'Of the last 24 closed hours, those in which both routes are known.';
COMMENT ON COLUMN api.reconciliation_live.day_source_co2_kg IS 'CO2 by the source over these hours.';
COMMENT ON COLUMN api.reconciliation_live.day_other_co2_kg IS 'CO2 by the other route over these hours.';
COMMENT ON COLUMN api.reconciliation_live.day_difference_pct IS 'How much more the source has over these hours, in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_live.day_tolerance_pct IS 'Half width of the 95 % interval of that difference, in per cent of the other route.';
COMMENT ON COLUMN api.reconciliation_live.day_verdict IS 'within or outside the tolerance over these hours; NULL with fewer than 20 of them known, or where the tolerance is unknown. outside is a finding.';
