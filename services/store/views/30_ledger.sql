CREATE VIEW api.readings_hourly AS
SELECT h.hour, d.site, d.device, d.kind, q.quantity, q.unit, h.readings, h.min, h.max, h.mean, h.first, h.last,
    h.consumption, h.coverage, h.estimated
FROM core.device_hour h
JOIN core.device d USING (device_id)
JOIN core.quantity q ON q.code = h.quantity;

COMMENT ON VIEW api.readings_hourly IS 'Each quantity by hour of the site''s local clock.';
COMMENT ON COLUMN api.readings_hourly.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.readings_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.readings_hourly.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.readings_hourly.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.readings_hourly.quantity IS 'What was measured.';
COMMENT ON COLUMN api.readings_hourly.unit IS 'Unit of min, max, mean, first, last and consumption.';
COMMENT ON COLUMN api.readings_hourly.readings IS 'Valid readings in the hour.';
COMMENT ON COLUMN api.readings_hourly.min IS 'Smallest valid value in the hour.';
COMMENT ON COLUMN api.readings_hourly.max IS 'Largest valid value in the hour.';
COMMENT ON COLUMN api.readings_hourly.mean IS 'Time-weighted mean over the covered part of the hour; NULL for registers.';
COMMENT ON COLUMN api.readings_hourly.first IS 'First valid value in the hour.';
COMMENT ON COLUMN api.readings_hourly.last IS 'Last valid value in the hour.';
COMMENT ON COLUMN api.readings_hourly.consumption IS 'Movement of the register in the hour, as the device shows it: a configured multiplier (CT x PT) is not applied here but in energy_hourly and emissions_hourly. NULL for gauges and where unknown.';
COMMENT ON COLUMN api.readings_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1.';
COMMENT ON COLUMN api.readings_hourly.estimated IS 'Whether part of the amount was spread over an outage or substituted.';

CREATE VIEW api.energy_hourly AS
SELECT h.hour, d.site, h.area, d.device, h.carrier, h.amount, h.unit, h.energy_kwh, h.in_total, h.coverage, h.estimated,
    h.energy_kwh * 0.0036 * 34.12 AS coal_equivalent_kg
FROM core.energy_hour h
JOIN core.device d USING (device_id);

COMMENT ON VIEW api.energy_hourly IS 'Energy and energy carriers by device and hour.';
COMMENT ON COLUMN api.energy_hourly.hour IS 'Instant at which the hour of the site''s local clock begins.';
COMMENT ON COLUMN api.energy_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.energy_hourly.area IS 'Area id.';
COMMENT ON COLUMN api.energy_hourly.device IS 'Device id.';
COMMENT ON COLUMN api.energy_hourly.carrier IS 'electricity, natural_gas, steam, heat, coal, ...';
COMMENT ON COLUMN api.energy_hourly.amount IS 'Consumption in unit; NULL where unknown.';
COMMENT ON COLUMN api.energy_hourly.unit IS 'Unit of amount; a gas volume names its base state.';
COMMENT ON COLUMN api.energy_hourly.energy_kwh IS 'Energy; of fuels by NCV; NULL where unknown.';
COMMENT ON COLUMN api.energy_hourly.in_total IS 'Whether the row counts in a total: false for a sub-meter beside its main meter.';
COMMENT ON COLUMN api.energy_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1.';
COMMENT ON COLUMN api.energy_hourly.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.energy_hourly.coal_equivalent_kg IS 'Coal equivalent of energy_kwh, kgce, by energy content: 34.12 kg/GJ (GB/T 2589).';

