-- How meters belong together, as the registry in force says; written by `registry apply`, and again by every migration.
-- A sub-meter directly below a main meter, with what is stated of both: the half width of the 95 % interval, per cent.
CREATE TABLE core.submeter_period (
    device_id integer NOT NULL REFERENCES core.device,
    main_id integer NOT NULL REFERENCES core.device,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    uncertainty_pct double precision,
    main_uncertainty_pct double precision,
    PRIMARY KEY (device_id, valid_from),
    CHECK (valid_from < valid_to)
);
CREATE INDEX submeter_period_main ON core.submeter_period (main_id);

-- What a virtual meter is made of: devices, each added (1) or taken off (-1).
CREATE TABLE core.virtual_period (
    site text NOT NULL REFERENCES core.site,
    virtual_meter text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    area text,
    carrier text NOT NULL,
    device_ids integer[] NOT NULL CHECK (cardinality(device_ids) > 0),
    signs integer[] NOT NULL CHECK (cardinality(signs) = cardinality(device_ids)),
    PRIMARY KEY (site, virtual_meter, valid_from),
    CHECK (valid_from < valid_to)
);
