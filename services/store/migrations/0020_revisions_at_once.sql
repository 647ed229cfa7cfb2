-- A result is kept in one step with what takes its place, and without the columns that are NULL: half the time, a third
-- of the space. What is kept, and when, is as in `revisions`.
CREATE OR REPLACE FUNCTION core.keep_emission_revision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    quarter timestamptz;
    ended timestamptz;
    final boolean;
    cause bigint;
    kept core.emission_revision;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.revision := OLD.revision;
        -- Beside the figures a row says where they come from: that alone is no other result.
        IF (OLD.area, OLD.activity, OLD.activity_unit, OLD.co2_kg, OLD.ch4_kg, OLD.n2o_kg, OLD.co2e_kg,
            OLD.biogenic_co2_kg, OLD.gwp_set, OLD.factor, OLD.factor_provisional, OLD.in_total, OLD.uncertainty_pct,
            OLD.coverage, OLD.estimated, OLD.missing_reason) IS NOT DISTINCT FROM (NEW.area, NEW.activity,
            NEW.activity_unit, NEW.co2_kg, NEW.ch4_kg, NEW.n2o_kg, NEW.co2e_kg, NEW.biogenic_co2_kg, NEW.gwp_set,
            NEW.factor, NEW.factor_provisional, NEW.in_total, NEW.uncertainty_pct, NEW.coverage, NEW.estimated,
            NEW.missing_reason)
        THEN
            NEW.stands_since := OLD.stands_since;
            RETURN NEW;
        END IF;
        NEW.stands_since := now();
    END IF;

    IF TG_OP <> 'INSERT' AND OLD.stands_since < now() THEN
        IF now() >= OLD.hour + interval '1 hour' THEN
            ended := OLD.hour + interval '1 hour';
            quarter := date_bin('15 minutes', now(), '2000-01-01Z');
            final := NOT OLD.factor_provisional AND now() >= ended + (SELECT s.final_after FROM core.setting s);
            cause := core.restatement_of(OLD.source_id, OLD.hour);
            IF final OR cause IS NOT NULL OR (quarter > ended AND quarter >= OLD.stands_since) THEN
                INSERT INTO core.emission_revision (source_id, basis, hour, revision, stands_since, superseded_at,
                    status, restatement_id, was, removed, co2_kg_after, co2e_kg_after)
                VALUES (OLD.source_id, OLD.basis, OLD.hour, OLD.revision, OLD.stands_since, now(),
                    CASE WHEN final THEN 'final' ELSE 'provisional' END, cause,
                    (SELECT jsonb_object_agg(each.key, each.value) FROM jsonb_each(to_jsonb(OLD)) AS each
                     WHERE each.value <> 'null'),
                    TG_OP = 'DELETE', CASE WHEN TG_OP = 'UPDATE' THEN NEW.co2_kg END,
                    CASE WHEN TG_OP = 'UPDATE' THEN NEW.co2e_kg END);
                IF TG_OP = 'UPDATE' THEN
                    NEW.revision := OLD.revision + 1;
                END IF;
            END IF;
        END IF;
        RETURN CASE WHEN TG_OP = 'UPDATE' THEN NEW ELSE OLD END;
    END IF;

    -- A row that is new, or that this transaction has written before.
    IF TG_OP = 'DELETE' THEN
        UPDATE core.emission_revision r SET removed = true, co2_kg_after = NULL, co2e_kg_after = NULL
        WHERE r.source_id = OLD.source_id AND r.basis = OLD.basis AND r.hour = OLD.hour
            AND r.revision = OLD.revision - 1 AND r.superseded_at = now();
        RETURN OLD;
    END IF;
    SELECT * INTO kept FROM core.emission_revision r
    WHERE r.source_id = NEW.source_id AND r.basis = NEW.basis AND r.hour = NEW.hour
    ORDER BY r.revision DESC LIMIT 1;
    IF kept.superseded_at = now() AND (TG_OP = 'UPDATE' OR kept.removed) THEN
        IF core.reported(kept.was) = core.reported(to_jsonb(NEW)) THEN
            DELETE FROM core.emission_revision r
            WHERE r.source_id = kept.source_id AND r.basis = kept.basis AND r.hour = kept.hour
                AND r.revision = kept.revision;
            NEW.revision := kept.revision;
            NEW.stands_since := kept.stands_since;
        ELSE
            UPDATE core.emission_revision r
            SET removed = false, co2_kg_after = NEW.co2_kg, co2e_kg_after = NEW.co2e_kg
            WHERE r.source_id = kept.source_id AND r.basis = kept.basis AND r.hour = kept.hour
                AND r.revision = kept.revision;
            NEW.revision := kept.revision + 1;
        END IF;
    ELSIF TG_OP = 'INSERT' AND kept.revision IS NOT NULL THEN
        NEW.revision := kept.revision + 1;
    END IF;
    RETURN NEW;
END
$$;
