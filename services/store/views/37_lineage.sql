-- The lineage of emission hours: what `carbonflow explain` tells, as it is kept.
CREATE VIEW api.emission_lineage AS
SELECT h.hour, s.site, s.source, nullif(h.basis, 'none') AS basis, h.recipe::text AS recipe, h.readings, h.read_from,
    h.read_to, c.version, c.code,
    (SELECT string_agg(l.key || ' ' || l.value, ', ' ORDER BY l.key) FROM jsonb_each_text(c.libraries) l) AS libraries,
    c.registry_version, h.computed_at
FROM core.emission_hour h
JOIN core.source s USING (source_id)
LEFT JOIN core.calculation c USING (calculation_id);

COMMENT ON VIEW api.emission_lineage IS 'Of each hour of emissions: by which recipe, from which readings and by which code it was computed. NULL where it was computed before lineage was kept.';
COMMENT ON COLUMN api.emission_lineage.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.emission_lineage.site IS 'Site id.';
COMMENT ON COLUMN api.emission_lineage.source IS 'Emission source id.';
COMMENT ON COLUMN api.emission_lineage.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emission_lineage.recipe IS 'Name of the recipe: the first half of the SHA-256 of its document in api.recipes.';
COMMENT ON COLUMN api.emission_lineage.readings IS 'How many readings the hour rests on, its neighbours included, of the quantities its activity is counted by.';
COMMENT ON COLUMN api.emission_lineage.read_from IS 'Device time of the first of them; NULL where there is none.';
COMMENT ON COLUMN api.emission_lineage.read_to IS 'Device time of the last of them; NULL where there is none.';
COMMENT ON COLUMN api.emission_lineage.version IS 'Version of Carbonflow that computed it.';
COMMENT ON COLUMN api.emission_lineage.code IS 'Digest of the source code that computes.';
COMMENT ON COLUMN api.emission_lineage.libraries IS 'Libraries that arithmetic is left to, with their versions.';
COMMENT ON COLUMN api.emission_lineage.registry_version IS 'Registry in force when the row was written: see api.registry_versions.';
COMMENT ON COLUMN api.emission_lineage.computed_at IS 'When the row was written.';

CREATE VIEW api.recipes AS
SELECT r.recipe::text AS recipe, r.document ->> 'site' AS site, r.document ->> 'source' AS source,
    r.document ->> 'basis' AS basis, r.document ->> 'method' AS method, r.first_used_at, r.document::text AS document
FROM core.recipe r;

COMMENT ON VIEW api.recipes IS 'How activity and emissions are made of what devices send: facts in force, formulas, parameters and factors. Many hours share one.';
COMMENT ON COLUMN api.recipes.recipe IS 'Its name: the first half of the SHA-256 of document.';
COMMENT ON COLUMN api.recipes.site IS 'Site id.';
COMMENT ON COLUMN api.recipes.source IS 'Emission source id.';
COMMENT ON COLUMN api.recipes.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.recipes.method IS 'fuel, electricity, heat, cems or mass_balance.';
COMMENT ON COLUMN api.recipes.first_used_at IS 'When an hour was first computed by it.';
COMMENT ON COLUMN api.recipes.document IS 'All it says, as JSON.';

