-- Least privilege: readers see the api alone; each service writes only what is its own.
REVOKE ALL ON SCHEMA core, api FROM PUBLIC;

GRANT USAGE ON SCHEMA api TO carbonflow_ops, carbonflow_grafana, carbonflow_ingest, carbonflow_analytics;
GRANT SELECT ON ALL TABLES IN SCHEMA api
    TO carbonflow_ops, carbonflow_grafana, carbonflow_ingest, carbonflow_analytics;

GRANT USAGE ON SCHEMA core TO carbonflow_ingest, carbonflow_analytics;
GRANT SELECT ON ALL TABLES IN SCHEMA core TO carbonflow_ingest, carbonflow_analytics;

GRANT INSERT, UPDATE ON core.reading_meter, core.reading_flowmeter, core.reading_cems, core.reading_beltscale,
    core.device, core.ingest_total, core.dead_letter TO carbonflow_ingest;
GRANT INSERT ON core.live_emission, core.dirty TO carbonflow_ingest;
GRANT INSERT, UPDATE, DELETE ON core.ingest_partition, core.unowned_site TO carbonflow_ingest;

GRANT INSERT, UPDATE, DELETE ON core.device_hour, core.energy_hour, core.emission_hour TO carbonflow_analytics;
GRANT INSERT, UPDATE, DELETE ON core.stack_hour TO carbonflow_analytics;
GRANT INSERT, UPDATE, DELETE ON core.finding_hour TO carbonflow_analytics;
GRANT INSERT, UPDATE, DELETE ON core.emission_day, core.energy_day, core.area_day TO carbonflow_analytics;
GRANT INSERT, UPDATE, DELETE ON core.area_hour TO carbonflow_analytics;
GRANT INSERT, DELETE ON core.area_note TO carbonflow_analytics;
GRANT INSERT ON core.dirty_range TO carbonflow_analytics;
GRANT INSERT ON core.recipe, core.calculation TO carbonflow_analytics;
GRANT INSERT, UPDATE, DELETE ON core.dirty_quarter TO carbonflow_analytics;
GRANT DELETE ON core.dirty, core.dirty_range, core.dead_letter TO carbonflow_analytics;
GRANT INSERT, UPDATE ON core.dead_letter_dropped TO carbonflow_analytics;
GRANT UPDATE (final_after) ON core.setting TO carbonflow_analytics;
GRANT UPDATE (last_received_at) ON core.device TO carbonflow_analytics;

-- A forgotten dashboard must not hold the database. Only a role with ADMIN on these roles may set this.
DO $$
DECLARE
    reader text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['carbonflow_ops', 'carbonflow_grafana']
    LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET statement_timeout = %L', reader, current_database(), '60s');
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET idle_in_transaction_session_timeout = %L', reader,
            current_database(), '5min');
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'the time limits of the reading roles are left as they are';
END
$$;
