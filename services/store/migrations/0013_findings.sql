-- What is strange in stored readings, hour by hour: a function of readings and registry, as the ledger is, and written
-- with it. A finding over several hours has a row in each of them; all but the first `continue`.
CREATE TABLE core.finding_hour (
    device_id integer NOT NULL,
    kind text NOT NULL,
    quantity smallint NOT NULL,
    hour timestamptz NOT NULL,
    begins timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    continues boolean NOT NULL,
    events integer NOT NULL,
    readings bigint NOT NULL,
    low double precision,
    high double precision,
    bound double precision,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, kind, quantity, hour, begins)
);
SELECT create_hypertable('core.finding_hour', 'hour', chunk_time_interval => interval '90 days', create_default_indexes => false);
-- The ledger asks for the hours of a device; readers for what began lately.
CREATE INDEX finding_hour_device ON core.finding_hour (device_id, hour);
CREATE INDEX finding_hour_first ON core.finding_hour (hour DESC) WHERE NOT continues;
