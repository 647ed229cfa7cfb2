-- Findings: what is strange in stored readings. A row of core.finding_hour that does not continue another is the first of
-- a finding; those up to the next such row belong to it. Found by the key, so that a bound on from_time is one on the
-- first rows alone.
CREATE VIEW api.finding_kinds AS
SELECT k.finding, k.severity, k.unit, k.meaning, k.advice
FROM (VALUES
    ('gap', 'notice', 's', 'the device was silent for longer than a value is held',
        'Look at power and network of the device; have it send what it kept, and the gap closes.'),
    ('seq_hole', 'notice', '1', 'the device counted readings that never came',
        'They were lost on the way, or rejected: look in the dead letters, and have the device send them again.'),
    ('stuck', 'warning', NULL, 'a live value did not change at all',
        'Look at the sensor and its cable; void the readings if it stood, and send maintenance as status meanwhile.'),
    ('standing_register', 'warning', NULL, 'the register stood while the device told a flow',
        'Look at pulse input and register; enter what was missed as a correction or a meter_replaced event.'),
    ('spike', 'notice', NULL, 'one value jumped away and came back',
        'Compare with the device''s own display; void the reading if it was none.'),
    ('negative_flow', 'warning', NULL, 'a flow was below zero for longer than an idle instrument drifts',
        'Check direction and zero: current transformers, pipe, belt; a register does not count it.'),
    ('above_rating', 'warning', NULL, 'more than one and a half times the rating',
        'Check rating and ratio in the registry, then the meter; a register step above it is not booked.'),
    ('register_back', 'warning', NULL, 'the register went back and nobody said why',
        'Enter a meter_replaced event, or the modulus where it rolled over; until then the step is unknown.'),
    ('repeated_frame', 'notice', NULL, 'a frame was sent again in place of a new one',
        'Say repeats_frames of the device in the registry if it does so often, or mend the gateway.'),
    ('clock_ahead', 'warning', 's', 'readings came before the time they are stamped with',
        'Set the device''s clock by NTP; its hours are shifted by as much.'),
    ('clock_behind', 'notice', 's', 'readings came steadily late, one by one',
        'Set the device''s clock by NTP, or find what delays it; its hours are shifted if it is the clock.'),
    ('stale', 'warning', 's', 'nothing came for longer than a value is held, up to now',
        'Look at power and network of the device; end it in the registry if it is gone.'),
    ('negative_remainder', 'warning', 'kWh', 'the sub-meters count more than their main meter, over 24 closed hours',
        'Compare ratios, registers and wiring of main meter and sub-meters; api.energy_remainder_hourly tells since when.'),
    ('routes_disagree', 'warning', 'kg', 'two routes of the same carbon differ by more than both are uncertain, over 24 closed hours',
        'Find which of the two changed: api.reconciliation_daily tells since when, docs/runbooks/routes-disagree.md how.')
) AS k (finding, severity, unit, meaning, advice);

COMMENT ON VIEW api.finding_kinds IS 'The kinds of findings there are.';
COMMENT ON COLUMN api.finding_kinds.finding IS 'Name of the kind.';
COMMENT ON COLUMN api.finding_kinds.severity IS 'warning where numbers are likely wrong or missing, else notice.';
COMMENT ON COLUMN api.finding_kinds.unit IS 'Unit of low, high and bound; NULL: that of the quantity.';
COMMENT ON COLUMN api.finding_kinds.meaning IS 'What was found.';
COMMENT ON COLUMN api.finding_kinds.advice IS 'What to do about it.';

