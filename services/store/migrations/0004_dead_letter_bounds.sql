-- Dead letters are bounded by age and bytes: what was dropped is counted here, and stays counted as rejected. `state`
-- is what the letters were, `bound` which of the two they were beyond.
CREATE TABLE core.dead_letter_dropped (
    client text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'settled')),
    bound text NOT NULL CHECK (bound IN ('age', 'bytes')),
    letters bigint NOT NULL,
    bytes bigint NOT NULL,
    last_dropped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client, state, bound)
);

-- The settled ones go first; there may be none among millions. A new letter is in no such index.
CREATE INDEX dead_letter_settled ON core.dead_letter (received_at, dead_letter_id)
    WHERE replayed_at IS NOT NULL OR accepted_at IS NOT NULL;

-- The room of what was dropped is used again once it was vacuumed: as a share of the whole, soon.
ALTER TABLE core.dead_letter SET (
    autovacuum_vacuum_scale_factor = 0.02,
    toast.autovacuum_vacuum_scale_factor = 0.02
);
