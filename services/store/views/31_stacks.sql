CREATE VIEW api.cems_hourly AS
SELECT h.hour, s.site, s.source, d.device, h.item AS quantity,
    CASE h.item WHEN 'co2_kg' THEN 'kg' WHEN 'heat_input_mmbtu' THEN 'mmBtu' ELSE q.unit END AS unit,
    h.ran_h, h.measured, h.substituted, coalesce(h.measured, h.substituted) AS reported, h.method,
    h.availability_pct, h.gap_h, h.reporting_value, h.reporting_unit, h.reason AS missing_reason
FROM core.stack_hour h
JOIN core.source s USING (source_id)
JOIN core.device d USING (device_id)
LEFT JOIN core.quantity q ON q.kind = 'cems' AND q.quantity = h.item;

COMMENT ON VIEW api.cems_hourly IS 'Hours of measured stacks whose source has a policy of hour validity: each judged quantity and the emission, measured and substituted apart. An hour after which nothing was heard is not in it yet.';
COMMENT ON COLUMN api.cems_hourly.hour IS 'Instant at which the hour of the site''s local clock begins.';
COMMENT ON COLUMN api.cems_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.cems_hourly.source IS 'Emission source id.';
COMMENT ON COLUMN api.cems_hourly.device IS 'Device id of the stack.';
COMMENT ON COLUMN api.cems_hourly.quantity IS 'Quantity whose hourly mean this is; co2_kg for the emission of the hour, heat_input_mmbtu for its heat input.';
COMMENT ON COLUMN api.cems_hourly.unit IS 'Unit of measured, substituted and reported.';
COMMENT ON COLUMN api.cems_hourly.ran_h IS 'Hours the unit ran: without standstill by evidence, times the operating fraction where one is sent.';
COMMENT ON COLUMN api.cems_hourly.measured IS 'From valid measurement; NULL where the hour is not valid by the policy, of a quantity also where the unit did not run.';
COMMENT ON COLUMN api.cems_hourly.substituted IS 'What the policy puts in place of a missing value; of the emission, computed with it. NULL where measured, and where the policy gives nothing.';
COMMENT ON COLUMN api.cems_hourly.reported IS 'The measured value, else the substituted one; NULL where unknown.';
COMMENT ON COLUMN api.cems_hourly.method IS 'Policy and rung by which a value was substituted.';
COMMENT ON COLUMN api.cems_hourly.availability_pct IS 'Share of the hours of running that were valid, at the last hour of a closed gap; NULL elsewhere.';
COMMENT ON COLUMN api.cems_hourly.gap_h IS 'Hours of running in the closed gap that the hour belongs to; NULL elsewhere.';
COMMENT ON COLUMN api.cems_hourly.reporting_value IS 'The reported value as a rule has it reported: rounded, in reporting_unit. Never summed from; NULL where no rule says how.';
COMMENT ON COLUMN api.cems_hourly.reporting_unit IS 'Unit of reporting_value.';
COMMENT ON COLUMN api.cems_hourly.missing_reason IS 'Why nothing stands in for a missing value.';
