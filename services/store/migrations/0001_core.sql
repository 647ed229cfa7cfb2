-- Schemas, roles and what the services keep beside the readings.

CREATE SCHEMA core;
CREATE SCHEMA api;

-- Group roles; deployments make them LOGIN with their own passwords (deploy/). A role belongs to the cluster: a
-- second database of the cluster, or one migrated at the same moment, finds them made.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['carbonflow_ingest', 'carbonflow_analytics', 'carbonflow_ops', 'carbonflow_grafana']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END
$$;

-- A device is (site, kind, id). Its first reading makes it, or the registry, which leaves `first_seen` NULL: the
-- quota of new devices is about those that nobody announced.
CREATE TABLE core.device (
    device_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('meter', 'flowmeter', 'cems', 'beltscale')),
    device text NOT NULL,
    first_seen timestamptz DEFAULT now(),
    state text CHECK (state IN ('online', 'offline')),
    state_at timestamptz,
    last_received_at timestamptz,
    UNIQUE (site, kind, device)
);
CREATE INDEX device_first_seen ON core.device (site, first_seen);

-- The registry is a document; the newest version is in force, the older ones say what was believed when. json, not
-- jsonb: sites, devices and sources stay in the order in which they were written.
CREATE TABLE core.registry_version (
    version_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL DEFAULT session_user,
    document json NOT NULL,
    sha256 bytea NOT NULL
);

-- What of the registry SQL joins to: written by `registry apply` in the document's own transaction.
CREATE TABLE core.site (
    site text PRIMARY KEY,
    name text NOT NULL DEFAULT '',
    timezone text NOT NULL,
    country text,
    region text,
    ended_at timestamptz
);

CREATE TABLE core.area (
    site text NOT NULL REFERENCES core.site,
    area text NOT NULL,
    name text NOT NULL DEFAULT '',
    type text NOT NULL,
    floor_area_m2 double precision,
    ended_at timestamptz,
    PRIMARY KEY (site, area)
);

-- Dated facts of a registered device, those that views need; one row per period, without overlap.
CREATE TABLE core.device_period (
    device_id integer NOT NULL REFERENCES core.device,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    area text,
    interval_s double precision,
    PRIMARY KEY (device_id, valid_from),
    CHECK (valid_from < valid_to)
);

CREATE TABLE core.source (
    source_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site text NOT NULL REFERENCES core.site,
    source text NOT NULL,
    name text NOT NULL DEFAULT '',
    scope smallint NOT NULL CHECK (scope IN (1, 2)),
    method text NOT NULL CHECK (method IN ('fuel', 'electricity', 'heat', 'cems', 'mass_balance')),
    carrier text NOT NULL,
    ended_at timestamptz,
    UNIQUE (site, source)
);

-- Which devices feed a source, and the source's dated facts that views need.
CREATE TABLE core.source_period (
    source_id integer NOT NULL REFERENCES core.source,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    area text,
    device_ids integer[] NOT NULL,
    in_total boolean NOT NULL,
    PRIMARY KEY (source_id, valid_from),
    CHECK (valid_from < valid_to)
);

-- Published factors. Never updated: a new figure is a new row with its own recorded_at.
CREATE TABLE core.factor (
    factor_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    factor_set text NOT NULL,
    series text NOT NULL,
    fuel text NOT NULL,
    region text,
    unit text NOT NULL,
    gas text NOT NULL,
    basis text NOT NULL,
    biogenic boolean NOT NULL,
    ncv double precision,
    ncv_unit text,
    carbon_content_t_per_gj double precision,
    oxidation_rate double precision,
    co2_kg_per_unit double precision,
    ch4_kg_per_tj double precision,
    n2o_kg_per_tj double precision,
    valid_from date,
    valid_to date,
    source text NOT NULL,
    confirmed boolean NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    sha256 bytea NOT NULL UNIQUE
);
CREATE INDEX factor_lookup ON core.factor (series, fuel, region, valid_from);

-- The rate each reading stood for when it came, under the registry and factors of that moment. Never restated.
CREATE TABLE core.live_emission (
    source_id integer NOT NULL,
    device_id integer NOT NULL,
    time timestamptz NOT NULL,
    basis text,
    co2_kg_per_h double precision,
    co2e_kg_per_h double precision,
    factor_id integer
);
SELECT create_hypertable('core.live_emission', 'time', chunk_time_interval => interval '1 day', create_default_indexes => false);
CREATE INDEX live_emission_newest ON core.live_emission (source_id, device_id, time DESC);

