-- The ways in which a source is counted, first the one that may be in a total: electricity by location, and by market
-- where the registry says anything of it. Written by `registry apply`; NULL (applied before there was a choice) is the
-- only one its method has.
ALTER TABLE core.source_period ADD COLUMN bases text[]
    CHECK (cardinality(bases) > 0 AND bases <@ ARRAY['none', 'location', 'market']);
