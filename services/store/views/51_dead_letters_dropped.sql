CREATE VIEW api.dead_letters_dropped AS
SELECT d.client, d.state, d.bound, d.letters, d.bytes, d.last_dropped_at FROM core.dead_letter_dropped d;

COMMENT ON VIEW api.dead_letters_dropped IS 'Dead letters that are no longer kept, because of their age or of all their bytes. Of each client: rejected = its dead letters + letters here.';
COMMENT ON COLUMN api.dead_letters_dropped.client IS 'Client id of the ingest process that rejected them; replay for replays.';
COMMENT ON COLUMN api.dead_letters_dropped.state IS 'open: neither replayed nor accepted; settled: one of the two.';
COMMENT ON COLUMN api.dead_letters_dropped.bound IS 'age or bytes: which bound they were beyond.';
COMMENT ON COLUMN api.dead_letters_dropped.letters IS 'How many were dropped.';
COMMENT ON COLUMN api.dead_letters_dropped.bytes IS 'What they took on disk, about.';
COMMENT ON COLUMN api.dead_letters_dropped.last_dropped_at IS 'When the last of them was dropped.';
