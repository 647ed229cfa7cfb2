CREATE VIEW api.energy_daily AS
SELECT d.day, c.site, d.area, c.device, d.carrier, d.amount, d.unit, d.energy_kwh, d.in_total,
    d.covered_h / d.length_h AS coverage, d.estimated_hours > 0 AS estimated,
    d.energy_kwh * 0.0036 * 34.12 AS coal_equivalent_kg,
    core.hours_missing(d.hours, d.hours_known, 1, 1, d.last_known_hour, d.ends_at) AS hours_missing,
    greatest(d.hours_known - d.energy_hours_known, 0) AS energy_hours_missing, c.kind
FROM core.energy_day d
LEFT JOIN core.device c USING (device_id);

COMMENT ON VIEW api.energy_daily IS 'Energy by device and day of the site''s local calendar: the sum of its 23 to 25 hours.';
COMMENT ON COLUMN api.energy_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.energy_daily.site IS 'Site id.';
COMMENT ON COLUMN api.energy_daily.area IS 'Area id.';
COMMENT ON COLUMN api.energy_daily.device IS 'Device id.';
COMMENT ON COLUMN api.energy_daily.carrier IS 'electricity, natural_gas, steam, heat, coal, ...';
COMMENT ON COLUMN api.energy_daily.amount IS 'Consumption of the hours known, in unit; NULL where none is.';
COMMENT ON COLUMN api.energy_daily.unit IS 'Unit of amount; a gas volume names its base state.';
COMMENT ON COLUMN api.energy_daily.energy_kwh IS 'Energy of the hours known; of fuels by NCV; NULL where none is.';
COMMENT ON COLUMN api.energy_daily.in_total IS 'Whether the row counts in a total: false for a sub-meter beside its main meter.';
COMMENT ON COLUMN api.energy_daily.coverage IS 'Share of the whole local day that readings cover, 0 to 1.';
COMMENT ON COLUMN api.energy_daily.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.energy_daily.coal_equivalent_kg IS 'Coal equivalent of energy_kwh, kgce, by energy content: 34.12 kg/GJ (GB/T 2589).';
COMMENT ON COLUMN api.energy_daily.hours_missing IS 'Hours that are over and whose amount is unknown, with a row or without: they are not in the sums.';
COMMENT ON COLUMN api.energy_daily.energy_hours_missing IS 'Hours whose amount is known and whose energy_kwh is not.';
COMMENT ON COLUMN api.energy_daily.kind IS 'meter, flowmeter, cems or beltscale.';

CREATE VIEW api.energy_monthly AS
SELECT m.month, m.site, m.area, m.device, m.carrier, m.amount, m.unit, m.energy_kwh, m.in_total,
    m.covered_h / core.month_hours(m.month, m.timezone, 'infinity') AS coverage, m.estimated_hours > 0 AS estimated,
    m.energy_kwh * 0.0036 * 34.12 AS coal_equivalent_kg,
    m.hours_missing + CASE
        WHEN row_number() OVER (parts ORDER BY m.last_day DESC, m.in_total, m.area, m.carrier, m.unit) = 1
        THEN greatest(floor(core.month_hours(m.month, m.timezone, now())) - sum(m.hours_over) OVER (parts), 0)::integer
        ELSE 0 END AS hours_missing,
    m.energy_hours_missing, m.kind
