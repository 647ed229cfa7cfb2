-- Raw readings are kept for ever, unless an operator sets a limit. `raw_since`: of what came before, readings may be gone,
-- and hours stay as they were computed; NULL: nothing was dropped.
ALTER TABLE core.setting ADD COLUMN raw_since timestamptz;

-- Only the owner of a hypertable may drop its chunks: these are what analytics may do of it. A chunk goes as a whole, when
-- all of it is older. Returns how many went.
CREATE FUNCTION core.drop_raw_readings(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    kind text;
    of_kind integer;
    dropped integer := 0;
BEGIN
    FOREACH kind IN ARRAY ARRAY['core.reading_meter', 'core.reading_flowmeter', 'core.reading_cems',
        'core.reading_beltscale']
    LOOP
        SELECT count(*) INTO of_kind FROM drop_chunks(kind::regclass, older_than => before);
        dropped := dropped + of_kind;
    END LOOP;
    IF dropped > 0 THEN
        UPDATE core.setting SET raw_since = greatest(raw_since, before);
    END IF;
    RETURN dropped;
END
$$;

CREATE FUNCTION core.drop_live_emissions(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    RETURN (SELECT count(*) FROM drop_chunks('core.live_emission'::regclass, older_than => before));
END
$$;

REVOKE EXECUTE ON FUNCTION core.drop_raw_readings, core.drop_live_emissions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.drop_raw_readings, core.drop_live_emissions TO carbonflow_analytics;
