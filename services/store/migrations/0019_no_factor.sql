-- Hours without a factor are few, and looked for often.
CREATE INDEX emission_hour_no_factor ON core.emission_hour (source_id, hour) WHERE co2_kg IS NULL AND activity IS NOT NULL;