CREATE VIEW api.findings AS
WITH found AS (
    SELECT first.device_id, first.kind AS finding, first.quantity AS code, first.begins AS from_time,
        whole.ends AS to_time, whole.events, whole.readings, whole.low, whole.high, first.bound, first.found_at
    FROM core.finding_hour first
    LEFT JOIN LATERAL (
        SELECT n.hour, n.begins FROM core.finding_hour n
        WHERE n.device_id = first.device_id AND n.kind = first.kind AND n.quantity = first.quantity
            AND (n.hour, n.begins) > (first.hour, first.begins) AND NOT n.continues
        ORDER BY n.hour, n.begins LIMIT 1
    ) AS next ON true
    CROSS JOIN LATERAL (
        SELECT max(r.ends) AS ends, sum(r.events)::bigint AS events, sum(r.readings)::bigint AS readings,
            min(r.low) AS low, max(r.high) AS high
        FROM core.finding_hour r
        WHERE r.device_id = first.device_id AND r.kind = first.kind AND r.quantity = first.quantity
            AND (r.hour, r.begins) >= (first.hour, first.begins)
            AND (next.hour IS NULL OR (r.hour, r.begins) < (next.hour, next.begins))
    ) AS whole
    WHERE NOT first.continues
    UNION ALL
    SELECT d.device_id, 'stale', 0, s.last_time, NULL, 1, NULL, NULL,
        extract(epoch FROM now() - s.last_time)::double precision, 3 * s.interval_s,
        s.last_time + make_interval(secs => 3 * s.interval_s)
    FROM api.devices s
    JOIN core.device d ON d.site = s.site AND d.kind = s.kind AND d.device = s.device
    WHERE s.stale
    UNION ALL
    -- A quantity that has stopped while its device goes on: the ledger's hours tell which may have, the readings since
    -- then which have. One that is sent with a status, or named by it, has not. After a week nobody expects it.
    SELECT d.device_id, 'stale', q.code, sent.time, NULL, 1, NULL, NULL,
        extract(epoch FROM now() - sent.time)::double precision, 3 * s.interval_s,
        sent.time + make_interval(secs => 3 * s.interval_s)
    FROM api.devices s
    JOIN core.device d ON d.site = s.site AND d.kind = s.kind AND d.device = s.device
    JOIN core.quantity q ON q.kind = d.kind
    CROSS JOIN LATERAL (
        SELECT h.hour FROM core.device_hour h
        WHERE h.device_id = d.device_id AND h.quantity = q.code AND h.readings > 0 AND h.hour > now() - interval '7 days'
        ORDER BY h.hour DESC LIMIT 1
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT CASE d.kind
            WHEN 'meter' THEN (SELECT max(r.time) FROM core.reading_meter r
                WHERE r.device_id = d.device_id AND r.time >= newest.hour
                    AND (to_jsonb(r) ->> q.quantity IS NOT NULL OR r.quantity_status ->> q.quantity IS NOT NULL))
            WHEN 'flowmeter' THEN (SELECT max(r.time) FROM core.reading_flowmeter r
                WHERE r.device_id = d.device_id AND r.time >= newest.hour
                    AND (to_jsonb(r) ->> q.quantity IS NOT NULL OR r.quantity_status ->> q.quantity IS NOT NULL))
            WHEN 'cems' THEN (SELECT max(r.time) FROM core.reading_cems r
                WHERE r.device_id = d.device_id AND r.time >= newest.hour
                    AND (to_jsonb(r) ->> q.quantity IS NOT NULL OR r.quantity_status ->> q.quantity IS NOT NULL))
            WHEN 'beltscale' THEN (SELECT max(r.time) FROM core.reading_beltscale r
                WHERE r.device_id = d.device_id AND r.time >= newest.hour
                    AND (to_jsonb(r) ->> q.quantity IS NOT NULL OR r.quantity_status ->> q.quantity IS NOT NULL))
        END AS time
        OFFSET 0
    ) AS sent
    WHERE NOT s.stale
        AND newest.hour < s.last_time - interval '1 hour' - make_interval(secs => 3 * s.interval_s)
        AND sent.time < s.last_time - make_interval(secs => 3 * s.interval_s)
    UNION ALL
    SELECT d.device_id, 'negative_remainder', 0, r.from_time, r.to_time, 1, NULL, r.remainder_kwh, r.remainder_kwh,
        -coalesce(r.tolerance_kwh, 0), r.to_time
    FROM api.energy_remainder_24h r
    JOIN core.device d ON d.site = r.site AND d.kind = r.kind AND d.device = r.device
    WHERE r.verdict = 'negative'
    UNION ALL
    SELECT p.device_ids[1], 'routes_disagree', 0, r.from_time, r.to_time, 1, NULL, r.difference_kg, r.difference_kg,
        r.tolerance_kg, r.to_time
    FROM api.reconciliation_24h r
    JOIN core.source s ON s.site = r.site AND s.source = r.source
    JOIN core.source_period p ON p.source_id = s.source_id AND p.valid_from <= now() AND now() < p.valid_to
    WHERE r.verdict = 'outside'
)
SELECT d.site, d.device, d.kind, f.finding, k.severity, q.quantity, coalesce(k.unit, q.unit) AS unit,
    f.from_time, f.to_time, f.events, f.readings, f.low, f.high, f.bound,
    CASE f.finding
        WHEN 'gap' THEN format('No reading for %s: %s are missing.', date_trunc('second', f.to_time - f.from_time),
            f.readings)
        WHEN 'seq_hole' THEN format('The device counted %s readings between two that came (%s and %s).', f.readings,
            f.low::numeric, f.high::numeric)
        WHEN 'stuck' THEN format('%s %s in each of %s readings over %s.', f.low::numeric, q.unit, f.readings,
            date_trunc('second', f.to_time - f.from_time))
        WHEN 'standing_register' THEN format('The register stood for %s while the rate was %s to %s.',
            date_trunc('second', f.to_time - f.from_time), f.low::numeric, f.high::numeric)
        WHEN 'spike' THEN format('A jump between %s and %s %s and back.', f.low::numeric, f.high::numeric, q.unit)
        WHEN 'negative_flow' THEN format('%s to %s %s in %s readings.', f.low::numeric, f.high::numeric, q.unit,
            f.readings)
        WHEN 'above_rating' THEN format('%s to %s %s; at most %s was expected%s.', f.low::numeric, f.high::numeric,
            q.unit, trim_scale(round(f.bound::numeric, 3)), CASE WHEN q.is_register THEN ' to pass' ELSE '' END)
        WHEN 'register_back' THEN format('From %s back to %s %s.', f.high::numeric, f.low::numeric, q.unit)
        WHEN 'repeated_frame' THEN 'All quantities repeat while the register moved on, or more than can by chance.'
        WHEN 'clock_ahead' THEN format('%s readings came up to %s s before their time.', f.readings,
            trim_scale(round(-f.low::numeric, 1)))
        WHEN 'clock_behind' THEN format('%s readings came %s to %s s after their time.', f.readings,
            trim_scale(round(f.low::numeric, 1)), trim_scale(round(f.high::numeric, 1)))
        WHEN 'negative_remainder' THEN format('The sub-meters count %s kWh more than the main meter; %s is explained.',
            trim_scale(round(-f.low::numeric, 3)), trim_scale(round(-f.bound::numeric, 3)))
        WHEN 'routes_disagree' THEN format('The source of this device has %s kg CO2 %s than its other route; %s is explained.',
            trim_scale(round(abs(f.low)::numeric, 1)), CASE WHEN f.low < 0 THEN 'less' ELSE 'more' END,
            trim_scale(round(f.bound::numeric, 1)))
        WHEN 'stale' THEN coalesce(format('Nothing for %s.', date_trunc('second', now() - f.from_time)),
            'Nothing ever came.')
    END AS detail,
    k.advice, f.found_at
