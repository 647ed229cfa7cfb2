-- What a main meter counts beyond its sub-meters. An hour has a row from the first sub-meter on; it is known where the
-- main meter and every sub-meter in force is. Of another carrier than its main meter's a sub-meter is unknown.
CREATE VIEW api.energy_remainder_hourly AS
SELECT summed.hour, d.site, summed.area, d.device, d.kind, summed.carrier, summed.unit, summed.main_amount,
    known.submeter_amount, summed.main_amount - known.submeter_amount AS remainder, summed.main_kwh,
    known.submeter_kwh, summed.main_kwh - known.submeter_kwh AS remainder_kwh,
    CASE WHEN summed.submeters_assessed = below.submeters
        THEN sqrt((summed.main_kwh * below.main_uncertainty_pct) ^ 2 + summed.submeter_square) / 100 END AS tolerance_kwh,
    below.submeters, summed.submeters_known,
    CASE WHEN summed.meters = below.submeters + 1 AND summed.has_main THEN summed.coverage ELSE 0 END AS coverage,
    summed.estimated, summed.hour + interval '1 hour' <= now() AS closed
FROM (
    SELECT part.main_id, h.hour, count(*) AS meters, bool_or(part.own) AS has_main,
        max(h.area) FILTER (WHERE part.own) AS area, max(h.carrier) FILTER (WHERE part.own) AS carrier,
        max(h.unit) FILTER (WHERE part.own) AS unit, max(h.amount) FILTER (WHERE part.own) AS main_amount,
        max(h.energy_kwh) FILTER (WHERE part.own) AS main_kwh,
        min(h.carrier) = max(h.carrier) AS one_carrier, min(h.unit) = max(h.unit) AS one_unit,
        sum(h.amount) FILTER (WHERE NOT part.own) AS amount, sum(h.energy_kwh) FILTER (WHERE NOT part.own) AS kwh,
        count(h.amount) FILTER (WHERE NOT part.own) AS amounts_known,
        count(h.energy_kwh) FILTER (WHERE NOT part.own) AS submeters_known,
        count(h.energy_kwh * part.uncertainty_pct) FILTER (WHERE NOT part.own) AS submeters_assessed,
        sum((h.energy_kwh * part.uncertainty_pct) ^ 2) FILTER (WHERE NOT part.own) AS submeter_square,
        min(h.coverage) AS coverage, bool_or(h.estimated) AS estimated
    FROM (
        SELECT s.main_id, s.device_id, false AS own, s.valid_from, s.valid_to, s.uncertainty_pct
        FROM core.submeter_period s
        UNION ALL
        SELECT DISTINCT s.main_id, s.main_id, true, '-infinity'::timestamptz, 'infinity'::timestamptz, NULL::float8
        FROM core.submeter_period s
    ) part
    JOIN core.energy_hour h ON h.device_id = part.device_id AND h.hour >= part.valid_from AND h.hour < part.valid_to
    GROUP BY part.main_id, h.hour
) summed
JOIN core.device d ON d.device_id = summed.main_id
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS submeters, max(s.main_uncertainty_pct) AS main_uncertainty_pct
    FROM core.submeter_period s
    WHERE s.main_id = summed.main_id AND s.valid_from <= summed.hour AND summed.hour < s.valid_to
) below
CROSS JOIN LATERAL (
    SELECT CASE WHEN summed.amounts_known = below.submeters AND summed.one_carrier AND summed.one_unit
            THEN summed.amount END AS submeter_amount,
        CASE WHEN summed.submeters_known = below.submeters AND summed.one_carrier THEN summed.kwh END AS submeter_kwh
) known
WHERE below.submeters > 0;

