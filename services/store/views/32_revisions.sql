-- Former results, each with what took its place; and the occasions on which hours were restated.
CREATE VIEW api.emission_revisions AS
SELECT r.hour, s.site, h.area, s.source, s.scope, nullif(r.basis, 'none') AS basis, s.method, s.carrier,
    h.activity, h.activity_unit, h.co2_kg, h.ch4_kg, h.n2o_kg, h.co2e_kg, h.biogenic_co2_kg, h.gwp_set, h.factor,
    h.in_total, h.uncertainty_pct, h.coverage, h.estimated, r.status, h.missing_reason, r.revision, h.computed_at,
    h.activity_uncertainty_pct, h.factor_uncertainty_pct, h.factor_provisional, r.stands_since, r.superseded_at,
    coalesce(n.cause, 'late data') AS reason, n.detail, r.restatement_id AS restatement, r.co2_kg_after,
    r.co2e_kg_after, r.removed
FROM core.emission_revision r
JOIN core.source s USING (source_id)
LEFT JOIN core.restatement n USING (restatement_id)
CROSS JOIN LATERAL jsonb_populate_record(NULL::core.emission_hour, r.was) AS h;

COMMENT ON VIEW api.emission_revisions IS 'Former results of hours, whole, each with when and why it was replaced. The one that stands is in api.emissions_hourly. Kept are those of final hours; of ended hours those that were restated, or stood at a full quarter of an hour.';
COMMENT ON COLUMN api.emission_revisions.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.emission_revisions.site IS 'Site id.';
COMMENT ON COLUMN api.emission_revisions.area IS 'Area id.';
COMMENT ON COLUMN api.emission_revisions.source IS 'Emission source id.';
COMMENT ON COLUMN api.emission_revisions.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.emission_revisions.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emission_revisions.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.emission_revisions.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.emission_revisions.activity IS 'Activity in activity_unit, as it was; NULL where it was unknown.';
COMMENT ON COLUMN api.emission_revisions.activity_unit IS 'Unit of activity.';
COMMENT ON COLUMN api.emission_revisions.co2_kg IS 'Fossil CO2, as it was; NULL where it was unknown.';
COMMENT ON COLUMN api.emission_revisions.ch4_kg IS 'CH4, as it was.';
COMMENT ON COLUMN api.emission_revisions.n2o_kg IS 'N2O, as it was.';
COMMENT ON COLUMN api.emission_revisions.co2e_kg IS 'CO2 equivalent, as it was.';
COMMENT ON COLUMN api.emission_revisions.biogenic_co2_kg IS 'Biogenic CO2, as it was; a memo item.';
COMMENT ON COLUMN api.emission_revisions.gwp_set IS 'Warming potentials behind co2e_kg.';
COMMENT ON COLUMN api.emission_revisions.factor IS 'Factor that was used; see api.factors.';
COMMENT ON COLUMN api.emission_revisions.in_total IS 'Whether the row counted in a total.';
COMMENT ON COLUMN api.emission_revisions.uncertainty_pct IS 'As it was; see api.emissions_hourly.';
COMMENT ON COLUMN api.emission_revisions.coverage IS 'Share of the hour that the readings of then covered, 0 to 1.';
COMMENT ON COLUMN api.emission_revisions.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.emission_revisions.status IS 'provisional or final: what the hour was when the result was replaced.';
COMMENT ON COLUMN api.emission_revisions.missing_reason IS 'Why co2_kg was NULL.';
COMMENT ON COLUMN api.emission_revisions.revision IS 'Number of the result: from 1 on, each that is kept and at last the one that stands.';
COMMENT ON COLUMN api.emission_revisions.computed_at IS 'When the row was last computed with this result.';
COMMENT ON COLUMN api.emission_revisions.activity_uncertainty_pct IS 'As it was; see api.emissions_hourly.';
COMMENT ON COLUMN api.emission_revisions.factor_uncertainty_pct IS 'As it was; see api.emissions_hourly.';
COMMENT ON COLUMN api.emission_revisions.factor_provisional IS 'Whether a newer factor was expected.';
COMMENT ON COLUMN api.emission_revisions.stands_since IS 'Since when the ledger said so.';
COMMENT ON COLUMN api.emission_revisions.superseded_at IS 'Until when the ledger said so.';
COMMENT ON COLUMN api.emission_revisions.reason IS 'Why it was replaced: late data, correction, registry, factor, or code (computed anew without a new fact).';
COMMENT ON COLUMN api.emission_revisions.detail IS 'What of it: the registry''s version, the factors, the correction; NULL for late data.';
COMMENT ON COLUMN api.emission_revisions.restatement IS 'Key into api.restatements; NULL for late data.';
COMMENT ON COLUMN api.emission_revisions.co2_kg_after IS 'Fossil CO2 of the result that took its place; NULL where unknown or removed.';
COMMENT ON COLUMN api.emission_revisions.co2e_kg_after IS 'CO2 equivalent of the result that took its place.';
COMMENT ON COLUMN api.emission_revisions.removed IS 'Whether nothing took its place: the hour no longer follows from any reading.';

