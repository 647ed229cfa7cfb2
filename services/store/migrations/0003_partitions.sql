-- Which ingest process takes which sites, and which sites none takes.

-- One row per ingest client, of which the broker keeps a session; `{#}` stands for all sites. A session remembers its
-- subscriptions for ever, so what was once asked for is kept until the broker has confirmed that it is ended.
CREATE TABLE core.ingest_partition (
    client text PRIMARY KEY,
    sites text[] NOT NULL,
    subscribed text[] NOT NULL,
    asked_for text[] NOT NULL,
    connected boolean NOT NULL,
    watching boolean NOT NULL,
    in_flight integer NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

COMMENT ON COLUMN core.ingest_partition.sites IS 'What its settings say.';
COMMENT ON COLUMN core.ingest_partition.subscribed IS 'Of which the broker has confirmed the subscription.';
COMMENT ON COLUMN core.ingest_partition.asked_for IS 'Of which the session may have a subscription.';

-- Messages that no partition takes are not kept anywhere: this is all that is known of them.
CREATE TABLE core.unowned_site (
    site text PRIMARY KEY,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    messages bigint NOT NULL
);