-- What could not be stored, kept with its reason until it is replayed or accepted. `key` is the SHA-256 of topic
-- and payload: a redelivered rejection is a duplicate. `payload` is the first 4 KiB where it was too large.
CREATE TABLE core.dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    client text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL,
    payload_bytes bigint NOT NULL,
    payload_sha256 bytea NOT NULL,
    key bytea NOT NULL UNIQUE,
    replayed_at timestamptz,
    accepted_at timestamptz
);
CREATE INDEX dead_letter_received ON core.dead_letter (received_at);
CREATE INDEX dead_letter_reason ON core.dead_letter (reason, received_at);

-- One row per ingest client, moved in the outcome's own transaction: received = stored + duplicate + rejected.
CREATE TABLE core.ingest_total (
    client text PRIMARY KEY,
    received bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    CHECK (received = stored + duplicate + rejected)
) WITH (fillfactor = 50);

-- Work for the ledger, appended in the readings' own transaction: parallel arrays of the device and the quarter
-- hour (number of 900 s since 1970-01-01 UTC) that a flush touched.
CREATE TABLE core.dirty (
    dirty_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written_at timestamptz NOT NULL DEFAULT now(),
    device_ids integer[] NOT NULL,
    quarters integer[] NOT NULL,
    CHECK (cardinality(device_ids) = cardinality(quarters))
);

-- The same for whole stretches of a device's time: a registry or factor change.
CREATE TABLE core.dirty_range (
    dirty_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written_at timestamptz NOT NULL DEFAULT now(),
    device_id integer NOT NULL REFERENCES core.device,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    reason text NOT NULL
);

-- The hourly ledger: a pure function of stored readings, registry and factors.
CREATE TABLE core.device_hour (
    device_id integer NOT NULL,
    hour timestamptz NOT NULL,
    quantity smallint NOT NULL,
    readings integer NOT NULL,
    min double precision,
    max double precision,
    mean double precision,
    first double precision,
    last double precision,
    consumption double precision,
    coverage double precision NOT NULL,
    estimated boolean NOT NULL,
    PRIMARY KEY (device_id, quantity, hour)
);
SELECT create_hypertable('core.device_hour', 'hour', chunk_time_interval => interval '30 days', create_default_indexes => false);
CREATE INDEX device_hour_hour ON core.device_hour (hour DESC);

CREATE TABLE core.energy_hour (
    device_id integer NOT NULL,
    hour timestamptz NOT NULL,
    area text,
    carrier text NOT NULL,
    amount double precision,
    unit text NOT NULL,
    energy_kwh double precision,
    in_total boolean NOT NULL,
    coverage double precision NOT NULL,
    estimated boolean NOT NULL,
    PRIMARY KEY (device_id, hour)
);
SELECT create_hypertable('core.energy_hour', 'hour', chunk_time_interval => interval '30 days', create_default_indexes => false);
CREATE INDEX energy_hour_hour ON core.energy_hour (hour DESC);

-- `basis` is 'none' where a method has none: a key holds no NULL. The view shows NULL.
CREATE TABLE core.emission_hour (
    source_id integer NOT NULL,
    hour timestamptz NOT NULL,
    basis text NOT NULL CHECK (basis IN ('location', 'market', 'none')),
    area text,
    activity double precision,
    activity_unit text NOT NULL,
    co2_kg double precision,
    ch4_kg double precision,
    n2o_kg double precision,
    co2e_kg double precision,
    biogenic_co2_kg double precision,
    gwp_set text,
    factor text,
    factor_provisional boolean NOT NULL,
    in_total boolean NOT NULL,
    uncertainty_pct double precision,
    coverage double precision NOT NULL,
    estimated boolean NOT NULL,
    missing_reason text,
    revision integer NOT NULL DEFAULT 1,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, basis, hour)
);
SELECT create_hypertable('core.emission_hour', 'hour', chunk_time_interval => interval '30 days', create_default_indexes => false);
CREATE INDEX emission_hour_hour ON core.emission_hour (hour DESC);

-- Names and units of the quantity codes in device_hour: filled by the migrator from services/domain/quantities.py.
CREATE TABLE core.quantity (
    code smallint PRIMARY KEY,
    kind text NOT NULL,
    quantity text NOT NULL,
    unit text NOT NULL,
    is_register boolean NOT NULL,
    UNIQUE (kind, quantity)
);