CREATE VIEW api.emission_parts AS
SELECT h.hour, s.site, s.source, nullif(h.basis, 'none') AS basis, row_number() OVER
        (PARTITION BY h.source_id, h.basis, h.hour ORDER BY st.number, p.number) AS part,
    p.part ->> 'device' AS device, p.part ->> 'quantity' AS quantity, p.part #>> '{formula,name}' AS formula,
    coalesce((
        SELECT string_agg(s.step ->> 0 || ' = ' || (s.step ->> 2), '; ' ORDER BY s.number)
        FROM json_array_elements(p.part #> '{formula,steps}') WITH ORDINALITY AS s (step, number)
    ) || '; activity = ', '') || (p.part #>> '{formula,activity}') AS formula_text,
    CASE WHEN h.parts IS NULL THEN h.activity ELSE c.activity END AS activity,
    p.part ->> 'activity_unit' AS activity_unit,
    CASE WHEN h.parts IS NULL THEN h.coverage ELSE c.coverage END AS coverage,
    p.part #>> '{factor,name}' AS factor,
    (p.part #>> '{factor,co2_kg_per_unit}')::double precision AS co2_kg_per_unit,
    CASE WHEN h.parts IS NULL THEN h.activity ELSE c.activity END
        * (p.part #>> '{factor,co2_kg_per_unit}')::double precision AS co2_kg,
    st.stretch ->> 'from' AS facts_from
FROM core.emission_hour h
JOIN core.source s USING (source_id)
JOIN core.recipe r USING (recipe)
CROSS JOIN LATERAL json_array_elements(r.document -> 'stretches') WITH ORDINALITY AS st (stretch, number)
CROSS JOIN LATERAL json_array_elements(st.stretch -> 'parts') WITH ORDINALITY AS p (part, number)
LEFT JOIN LATERAL (
    SELECT (e.part ->> 'activity')::double precision AS activity, (e.part ->> 'coverage')::double precision AS coverage
    FROM jsonb_array_elements(h.parts) WITH ORDINALITY AS e (part, number)
    WHERE e.part ->> 'device' = p.part ->> 'device' AND e.part ->> 'quantity' = p.part ->> 'quantity'
        AND coalesce((e.part ->> 'stretch')::integer, 0) = st.number - 1
    ORDER BY e.number LIMIT 1
) c ON true
-- A judged hour of a stack follows the facts that it begins with.
WHERE NOT (h.parts IS NULL AND st.number > 1);

COMMENT ON VIEW api.emission_parts IS 'What each device contributed to each hour of emissions, by which formula and factor. Where facts changed within the hour, once for each stretch of it.';
COMMENT ON COLUMN api.emission_parts.hour IS 'Instant at which the hour begins.';
COMMENT ON COLUMN api.emission_parts.site IS 'Site id.';
COMMENT ON COLUMN api.emission_parts.source IS 'Emission source id.';
COMMENT ON COLUMN api.emission_parts.basis IS 'location or market for electricity, else NULL.';
COMMENT ON COLUMN api.emission_parts.part IS 'Number of the part within the hour, from 1 on, in the order of summing.';
COMMENT ON COLUMN api.emission_parts.device IS 'Device, as kind/id.';
COMMENT ON COLUMN api.emission_parts.quantity IS 'Quantity that the activity is counted by.';
COMMENT ON COLUMN api.emission_parts.formula IS 'Name of the formula that makes it an activity.';
COMMENT ON COLUMN api.emission_parts.formula_text IS 'The formula step by step, with clauses.';
COMMENT ON COLUMN api.emission_parts.activity IS 'Activity in activity_unit; NULL where unknown.';
COMMENT ON COLUMN api.emission_parts.activity_unit IS 'Unit of activity.';
COMMENT ON COLUMN api.emission_parts.coverage IS 'Share of the part''s time that readings cover, 0 to 1.';
COMMENT ON COLUMN api.emission_parts.factor IS 'Factor, or what stands for it.';
COMMENT ON COLUMN api.emission_parts.co2_kg_per_unit IS 'CO2 per unit of activity; NULL where unknown.';
COMMENT ON COLUMN api.emission_parts.co2_kg IS 'activity x co2_kg_per_unit.';
COMMENT ON COLUMN api.emission_parts.facts_from IS 'From when the facts of a later stretch of the hour are in force; NULL in the first.';

CREATE VIEW api.recipe_factors AS
SELECT r.recipe::text AS recipe, p.part ->> 'device' AS device, p.part ->> 'quantity' AS quantity,
    (f.factor ->> 'factor_set') || '/' || (f.factor ->> 'fuel') AS factor, f.factor ->> 'factor_set' AS set,
    f.factor ->> 'series' AS series, f.factor ->> 'region' AS region, (f.factor ->> 'factor_id')::integer AS factor_id,
    (f.factor ->> 'recorded_at')::timestamptz AS recorded_at, (f.factor ->> 'co2_kg_per_unit')::double precision AS value,
    CASE WHEN f.factor ->> 'co2_kg_per_unit' IS NOT NULL
        THEN 'kg ' || (f.factor ->> 'gas') || '/' || (f.factor ->> 'unit') END AS unit,
    f.factor ->> 'basis' AS basis, (f.factor ->> 'valid_from')::date AS valid_from,
    (f.factor ->> 'valid_to')::date AS valid_to, f.factor ->> 'source' AS source,
    (f.factor ->> 'confirmed')::boolean AS confirmed
FROM core.recipe r
CROSS JOIN LATERAL json_array_elements(r.document -> 'stretches') AS st (stretch)
CROSS JOIN LATERAL json_array_elements(st.stretch -> 'parts') AS p (part)
CROSS JOIN LATERAL json_array_elements(p.part -> 'published') AS f (factor);

COMMENT ON VIEW api.recipe_factors IS 'The published factors that each recipe rests on, with their version.';
COMMENT ON COLUMN api.recipe_factors.recipe IS 'Name of the recipe.';
COMMENT ON COLUMN api.recipe_factors.device IS 'Device whose activity it is applied to, as kind/id.';
COMMENT ON COLUMN api.recipe_factors.quantity IS 'Quantity that the activity is counted by.';
COMMENT ON COLUMN api.recipe_factors.factor IS 'Name of the factor: set/fuel.';
COMMENT ON COLUMN api.recipe_factors.set IS 'Factor set.';
COMMENT ON COLUMN api.recipe_factors.series IS 'Set without its year, for sets that appear every year; else the set.';
COMMENT ON COLUMN api.recipe_factors.region IS 'Place the factor is for; NULL for anywhere.';
COMMENT ON COLUMN api.recipe_factors.factor_id IS 'Its version: key of its row in api.factors, which is never changed.';
COMMENT ON COLUMN api.recipe_factors.recorded_at IS 'When that version came to be known here.';
COMMENT ON COLUMN api.recipe_factors.value IS 'Factor in unit, as published; NULL where the set gives energy only.';
COMMENT ON COLUMN api.recipe_factors.unit IS 'Unit of value.';
COMMENT ON COLUMN api.recipe_factors.basis IS 'LHV or HHV for fuels; which average for electricity.';
COMMENT ON COLUMN api.recipe_factors.valid_from IS 'First day of the data year; NULL where open.';
COMMENT ON COLUMN api.recipe_factors.valid_to IS 'Last day of the data year; NULL where open.';
COMMENT ON COLUMN api.recipe_factors.source IS 'Document and table.';
COMMENT ON COLUMN api.recipe_factors.confirmed IS 'False: from one weak source.';

DROP FUNCTION IF EXISTS api.explain(text, text, timestamptz);
CREATE FUNCTION api.explain(site text, source text, at timestamptz)
RETURNS TABLE (basis text, line bigint, about text, name text, value double precision, said text, unit text, "by" text)
LANGUAGE sql STABLE
AS $explain$
WITH e AS (
    SELECT * FROM api.emissions_hourly h
    WHERE h.site = $1 AND h.source = $2 AND h.hour > $3 - interval '1 hour' AND h.hour <= $3
    -- Of hours shorter than an hour, when clocks change, the one begun last.
    ORDER BY h.hour DESC, h.basis
), hour AS (
    SELECT e.* FROM e WHERE e.hour = (SELECT max(o.hour) FROM e o)
), lineage AS (
    SELECT l.* FROM api.emission_lineage l JOIN hour h ON l.hour = h.hour AND l.basis IS NOT DISTINCT FROM h.basis
    WHERE l.site = $1 AND l.source = $2
), parts AS (
    SELECT p.* FROM api.emission_parts p JOIN hour h ON p.hour = h.hour AND p.basis IS NOT DISTINCT FROM h.basis
    WHERE p.site = $1 AND p.source = $2
), sections AS (
    SELECT l.basis, 1 AS part, 0 AS place, x.number, '' AS about, x.name, x.value, x.said, x.unit, x.by
    FROM lineage l
    CROSS JOIN LATERAL (VALUES
        (1, 'hour', NULL::double precision, l.hour::text, '', 'instant at which the hour begins'),
        (2, 'computed_at', NULL, l.computed_at::text, '', 'Carbonflow ' || l.version || ', code ' || l.code || ', ' || l.libraries),
        (3, 'registry_version', l.registry_version, NULL, '', 'in force then: api.registry_versions'),
        (4, 'recipe', NULL, l.recipe, '', 'api.recipes'),
        (5, 'readings', l.readings, NULL, '', 'from ' || l.read_from || ' to ' || l.read_to)
    ) AS x (number, name, value, said, unit, by)
    UNION ALL
    SELECT p.basis, 2, p.part, -1, p.device, 'correction', c.value, c.action || ' ' || coalesce(c.quantity, 'all'),
        coalesce(c.unit, ''), 'correction ' || c.correction || ' of ' || c.author || ', ' || c.recorded_at || ': ' || c.reason
    FROM parts p
    JOIN lineage l ON l.basis IS NOT DISTINCT FROM p.basis
    JOIN api.corrections c ON c.site = $1 AND c.kind || '/' || c.device = p.device
        AND c.from_time <= l.read_to AND c.to_time > l.read_from
        AND c.recorded_at <= l.computed_at AND (c.withdrawn_at IS NULL OR c.withdrawn_at > l.computed_at)
    UNION ALL
    SELECT p.basis, 2, p.part, r.number, p.device, r.quantity, coalesce(r.consumption, r.mean), NULL, r.unit,
        CASE WHEN r.quantity = p.quantity THEN 'what the activity is counted by: ' ELSE 'input: ' END
        || CASE WHEN r.consumption IS NOT NULL THEN 'movement of the register' ELSE 'time-weighted mean' END
        || ' of ' || r.readings || ' readings, coverage ' || round(r.coverage::numeric, 4)
        || CASE WHEN r.estimated THEN ', partly spread over an outage' ELSE '' END
    FROM parts p
    CROSS JOIN LATERAL (
        SELECT q.*, row_number() OVER (ORDER BY q.quantity <> p.quantity, q.quantity) AS number
        FROM api.readings_hourly q
        WHERE q.site = $1 AND q.device = split_part(p.device, '/', 2) AND q.kind = split_part(p.device, '/', 1)
            AND q.hour = p.hour
            AND (q.quantity = p.quantity OR q.quantity IN (
                SELECT i.name FROM lineage l
                JOIN api.recipes c ON c.recipe = l.recipe
                CROSS JOIN LATERAL json_array_elements(c.document::json -> 'stretches') AS st (stretch)
                CROSS JOIN LATERAL json_array_elements(st.stretch -> 'parts') AS d (part)
                CROSS JOIN LATERAL json_array_elements_text(d.part #> '{formula,inputs}') AS i (name)
                WHERE l.basis IS NOT DISTINCT FROM p.basis AND d.part ->> 'device' = p.device
            ))
    ) r
    UNION ALL
    SELECT p.basis, 2, p.part, 100 + row_number() OVER (PARTITION BY p.basis, p.part ORDER BY k.key), p.device, k.key,
        k.value::double precision, NULL, '', 'parameter of formula ' || p.formula
    FROM parts p
    JOIN lineage l ON l.basis IS NOT DISTINCT FROM p.basis
    JOIN api.recipes c ON c.recipe = l.recipe
    CROSS JOIN LATERAL json_array_elements(c.document::json -> 'stretches') AS st (stretch)
    CROSS JOIN LATERAL json_array_elements(st.stretch -> 'parts') AS d (part)
    CROSS JOIN LATERAL json_each_text(d.part #> '{formula,params}') AS k
    WHERE d.part ->> 'device' = p.device AND d.part ->> 'quantity' = p.quantity
        AND (st.stretch ->> 'from') IS NOT DISTINCT FROM p.facts_from
    UNION ALL
    SELECT c.basis, 2, c.part, 200 + row_number() OVER (PARTITION BY c.basis, c.part ORDER BY c.quantity), c.device,
        c.quantity, c.reported, NULL, c.unit, c.told
    FROM (
        SELECT p.basis, p.part, p.device, s.quantity, s.reported, s.unit,
            CASE WHEN s.measured IS NOT NULL THEN 'valid, ' || s.ran_h || ' h of running'
                ELSE 'substituted: ' || coalesce(s.method, s.missing_reason, 'nothing') END
            || coalesce(', availability ' || round(s.availability_pct::numeric, 2) || ' %', '')
            || coalesce(', gap of ' || s.gap_h || ' h', '') AS told
        FROM parts p
        JOIN api.cems_hourly s ON s.site = $1 AND s.source = $2 AND s.hour = p.hour
            AND s.device = split_part(p.device, '/', 2)
    ) c
    UNION ALL
    SELECT p.basis, 2, p.part, 300, p.device, 'activity', p.activity, NULL, p.activity_unit, p.formula_text
    FROM parts p
    UNION ALL
    SELECT p.basis, 2, p.part, 400, p.device, 'factor', f.value, f.factor, f.unit, 'version ' || f.factor_id || ' recorded '
        || f.recorded_at || ', series ' || f.series || ', ' || coalesce(f.region, 'anywhere') || ', basis ' || f.basis
        || ', valid ' || coalesce(f.valid_from::text, '...') || ' to ' || coalesce(f.valid_to::text, '...') || ', '
        || CASE WHEN f.confirmed THEN 'confirmed' ELSE 'UNCONFIRMED' END || '; ' || f.source
    FROM parts p
    JOIN lineage l ON l.basis IS NOT DISTINCT FROM p.basis
    JOIN api.recipe_factors f ON f.recipe = l.recipe AND f.device = p.device AND f.quantity = p.quantity
    UNION ALL
    SELECT p.basis, 2, p.part, 500, p.device, 'co2_kg_per_unit', p.co2_kg_per_unit, p.factor, 'kg CO2/' || p.activity_unit,
        ''
    FROM parts p
    UNION ALL
    SELECT p.basis, 2, p.part, 600, p.device, 'co2_kg', p.co2_kg, NULL, 'kg CO2', 'activity x co2_kg_per_unit'
    FROM parts p
    UNION ALL
    SELECT h.basis, 3, 0, x.number, '', x.name, x.value, x.said, x.unit, x.by
    FROM hour h
    CROSS JOIN LATERAL (VALUES
        (1, 'activity', h.activity, NULL, h.activity_unit, 'sum of the parts'),
        (2, 'co2_kg', h.co2_kg, h.missing_reason, 'kg CO2', 'sum of the parts, less what went into stock'),
        (3, 'co2e_kg', h.co2e_kg, h.gwp_set, 'kg CO2e', ''),
        (4, 'coverage', h.coverage, NULL, '', 'share of the hour that readings cover'),
        (5, 'uncertainty_pct', h.uncertainty_pct, NULL, '%', 'sqrt(U1^2 + U2^2), IPCC 2006 vol. 1 eq. 3.1'),
        (6, 'status', NULL, h.status || CASE WHEN h.estimated THEN ', estimated' ELSE '' END, '', 'revision ' || h.revision)
    ) AS x (number, name, value, said, unit, by)
)
SELECT s.basis, row_number() OVER (PARTITION BY s.basis ORDER BY s.part, s.place, s.number), s.about, s.name, s.value,
    s.said, s.unit, s.by
FROM sections s
ORDER BY s.basis, 2
$explain$;
COMMENT ON FUNCTION api.explain(text, text, timestamptz) IS 'How the hour of a source that holds the instant `at` was made, line by line as it is kept: readings, formula, parameters, factors with their versions, activity, CO2; each value with unit and by what it was found. For each basis. `carbonflow explain` also computes it again.';
