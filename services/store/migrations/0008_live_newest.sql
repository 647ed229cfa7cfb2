-- Of what one transaction writes of a device and source, only the newest may be looked for as such: the index holds
-- these alone. An array of a hundred readings is one entry instead of a hundred. What was written before counts as newest.
ALTER TABLE core.live_emission ADD COLUMN newest boolean NOT NULL DEFAULT true;
DROP INDEX core.live_emission_newest;
CREATE INDEX live_emission_newest ON core.live_emission (source_id, device_id, time DESC) WHERE newest;
