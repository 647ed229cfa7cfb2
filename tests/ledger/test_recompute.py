"""The ledger in a real database: what is touched, recomputed, restated, removed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.analytics.recompute import Recomputer, Round
from services.domain.ledger.hours import to_us
from services.domain.methods import heat
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.domain.units import GJ_PER_KWH
from services.store.pool import connect
from tests.ledger.conftest import NOW, T0, Database, approx, reading, site_of
from tests.ledger.test_emission_hours import ANALYSER, GRID, HJ75, STACK, H
from tests.ledger.test_order_free import DEVICES, EVENTS, SOURCES, some_readings

pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
OTHER = DeviceKey("s", Kind.METER, "n")
GAS = DeviceKey("s", Kind.FLOWMETER, "g")
STEAM = DeviceKey("s", Kind.FLOWMETER, "f")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
LIME = DeviceKey("s", Kind.BELTSCALE, "l")
CEMS = DeviceKey("s", Kind.CEMS, "c")

PLANT = site_of(
    {
        "meter/m": {
            "interval_s": 900,
            "area": "a",
            "carrier": "electricity",
            "energy_quantity": "energy_import_kwh",
            "registers": {"energy_import_kwh": {"modulus": 1e6, "resolution": 0.01}},
        },
        "flowmeter/g": {"interval_s": 900, "base_state": "20C"},
        "flowmeter/f": {"interval_s": 900, "pressure_reference": "absolute"},
        "beltscale/b": {"interval_s": 900},
        "beltscale/l": {"interval_s": 900},
        "cems/c": ANALYSER,
    },
    {
        "grid": GRID,
        "boiler": {
            "scope": 1,
            "method": "fuel",
            "carrier": "natural_gas",
            "devices": ["flowmeter/g"],
            "quantity": "volume_nm3",
            "factor_set": "CN_NDRC_2.1",
            "factor_base_state": "0C",
            "in_total": True,
        },
        "steam": {
            "scope": 2,
            "method": "heat",
            "carrier": "steam",
            "devices": ["flowmeter/f"],
            "quantity": "mass_t",
            "medium": "saturated_steam_by_pressure",
            "factor_set": "CN_GBT32150_2025",
            "factor_fuel": "heat_purchased",
        },
        "coal": {
            "scope": 1,
            "method": "fuel",
            "carrier": "bituminous_coal",
            "devices": ["beltscale/b"],
            "quantity": "mass_t",
            "factor_set": "CN_NDRC_2.1",
        },
        "lime": {
            "scope": 1,
            "method": "mass_balance",
            "carrier": "limestone",
            "streams": [{"device": "beltscale/l", "quantity": "mass_t", "carbonate": "CaCO3", "purity": 0.9}],
        },
        "stack": STACK,
    },
)


def an_hour() -> Iterator[Reading]:
    """A whole hour of every device of PLANT, with the figures that publications compute with."""
    for i in range(5):
        at = 900 * i
        yield reading(METER, at, energy_import_kwh=25.0 * i)
        yield reading(GAS, at, volume_nm3=250.0 * i)
        yield reading(STEAM, at, mass_t=120.5 / 4 * i, pressure_kpa=800.0)
        yield reading(BELT, at, mass_t=25.0 * i)
        yield reading(LIME, at, mass_t=250.0 * i)
        if i < 4:
            yield reading(CEMS, at, **HJ75)


async def test_every_method_against_published_figures(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(an_hour())
    [done] = await database.run()
    assert (done.flushes, done.computed.readings) == (1, 29)
    rows = await database.fetch(
        "SELECT source, activity, activity_unit, co2_kg, coverage, factor, basis FROM api.emissions_hourly"
        " WHERE hour = %s AND missing_reason IS NULL ORDER BY source",
        T0,
    )
    found = {source: tuple(row) for source, *row in rows}
    assert found["grid"] == (
        approx(100.0),
        "kWh",
        approx(57.37),
        1.0,
        "CN_MEE_PROVINCE_2023/electricity_CN-SH",
        "location",
    )
    assert found["boiler"][2] == approx(1000 * 273.15 / 293.15 * 2.1621888, rel=1e-6)
    assert found["steam"][2] == approx(35_583.9, abs=0.3)
    assert found["coal"][2] == approx(207_150.9, abs=0.1)
    assert found["lime"][2] == approx(1000 * 0.9 * 439.71, rel=1e-4)
    assert found["stack"][2] == approx(383_838, abs=0.5)
    assert await database.fetch("SELECT amount, energy_kwh, in_total, area FROM api.energy_hourly") == [
        (approx(100.0), approx(100.0), True, "a"),
        (None, None, True, "a"),
    ]
    coal = await database.fetch(
        "SELECT coal_equivalent_kg FROM api.energy_hourly WHERE energy_kwh IS NOT NULL"
    )
    assert coal == [(approx(100.0 * GJ_PER_KWH * heat.COAL_EQUIVALENT_KG_PER_GJ),)]


async def test_what_was_touched_is_done_once(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(an_hour())
    await database.run()
    assert await database.fetch("SELECT backlog FROM api.ledger_backlog") == [(0,)]
    assert await database.recomputer.run_once(database.connection) == Round()
    before = await database.fetch("SELECT * FROM core.emission_hour ORDER BY source_id, hour")
    # The same hours again: nothing changes, so nothing is written.
    await database.connection.execute(
        "INSERT INTO core.dirty (device_ids, quarters)"
        " SELECT array_agg(device_id), array_agg(%s) FROM core.device",
        [to_us(T0) // 900_000_000],
    )
    [done] = await database.run()
    assert (done.flushes, done.late, done.computed.changed, done.computed.removed) == (1, 6, 0, 0)
    assert await database.fetch("SELECT * FROM core.emission_hour ORDER BY source_id, hour") == before


async def test_a_late_reading_reopens_the_hours_up_to_its_neighbours(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(
        reading(METER, 3600 * i, energy_import_kwh=float(each)) for i, each in ((0, 0), (8, 80))
    )
    await database.run()
    query = "SELECT consumption FROM api.readings_hourly WHERE quantity = 'energy_import_kwh' ORDER BY hour"
    assert [row[0] for row in await database.fetch(query)] == [approx(10.0)] * 8 + [None]
    await database.receive([reading(METER, 3600 * 4, energy_import_kwh=60.0)])
    await database.run()
    assert [row[0] for row in await database.fetch(query)] == [approx(15.0)] * 4 + [approx(5.0)] * 4 + [None]
    rows = await database.fetch("SELECT activity, estimated FROM api.emissions_hourly ORDER BY hour")
    assert rows == [(approx(15.0), True)] * 4 + [(approx(5.0), True)] * 4 + [(None, False)]


async def deliver(database: Database, rows: Sequence[Reading], order: random.Random) -> None:
    """All readings, in portions and an order by chance, computing now and then."""
    left = list(rows)
    order.shuffle(left)
    while left:
        count = order.randint(1, 40)
        await database.receive(left[:count])
        left = left[count:]
        if order.random() < 0.5:
            await database.run()
    await database.run()


@pytest.mark.parametrize(("seed", "at_most"), [(3, 200_000), (17, 20)])
async def test_the_same_rows_whatever_the_order(database: Database, seed: int, at_most: int) -> None:
    site = site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)
    rows = some_readings(seed)
    await database.apply({"s": site})
    await database.receive(rows)
    await database.run()
    at_once = await database.ledger()
    assert all(at_once)
    for table in ("device_hour", "energy_hour", "emission_hour"):
        await database.connection.execute(f"TRUNCATE core.{table}")
    for kind in Kind:
        await database.connection.execute(f"TRUNCATE core.reading_{kind}")
    await database.connection.commit()
    database.at_most(at_most)
    await deliver(database, rows, random.Random(seed))
    assert await database.ledger() == at_once


async def test_a_reading_taken_away_takes_its_hours_along(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(reading(METER, 3600 * i, energy_import_kwh=10.0 * i) for i in range(3))
    await database.receive([reading(METER, 3600 * 9, energy_import_kwh=40.0, power_kw=3.0)])
    await database.run()
    assert len(await database.fetch("SELECT FROM core.emission_hour")) == 10
    await database.connection.execute(
        "WITH gone AS (DELETE FROM core.reading_meter WHERE time = %s RETURNING device_id)"
        " INSERT INTO core.dirty (device_ids, quarters) SELECT array_agg(device_id), array_agg(%s) FROM gone",
        [T0 + 9 * H, to_us(T0 + 9 * H) // 900_000_000],
    )
    [done] = await database.run()
    assert done.computed.removed > 0
    rows = await database.fetch("SELECT hour, activity FROM core.emission_hour ORDER BY hour")
    assert rows == [(T0, approx(10.0)), (T0 + H, approx(10.0)), (T0 + 2 * H, None)]
    hours = await database.fetch("SELECT max(hour), count(*) FROM core.device_hour")
    assert hours == [(T0 + 2 * H, 3)]


async def test_a_crash_before_the_commit_leaves_the_work(database_url: str, database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(an_hour())
    await database.run()
    await database.receive([reading(METER, 4500, energy_import_kwh=125.0)])

    async def breaking() -> None:
        async with await connect(database_url, name="a worker that dies") as connection:
            # The very last statement fails, as if the server had gone away then.
            await connection.execute(
                "CREATE FUNCTION pg_temp.fails() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'gone' USING ERRCODE = '57P01'; END $$"
            )
            await connection.execute(
                "CREATE TRIGGER fails BEFORE DELETE ON core.dirty_quarter EXECUTE FUNCTION pg_temp.fails()"
            )
            await connection.commit()
            await Recomputer().run_once(connection)

    before = await database.ledger()
    with pytest.raises(psycopg.OperationalError, match="gone"):
        await breaking()
    assert await database.ledger() == before
    assert await database.fetch("SELECT count(*) FROM core.dirty_quarter") == [(1,)]
    await database.connection.execute("DROP TRIGGER IF EXISTS fails ON core.dirty_quarter")
    await database.connection.commit()
    await database.run()
    assert await database.ledger() != before


async def test_a_device_that_is_assigned_later_gets_its_past(database: Database) -> None:
    await database.receive(reading(METER, 900 * i, energy_import_kwh=25.0 * i) for i in range(5))
    await database.run()
    assert await database.fetch("SELECT consumption, coverage FROM core.device_hour ORDER BY hour") == [
        (approx(100.0), 0.0),
        (None, 0.0),
    ]
    assert await database.fetch("SELECT FROM core.emission_hour") == []
    await database.apply({"s": {**PLANT, "timezone": "Asia/Kolkata"}})
    await database.run()
    # Shanghai's factor, India's hours: the readings lie in two of them, and the old hours are gone.
    half = timedelta(minutes=30)
    rows = await database.fetch("SELECT hour, activity, coverage FROM api.emissions_hourly ORDER BY hour")
    assert rows == [(T0 - half, approx(50.0), 0.5), (T0 + half, approx(50.0), 0.5)]
    hours = await database.fetch("SELECT hour, consumption, coverage FROM core.device_hour ORDER BY hour")
    assert hours == [(T0 - half, approx(50.0), 0.5), (T0 + half, approx(50.0), 0.5)]


async def test_the_other_meters_of_a_source_are_computed_along(database: Database) -> None:
    site = site_of(
        {"meter/m": {"interval_s": 900}, "meter/n": {"interval_s": 900}},
        {"grid": {**GRID, "devices": ["meter/m", "meter/n"]}},
    )
    await database.apply({"s": site})
    await database.receive(reading(METER, 900 * i, energy_import_kwh=25.0 * i) for i in range(5))
    await database.run()
    query = "SELECT activity, coverage, missing_reason FROM api.emissions_hourly WHERE hour = %s"
    assert await database.fetch(query, T0) == [(None, 0.5, "meter/n: no readings")]
    await database.receive(reading(OTHER, 900 * i, energy_import_kwh=50.0 * i) for i in range(5))
    await database.run()
    assert await database.fetch(query, T0) == [(approx(300.0), 1.0, None)]


async def test_a_final_hour_that_changes_gets_a_revision(database: Database) -> None:
    await database.apply({"s": PLANT})
    gas = [reading(GAS, 900 * i, volume_nm3=float(i)) for i in range(5)]
    recent = datetime.now(tz=T0.tzinfo).replace(minute=0, second=0, microsecond=0) - 3 * H
    late = [reading(GAS, recent + timedelta(minutes=15 * i), volume_nm3=9.0 + i) for i in range(5)]
    await database.receive(gas[:3] + late[:3])
    await database.run()
    query = "SELECT revision, status FROM api.emissions_hourly WHERE source = 'boiler' AND hour = %s"
    assert await database.fetch(query, T0) == [(1, "final")]
    await database.receive(gas[3:] + late[3:])
    await database.run()
    assert await database.fetch(query, T0) == [(2, "final")]
    assert await database.fetch(query, recent) == [(1, "provisional")]


async def test_days_of_summer_time(database: Database) -> None:
    site = site_of({"meter/m": {"interval_s": 900}}, {"grid": GRID}, "Europe/Berlin")
    await database.apply({"s": site})
    for day, hours in ((date(2026, 3, 29), 23), (date(2025, 10, 26), 25)):
        begin = datetime(day.year, day.month, day.day, tzinfo=T0.tzinfo) - timedelta(hours=hours - 22)
        rows = [
            reading(METER, begin + timedelta(minutes=15 * i), energy_import_kwh=1000.0 * day.year + i)
            for i in range(4 * 27)
        ]
        await database.receive(rows)
        await database.run()
        [(co2_kg, coverage, count)] = await database.fetch(
            "SELECT d.co2_kg, d.coverage, (SELECT count(*) FROM api.emissions_hourly h"
            " WHERE (h.hour AT TIME ZONE 'Europe/Berlin')::date = d.day)"
            " FROM api.emissions_daily d WHERE d.day = %s",
            day,
        )
        assert (coverage, count) == (approx(1.0), hours)
        assert co2_kg == approx(4 * hours * 0.5737)


async def test_when_a_reading_last_arrived_is_noted(database: Database) -> None:
    await database.receive([reading(METER, 0, power_kw=1.0)])
    await database.run()
    assert await database.fetch("SELECT last_received_at FROM core.device") == [(NOW,)]


async def test_a_gap_of_weeks_is_closed_in_portions(database: Database) -> None:
    database.at_most(200)
    await database.apply({"s": PLANT})
    away = timedelta(days=20)
    await database.receive([reading(METER, 0, energy_import_kwh=0.0), reading(METER, 60, power_kw=2.0)])
    await database.run()
    await database.receive(
        reading(METER, T0 + away + timedelta(minutes=15 * i), energy_import_kwh=480.0 + i) for i in range(3)
    )
    await database.run()
    rows: list[Any] = await database.fetch("SELECT hour, activity FROM core.emission_hour ORDER BY hour")
    assert [row[0] for row in rows] == [T0 + i * H for i in range(20 * 24 + 1)]
    assert [row[1] for row in rows] == [approx(1.0)] * 480 + [approx(2.0)]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
async def test_rows_reach_to_readings_that_do_not_count(database: Database, order: list[int]) -> None:
    await database.apply({"s": PLANT})
    rows = [
        reading(CEMS, 0, Status.STOPPED, **HJ75),
        reading(CEMS, 3600 * 3, **HJ75),
        reading(CEMS, 3600 * 9, Status.FAULT, **HJ75),
        reading(CEMS, 3600 * 30, Status.STOPPED, **HJ75),
    ]
    query = "SELECT hour, co2_kg IS NULL, missing_reason FROM core.emission_hour ORDER BY hour"
    for number, each in enumerate(order, start=1):
        await database.receive([rows[each]])
        await database.run()
        told = [hour for hour, _, _ in await database.fetch(query)]
        times = [rows[index].time for index in order[:number]]
        assert told == [min(times) + i * H for i in range((max(times) - min(times)) // H + 1)]
    stored = await database.fetch(query)
    assert [hour for hour, unknown, _ in stored if not unknown] == [T0 + 3 * H]
    assert {hour: reason for hour, _, reason in stored}[T0 + 29 * H] == "no readings"
    # Away with the last: the hours up to it go along.
    await database.connection.execute(
        "WITH gone AS (DELETE FROM core.reading_cems WHERE time = %s RETURNING device_id)"
        " INSERT INTO core.dirty (device_ids, quarters) SELECT array_agg(device_id), array_agg(%s) FROM gone",
        [rows[3].time, to_us(rows[3].time) // 900_000_000],
    )
    await database.run()
    assert await database.fetch(query) == [row for row in stored if row[0] <= rows[2].time]


FLICKERING = site_of(
    {
        "meter/m": {
            "interval_s": 300,
            "carrier": "electricity",
            "energy_quantity": "energy_import_kwh",
            "registers": {"energy_import_kwh": {"resolution": 1}},
        }
    },
    {"grid": GRID},
)


async def test_a_late_reading_reopens_the_hours_that_its_high_mark_counts_in(database: Database) -> None:
    await database.apply({"s": FLICKERING})
    shown = {0: 100.0, 0.5: 101.0, 1: 100.0, 2: 100.0, 3: 100.0, 4: 101.0}
    rows = {at: reading(METER, 3600 * at, energy_import_kwh=value) for at, value in shown.items()}
    query = "SELECT consumption FROM core.device_hour WHERE consumption IS NOT NULL ORDER BY hour"
    await database.receive(row for at, row in rows.items() if at != 0.5)
    await database.run()
    assert await database.fetch(query) == [(0.0,), (0.0,), (0.0,), (1.0,)]
    await database.receive([rows[0.5]])
    await database.run()
    assert await database.fetch(query) == [(1.0,), (0.0,), (0.0,), (0.0,)]


@pytest.mark.parametrize("seed", [5, 23])
async def test_a_flickering_register_gives_the_same_rows_whatever_the_order(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    rows = [
        reading(METER, 1700 * i, energy_import_kwh=100.0 + i // 9 - chance.choice([0, 0, 1, 1, 2]))
        for i in range(90)
    ]
    await database.apply({"s": FLICKERING})
    await database.receive(rows)
    await database.run()
    at_once = await database.ledger()
    for table in ("device_hour", "energy_hour", "emission_hour", "reading_meter"):
        await database.connection.execute(f"TRUNCATE core.{table}")
    await database.connection.commit()
    database.at_most(100)
    await deliver(database, rows, chance)
    assert await database.ledger() == at_once


async def test_a_high_mark_is_remembered_from_round_to_round(database: Database) -> None:
    await database.apply({"s": FLICKERING})
    for hour, value in enumerate([101.0, 100.0, 100.0, 100.0, 100.0, 101.0, 102.0]):
        await database.receive([reading(METER, 3600 * hour, energy_import_kwh=value)])
        await database.run()
    query = "SELECT consumption FROM core.device_hour WHERE consumption IS NOT NULL ORDER BY hour"
    assert await database.fetch(query) == [(0.0,)] * 5 + [(1.0,)]