-- Late data has no occasion but that it came: what was replaced at one instant is one restatement.
CREATE VIEW api.restatements AS
SELECT r.restatement_id AS restatement, coalesce(n.noted_at, r.superseded_at) AS noted_at,
    coalesce(n.cause, 'late data') AS reason, n.detail, n.noted_by, s.site, s.source, s.scope,
    nullif(r.basis, 'none') AS basis, (r.was ->> 'in_total')::boolean AS in_total, count(*) AS hours,
    min(r.hour) AS first_hour, max(r.hour) AS last_hour,
    sum((r.was ->> 'co2_kg')::double precision) AS co2_kg_before, sum(r.co2_kg_after) AS co2_kg_after,
    sum((r.was ->> 'co2e_kg')::double precision) AS co2e_kg_before, sum(r.co2e_kg_after) AS co2e_kg_after,
    count(*) FILTER (WHERE r.was ->> 'co2_kg' IS NULL) AS unknown_before,
    count(*) FILTER (WHERE r.co2_kg_after IS NULL) AS unknown_after,
    count(*) FILTER (WHERE r.status = 'final') AS final_hours, max(r.superseded_at) AS recomputed_at
FROM core.emission_revision r
JOIN core.source s USING (source_id)
LEFT JOIN core.restatement n USING (restatement_id)
GROUP BY r.restatement_id, coalesce(n.noted_at, r.superseded_at), n.cause, n.detail, n.noted_by, s.site, s.source,
    s.scope, r.basis, (r.was ->> 'in_total')::boolean;

COMMENT ON VIEW api.restatements IS 'Each occasion on which results were replaced: when, why, how many hours of which source, and their sums before and after. Hours that had no result before are not in it.';
COMMENT ON COLUMN api.restatements.restatement IS 'Key of the occasion; NULL for late data.';
COMMENT ON COLUMN api.restatements.noted_at IS 'When the registry, the factors or the correction were recorded; for late data, when the hours were computed anew.';
COMMENT ON COLUMN api.restatements.reason IS 'late data, correction, registry, factor, or code (computed anew without a new fact).';
COMMENT ON COLUMN api.restatements.detail IS 'The registry''s version, the factors, the correction; NULL for late data.';
COMMENT ON COLUMN api.restatements.noted_by IS 'Database user who recorded it.';
COMMENT ON COLUMN api.restatements.site IS 'Site id.';
COMMENT ON COLUMN api.restatements.source IS 'Emission source id.';
COMMENT ON COLUMN api.restatements.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.restatements.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.restatements.in_total IS 'Whether the replaced rows counted in a total.';
COMMENT ON COLUMN api.restatements.hours IS 'Hours whose result was replaced.';
COMMENT ON COLUMN api.restatements.first_hour IS 'The first of them.';
COMMENT ON COLUMN api.restatements.last_hour IS 'The last of them.';
COMMENT ON COLUMN api.restatements.co2_kg_before IS 'Fossil CO2 of the hours as it was, of those known.';
COMMENT ON COLUMN api.restatements.co2_kg_after IS 'Fossil CO2 of the same hours when they were computed anew, of those known.';
COMMENT ON COLUMN api.restatements.co2e_kg_before IS 'CO2 equivalent of the hours as it was, of those known.';
COMMENT ON COLUMN api.restatements.co2e_kg_after IS 'CO2 equivalent when they were computed anew, of those known.';
COMMENT ON COLUMN api.restatements.unknown_before IS 'Of the hours, how many had no known CO2.';
COMMENT ON COLUMN api.restatements.unknown_after IS 'Of the hours, how many have none since.';
COMMENT ON COLUMN api.restatements.final_hours IS 'Of the hours, how many were final.';
COMMENT ON COLUMN api.restatements.recomputed_at IS 'When the last of them was computed anew.';
