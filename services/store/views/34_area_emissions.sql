-- Areas: what a portfolio's year is summed from.
CREATE VIEW api.area_emissions_hourly AS
SELECT h.hour, h.site, h.area, h.scope::integer AS scope, nullif(h.basis, 'none') AS basis, h.method, h.carrier,
    h.co2_kg, h.co2e_kg, h.in_total, h.coverage, h.least_coverage, h.sources, h.sources - h.sources_known AS sources_missing,
    h.sources_known - h.co2e_sources_known AS co2e_sources_missing, h.estimated_sources
FROM core.area_hour h;

COMMENT ON VIEW api.area_emissions_hourly IS 'Emissions of all sources of an area that count alike, by hour of the site''s local clock. Sum rows with in_total: a site is the sum of its areas, a portfolio that of its sites. Made some seconds after the hours of the sources.';
COMMENT ON COLUMN api.area_emissions_hourly.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.area_emissions_hourly.site IS 'Site id.';
COMMENT ON COLUMN api.area_emissions_hourly.area IS 'Area id; NULL for sources that are in none.';
COMMENT ON COLUMN api.area_emissions_hourly.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.area_emissions_hourly.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.area_emissions_hourly.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.area_emissions_hourly.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.area_emissions_hourly.co2_kg IS 'Fossil CO2 of the sources known; NULL where none is.';
COMMENT ON COLUMN api.area_emissions_hourly.co2e_kg IS 'CO2 equivalent of the sources known; NULL where none is.';
COMMENT ON COLUMN api.area_emissions_hourly.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.area_emissions_hourly.coverage IS 'Share of the hour that readings cover, 0 to 1: mean of its sources.';
COMMENT ON COLUMN api.area_emissions_hourly.least_coverage IS 'The same of the source of which least is known.';
COMMENT ON COLUMN api.area_emissions_hourly.sources IS 'Sources that have a row in the hour.';
COMMENT ON COLUMN api.area_emissions_hourly.sources_missing IS 'Of these, how many have no known co2_kg: they are not in the sums.';
COMMENT ON COLUMN api.area_emissions_hourly.co2e_sources_missing IS 'Sources whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.area_emissions_hourly.estimated_sources IS 'Sources of which part was spread over an outage or substituted.';

CREATE VIEW api.area_emissions_daily AS
SELECT d.day, d.site, d.area, d.scope::integer AS scope, nullif(d.basis, 'none') AS basis, d.method, d.carrier,
    d.co2_kg, d.co2e_kg, d.in_total, d.coverage, d.least_coverage,
    core.day_status(d.ends_at, d.factor_provisional, (SELECT final_after FROM core.setting)) AS status, d.sources,
    core.hours_missing(d.hours, d.hours_known, d.sources, d.at_last_known_hour, d.last_known_hour, d.ends_at)
        AS hours_missing,
    d.hours_known - d.co2e_hours_known AS co2e_hours_missing, d.estimated_hours
FROM core.area_day d;

COMMENT ON VIEW api.area_emissions_daily IS 'Emissions of all sources of an area that count alike, by day of the site''s local calendar. Sum rows with in_total: a site is the sum of its areas, a portfolio that of its sites. Made some seconds after the hours of the sources.';
COMMENT ON COLUMN api.area_emissions_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.area_emissions_daily.site IS 'Site id.';
COMMENT ON COLUMN api.area_emissions_daily.area IS 'Area id; NULL for sources that are in none.';
COMMENT ON COLUMN api.area_emissions_daily.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.area_emissions_daily.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.area_emissions_daily.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.area_emissions_daily.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.area_emissions_daily.co2_kg IS 'Fossil CO2 of the hours known; NULL where none is.';
COMMENT ON COLUMN api.area_emissions_daily.co2e_kg IS 'CO2 equivalent of the hours known; NULL where none is.';
COMMENT ON COLUMN api.area_emissions_daily.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.area_emissions_daily.coverage IS 'Share of the whole local day that readings cover, 0 to 1: mean of its sources.';
COMMENT ON COLUMN api.area_emissions_daily.least_coverage IS 'The same of the source of which least is known.';
COMMENT ON COLUMN api.area_emissions_daily.status IS 'open (hours are to come), provisional (late data or a newer factor expected), final: the least settled of its hours.';
COMMENT ON COLUMN api.area_emissions_daily.sources IS 'Sources that have hours in the day.';
COMMENT ON COLUMN api.area_emissions_daily.hours_missing IS 'Hours of its sources that are over and whose co2_kg is unknown: they are not in the sums. A source without any row in the day is not among its sources.';
COMMENT ON COLUMN api.area_emissions_daily.co2e_hours_missing IS 'Hours whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.area_emissions_daily.estimated_hours IS 'Hours of which part was spread over an outage or substituted.';

