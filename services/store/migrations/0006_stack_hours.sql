-- Hours of measured stacks whose source has a policy: each judged quantity, and the emission. Measured, substituted
-- and reported values stay apart. Missing hours follow from earlier ones: these rows are what substitution looks back on.
CREATE TABLE core.stack_hour (
    source_id integer NOT NULL,
    device_id integer NOT NULL,
    item text NOT NULL,
    hour timestamptz NOT NULL,
    ran_h double precision NOT NULL,
    measured double precision,
    substituted double precision,
    method text,
    reason text,
    availability_pct double precision,
    gap_h integer,
    reporting_value double precision,
    reporting_unit text,
    PRIMARY KEY (source_id, device_id, item, hour)
);
SELECT create_hypertable('core.stack_hour', 'hour', chunk_time_interval => interval '90 days', create_default_indexes => false);
CREATE INDEX stack_hour_hour ON core.stack_hour (hour DESC);