COMMENT ON VIEW api.energy_remainder_hourly IS 'What each main meter counts that none of the sub-meters directly below it does, by hour of the site''s local clock.';
COMMENT ON COLUMN api.energy_remainder_hourly.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.energy_remainder_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.energy_remainder_hourly.area IS 'Area id of the main meter; NULL where it has no row in the hour.';
COMMENT ON COLUMN api.energy_remainder_hourly.device IS 'Device id of the main meter.';
COMMENT ON COLUMN api.energy_remainder_hourly.kind IS 'Kind of the main meter.';
COMMENT ON COLUMN api.energy_remainder_hourly.carrier IS 'Carrier of the main meter.';
COMMENT ON COLUMN api.energy_remainder_hourly.unit IS 'Unit of main_amount, submeter_amount and remainder.';
COMMENT ON COLUMN api.energy_remainder_hourly.main_amount IS 'What the main meter counts; NULL where unknown.';
COMMENT ON COLUMN api.energy_remainder_hourly.submeter_amount IS 'What its sub-meters count together; NULL where one is unknown, or in another unit or of another carrier.';
COMMENT ON COLUMN api.energy_remainder_hourly.remainder IS 'main_amount less submeter_amount; below 0 where the sub-meters count more.';
COMMENT ON COLUMN api.energy_remainder_hourly.main_kwh IS 'Energy by the main meter; NULL where unknown.';
COMMENT ON COLUMN api.energy_remainder_hourly.submeter_kwh IS 'Energy by its sub-meters together; NULL where one is unknown.';
COMMENT ON COLUMN api.energy_remainder_hourly.remainder_kwh IS 'main_kwh less submeter_kwh: what is not allocated. Below 0 where the sub-meters count more.';
COMMENT ON COLUMN api.energy_remainder_hourly.tolerance_kwh IS 'Half width of the 95 % interval of remainder_kwh by what the registry states of the meters, in quadrature; NULL where it does not of all.';
COMMENT ON COLUMN api.energy_remainder_hourly.submeters IS 'Sub-meters directly below it in the hour.';
COMMENT ON COLUMN api.energy_remainder_hourly.submeters_known IS 'Those of them whose energy is known.';
COMMENT ON COLUMN api.energy_remainder_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1, of the meter covered least.';
COMMENT ON COLUMN api.energy_remainder_hourly.estimated IS 'Whether part of an amount was spread over an outage.';
COMMENT ON COLUMN api.energy_remainder_hourly.closed IS 'Whether the hour is over.';

CREATE VIEW api.area_remainder_hourly AS
SELECT hour, site, area, carrier,
    CASE WHEN count(remainder_kwh) = count(*) THEN sum(remainder_kwh) END AS remainder_kwh,
    count(*) AS main_meters, count(remainder_kwh) AS main_meters_known, min(coverage) AS coverage,
    bool_or(estimated) AS estimated
FROM api.energy_remainder_hourly
GROUP BY hour, site, area, carrier;

COMMENT ON VIEW api.area_remainder_hourly IS 'What is not allocated to sub-meters in each area, by carrier and hour: the sum over the main meters there. Over all areas it is the site''s.';
COMMENT ON COLUMN api.area_remainder_hourly.hour IS 'Instant at which the hour of the site''s local clock begins.';
COMMENT ON COLUMN api.area_remainder_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.area_remainder_hourly.area IS 'Area id of the main meters.';
COMMENT ON COLUMN api.area_remainder_hourly.carrier IS 'Energy carrier.';
COMMENT ON COLUMN api.area_remainder_hourly.remainder_kwh IS 'Energy not allocated; NULL where it is unknown of one main meter.';
COMMENT ON COLUMN api.area_remainder_hourly.main_meters IS 'Main meters with sub-meters.';
COMMENT ON COLUMN api.area_remainder_hourly.main_meters_known IS 'Those of them whose remainder is known.';
COMMENT ON COLUMN api.area_remainder_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1, of the meter covered least.';
COMMENT ON COLUMN api.area_remainder_hourly.estimated IS 'Whether part of an amount was spread over an outage.';

-- A meter errs the same way all day: half widths add up over the hours. An hour is no measure: a register's last digit, or
-- a reading taken half a minute later, is more than what is not allocated in it.
CREATE VIEW api.energy_remainder_24h AS
SELECT summed.*, CASE WHEN summed.known_hours < 20 THEN NULL
        WHEN summed.remainder_kwh < -coalesce(summed.tolerance_kwh, 0) THEN 'negative' ELSE 'plausible' END AS verdict
FROM (
    SELECT h.site, max(h.area) AS area, h.device, h.kind, max(h.carrier) AS carrier,
        sum(h.main_kwh) FILTER (WHERE h.remainder_kwh IS NOT NULL) AS main_kwh,
        sum(h.submeter_kwh) FILTER (WHERE h.remainder_kwh IS NOT NULL) AS submeter_kwh,
        sum(h.remainder_kwh) AS remainder_kwh,
        100 * sum(h.remainder_kwh) / nullif(sum(h.main_kwh) FILTER (WHERE h.remainder_kwh IS NOT NULL), 0) AS remainder_pct,
        CASE WHEN count(h.tolerance_kwh) FILTER (WHERE h.remainder_kwh IS NOT NULL) = count(h.remainder_kwh)
            THEN sum(h.tolerance_kwh) FILTER (WHERE h.remainder_kwh IS NOT NULL) END AS tolerance_kwh,
        count(h.remainder_kwh) AS known_hours, max(h.submeters) AS submeters, bool_or(h.estimated) AS estimated,
        min(h.hour) AS from_time, max(h.hour) + interval '1 hour' AS to_time
    FROM api.energy_remainder_hourly h
    WHERE h.hour > now() - interval '25 hours' AND h.hour <= now() - interval '1 hour'
    GROUP BY h.site, h.device, h.kind
) summed;

