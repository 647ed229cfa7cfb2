-- `factor_id` (what a ledger row or a live row refers to) and `series` trail the contract's columns.
CREATE VIEW api.factors AS
SELECT f.factor_set || '/' || f.fuel AS factor, f.factor_set AS set, f.fuel AS carrier, f.region,
    f.co2_kg_per_unit AS value, CASE WHEN f.co2_kg_per_unit IS NOT NULL THEN 'kg ' || f.gas || '/' || f.unit END AS unit,
    f.gas, f.basis, f.valid_from, f.valid_to, f.recorded_at, f.source, f.confirmed, f.factor_id,
    f.series
FROM core.factor f;

COMMENT ON VIEW api.factors IS 'Published emission factors, each with set, unit, basis, validity and source.';
COMMENT ON COLUMN api.factors.factor IS 'Name of the factor: set/fuel.';
COMMENT ON COLUMN api.factors.set IS 'Factor set.';
COMMENT ON COLUMN api.factors.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.factors.region IS 'Place the factor is for; NULL for anywhere.';
COMMENT ON COLUMN api.factors.value IS 'Factor in unit; NULL where the set gives energy only.';
COMMENT ON COLUMN api.factors.unit IS 'Unit of value.';
COMMENT ON COLUMN api.factors.gas IS 'CO2, or CO2e where the set gives only the sum.';
COMMENT ON COLUMN api.factors.basis IS 'LHV or HHV for fuels; which average for electricity.';
COMMENT ON COLUMN api.factors.valid_from IS 'First day of the data year; NULL where open.';
COMMENT ON COLUMN api.factors.valid_to IS 'Last day of the data year; NULL where open.';
COMMENT ON COLUMN api.factors.recorded_at IS 'When the factor came to be known here.';
COMMENT ON COLUMN api.factors.source IS 'Document and table.';
COMMENT ON COLUMN api.factors.confirmed IS 'False: from one weak source; never a default.';
COMMENT ON COLUMN api.factors.factor_id IS 'Key of the factor''s row.';
COMMENT ON COLUMN api.factors.series IS 'Set without its year, for sets that appear every year; else the set.';
