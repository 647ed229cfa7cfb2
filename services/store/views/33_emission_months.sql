-- Hours of days without any row are missing in the last of the month's rows of a source.
CREATE VIEW api.emissions_monthly AS
SELECT m.month, m.site, m.area, m.source, m.scope, nullif(m.basis, 'none') AS basis, m.method, m.carrier,
    m.co2_kg, m.co2e_kg, m.in_total, m.covered_h / core.month_hours(m.month, m.timezone, 'infinity') AS coverage,
    CASE WHEN now() < core.day_begins((m.month + interval '1 month')::date, m.timezone) THEN 'open'
        WHEN m.provisional THEN 'provisional' ELSE 'final' END AS status,
    m.hours_missing + CASE
        WHEN row_number() OVER (parts ORDER BY m.last_day DESC, m.in_total, m.area) = 1
        THEN greatest(floor(core.month_hours(m.month, m.timezone, least(now(), m.ended_at)))
            - sum(m.hours_over) OVER (parts), 0)::integer ELSE 0 END AS hours_missing,
    m.co2e_hours_missing, m.estimated_hours, m.ch4_kg, m.n2o_kg, m.biogenic_co2_kg, m.activity, m.activity_unit
FROM (
    SELECT d.month, s.site, t.timezone, s.ended_at, d.area, s.source, s.scope, d.basis, s.method, s.carrier,
        sum(d.co2_kg) AS co2_kg, sum(d.co2e_kg) AS co2e_kg, d.in_total, sum(d.covered_h) AS covered_h,
        bool_or(core.day_status(d.ends_at, d.factor_provisional, (SELECT final_after FROM core.setting)) <> 'final')
            AS provisional,
        max(d.day) AS last_day,
        sum(d.missing)::integer AS hours_missing,
        sum(CASE WHEN d.ends_at <= now() THEN d.hours ELSE d.missing + d.hours_known
            - (d.last_known_hour + interval '1 hour' > now() AND d.hours_known > 0)::integer END) AS hours_over,
        sum(d.hours_known - d.co2e_hours_known)::integer AS co2e_hours_missing,
        sum(d.estimated_hours)::integer AS estimated_hours,
        CASE WHEN bool_and(d.ch4_kg IS NOT NULL OR d.co2_kg IS NULL) THEN sum(d.ch4_kg) END AS ch4_kg,
        CASE WHEN bool_and(d.n2o_kg IS NOT NULL OR d.co2_kg IS NULL) THEN sum(d.n2o_kg) END AS n2o_kg,
        CASE WHEN bool_and(d.biogenic_co2_kg IS NOT NULL OR d.co2_kg IS NULL) THEN sum(d.biogenic_co2_kg) END
            AS biogenic_co2_kg,
        CASE WHEN min(d.activity_unit) = max(d.activity_unit) THEN sum(d.activity) END AS activity,
        CASE WHEN min(d.activity_unit) = max(d.activity_unit) THEN min(d.activity_unit) END AS activity_unit
    FROM (
        SELECT e.*, e.day - (extract(day FROM e.day)::integer - 1) AS month,
            core.hours_missing(e.hours, e.hours_known, 1, 1, e.last_known_hour, e.ends_at) AS missing
        FROM core.emission_day e
    ) AS d
    JOIN core.source s USING (source_id)
    JOIN core.site t USING (site)
    GROUP BY d.month, s.site, t.timezone, s.ended_at, d.area, s.source, s.scope, d.basis, s.method, s.carrier,
        d.in_total
) AS m
WINDOW parts AS (PARTITION BY m.month, m.site, m.source, m.basis);

COMMENT ON VIEW api.emissions_monthly IS 'Emissions of each source by month of the site''s local calendar: the sum of its days.';
COMMENT ON COLUMN api.emissions_monthly.month IS 'First day of the month on the site''s local calendar.';
COMMENT ON COLUMN api.emissions_monthly.site IS 'Site id.';
COMMENT ON COLUMN api.emissions_monthly.area IS 'Area id.';
COMMENT ON COLUMN api.emissions_monthly.source IS 'Emission source id.';
COMMENT ON COLUMN api.emissions_monthly.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.emissions_monthly.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emissions_monthly.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.emissions_monthly.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.emissions_monthly.co2_kg IS 'Fossil CO2 of the hours known; NULL where none is.';
COMMENT ON COLUMN api.emissions_monthly.co2e_kg IS 'CO2 equivalent of the hours known; NULL where none is.';
COMMENT ON COLUMN api.emissions_monthly.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.emissions_monthly.coverage IS 'Share of the whole local month that readings cover, 0 to 1.';
COMMENT ON COLUMN api.emissions_monthly.status IS 'open (hours are to come), provisional (late data or a newer factor expected), final: the least settled of its hours.';
COMMENT ON COLUMN api.emissions_monthly.hours_missing IS 'Hours that are over and whose co2_kg is unknown, with a row or without: they are not in the sums.';
COMMENT ON COLUMN api.emissions_monthly.co2e_hours_missing IS 'Hours whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.emissions_monthly.estimated_hours IS 'Hours of which part was spread over an outage or substituted.';
COMMENT ON COLUMN api.emissions_monthly.ch4_kg IS 'CH4; NULL where it is not known in each hour in which co2_kg is.';
COMMENT ON COLUMN api.emissions_monthly.n2o_kg IS 'N2O; NULL where it is not known in each hour in which co2_kg is.';
COMMENT ON COLUMN api.emissions_monthly.biogenic_co2_kg IS 'Biogenic CO2, a memo item outside co2_kg; NULL where it is not known in each hour in which co2_kg is.';
COMMENT ON COLUMN api.emissions_monthly.activity IS 'Activity of the hours known, in activity_unit; NULL where none is, or of several units.';
COMMENT ON COLUMN api.emissions_monthly.activity_unit IS 'Unit of activity; a gas volume names its base state.';
