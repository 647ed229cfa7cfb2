"""What an hour said before, and why it no longer does: with the ledger, and with the trigger alone."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.store.factor_loading import load_table
from services.store.factors import load_factors
from services.store.revisions import say_why, set_final_after
from tests.ledger.conftest import T0, Database, approx, reading, site_of
from tests.ledger.test_emission_hours import GRID, H

pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
GAS = DeviceKey("s", Kind.FLOWMETER, "g")
BOILER = {
    "scope": 1,
    "method": "fuel",
    "carrier": "natural_gas",
    "devices": ["flowmeter/g"],
    "quantity": "volume_nm3",
    "factor_set": "CN_NDRC_2.1",
    "factor_base_state": "0C",
    "in_total": True,
}


def plant(**of_meter: Any) -> dict[str, Any]:
    meter = {"interval_s": 900, **of_meter}
    return {
        "s": site_of(
            {"meter/m": meter, "flowmeter/g": {"interval_s": 900, "base_state": "0C"}},
            {"grid": GRID, "boiler": BOILER},
        )
    }


REVISIONS = (
    "SELECT revision, status, reason, co2_kg, co2_kg_after, removed FROM api.emission_revisions"
    " WHERE source = %s AND hour = %s ORDER BY revision"
)
STANDS = "SELECT revision, status, co2_kg FROM api.emissions_hourly WHERE source = %s AND hour = %s"


async def test_late_data_for_a_final_hour_keeps_what_it_said(database: Database) -> None:
    await database.apply(plant())
    gas = [reading(GAS, 900 * i, volume_nm3=1000.0 * i) for i in range(5)]
    await database.receive(gas[:3])
    await database.run()
    [(_, _, before)] = await database.fetch(STANDS, "boiler", T0)
    row = await database.fetch("SELECT to_jsonb(h) FROM core.emission_hour h WHERE hour = %s", T0)
    await database.receive(gas[3:])
    await database.run()
    [(revision, status, after)] = await database.fetch(STANDS, "boiler", T0)
    assert (revision, status, after) == (2, "final", approx(2 * before))
    assert await database.fetch(REVISIONS, "boiler", T0) == [
        (1, "final", "late data", before, after, False),
    ]
    whole = (
        "SELECT to_jsonb(jsonb_populate_record(NULL::core.emission_hour, was)) FROM core.emission_revision"
    )
    assert await database.fetch(whole) == row
    assert await database.fetch(
        "SELECT reason, source, hours, co2_kg_before, co2_kg_after, final_hours FROM api.restatements"
    ) == [("late data", "boiler", 1, before, after, 1)]
    # The same once more: nothing is restated.
    await database.connection.execute(
        "INSERT INTO core.dirty (device_ids, quarters) SELECT ARRAY[device_id], ARRAY[%s] FROM core.device"
        " WHERE device = 'g'",
        [int(T0.timestamp()) // 900],
    )
    await database.run()
    assert len(await database.fetch(REVISIONS, "boiler", T0)) == 1


async def test_a_newer_factor_restates_provisional_hours(database: Database) -> None:
    await database.apply(plant())
    await database.receive(reading(METER, 900 * i, energy_import_kwh=250.0 * i) for i in range(5))
    await database.run()
    [(_, status, before)] = await database.fetch(STANDS, "grid", T0)
    assert (status, before) == ("provisional", approx(573.7))
    [newest] = [
        factor
        for factor in await load_factors(database.connection)
        if factor.factor_set == "CN_MEE_PROVINCE_2023" and factor.region == "CN-SH"
    ]
    of_2026 = replace(
        newest,
        factor_set="CN_MEE_PROVINCE_2026",
        co2_kg_per_unit=0.5,
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
    )
    assert (await load_table(database.connection, [of_2026])).new == 1
    await database.connection.commit()
    await database.run()
    assert await database.fetch(STANDS, "grid", T0) == [(2, "final", approx(500.0))]
    assert await database.fetch(REVISIONS, "grid", T0) == [
        (1, "provisional", "factor", before, approx(500.0), False)
    ]
    rows = await database.fetch(
        "SELECT reason, detail, source, hours, unknown_before, co2_kg_before, co2_kg_after"
        " FROM api.restatements"
    )
    # The last reading begins an hour of which nothing else is known.
    assert rows == [("factor", "new: CN_MEE_PROVINCE_2026 (1 factor)", "grid", 2, 1, before, approx(500.0))]
    assert await database.fetch(
        "SELECT factor FROM api.emission_revisions WHERE source = 'grid' AND hour = %s", T0
    ) == [("CN_MEE_PROVINCE_2023/electricity_CN-SH",)]


async def test_a_registry_event_restates(database: Database) -> None:
    await database.apply(plant())
    await database.receive(reading(METER, 900 * i, energy_import_kwh=250.0 * i) for i in range(5))
    await database.run()
    since = (T0 - timedelta(days=1)).isoformat()
    facts = [{"from": "2020-01-01T00:00:00Z", "interval_s": 900}, {"from": since, "multiplier": 2}]
    await database.apply(plant(facts=facts))
    await database.run()
    [(_, status, reason, before, after, _)] = await database.fetch(REVISIONS, "grid", T0)
    assert (status, reason, after) == ("provisional", "registry", approx(2 * before))
    [(detail,)] = await database.fetch("SELECT detail FROM api.restatements")
    assert detail == "sites.s.devices.meter/m.facts.2026-02-28T08:00+08:00"


async def test_the_time_after_which_hours_are_final_is_set(database: Database) -> None:
    await database.apply(plant())
    recent = datetime.now(tz=T0.tzinfo).replace(minute=0, second=0, microsecond=0) - 3 * H
    rows = [reading(GAS, recent + timedelta(minutes=15 * i), volume_nm3=9.0 + i) for i in range(5)]
    await database.receive(rows[:3])
    await database.run()
    query = "SELECT status FROM api.emissions_hourly WHERE source = 'boiler' AND hour = %s"
    assert await database.fetch(query, recent) == [("provisional",)]
    await set_final_after(database.connection, timedelta(hours=1))
    assert await database.fetch(query, recent) == [("final",)]
    await database.receive(rows[3:])
    await database.run()
    assert [row[:3] for row in await database.fetch(REVISIONS, "boiler", recent)] == [
        (1, "final", "late data")
    ]


INSERT = """
INSERT INTO core.emission_hour (source_id, hour, basis, activity_unit, co2_kg, uncertainty_pct,
    factor_provisional, in_total, coverage, estimated, computed_at, stands_since)
