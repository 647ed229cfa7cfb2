-- Made by `python -m services.store.schema` from services/domain/quantities.py.
-- A reading is one row: its quantities belong together. `quantity_status` and `extra` are json, not
-- jsonb: json keeps what a device sent as it was, and refuses no escaped NUL.

CREATE TABLE core.reading_meter (
    device_id integer NOT NULL,
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    seq bigint,
    status smallint NOT NULL DEFAULT 0,
    quantity_status json,
    extra json,
    energy_import_kwh double precision,
    energy_export_kwh double precision,
    power_kw double precision,
    reactive_power_kvar double precision,
    voltage_v double precision,
    current_a double precision,
    power_factor double precision,
    frequency_hz double precision,
    PRIMARY KEY (device_id, time)
);
SELECT create_hypertable('core.reading_meter', 'time', chunk_time_interval => interval '1 day',
    create_default_indexes => false);
COMMENT ON COLUMN core.reading_meter.energy_import_kwh IS 'active energy taken from the grid [kWh]';
COMMENT ON COLUMN core.reading_meter.energy_export_kwh IS 'active energy given to the grid [kWh]';
COMMENT ON COLUMN core.reading_meter.power_kw IS 'active power, import positive [kW]';
COMMENT ON COLUMN core.reading_meter.reactive_power_kvar IS 'reactive power, inductive positive [kvar]';
COMMENT ON COLUMN core.reading_meter.voltage_v IS 'line voltage [V]';
COMMENT ON COLUMN core.reading_meter.current_a IS 'line current [A]';
COMMENT ON COLUMN core.reading_meter.power_factor IS 'power factor [1]';
COMMENT ON COLUMN core.reading_meter.frequency_hz IS 'grid frequency [Hz]';

CREATE TABLE core.reading_flowmeter (
    device_id integer NOT NULL,
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    seq bigint,
    status smallint NOT NULL DEFAULT 0,
    quantity_status json,
    extra json,
    volume_m3 double precision,
    volume_nm3 double precision,
    mass_t double precision,
    energy_gj double precision,
    flow_m3_h double precision,
    flow_nm3_h double precision,
    mass_flow_t_h double precision,
    temperature_c double precision,
    return_temperature_c double precision,
    pressure_kpa double precision,
    PRIMARY KEY (device_id, time)
);
SELECT create_hypertable('core.reading_flowmeter', 'time', chunk_time_interval => interval '1 day',
    create_default_indexes => false);
COMMENT ON COLUMN core.reading_flowmeter.volume_m3 IS 'volume at line conditions [m3]';
COMMENT ON COLUMN core.reading_flowmeter.volume_nm3 IS 'volume at the device''s base state (see the registry) [Nm3]';
COMMENT ON COLUMN core.reading_flowmeter.mass_t IS 'mass [t]';
COMMENT ON COLUMN core.reading_flowmeter.energy_gj IS 'heat [GJ]';
COMMENT ON COLUMN core.reading_flowmeter.flow_m3_h IS 'volume flow at line conditions [m3/h]';
COMMENT ON COLUMN core.reading_flowmeter.flow_nm3_h IS 'volume flow at the device''s base state [Nm3/h]';
COMMENT ON COLUMN core.reading_flowmeter.mass_flow_t_h IS 'mass flow [t/h]';
COMMENT ON COLUMN core.reading_flowmeter.temperature_c IS 'fluid temperature (of the supply) [degC]';
COMMENT ON COLUMN core.reading_flowmeter.return_temperature_c IS 'temperature of the return [degC]';
COMMENT ON COLUMN core.reading_flowmeter.pressure_kpa IS 'fluid pressure, gauge or absolute [kPa]';

CREATE TABLE core.reading_cems (
    device_id integer NOT NULL,
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    seq bigint,
    status smallint NOT NULL DEFAULT 0,
    quantity_status json,
    extra json,
    co2_pct double precision,
    o2_pct double precision,
    moisture_pct double precision,
    velocity_m_s double precision,
    temperature_c double precision,
    static_pressure_pa double precision,
    barometric_pressure_pa double precision,
    flow_nm3_h double precision,
    flow_wet_nm3_h double precision,
    operating_fraction double precision,
    so2_mg_m3 double precision,
    nox_mg_m3 double precision,
    dust_mg_m3 double precision,
    PRIMARY KEY (device_id, time)
);
SELECT create_hypertable('core.reading_cems', 'time', chunk_time_interval => interval '1 day',
    create_default_indexes => false);
COMMENT ON COLUMN core.reading_cems.co2_pct IS 'CO2 by volume, wet or dry [%]';
COMMENT ON COLUMN core.reading_cems.o2_pct IS 'O2 by volume, wet or dry [%]';
COMMENT ON COLUMN core.reading_cems.moisture_pct IS 'moisture of the stack gas by volume [%]';
COMMENT ON COLUMN core.reading_cems.velocity_m_s IS 'stack gas velocity [m/s]';
COMMENT ON COLUMN core.reading_cems.temperature_c IS 'stack gas temperature [degC]';
COMMENT ON COLUMN core.reading_cems.static_pressure_pa IS 'stack static pressure, gauge [Pa]';
COMMENT ON COLUMN core.reading_cems.barometric_pressure_pa IS 'atmospheric pressure, absolute [Pa]';
COMMENT ON COLUMN core.reading_cems.flow_nm3_h IS 'dry stack gas flow at 0 degC, 101.325 kPa [Nm3/h]';
COMMENT ON COLUMN core.reading_cems.flow_wet_nm3_h IS 'wet stack gas flow at 0 degC, 101.325 kPa [Nm3/h]';
COMMENT ON COLUMN core.reading_cems.operating_fraction IS 'share of the interval the unit ran [1]';
COMMENT ON COLUMN core.reading_cems.so2_mg_m3 IS 'SO2 concentration [mg/m3]';
COMMENT ON COLUMN core.reading_cems.nox_mg_m3 IS 'NOx concentration, as NO2 [mg/m3]';
COMMENT ON COLUMN core.reading_cems.dust_mg_m3 IS 'dust concentration [mg/m3]';

CREATE TABLE core.reading_beltscale (
    device_id integer NOT NULL,
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    seq bigint,
    status smallint NOT NULL DEFAULT 0,
    quantity_status json,
    extra json,
    mass_t double precision,
    rate_t_h double precision,
    speed_m_s double precision,
    load_kg_m double precision,
    running boolean,
    PRIMARY KEY (device_id, time)
);
SELECT create_hypertable('core.reading_beltscale', 'time', chunk_time_interval => interval '1 day',
    create_default_indexes => false);
COMMENT ON COLUMN core.reading_beltscale.mass_t IS 'mass carried over the belt [t]';
COMMENT ON COLUMN core.reading_beltscale.rate_t_h IS 'mass flow over the belt [t/h]';
COMMENT ON COLUMN core.reading_beltscale.speed_m_s IS 'belt speed [m/s]';
COMMENT ON COLUMN core.reading_beltscale.load_kg_m IS 'belt load [kg/m]';
COMMENT ON COLUMN core.reading_beltscale.running IS 'whether the belt runs [1]';
