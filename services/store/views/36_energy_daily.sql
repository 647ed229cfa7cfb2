CREATE VIEW api.energy_daily AS
SELECT (h.hour AT TIME ZONE t.timezone)::date AS day, h.site, h.area, h.device, h.carrier,
    sum(h.amount) AS amount, h.unit, sum(h.energy_kwh) AS energy_kwh, h.in_total,
    sum(h.coverage) / (extract(epoch FROM
        ((((h.hour AT TIME ZONE t.timezone)::date + 1)::timestamp AT TIME ZONE t.timezone)
        - ((h.hour AT TIME ZONE t.timezone)::date::timestamp AT TIME ZONE t.timezone))) / 3600)::double precision AS coverage,
    bool_or(h.estimated) AS estimated, sum(h.coal_equivalent_kg) AS coal_equivalent_kg
FROM api.energy_hourly h
JOIN core.site t USING (site)
GROUP BY (h.hour AT TIME ZONE t.timezone)::date, t.timezone, h.site, h.area, h.device, h.carrier, h.unit, h.in_total;

COMMENT ON VIEW api.energy_daily IS 'Energy by device and day of the site''s local calendar: the sum of its 23 to 25 hours.';
COMMENT ON COLUMN api.energy_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.energy_daily.site IS 'Site id.';
COMMENT ON COLUMN api.energy_daily.area IS 'Area id.';
COMMENT ON COLUMN api.energy_daily.device IS 'Device id.';
COMMENT ON COLUMN api.energy_daily.carrier IS 'electricity, natural_gas, steam, heat, coal, ...';
COMMENT ON COLUMN api.energy_daily.amount IS 'Consumption of the hours known, in unit; NULL where none is.';
COMMENT ON COLUMN api.energy_daily.unit IS 'Unit of amount; a gas volume names its base state.';
COMMENT ON COLUMN api.energy_daily.energy_kwh IS 'Energy of the hours known; of fuels by NCV; NULL where none is.';
COMMENT ON COLUMN api.energy_daily.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.energy_daily.coverage IS 'Share of the whole local day that readings cover, 0 to 1.';
COMMENT ON COLUMN api.energy_daily.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.energy_daily.coal_equivalent_kg IS 'Coal equivalent of energy_kwh, kgce, by energy content: 34.12 kg/GJ (GB/T 2589).';
