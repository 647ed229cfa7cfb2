-- Days and months as the ledger keeps them. LEFT JOIN: a sum that names no column of the source looks up none.

-- Hours that are over and unknown. Of the hours known, `at_last` may be the hour that runs, of so many of `sources`.
CREATE OR REPLACE FUNCTION core.hours_missing(
    hours integer, known integer, sources integer, at_last integer, last_known_hour timestamptz, ends_at timestamptz
) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN ends_at <= now() THEN hours - known
    ELSE greatest(hours - known
        + CASE WHEN last_known_hour + interval '1 hour' > now() THEN at_last ELSE 0 END
        - sources * ceil(extract(epoch FROM ends_at - now()) / 3600)::integer, 0) END;

CREATE OR REPLACE FUNCTION core.day_status(
    ends_at timestamptz, factor_provisional boolean, final_after interval
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN now() < ends_at THEN 'open'
    WHEN now() < ends_at + final_after OR factor_provisional THEN 'provisional'
    ELSE 'final' END;

-- Hours of a site's month that are over by now, and all of them.
CREATE OR REPLACE FUNCTION core.month_hours(month date, timezone text, until timestamptz) RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
RETURN greatest(extract(epoch FROM least(core.day_begins((month + interval '1 month')::date, timezone), until)
    - core.day_begins(month, timezone)), 0)::double precision / 3600;

CREATE VIEW api.emissions_daily AS
SELECT d.day, s.site, d.area, s.source, s.scope, nullif(d.basis, 'none') AS basis, s.method, s.carrier,
    d.co2_kg, d.co2e_kg, d.in_total, d.covered_h / d.length_h AS coverage,
    core.day_status(d.ends_at, d.factor_provisional, (SELECT final_after FROM core.setting)) AS status,
    core.hours_missing(d.hours, d.hours_known, 1, 1, d.last_known_hour, d.ends_at) AS hours_missing,
    d.hours_known - d.co2e_hours_known AS co2e_hours_missing, d.estimated_hours::integer AS estimated_hours,
    d.ch4_kg, d.n2o_kg, d.biogenic_co2_kg, d.activity, d.activity_unit
FROM core.emission_day d
LEFT JOIN core.source s USING (source_id);

COMMENT ON VIEW api.emissions_daily IS 'Emissions of each source by day of the site''s local calendar: the sum of its 23 to 25 hours.';
COMMENT ON COLUMN api.emissions_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.emissions_daily.site IS 'Site id.';
COMMENT ON COLUMN api.emissions_daily.area IS 'Area id.';
COMMENT ON COLUMN api.emissions_daily.source IS 'Emission source id.';
COMMENT ON COLUMN api.emissions_daily.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.emissions_daily.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emissions_daily.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.emissions_daily.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.emissions_daily.co2_kg IS 'Fossil CO2 of the hours known; NULL where none is.';
COMMENT ON COLUMN api.emissions_daily.co2e_kg IS 'CO2 equivalent of the hours known; NULL where none is.';
COMMENT ON COLUMN api.emissions_daily.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.emissions_daily.coverage IS 'Share of the whole local day that readings cover, 0 to 1.';
COMMENT ON COLUMN api.emissions_daily.status IS 'open (hours are to come), provisional (late data or a newer factor expected), final: the least settled of its hours.';
COMMENT ON COLUMN api.emissions_daily.hours_missing IS 'Hours that are over and whose co2_kg is unknown, with a row or without: they are not in the sums.';
COMMENT ON COLUMN api.emissions_daily.co2e_hours_missing IS 'Hours whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.emissions_daily.estimated_hours IS 'Hours of which part was spread over an outage or substituted.';
COMMENT ON COLUMN api.emissions_daily.ch4_kg IS 'CH4; NULL where it is not known in each hour in which co2_kg is.';
COMMENT ON COLUMN api.emissions_daily.n2o_kg IS 'N2O; NULL where it is not known in each hour in which co2_kg is.';
COMMENT ON COLUMN api.emissions_daily.biogenic_co2_kg IS 'Biogenic CO2, a memo item outside co2_kg; NULL where it is not known in each hour in which co2_kg is.';
COMMENT ON COLUMN api.emissions_daily.activity IS 'Activity of the hours known, in activity_unit; NULL where none is, or of several units.';
COMMENT ON COLUMN api.emissions_daily.activity_unit IS 'Unit of activity; a gas volume names its base state.';
