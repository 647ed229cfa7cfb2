-- What an operator watches: how far the ledger is behind, and which migrations made this database.
CREATE VIEW api.ledger_backlog AS
SELECT count(*) AS backlog, min(d.written_at) AS oldest_written_at,
    coalesce(extract(epoch FROM now() - min(d.written_at)), 0)::double precision AS lag_s
FROM (SELECT written_at FROM core.dirty UNION ALL SELECT written_at FROM core.dirty_range) d;

COMMENT ON VIEW api.ledger_backlog IS 'Work that the hourly ledger has before it.';
COMMENT ON COLUMN api.ledger_backlog.backlog IS 'Flushes of ingest, and stretches of time that a registry or factor change re-opened.';
COMMENT ON COLUMN api.ledger_backlog.oldest_written_at IS 'When the oldest of them was written; NULL where there is none.';
COMMENT ON COLUMN api.ledger_backlog.lag_s IS 'Its age in seconds; 0 where there is none.';

CREATE VIEW api.migrations AS
SELECT m.name, m.applied_at FROM carbonflow_migrations.migration m;

COMMENT ON VIEW api.migrations IS 'The migrations that made this database.';
COMMENT ON COLUMN api.migrations.name IS 'Name of the file, without its ending.';
COMMENT ON COLUMN api.migrations.applied_at IS 'When it ran.';
