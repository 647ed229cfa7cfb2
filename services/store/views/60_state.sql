-- What an operator watches: how far the ledger is behind, and which migrations made this database.
CREATE VIEW api.ledger_backlog AS
SELECT d.backlog + q.backlog + r.backlog AS backlog,
    least(d.oldest, q.oldest, r.oldest) AS oldest_written_at,
    coalesce(extract(epoch FROM now() - least(d.oldest, q.oldest, r.oldest)), 0)::double precision AS lag_s,
    d.backlog AS flushes, q.backlog AS quarters, r.backlog AS ranges,
    coalesce(extract(epoch FROM now() - least(d.oldest, q.oldest_live)), 0)::double precision AS live_lag_s
FROM (SELECT count(*) AS backlog, min(written_at) AS oldest FROM core.dirty) d
CROSS JOIN (
    SELECT count(*) AS backlog, min(written_at) AS oldest,
        min(written_at) FILTER (WHERE quarter >= floor(extract(epoch FROM now()) / 900) - 8) AS oldest_live
    FROM core.dirty_quarter
) q
CROSS JOIN (SELECT count(*) AS backlog, min(written_at) AS oldest FROM core.dirty_range) r;

COMMENT ON VIEW api.ledger_backlog IS 'Work that the hourly ledger has before it.';
COMMENT ON COLUMN api.ledger_backlog.backlog IS 'flushes, quarters and ranges together.';
COMMENT ON COLUMN api.ledger_backlog.oldest_written_at IS 'When the oldest of them was noted; NULL where there is none.';
COMMENT ON COLUMN api.ledger_backlog.lag_s IS 'Its age in seconds; 0 where there is none.';
COMMENT ON COLUMN api.ledger_backlog.flushes IS 'Flushes of ingest whose notes are not taken in yet.';
COMMENT ON COLUMN api.ledger_backlog.quarters IS 'Quarter hours of devices in which something came, each once.';
COMMENT ON COLUMN api.ledger_backlog.ranges IS 'Stretches of devices'' time that a registry or factor change re-opened.';
COMMENT ON COLUMN api.ledger_backlog.live_lag_s IS 'How long the running hour and the last have waited, in seconds: age of the oldest note of the last two hours, or not taken in yet; 0 where there is none.';

CREATE VIEW api.migrations AS
SELECT m.name, m.applied_at FROM carbonflow_migrations.migration m;

COMMENT ON VIEW api.migrations IS 'The migrations that made this database.';
COMMENT ON COLUMN api.migrations.name IS 'Name of the file, without its ending.';
COMMENT ON COLUMN api.migrations.applied_at IS 'When it ran.';
