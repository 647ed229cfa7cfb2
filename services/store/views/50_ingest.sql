CREATE VIEW api.dead_letters AS
SELECT l.dead_letter_id AS id, l.received_at, l.topic, l.reason, l.detail, encode(l.payload, 'escape') AS payload,
    l.replayed_at, l.accepted_at, l.payload_bytes
FROM core.dead_letter l;

COMMENT ON VIEW api.dead_letters IS 'What was rejected, with its reason.';
COMMENT ON COLUMN api.dead_letters.id IS 'Number of the dead letter.';
COMMENT ON COLUMN api.dead_letters.received_at IS 'When ingest received it.';
COMMENT ON COLUMN api.dead_letters.topic IS 'MQTT topic.';
COMMENT ON COLUMN api.dead_letters.reason IS 'bad_topic, not_json, too_large, bad_field, bad_timestamp, no_quantity, out_of_range, future, too_old, conflict or quota.';
COMMENT ON COLUMN api.dead_letters.detail IS 'What is wrong, where, and what to do.';
COMMENT ON COLUMN api.dead_letters.payload IS 'Raw payload, bytes above 127 as \ooo; the first 4 KiB where it was too large.';
COMMENT ON COLUMN api.dead_letters.replayed_at IS 'When a replay stored it; NULL before.';
COMMENT ON COLUMN api.dead_letters.accepted_at IS 'When a person set it aside as no loss; NULL before.';
COMMENT ON COLUMN api.dead_letters.payload_bytes IS 'Length of the payload as it was sent.';

CREATE VIEW api.ingest_totals AS
SELECT t.client, t.received, t.stored, t.duplicate, t.rejected FROM core.ingest_total t;

COMMENT ON VIEW api.ingest_totals IS 'Outcomes of every reading, moved in the outcome''s own transaction: received = stored + duplicate + rejected.';
COMMENT ON COLUMN api.ingest_totals.client IS 'Client id of the ingest process.';
COMMENT ON COLUMN api.ingest_totals.received IS 'Readings (or whole messages that cannot be split) received.';
COMMENT ON COLUMN api.ingest_totals.stored IS 'Readings stored or merged.';
COMMENT ON COLUMN api.ingest_totals.duplicate IS 'Readings and dead letters that were already kept.';
COMMENT ON COLUMN api.ingest_totals.rejected IS 'Readings kept as dead letters.';