FROM (
    SELECT d.month, c.site, t.timezone, d.area, c.device, c.kind, d.carrier, sum(d.amount) AS amount, d.unit,
        sum(d.energy_kwh) AS energy_kwh, d.in_total, sum(d.covered_h) AS covered_h, max(d.day) AS last_day,
        sum(d.missing)::integer AS hours_missing,
        sum(CASE WHEN d.ends_at <= now() THEN d.hours ELSE d.missing + d.hours_known
            - (d.last_known_hour + interval '1 hour' > now() AND d.hours_known > 0)::integer END) AS hours_over,
        sum(greatest(d.hours_known - d.energy_hours_known, 0))::integer AS energy_hours_missing,
        sum(d.estimated_hours)::integer AS estimated_hours
    FROM (
        SELECT e.*, e.day - (extract(day FROM e.day)::integer - 1) AS month,
            core.hours_missing(e.hours, e.hours_known, 1, 1, e.last_known_hour, e.ends_at) AS missing
        FROM core.energy_day e
    ) AS d
    JOIN core.device c USING (device_id)
    JOIN core.site t USING (site)
    GROUP BY d.month, c.site, t.timezone, d.area, c.device, c.kind, d.carrier, d.unit, d.in_total
) AS m
WINDOW parts AS (PARTITION BY m.month, m.site, m.device, m.kind);

COMMENT ON VIEW api.energy_monthly IS 'Energy by device and month of the site''s local calendar: the sum of its days.';
COMMENT ON COLUMN api.energy_monthly.month IS 'First day of the month on the site''s local calendar.';
COMMENT ON COLUMN api.energy_monthly.site IS 'Site id.';
COMMENT ON COLUMN api.energy_monthly.area IS 'Area id.';
COMMENT ON COLUMN api.energy_monthly.device IS 'Device id.';
COMMENT ON COLUMN api.energy_monthly.carrier IS 'electricity, natural_gas, steam, heat, coal, ...';
COMMENT ON COLUMN api.energy_monthly.amount IS 'Consumption of the hours known, in unit; NULL where none is.';
COMMENT ON COLUMN api.energy_monthly.unit IS 'Unit of amount; a gas volume names its base state.';
COMMENT ON COLUMN api.energy_monthly.energy_kwh IS 'Energy of the hours known; of fuels by NCV; NULL where none is.';
COMMENT ON COLUMN api.energy_monthly.in_total IS 'Whether the row counts in a total: false for a sub-meter beside its main meter.';
COMMENT ON COLUMN api.energy_monthly.coverage IS 'Share of the whole local month that readings cover, 0 to 1.';
COMMENT ON COLUMN api.energy_monthly.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.energy_monthly.coal_equivalent_kg IS 'Coal equivalent of energy_kwh, kgce, by energy content: 34.12 kg/GJ (GB/T 2589).';
COMMENT ON COLUMN api.energy_monthly.hours_missing IS 'Hours that are over and whose amount is unknown, with a row or without: they are not in the sums.';
COMMENT ON COLUMN api.energy_monthly.energy_hours_missing IS 'Hours whose amount is known and whose energy_kwh is not.';
COMMENT ON COLUMN api.energy_monthly.kind IS 'meter, flowmeter, cems or beltscale.';

CREATE VIEW api.area_energy_daily AS
SELECT d.day, d.site, d.area, d.carrier, sum(d.amount) AS amount, d.unit, sum(d.energy_kwh) AS energy_kwh, d.in_total,
    avg(d.coverage) AS coverage, bool_or(d.estimated) AS estimated, sum(d.coal_equivalent_kg) AS coal_equivalent_kg,
    count(*)::integer AS devices, sum(d.hours_missing)::integer AS hours_missing,
    sum(d.energy_hours_missing)::integer AS energy_hours_missing
FROM api.energy_daily d
GROUP BY d.day, d.site, d.area, d.carrier, d.unit, d.in_total;