CREATE VIEW api.area_emissions_monthly AS
SELECT d.day - (extract(day FROM d.day)::integer - 1) AS month, d.site, d.area, d.scope, d.basis, d.method, d.carrier,
    sum(d.co2_kg) AS co2_kg, sum(d.co2e_kg) AS co2e_kg, d.in_total,
    CASE WHEN bool_or(d.status = 'open') THEN 'open'
        WHEN bool_or(d.status = 'provisional') THEN 'provisional' ELSE 'final' END AS status,
    count(*)::integer AS days, min(d.least_coverage) AS least_coverage, max(d.sources) AS sources,
    sum(d.hours_missing)::integer AS hours_missing, sum(d.co2e_hours_missing)::integer AS co2e_hours_missing,
    sum(d.estimated_hours)::integer AS estimated_hours
FROM api.area_emissions_daily d
GROUP BY d.day - (extract(day FROM d.day)::integer - 1), d.site, d.area, d.scope, d.basis, d.method, d.carrier,
    d.in_total;

COMMENT ON VIEW api.area_emissions_monthly IS 'Emissions of all sources of an area that count alike, by month of the site''s local calendar. Sum rows with in_total: a site is the sum of its areas, a portfolio that of its sites. Made some seconds after the hours of the sources.';
COMMENT ON COLUMN api.area_emissions_monthly.month IS 'First day of the month on the site''s local calendar.';
COMMENT ON COLUMN api.area_emissions_monthly.site IS 'Site id.';
COMMENT ON COLUMN api.area_emissions_monthly.area IS 'Area id; NULL for sources that are in none.';
COMMENT ON COLUMN api.area_emissions_monthly.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.area_emissions_monthly.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.area_emissions_monthly.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.area_emissions_monthly.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.area_emissions_monthly.co2_kg IS 'Fossil CO2 of the hours known; NULL where none is.';
COMMENT ON COLUMN api.area_emissions_monthly.co2e_kg IS 'CO2 equivalent of the hours known; NULL where none is.';
COMMENT ON COLUMN api.area_emissions_monthly.in_total IS 'Whether the row counts in a total.';
COMMENT ON COLUMN api.area_emissions_monthly.status IS 'open, provisional or final: the least settled of its days.';
COMMENT ON COLUMN api.area_emissions_monthly.days IS 'Days of which there are hours.';
COMMENT ON COLUMN api.area_emissions_monthly.least_coverage IS 'Share of the day that readings cover, on the day and of the source of which least is known.';
COMMENT ON COLUMN api.area_emissions_monthly.sources IS 'Sources that have hours, on the day on which most have.';
COMMENT ON COLUMN api.area_emissions_monthly.hours_missing IS 'Hours of its sources that are over and whose co2_kg is unknown: they are not in the sums. A source without any row in the day is not among its sources.';
COMMENT ON COLUMN api.area_emissions_monthly.co2e_hours_missing IS 'Hours whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.area_emissions_monthly.estimated_hours IS 'Hours of which part was spread over an outage or substituted.';

CREATE VIEW api.site_emissions_daily AS
SELECT a.day, a.site, a.scope, a.basis, sum(a.co2_kg) AS co2_kg, sum(a.co2e_kg) AS co2e_kg,
    min(a.least_coverage) AS least_coverage,
    CASE WHEN bool_or(a.status = 'open') THEN 'open'
        WHEN bool_or(a.status = 'provisional') THEN 'provisional' ELSE 'final' END AS status,
    sum(a.sources)::integer AS sources, sum(a.hours_missing)::integer AS hours_missing,
    sum(a.co2e_hours_missing)::integer AS co2e_hours_missing, sum(a.estimated_hours)::integer AS estimated_hours
