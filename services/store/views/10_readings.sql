-- Made by `python -m services.store.schema` from services/domain/quantities.py.
CREATE VIEW api.readings AS
SELECT r.time, r.received_at, d.site, d.device, d.kind, v.quantity, v.unit, v.value,
    coalesce(r.quantity_status ->> v.quantity, (ARRAY['valid', 'stopped', 'maintenance', 'calibration', 'fault', 'over_range', 'manual', 'communication'])[r.status + 1]) AS status
FROM core.reading_meter r
JOIN core.device d USING (device_id)
CROSS JOIN LATERAL (VALUES
        ('energy_import_kwh', 'kWh', r.energy_import_kwh),
        ('energy_export_kwh', 'kWh', r.energy_export_kwh),
        ('power_kw', 'kW', r.power_kw),
        ('reactive_power_kvar', 'kvar', r.reactive_power_kvar),
        ('voltage_v', 'V', r.voltage_v),
        ('current_a', 'A', r.current_a),
        ('power_factor', '1', r.power_factor),
        ('frequency_hz', 'Hz', r.frequency_hz)
) AS v (quantity, unit, value)
WHERE v.value IS NOT NULL
UNION ALL
SELECT r.time, r.received_at, d.site, d.device, d.kind, v.quantity, v.unit, v.value,
    coalesce(r.quantity_status ->> v.quantity, (ARRAY['valid', 'stopped', 'maintenance', 'calibration', 'fault', 'over_range', 'manual', 'communication'])[r.status + 1]) AS status
FROM core.reading_flowmeter r
JOIN core.device d USING (device_id)
CROSS JOIN LATERAL (VALUES
        ('volume_m3', 'm3', r.volume_m3),
        ('volume_nm3', 'Nm3', r.volume_nm3),
        ('mass_t', 't', r.mass_t),
        ('energy_gj', 'GJ', r.energy_gj),
        ('flow_m3_h', 'm3/h', r.flow_m3_h),
        ('flow_nm3_h', 'Nm3/h', r.flow_nm3_h),
        ('mass_flow_t_h', 't/h', r.mass_flow_t_h),
        ('temperature_c', 'degC', r.temperature_c),
        ('return_temperature_c', 'degC', r.return_temperature_c),
        ('pressure_kpa', 'kPa', r.pressure_kpa)
) AS v (quantity, unit, value)
WHERE v.value IS NOT NULL
UNION ALL
SELECT r.time, r.received_at, d.site, d.device, d.kind, v.quantity, v.unit, v.value,
    coalesce(r.quantity_status ->> v.quantity, (ARRAY['valid', 'stopped', 'maintenance', 'calibration', 'fault', 'over_range', 'manual', 'communication'])[r.status + 1]) AS status
FROM core.reading_cems r
JOIN core.device d USING (device_id)
CROSS JOIN LATERAL (VALUES
        ('co2_pct', '%', r.co2_pct),
        ('o2_pct', '%', r.o2_pct),
        ('moisture_pct', '%', r.moisture_pct),
        ('velocity_m_s', 'm/s', r.velocity_m_s),
        ('temperature_c', 'degC', r.temperature_c),
        ('static_pressure_pa', 'Pa', r.static_pressure_pa),
        ('barometric_pressure_pa', 'Pa', r.barometric_pressure_pa),
        ('flow_nm3_h', 'Nm3/h', r.flow_nm3_h),
        ('flow_wet_nm3_h', 'Nm3/h', r.flow_wet_nm3_h),
        ('operating_fraction', '1', r.operating_fraction),
        ('so2_mg_m3', 'mg/m3', r.so2_mg_m3),
        ('nox_mg_m3', 'mg/m3', r.nox_mg_m3),
        ('dust_mg_m3', 'mg/m3', r.dust_mg_m3)
) AS v (quantity, unit, value)
WHERE v.value IS NOT NULL
UNION ALL
SELECT r.time, r.received_at, d.site, d.device, d.kind, v.quantity, v.unit, v.value,
    coalesce(r.quantity_status ->> v.quantity, (ARRAY['valid', 'stopped', 'maintenance', 'calibration', 'fault', 'over_range', 'manual', 'communication'])[r.status + 1]) AS status
FROM core.reading_beltscale r
JOIN core.device d USING (device_id)
CROSS JOIN LATERAL (VALUES
        ('mass_t', 't', r.mass_t),
        ('rate_t_h', 't/h', r.rate_t_h),
        ('speed_m_s', 'm/s', r.speed_m_s),
        ('load_kg_m', 'kg/m', r.load_kg_m),
        ('running', '1', r.running::integer::double precision)
) AS v (quantity, unit, value)
WHERE v.value IS NOT NULL;

COMMENT ON VIEW api.readings IS 'Every stored value, raw, one row per device, time and quantity.';
COMMENT ON COLUMN api.readings.time IS 'Device time of the reading.';
COMMENT ON COLUMN api.readings.received_at IS 'When ingest received the reading.';
COMMENT ON COLUMN api.readings.site IS 'Site id.';
COMMENT ON COLUMN api.readings.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.readings.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.readings.quantity IS 'What was measured; its unit is in the name.';
COMMENT ON COLUMN api.readings.unit IS 'Unit of value.';
COMMENT ON COLUMN api.readings.value IS 'The value as sent; running is 1 or 0.';
COMMENT ON COLUMN api.readings.status IS 'What the device says of it; valid counts, manual for registers.';