COMMENT ON VIEW api.area_energy_daily IS 'Energy of all devices of an area that count alike, by day of the site''s local calendar. Sum rows with in_total: a site is the sum of its areas.';
COMMENT ON COLUMN api.area_energy_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.area_energy_daily.site IS 'Site id.';
COMMENT ON COLUMN api.area_energy_daily.area IS 'Area id; NULL for devices that are in none.';
COMMENT ON COLUMN api.area_energy_daily.carrier IS 'electricity, natural_gas, steam, heat, coal, ...';
COMMENT ON COLUMN api.area_energy_daily.amount IS 'Consumption of the hours known, in unit; NULL where none is.';
COMMENT ON COLUMN api.area_energy_daily.unit IS 'Unit of amount; a gas volume names its base state.';
COMMENT ON COLUMN api.area_energy_daily.energy_kwh IS 'Energy of the hours known; of fuels by NCV; NULL where none is.';
COMMENT ON COLUMN api.area_energy_daily.in_total IS 'Whether the row counts in a total: false for sub-meters beside their main meter.';
COMMENT ON COLUMN api.area_energy_daily.coverage IS 'Share of the whole local day that readings cover, 0 to 1: mean of its devices.';
COMMENT ON COLUMN api.area_energy_daily.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.area_energy_daily.coal_equivalent_kg IS 'Coal equivalent of energy_kwh, kgce, by energy content: 34.12 kg/GJ (GB/T 2589).';
COMMENT ON COLUMN api.area_energy_daily.devices IS 'Devices that have hours in it.';
COMMENT ON COLUMN api.area_energy_daily.hours_missing IS 'Hours that are over and whose amount is unknown, with a row or without: they are not in the sums.';
COMMENT ON COLUMN api.area_energy_daily.energy_hours_missing IS 'Hours whose amount is known and whose energy_kwh is not.';

CREATE VIEW api.area_energy_monthly AS
SELECT m.month, m.site, m.area, m.carrier, sum(m.amount) AS amount, m.unit, sum(m.energy_kwh) AS energy_kwh, m.in_total,
    avg(m.coverage) AS coverage, bool_or(m.estimated) AS estimated, sum(m.coal_equivalent_kg) AS coal_equivalent_kg,
    count(*)::integer AS devices, sum(m.hours_missing)::integer AS hours_missing,
    sum(m.energy_hours_missing)::integer AS energy_hours_missing
FROM api.energy_monthly m
GROUP BY m.month, m.site, m.area, m.carrier, m.unit, m.in_total;

COMMENT ON VIEW api.area_energy_monthly IS 'Energy of all devices of an area that count alike, by month of the site''s local calendar. Sum rows with in_total: a site is the sum of its areas.';
COMMENT ON COLUMN api.area_energy_monthly.month IS 'First day of the month on the site''s local calendar.';
COMMENT ON COLUMN api.area_energy_monthly.site IS 'Site id.';
COMMENT ON COLUMN api.area_energy_monthly.area IS 'Area id; NULL for devices that are in none.';
COMMENT ON COLUMN api.area_energy_monthly.carrier IS 'electricity, natural_gas, steam, heat, coal, ...';
COMMENT ON COLUMN api.area_energy_monthly.amount IS 'Consumption of the hours known, in unit; NULL where none is.';
COMMENT ON COLUMN api.area_energy_monthly.unit IS 'Unit of amount; a gas volume names its base state.';
COMMENT ON COLUMN api.area_energy_monthly.energy_kwh IS 'Energy of the hours known; of fuels by NCV; NULL where none is.';
COMMENT ON COLUMN api.area_energy_monthly.in_total IS 'Whether the row counts in a total: false for sub-meters beside their main meter.';
COMMENT ON COLUMN api.area_energy_monthly.coverage IS 'Share of the whole local month that readings cover, 0 to 1: mean of its devices.';
COMMENT ON COLUMN api.area_energy_monthly.estimated IS 'Whether part of the amount was spread over an outage or substituted.';
COMMENT ON COLUMN api.area_energy_monthly.coal_equivalent_kg IS 'Coal equivalent of energy_kwh, kgce, by energy content: 34.12 kg/GJ (GB/T 2589).';
COMMENT ON COLUMN api.area_energy_monthly.devices IS 'Devices that have hours in it.';
COMMENT ON COLUMN api.area_energy_monthly.hours_missing IS 'Hours that are over and whose amount is unknown, with a row or without: they are not in the sums.';
COMMENT ON COLUMN api.area_energy_monthly.energy_hours_missing IS 'Hours whose amount is known and whose energy_kwh is not.';
