-- What was said of stored readings afterwards, and what it changed.
CREATE VIEW api.corrections AS
SELECT c.correction_id AS correction, c.recorded_at, c.author, d.site, d.device, d.kind, c.from_time, c.to_time,
    q.quantity, q.unit, c.action, c.value, c.reason, c.withdrawn_at, c.withdrawn_author, c.withdrawn_reason,
    EXISTS (SELECT FROM core.dirty_range r
        WHERE r.device_id = c.device_id AND r.reason = 'correction ' || c.correction_id) AS pending,
    changed.hours, changed.co2_kg_before, changed.co2_kg_after
FROM core.correction c
JOIN core.device d USING (device_id)
LEFT JOIN core.quantity q ON q.code = c.quantity
LEFT JOIN core.restatement n ON n.reason = 'correction ' || c.correction_id
CROSS JOIN LATERAL (
    SELECT count(*) AS hours, sum((r.was ->> 'co2_kg')::double precision) AS co2_kg_before,
        sum(r.co2_kg_after) AS co2_kg_after
    FROM core.emission_revision r
    WHERE r.restatement_id = n.restatement_id AND (r.was ->> 'in_total')::boolean
) AS changed;

COMMENT ON VIEW api.corrections IS 'Corrections of stored readings, in force or withdrawn, with the sums of the hours they changed.';
COMMENT ON COLUMN api.corrections.correction IS 'Number of the correction.';
COMMENT ON COLUMN api.corrections.recorded_at IS 'When it was entered.';
COMMENT ON COLUMN api.corrections.author IS 'Who answers for it.';
COMMENT ON COLUMN api.corrections.site IS 'Site id.';
COMMENT ON COLUMN api.corrections.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.corrections.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.corrections.from_time IS 'Device time of the first reading it is for.';
COMMENT ON COLUMN api.corrections.to_time IS 'Device time before which the last one is.';
COMMENT ON COLUMN api.corrections.quantity IS 'What it is for; NULL for all quantities.';
COMMENT ON COLUMN api.corrections.unit IS 'Unit of value; with scale, value is a plain number.';
COMMENT ON COLUMN api.corrections.action IS 'void (does not count), set (the value is this), add (to the value), scale (times the value).';
COMMENT ON COLUMN api.corrections.value IS 'The number of set, add and scale; NULL for void.';
COMMENT ON COLUMN api.corrections.reason IS 'Why, as the author wrote it.';
COMMENT ON COLUMN api.corrections.withdrawn_at IS 'Since when it counts no more; NULL while in force.';
COMMENT ON COLUMN api.corrections.withdrawn_author IS 'Who withdrew it.';
COMMENT ON COLUMN api.corrections.withdrawn_reason IS 'Why it was withdrawn.';
COMMENT ON COLUMN api.corrections.pending IS 'Whether hours that it re-opened are still to be computed.';
COMMENT ON COLUMN api.corrections.hours IS 'Hours of sources in the total whose result it replaced.';
COMMENT ON COLUMN api.corrections.co2_kg_before IS 'Fossil CO2 of those hours before, of those known; NULL where none is.';
COMMENT ON COLUMN api.corrections.co2_kg_after IS 'Fossil CO2 of those hours when they were computed with it, of those known.';

CREATE VIEW api.corrected_readings AS
SELECT r.time, r.site, r.device, r.kind, r.quantity, r.unit, r.value AS value_sent, r.status AS status_sent,
    CASE c.action WHEN 'set' THEN c.value WHEN 'add' THEN r.value + c.value WHEN 'scale' THEN r.value * c.value END
        AS value_corrected,
    c.correction_id AS correction, c.action, c.reason, c.author,
    c.action <> 'void' AND EXISTS (
        SELECT FROM core.correction v
        WHERE v.device_id = c.device_id AND v.action = 'void' AND v.withdrawn_at IS NULL
            AND (v.quantity IS NULL OR v.quantity = c.quantity) AND v.from_time <= r.time AND r.time < v.to_time
    ) AS voided
FROM core.correction c
JOIN core.device d USING (device_id)
LEFT JOIN core.quantity q ON q.code = c.quantity
JOIN api.readings r ON (r.site, r.kind, r.device) = (d.site, d.kind, d.device)
    AND r.time >= c.from_time AND r.time < c.to_time AND (q.quantity IS NULL OR q.quantity = r.quantity)
WHERE c.withdrawn_at IS NULL;

COMMENT ON VIEW api.corrected_readings IS 'Each value that a correction in force is for: as it was sent (as in api.readings, which stays raw), and as the ledger takes it.';
COMMENT ON COLUMN api.corrected_readings.time IS 'Device time of the reading.';
COMMENT ON COLUMN api.corrected_readings.site IS 'Site id.';
COMMENT ON COLUMN api.corrected_readings.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.corrected_readings.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.corrected_readings.quantity IS 'What was measured.';
COMMENT ON COLUMN api.corrected_readings.unit IS 'Unit of value_sent and value_corrected.';
COMMENT ON COLUMN api.corrected_readings.value_sent IS 'The value as sent.';
COMMENT ON COLUMN api.corrected_readings.status_sent IS 'What the device said of it.';
COMMENT ON COLUMN api.corrected_readings.value_corrected IS 'The value by this correction; NULL where it is void. What is physically impossible after add or scale does not count.';
COMMENT ON COLUMN api.corrected_readings.correction IS 'Number of the correction, see api.corrections.';
COMMENT ON COLUMN api.corrected_readings.action IS 'void, set, add or scale.';
COMMENT ON COLUMN api.corrected_readings.reason IS 'Why, as the author wrote it.';
COMMENT ON COLUMN api.corrected_readings.author IS 'Who answers for it.';
COMMENT ON COLUMN api.corrected_readings.voided IS 'Whether another correction voids the value: then this one has no effect.';
