CREATE VIEW api.registry_versions AS
SELECT r.version_id AS version, r.recorded_at, r.recorded_by, r.document
FROM core.registry_version r;

COMMENT ON VIEW api.registry_versions IS 'Every registry that was applied; the highest version is in force.';
COMMENT ON COLUMN api.registry_versions.version IS 'Number of the version.';
COMMENT ON COLUMN api.registry_versions.recorded_at IS 'When it was applied.';
COMMENT ON COLUMN api.registry_versions.recorded_by IS 'Database user that applied it.';
COMMENT ON COLUMN api.registry_versions.document IS 'The registry, JSON, times in UTC.';
