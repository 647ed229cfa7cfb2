-- How a source's activity and emissions are made of what its devices send: facts in force, formulas, parameters, factors.
-- Thousands of hours have the same recipe; `recipe` is the first half of the SHA-256 of `document`, which json keeps as it
-- was written.
CREATE TABLE core.recipe (
    recipe uuid PRIMARY KEY,
    document json NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);

-- By which code (a digest of its source), libraries and registry hours were computed.
CREATE TABLE core.calculation (
    calculation_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version text NOT NULL,
    code text NOT NULL,
    libraries jsonb NOT NULL,
    registry_version integer NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (version, code, libraries, registry_version)
);

-- The lineage of an hour; NULL where it was computed before lineage was kept. `readings` are those that count, from
-- `read_from` to `read_to`: the hour's own and the neighbours it rests on. `parts` is what each device contributed,
-- where there are several.
ALTER TABLE core.emission_hour
    ADD COLUMN parts jsonb,
    ADD COLUMN recipe uuid,
    ADD COLUMN read_from timestamptz,
    ADD COLUMN read_to timestamptz,
    ADD COLUMN readings integer,
    ADD COLUMN calculation_id integer;