FROM found f
JOIN core.device d USING (device_id)
JOIN api.finding_kinds k USING (finding)
LEFT JOIN core.quantity q ON q.code = f.code;

COMMENT ON VIEW api.findings IS 'What is strange in stored readings, and what has stopped coming. Findings change no number.';
COMMENT ON COLUMN api.findings.site IS 'Site id.';
COMMENT ON COLUMN api.findings.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.findings.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.findings.finding IS 'What was found: see api.finding_kinds.';
COMMENT ON COLUMN api.findings.severity IS 'warning where numbers are likely wrong or missing, else notice.';
COMMENT ON COLUMN api.findings.quantity IS 'In which quantity; NULL where it is the device''s as a whole.';
COMMENT ON COLUMN api.findings.unit IS 'Unit of low, high and bound; of a standing register low and high are of its rate.';
COMMENT ON COLUMN api.findings.from_time IS 'Device time of its first reading; of a gap and of stale, of the last before it, NULL where nothing ever came.';
COMMENT ON COLUMN api.findings.to_time IS 'Device time of its last reading; of a gap, of the first after it; NULL while nothing has come.';
COMMENT ON COLUMN api.findings.events IS 'How many of its kind it tells as one: more than 1 only where an hour has more than six.';
COMMENT ON COLUMN api.findings.readings IS 'How many readings show it; of gap and seq_hole, how many are missing.';
COMMENT ON COLUMN api.findings.low IS 'Smallest value that shows it; NULL where no value does.';
COMMENT ON COLUMN api.findings.high IS 'Largest value that shows it; of a spike with its neighbours; of stale the seconds since.';
COMMENT ON COLUMN api.findings.bound IS 'What it is held against: beyond it it is a finding; NULL where there is no such number.';
COMMENT ON COLUMN api.findings.detail IS 'The evidence in a sentence.';
COMMENT ON COLUMN api.findings.advice IS 'What to do about it.';
COMMENT ON COLUMN api.findings.found_at IS 'When it was first found.';
