-- Two routes of the same carbon: from when until when which sources together are the other route of a source.
-- Written by `registry apply`; here from the registry in force, in which one name may stand without a list.
CREATE TABLE core.route_period (
    source_id integer NOT NULL REFERENCES core.source,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    other_ids integer[] NOT NULL CHECK (cardinality(other_ids) > 0),
    PRIMARY KEY (source_id, valid_from),
    CHECK (valid_from < valid_to)
);

INSERT INTO core.route_period (source_id, valid_from, valid_to, other_ids)
SELECT s.source_id, named.valid_from, least(named.valid_to, s.ended_at), array_agg(o.source_id ORDER BY o.source_id)
FROM core.source s
CROSS JOIN LATERAL (
    SELECT (fact ->> 'from')::timestamptz AS valid_from, fact ->> 'reconciles_with' AS other,
        coalesce(lead((fact ->> 'from')::timestamptz) OVER (ORDER BY (fact ->> 'from')::timestamptz), 'infinity') AS valid_to
    FROM json_array_elements((SELECT r.document FROM core.registry_version r ORDER BY r.version_id DESC LIMIT 1)
        #> ARRAY['sites', s.site, 'sources', s.source, 'facts']) AS fact
    WHERE (fact -> 'reconciles_with') IS NOT NULL
) named
JOIN core.source o ON o.site = s.site AND o.source = named.other AND o.source_id <> s.source_id
WHERE named.valid_from < least(named.valid_to, s.ended_at)
GROUP BY s.source_id, named.valid_from, named.valid_to, s.ended_at;