VALUES (1, %s, 'none', 'kWh', %s, %s, false, true, 1, false, %s, %s)
"""
KEPT = (
    "SELECT revision, (was ->> 'co2_kg')::float8, co2_kg_after, removed FROM core.emission_revision"
    " ORDER BY hour, revision"
)


async def put(database: Database, hour: datetime, co2_kg: float, since: datetime) -> None:
    await database.connection.execute(INSERT, [hour, co2_kg, co2_kg / 3, since, since])


async def changed(database: Database, *co2_kg: float) -> None:
    """Changes one after the other, in one transaction."""
    for each in co2_kg:
        await database.connection.execute("UPDATE core.emission_hour SET co2_kg = %s", [each])
    await database.connection.commit()


async def test_nobody_sees_what_is_written_in_between(database: Database) -> None:
    await put(database, T0, 1.0, T0 + H)
    await database.connection.commit()
    await changed(database, 2.0, 3.0, 3.0)
    assert await database.fetch(KEPT) == [(1, 1.0, 3.0, False)]
    await changed(database, 4.0, 3.0)
    assert await database.fetch(KEPT) == [(1, 1.0, 3.0, False)]
    assert await database.fetch("SELECT revision, stands_since = now() FROM core.emission_hour") == [
        (2, False)
    ]


async def test_what_is_removed_and_comes_again_goes_on_counting(database: Database) -> None:
    await put(database, T0, 1.0, T0 + H)
    await database.connection.commit()
    await database.fetch("DELETE FROM core.emission_hour RETURNING 1")
    assert await database.fetch(KEPT) == [(1, 1.0, None, True)]
    await put(database, T0, 2.0, T0 + 2 * H)
    assert await database.fetch("SELECT revision FROM core.emission_hour") == [(2,)]
    # Removed and back within one transaction: as if it had been changed, and then as if nothing was.
    for co2_kg, kept in ((5.0, [(1, 1.0, None, True), (2, 2.0, 5.0, False)]), (5.0, None)):
        await database.connection.execute("DELETE FROM core.emission_hour")
        await put(database, T0, co2_kg, T0 + 3 * H)
        rows = await database.fetch(KEPT)
        assert rows == (kept or [(1, 1.0, None, True), (2, 2.0, 5.0, False)])
    assert await database.fetch("SELECT revision FROM core.emission_hour") == [(3,)]


async def test_a_provisional_result_is_kept_if_it_stood_at_a_quarter(database: Database) -> None:
    [(now,)] = await database.fetch("SELECT now()")
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    hour = quarter - 5 * H
    for hour_of, since in (
        (hour, quarter - timedelta(minutes=1)),  # stood at the quarter
        (hour + H, now),  # did not
        (quarter - H, quarter - 2 * H),  # only at the very end of its hour: it was still running
        (quarter, quarter - H),  # runs
    ):
        await put(database, hour_of, 1.0, since)
    await database.connection.commit()
    await changed(database, 2.0)
    query = "SELECT hour, status FROM core.emission_revision ORDER BY hour"
    found: Any = await database.fetch(query)
    assert found[:1] == [(hour, "provisional")]
    # A quarter of an hour may have ended meanwhile.
    assert len(found) == 1 or datetime.now(tz=T0.tzinfo) - quarter >= timedelta(minutes=15)


async def test_a_lineage_alone_is_no_other_result(database: Database) -> None:
    await put(database, T0, 1.0, T0 + H)
    await database.connection.commit()
    await database.fetch("UPDATE core.emission_hour SET computed_at = now() RETURNING 1")
    assert await database.fetch(KEPT) == []
    assert await database.fetch("SELECT revision, stands_since FROM core.emission_hour") == [(1, T0 + H)]


async def test_former_results_have_the_bits_they_had(database: Database) -> None:
    chance = random.Random(3)
    await database.apply(plant())
    values = [chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300) for _ in range(200)]
    for number, value in enumerate(values):
        await put(database, T0 + number * H, value, T0)
    await database.connection.commit()
    await changed(database, 0.0)
    rows = await database.fetch("SELECT co2_kg, uncertainty_pct FROM api.emission_revisions ORDER BY hour")
    assert rows == [(value, value / 3) for value in values]


@pytest.mark.parametrize(
    ("said", "reason"),
    [(None, "late data"), ("substitution", "late data"), ("asked for", "code"), ("a hand's", "code")],
)
async def test_the_worker_says_why(database: Database, said: str | None, reason: str) -> None:
    await database.apply(plant())
    await put(database, T0, 1.0, T0 + H)
    await database.connection.commit()
    await say_why(database.connection, said)
    await changed(database, 2.0)
    assert await database.fetch("SELECT reason FROM api.emission_revisions") == [(reason,)]
    # For that transaction alone.
    await changed(database, 3.0)
    rows = await database.fetch("SELECT reason FROM api.emission_revisions ORDER BY revision")
    assert rows == [(reason,), ("late data",)]
