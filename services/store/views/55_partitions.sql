CREATE VIEW api.ingest_partitions AS
SELECT p.client, p.sites, p.connected AND p.seen_at > now() - interval '10 seconds' AS connected, p.watching,
    p.in_flight, p.seen_at, p.seen_at < now() - interval '30 seconds' AS silent
FROM core.ingest_partition p;

COMMENT ON VIEW api.ingest_partitions IS 'Ingest processes and the sites they take. A row stays, as its session does at the broker, until `carbonflow partitions retire`.';
COMMENT ON COLUMN api.ingest_partitions.client IS 'Client id of the ingest process.';
COMMENT ON COLUMN api.ingest_partitions.sites IS 'Site ids that it takes; {#} for all.';
COMMENT ON COLUMN api.ingest_partitions.connected IS 'Whether it is subscribed at the broker, as it said in the last 10 s.';
COMMENT ON COLUMN api.ingest_partitions.watching IS 'Whether it is the one that looks for sites that nobody takes.';
COMMENT ON COLUMN api.ingest_partitions.in_flight IS 'Messages it had received and not yet acknowledged.';
COMMENT ON COLUMN api.ingest_partitions.seen_at IS 'When it last reported, which it does every second or two.';
COMMENT ON COLUMN api.ingest_partitions.silent IS 'It has not reported for 30 s: the broker holds what its sites send.';

CREATE VIEW api.unowned_sites AS
SELECT u.site, u.messages, u.first_seen_at, u.last_seen_at,
    EXISTS (SELECT FROM core.ingest_partition p WHERE p.subscribed && ARRAY[u.site, '#']) AS owned
FROM core.unowned_site u;

COMMENT ON VIEW api.unowned_sites IS 'Sites that sent while no ingest process took them: these messages are lost, unless the devices send them again.';
COMMENT ON COLUMN api.unowned_sites.site IS 'Third level of the topics; 64 characters of it at most.';
COMMENT ON COLUMN api.unowned_sites.messages IS 'How many messages nobody took, about.';
COMMENT ON COLUMN api.unowned_sites.first_seen_at IS 'When the first of them was seen.';
COMMENT ON COLUMN api.unowned_sites.last_seen_at IS 'When the last of them was seen.';
COMMENT ON COLUMN api.unowned_sites.owned IS 'Whether an ingest process takes it by now.';