FROM api.area_emissions_daily a
WHERE a.in_total
GROUP BY a.day, a.site, a.scope, a.basis;

COMMENT ON VIEW api.site_emissions_daily IS 'What counts in the total of a site, by day of its local calendar, scope and basis. Made some seconds after the hours of the sources.';
COMMENT ON COLUMN api.site_emissions_daily.day IS 'Date on the site''s local calendar.';
COMMENT ON COLUMN api.site_emissions_daily.site IS 'Site id.';
COMMENT ON COLUMN api.site_emissions_daily.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.site_emissions_daily.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.site_emissions_daily.co2_kg IS 'Fossil CO2 of the hours known; NULL where none is.';
COMMENT ON COLUMN api.site_emissions_daily.co2e_kg IS 'CO2 equivalent of the hours known; NULL where none is.';
COMMENT ON COLUMN api.site_emissions_daily.least_coverage IS 'Share of the day that readings cover, of the source of which least is known.';
COMMENT ON COLUMN api.site_emissions_daily.status IS 'open, provisional or final: the least settled of what is in it.';
COMMENT ON COLUMN api.site_emissions_daily.sources IS 'Sources that have hours in it; a source whose area changed counts in each.';
COMMENT ON COLUMN api.site_emissions_daily.hours_missing IS 'Hours of its sources that are over and whose co2_kg is unknown: they are not in the sums. A source without any row in the day is not among its sources.';
COMMENT ON COLUMN api.site_emissions_daily.co2e_hours_missing IS 'Hours whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.site_emissions_daily.estimated_hours IS 'Hours of which part was spread over an outage or substituted.';

CREATE VIEW api.site_emissions_monthly AS
SELECT a.month, a.site, a.scope, a.basis, sum(a.co2_kg) AS co2_kg, sum(a.co2e_kg) AS co2e_kg,
    min(a.least_coverage) AS least_coverage,
    CASE WHEN bool_or(a.status = 'open') THEN 'open'
        WHEN bool_or(a.status = 'provisional') THEN 'provisional' ELSE 'final' END AS status,
    sum(a.sources)::integer AS sources, sum(a.hours_missing)::integer AS hours_missing,
    sum(a.co2e_hours_missing)::integer AS co2e_hours_missing, sum(a.estimated_hours)::integer AS estimated_hours
FROM api.area_emissions_monthly a
WHERE a.in_total
GROUP BY a.month, a.site, a.scope, a.basis;

COMMENT ON VIEW api.site_emissions_monthly IS 'What counts in the total of a site, by month of its local calendar, scope and basis. Made some seconds after the hours of the sources.';
COMMENT ON COLUMN api.site_emissions_monthly.month IS 'First day of the month on the site''s local calendar.';
COMMENT ON COLUMN api.site_emissions_monthly.site IS 'Site id.';
COMMENT ON COLUMN api.site_emissions_monthly.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.site_emissions_monthly.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.site_emissions_monthly.co2_kg IS 'Fossil CO2 of the hours known; NULL where none is.';
COMMENT ON COLUMN api.site_emissions_monthly.co2e_kg IS 'CO2 equivalent of the hours known; NULL where none is.';
COMMENT ON COLUMN api.site_emissions_monthly.least_coverage IS 'Share of the day that readings cover, of the source of which least is known, on its worst day.';
COMMENT ON COLUMN api.site_emissions_monthly.status IS 'open, provisional or final: the least settled of what is in it.';
COMMENT ON COLUMN api.site_emissions_monthly.sources IS 'Sources that have hours in it; a source whose area changed counts in each.';
COMMENT ON COLUMN api.site_emissions_monthly.hours_missing IS 'Hours of its sources that are over and whose co2_kg is unknown: they are not in the sums. A source without any row in the day is not among its sources.';
COMMENT ON COLUMN api.site_emissions_monthly.co2e_hours_missing IS 'Hours whose co2_kg is known and whose co2e_kg is not.';
COMMENT ON COLUMN api.site_emissions_monthly.estimated_hours IS 'Hours of which part was spread over an outage or substituted.';
