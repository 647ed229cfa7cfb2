"""Days that the ledger's rounds keep: after any rounds, the sums of the hours that are there."""

from __future__ import annotations

import random

import pytest

from services.store.ledger_areas import roll_up_areas
from services.store.pool import connect
from tests.ledger.conftest import Database, site_of
from tests.ledger.test_order_free import DEVICES, EVENTS, SOURCES, some_readings

pytestmark = pytest.mark.anyio

_DIFFERENT = """
SELECT coalesce(d.source_id, h.source_id), coalesce(d.day, h.day), d.co2_kg, h.co2_kg
FROM core.emission_day d
FULL JOIN (
    SELECT e.source_id, (e.hour AT TIME ZONE t.timezone)::date AS day, e.basis, e.area, e.in_total,
        sum(e.co2_kg ORDER BY e.hour) AS co2_kg, count(e.co2_kg) AS known
    FROM core.emission_hour e
    JOIN core.source s USING (source_id)
    JOIN core.site t USING (site)
    GROUP BY e.source_id, 2, e.basis, e.area, e.in_total
) AS h ON (h.source_id, h.day, h.basis, h.in_total) = (d.source_id, d.day, d.basis, d.in_total)
    AND h.area IS NOT DISTINCT FROM d.area
WHERE (d.co2_kg, d.hours_known) IS DISTINCT FROM (h.co2_kg, h.known)
"""
_AREAS_DIFFERENT = """
SELECT d.day, d.area, d.co2_kg, s.co2_kg
FROM core.area_day d
FULL JOIN (
    SELECT c.site, e.day, e.area, c.scope, e.basis, c.method, c.carrier, e.in_total,
        sum(e.co2_kg ORDER BY e.source_id, e.part) AS co2_kg
    FROM core.emission_day e
    JOIN core.source c USING (source_id)
    GROUP BY c.site, e.day, e.area, c.scope, e.basis, c.method, c.carrier, e.in_total
) AS s ON (s.site, s.day, s.scope, s.basis, s.method, s.carrier, s.in_total)
        = (d.site, d.day, d.scope, d.basis, d.method, d.carrier, d.in_total)
    AND s.area IS NOT DISTINCT FROM d.area
WHERE d.co2_kg IS DISTINCT FROM s.co2_kg OR d.site IS NULL OR s.site IS NULL
"""


async def test_days_are_the_sums_of_their_hours_after_every_round(
    database: Database, database_url: str
) -> None:
    shuffled = random.Random(5)
    rows = some_readings(5)
    await database.apply({"s": site_of(DEVICES, SOURCES, timezone="Asia/Kathmandu", events=EVENTS)})
    shuffled.shuffle(rows)
    third = len(rows) // 3
    for batch in (rows[:third], rows[third : 2 * third], rows[2 * third :]):
        await database.receive(batch)
        await database.run()
        assert await database.fetch(_DIFFERENT) == []
        async with await connect(database_url, name="areas", autocommit=True) as other:
            while await roll_up_areas(other) is not None:
                pass
        assert await database.fetch(_AREAS_DIFFERENT) == []
    assert await database.fetch("SELECT count(*) > 0 FROM api.emissions_daily WHERE co2_kg > 0") == [(True,)]
    assert await database.fetch("SELECT count(*) FROM core.area_note") == [(0,)]