CREATE VIEW api.emissions_hourly AS
SELECT h.hour, s.site, h.area, s.source, s.scope, nullif(h.basis, 'none') AS basis, s.method, s.carrier,
    h.activity, h.activity_unit, h.co2_kg, h.ch4_kg, h.n2o_kg, h.co2e_kg, h.biogenic_co2_kg, h.gwp_set, h.factor,
    h.in_total, h.uncertainty_pct, h.coverage, h.estimated,
    CASE WHEN now() < h.hour + interval '1 hour' THEN 'open'
         WHEN now() < h.hour + interval '1 hour' + (SELECT final_after FROM core.setting) OR h.factor_provisional
             THEN 'provisional'
         ELSE 'final' END AS status,
    h.missing_reason, h.revision, h.computed_at, h.activity_uncertainty_pct, h.factor_uncertainty_pct,
    h.factor_provisional, h.stands_since
FROM core.emission_hour h
JOIN core.source s USING (source_id);

COMMENT ON VIEW api.emissions_hourly IS 'Emissions of each source by hour of the site''s local clock.';
COMMENT ON COLUMN api.emissions_hourly.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.emissions_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.emissions_hourly.area IS 'Area id.';
COMMENT ON COLUMN api.emissions_hourly.source IS 'Emission source id.';
COMMENT ON COLUMN api.emissions_hourly.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.emissions_hourly.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emissions_hourly.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.emissions_hourly.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.emissions_hourly.activity IS 'Activity in activity_unit; NULL where unknown.';
COMMENT ON COLUMN api.emissions_hourly.activity_unit IS 'Unit of activity; a gas volume names its base state.';
COMMENT ON COLUMN api.emissions_hourly.co2_kg IS 'Fossil CO2; NULL where unknown.';
COMMENT ON COLUMN api.emissions_hourly.ch4_kg IS 'CH4; NULL where the factor set has none.';
COMMENT ON COLUMN api.emissions_hourly.n2o_kg IS 'N2O; NULL where the factor set has none.';
COMMENT ON COLUMN api.emissions_hourly.co2e_kg IS 'CO2 equivalent by gwp_set; NULL where a part is unknown.';
COMMENT ON COLUMN api.emissions_hourly.biogenic_co2_kg IS 'Biogenic CO2, a memo item outside co2_kg.';
COMMENT ON COLUMN api.emissions_hourly.gwp_set IS 'Warming potentials behind co2e_kg: AR4, AR5 or AR6; NULL where a published factor is of CO2e itself.';
COMMENT ON COLUMN api.emissions_hourly.factor IS 'Factor used; see api.factors.';
COMMENT ON COLUMN api.emissions_hourly.in_total IS 'Whether the row counts in a total: each tonne once over all rows where true.';
COMMENT ON COLUMN api.emissions_hourly.uncertainty_pct IS 'Half width of the 95 % interval of co2_kg in per cent of it, by activity and factor (IPCC 2006 vol. 1 ch. 3, approach 1); NULL where the registry does not state both. What an outage adds is not in it: see estimated.';
COMMENT ON COLUMN api.emissions_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1.';
COMMENT ON COLUMN api.emissions_hourly.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.emissions_hourly.status IS 'open (the hour runs), provisional (late data or a newer factor expected), final (7 days after the hour, or as CARBONFLOW_FINAL_AFTER_DAYS says).';
COMMENT ON COLUMN api.emissions_hourly.missing_reason IS 'Why co2_kg is NULL.';
COMMENT ON COLUMN api.emissions_hourly.revision IS 'Number of the result: one more than are kept in api.emission_revisions.';
COMMENT ON COLUMN api.emissions_hourly.computed_at IS 'When the row was last written.';
COMMENT ON COLUMN api.emissions_hourly.activity_uncertainty_pct IS 'What of uncertainty_pct is the activity''s: over the hours of a source it adds up linearly, being its meter''s.';
COMMENT ON COLUMN api.emissions_hourly.factor_uncertainty_pct IS 'What of uncertainty_pct is the factor''s: over all that share the factor it adds up linearly.';
COMMENT ON COLUMN api.emissions_hourly.factor_provisional IS 'Whether a newer factor is expected: then the hour is not final, however old.';
COMMENT ON COLUMN api.emissions_hourly.stands_since IS 'Since when the ledger says so; results before are in api.emission_revisions.';
