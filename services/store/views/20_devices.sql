-- A query for each kind, so that each reads one row, the newest, backwards from the newest chunk on: a union of
-- them, ordered as a whole, would read all readings of every device. OFFSET 0 keeps it from being done twice.
CREATE VIEW api.devices AS
SELECT d.site, p.area, d.device, d.kind, p.device_id IS NOT NULL AS assigned, d.state,
    newest.time AS last_time,
    d.last_received_at,
    p.interval_s,
    CASE WHEN p.interval_s IS NULL THEN NULL
         ELSE coalesce(newest.time < now() - make_interval(secs => 3 * p.interval_s), true) END AS stale
FROM core.device d
LEFT JOIN core.device_period p
    ON p.device_id = d.device_id AND p.valid_from <= now() AND now() < p.valid_to
CROSS JOIN LATERAL (
    SELECT CASE d.kind
        WHEN 'meter' THEN
            (SELECT r.time FROM core.reading_meter r WHERE r.device_id = d.device_id ORDER BY r.time DESC LIMIT 1)
        WHEN 'flowmeter' THEN
            (SELECT r.time FROM core.reading_flowmeter r WHERE r.device_id = d.device_id ORDER BY r.time DESC LIMIT 1)
        WHEN 'cems' THEN
            (SELECT r.time FROM core.reading_cems r WHERE r.device_id = d.device_id ORDER BY r.time DESC LIMIT 1)
        WHEN 'beltscale' THEN
            (SELECT r.time FROM core.reading_beltscale r WHERE r.device_id = d.device_id ORDER BY r.time DESC LIMIT 1)
    END AS time
    OFFSET 0
) newest;

COMMENT ON VIEW api.devices IS 'Every device that ever sent or that the registry names.';
COMMENT ON COLUMN api.devices.site IS 'Site id.';
COMMENT ON COLUMN api.devices.area IS 'Area the registry assigns the device to now.';
COMMENT ON COLUMN api.devices.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.devices.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.devices.assigned IS 'Whether the registry knows the device now; the readings of others are stored, too.';
COMMENT ON COLUMN api.devices.state IS 'online or offline, as the device (or its last will) said; NULL where it said nothing.';
COMMENT ON COLUMN api.devices.last_time IS 'Device time of the newest stored reading.';
COMMENT ON COLUMN api.devices.last_received_at IS 'When a reading of the device last arrived.';
COMMENT ON COLUMN api.devices.interval_s IS 'Expected seconds between readings.';
COMMENT ON COLUMN api.devices.stale IS 'Whether the newest reading is older than 3 intervals; NULL where no interval is known.';
