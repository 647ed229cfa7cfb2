-- On solid state disks, and in memory, a page read at random costs about what one in order does. The default, 4, is that
-- of turning disks: with it the hours of a site are looked for by reading those of all sites.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'random_page_cost is left as it is: only the owner of the database may set it';
END
$$;