COMMENT ON VIEW api.energy_remainder_24h IS 'What each main meter counts beyond its sub-meters over the last 24 closed hours, of those in which all are known.';
COMMENT ON COLUMN api.energy_remainder_24h.site IS 'Site id.';
COMMENT ON COLUMN api.energy_remainder_24h.area IS 'Area id of the main meter.';
COMMENT ON COLUMN api.energy_remainder_24h.device IS 'Device id of the main meter.';
COMMENT ON COLUMN api.energy_remainder_24h.kind IS 'Kind of the main meter.';
COMMENT ON COLUMN api.energy_remainder_24h.carrier IS 'Carrier of the main meter.';
COMMENT ON COLUMN api.energy_remainder_24h.main_kwh IS 'Energy by the main meter; NULL where no hour is known.';
COMMENT ON COLUMN api.energy_remainder_24h.submeter_kwh IS 'Energy by its sub-meters together.';
COMMENT ON COLUMN api.energy_remainder_24h.remainder_kwh IS 'Energy not allocated; below 0 where the sub-meters count more.';
COMMENT ON COLUMN api.energy_remainder_24h.remainder_pct IS 'remainder_kwh in per cent of the main meter.';
COMMENT ON COLUMN api.energy_remainder_24h.tolerance_kwh IS 'Half width of the 95 % interval of remainder_kwh by what the registry states of the meters; NULL where it does not of all.';
COMMENT ON COLUMN api.energy_remainder_24h.known_hours IS 'Hours in which the main meter and all its sub-meters are known.';
COMMENT ON COLUMN api.energy_remainder_24h.submeters IS 'Sub-meters directly below it.';
COMMENT ON COLUMN api.energy_remainder_24h.estimated IS 'Whether part of an amount was spread over an outage.';
COMMENT ON COLUMN api.energy_remainder_24h.from_time IS 'When the first of the hours begins.';
COMMENT ON COLUMN api.energy_remainder_24h.to_time IS 'When the last of the hours ends.';
COMMENT ON COLUMN api.energy_remainder_24h.verdict IS 'negative: the sub-meters count more than the main meter, beyond the tolerance (or at all, where none is stated); plausible; NULL with fewer than 20 known hours.';

-- The columns of api.energy_hourly, so that the two can be read together; a virtual meter is in no total.
CREATE VIEW api.virtual_energy_hourly AS
SELECT h.hour, p.site, p.area, p.virtual_meter AS device, p.carrier,
    CASE WHEN count(h.amount) = cardinality(p.device_ids) AND min(h.unit) = max(h.unit)
        THEN sum(part.sign * h.amount) END AS amount,
    CASE WHEN min(h.unit) = max(h.unit) THEN min(h.unit) END AS unit,
    CASE WHEN count(h.energy_kwh) = cardinality(p.device_ids) THEN sum(part.sign * h.energy_kwh) END AS energy_kwh,
    false AS in_total, CASE WHEN count(*) = cardinality(p.device_ids) THEN min(h.coverage) ELSE 0 END AS coverage,
    bool_or(h.estimated) AS estimated, cardinality(p.device_ids) AS parts, count(h.energy_kwh)::integer AS parts_known
FROM core.virtual_period p
CROSS JOIN LATERAL unnest(p.device_ids, p.signs) AS part (device_id, sign)
JOIN core.energy_hour h ON h.device_id = part.device_id AND h.hour >= p.valid_from AND h.hour < p.valid_to
GROUP BY h.hour, p.site, p.virtual_meter, p.valid_from, p.area, p.carrier, p.device_ids;

COMMENT ON VIEW api.virtual_energy_hourly IS 'Virtual meters of the registry, sums and differences of meters, by hour of the site''s local clock.';
COMMENT ON COLUMN api.virtual_energy_hourly.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.virtual_energy_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.virtual_energy_hourly.area IS 'Area id.';
COMMENT ON COLUMN api.virtual_energy_hourly.device IS 'Id of the virtual meter.';
COMMENT ON COLUMN api.virtual_energy_hourly.carrier IS 'Energy carrier, the same of all its parts.';
COMMENT ON COLUMN api.virtual_energy_hourly.amount IS 'Sum in unit, parts that are taken off negative; NULL where one is unknown.';
COMMENT ON COLUMN api.virtual_energy_hourly.unit IS 'Unit of amount; NULL where the parts have several.';
COMMENT ON COLUMN api.virtual_energy_hourly.energy_kwh IS 'Energy; NULL where that of a part is unknown. Below 0 where what is taken off is more.';
COMMENT ON COLUMN api.virtual_energy_hourly.in_total IS 'Never: what it is made of counts.';
COMMENT ON COLUMN api.virtual_energy_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1, of the part covered least.';
COMMENT ON COLUMN api.virtual_energy_hourly.estimated IS 'Whether part of an amount was spread over an outage.';
COMMENT ON COLUMN api.virtual_energy_hourly.parts IS 'Devices it is made of.';
COMMENT ON COLUMN api.virtual_energy_hourly.parts_known IS 'Those of them whose energy is known.';
