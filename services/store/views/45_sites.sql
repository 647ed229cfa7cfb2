-- What of the registry a reader needs to name and to order the numbers by.
CREATE VIEW api.sites AS
SELECT s.site, s.name, s.timezone, s.country, s.region
FROM core.site s
WHERE s.ended_at IS NULL OR s.ended_at > now();

COMMENT ON VIEW api.sites IS 'The sites that the registry has now.';
COMMENT ON COLUMN api.sites.site IS 'Site id.';
COMMENT ON COLUMN api.sites.name IS 'Name, as the registry writes it.';
COMMENT ON COLUMN api.sites.timezone IS 'Time zone (IANA) of the site''s clock: it cuts hours and days.';
COMMENT ON COLUMN api.sites.country IS 'Country, ISO 3166-1 alpha-2.';
COMMENT ON COLUMN api.sites.region IS 'Place of the grid factor.';

CREATE VIEW api.areas AS
SELECT a.site, a.area, a.name, a.type, a.floor_area_m2
FROM core.area a
WHERE a.ended_at IS NULL OR a.ended_at > now();

COMMENT ON VIEW api.areas IS 'Buildings and plants that the registry has now.';
COMMENT ON COLUMN api.areas.site IS 'Site id.';
COMMENT ON COLUMN api.areas.area IS 'Area id.';
COMMENT ON COLUMN api.areas.name IS 'Name, as the registry writes it.';
COMMENT ON COLUMN api.areas.type IS 'building, plant, floor or unit.';
COMMENT ON COLUMN api.areas.floor_area_m2 IS 'Floor area; NULL where not given.';

CREATE VIEW api.sources AS
SELECT s.site, s.source, s.name, s.scope, s.method, s.carrier, p.area, p.in_total,
    (SELECT string_agg(o.source, ', ' ORDER BY member.number)
     FROM core.route_period r
     CROSS JOIN LATERAL unnest(r.other_ids) WITH ORDINALITY AS member (source_id, number)
     JOIN core.source o ON o.source_id = member.source_id
     WHERE r.source_id = s.source_id AND r.valid_from <= now() AND now() < r.valid_to) AS reconciles_with
FROM core.source s
JOIN core.source_period p ON p.source_id = s.source_id AND p.valid_from <= now() AND now() < p.valid_to
WHERE s.ended_at IS NULL OR s.ended_at > now();

COMMENT ON VIEW api.sources IS 'The emission sources that the registry has now.';
COMMENT ON COLUMN api.sources.site IS 'Site id.';
COMMENT ON COLUMN api.sources.source IS 'Emission source id.';
COMMENT ON COLUMN api.sources.name IS 'Name, as the registry writes it.';
COMMENT ON COLUMN api.sources.scope IS '1 direct, 2 purchased energy.';
COMMENT ON COLUMN api.sources.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.sources.carrier IS 'Fuel or energy carrier.';
COMMENT ON COLUMN api.sources.area IS 'Area id.';
COMMENT ON COLUMN api.sources.in_total IS 'Whether its rows count in a total.';
COMMENT ON COLUMN api.sources.reconciles_with IS 'Sources of the same site, with commas between, that are together the same emission by another route.';
