"""Corrections in the ledger: raw stays, hours follow, in whatever order things happen."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.analytics.correction_trial import Trial, try_correction
from services.analytics.explain import Explainer
from services.domain.ledger.overlay import Action
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey
from services.store.corrections import (
    CorrectionRefusedError,
    Recorded,
    Wish,
    record_correction,
    withdraw_correction,
)
from services.store.pool import Connection
from services.store.revisions import Effect
from tests.ledger.conftest import T0, Database, approx, reading, site_of
from tests.ledger.test_emission_hours import GRID, H
from tests.ledger.test_order_free import CEMS, DEVICES, EVENTS, FLOW, METER, SOURCES, some_readings
from tests.ledger.test_revisions import BOILER, GAS

pytestmark = pytest.mark.anyio

PLANT = site_of(
    {"meter/m": {"interval_s": 900}, "flowmeter/g": {"interval_s": 900, "base_state": "0C"}},
    {"grid": GRID, "boiler": BOILER},
)
ENERGY = "energy_import_kwh"
LEFT = DeviceKey("s", Kind.METER, "m")


def wish(
    device: DeviceKey,
    begin_s: float,
    end_s: float,
    action: Action = Action.VOID,
    quantity: str | None = None,
    value: float | None = None,
) -> Wish:
    begin, end = T0 + timedelta(seconds=begin_s), T0 + timedelta(seconds=end_s)
    return Wish(device, begin, end, quantity, action, value, "spike", "me")


async def correct(database: Database, wanted: Wish) -> Recorded:
    done = await record_correction(database.connection, wanted)
    await database.connection.commit()
    return done


async def trial(database: Database, wanted: Wish) -> Trial:
    async def record(connection: Connection) -> Recorded:
        return await record_correction(connection, wanted)

    tried = await try_correction(database.connection, record)
    await database.connection.commit()
    return tried


async def withdraw(database: Database, number: int) -> None:
    await withdraw_correction(database.connection, number, "it was right", "you")
    await database.connection.commit()


async def kg_by_hour(database: Database) -> list[tuple[datetime, float | None]]:
    rows: Any = await database.fetch("SELECT hour, co2_kg FROM api.emissions_hourly ORDER BY hour")
    return [(hour, kg) for hour, kg in rows]


async def test_a_spike_is_voided_and_the_void_withdrawn(database: Database) -> None:
    await database.apply({"s": PLANT})
    rows = [reading(GAS, 900 * i, volume_nm3=1000.0 * i) for i in range(9)]
    rows[2] = reading(GAS, 1800, volume_nm3=5_000.0)
    await database.receive(rows)
    await database.run()
    spoilt, raw = await kg_by_hour(database), await database.fetch("SELECT * FROM core.reading_flowmeter")
    kg = 2.1621888
    # Up to the spike, down again unknown, and on from there.
    assert [each for _, each in spoilt[:2]] == [approx(6000 * kg), approx(4000 * kg)]
    tried = await trial(database, wish(GAS, 1800, 1801))
    assert tried.recorded.readings == 1
    assert tried.effects == [
        Effect("s", "boiler", None, True, 1, spoilt[0][1], approx(4000 * kg), 0, 0),
    ]
    assert await kg_by_hour(database) == spoilt
    assert await database.fetch("SELECT reason FROM core.dirty_range") == []
    assert await database.fetch("SELECT reason FROM core.correction") == []
    done = await correct(database, wish(GAS, 1800, 1801))
    pending = "SELECT pending, hours, co2_kg_before, co2_kg_after FROM api.corrections"
    assert await database.fetch(pending) == [(True, 0, None, None)]
    await database.run()
    assert [each for _, each in (await kg_by_hour(database))[:2]] == [approx(4000 * kg), approx(4000 * kg)]
    assert await database.fetch(pending) == [(False, 1, spoilt[0][1], approx(4000 * kg))]
    assert await database.fetch("SELECT * FROM core.reading_flowmeter") == raw
    assert await database.fetch(
        "SELECT time, value_sent, value_corrected, correction FROM api.corrected_readings"
    ) == [(rows[2].time, 5000.0, None, done.correction)]
    await withdraw(database, done.correction)
    await database.run()
    assert await kg_by_hour(database) == spoilt
    told = await database.fetch(
        "SELECT reason, detail FROM api.emission_revisions WHERE hour = %s ORDER BY revision", T0
    )
    assert told == [
        ("correction", "void of all quantities of s/flowmeter/g by me: spike"),
        ("correction", f"correction {done.correction} withdrawn by you: it was right"),
    ]
    with pytest.raises(CorrectionRefusedError, match=f"no correction {done.correction} in force"):
        await withdraw(database, done.correction)


async def test_a_register_without_its_last_readings_reaches_over_the_hours_between(
    database: Database,
) -> None:
    await database.apply({"s": PLANT})
    await database.receive(reading(GAS, 900 * i, volume_nm3=25.0 * i) for i in range(49))
    await database.run()
    await correct(database, wish(GAS, 3 * 3600, 9 * 3600))
    await database.run()
    rows = await database.fetch(
        "SELECT consumption, estimated FROM core.device_hour WHERE quantity = 21 AND hour < %s ORDER BY hour",
        T0 + 12 * H,
    )
    # From the reading of the second hour to that of the ninth: nobody knows where in between.
    assert [consumption for consumption, _ in rows] == [approx(100.0)] * 12
    assert [estimated for _, estimated in rows] == [False] * 2 + [True] * 7 + [False] * 3


async def test_a_corrected_hour_is_explained_with_its_correction(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(reading(GAS, 900 * i, volume_nm3=1000.0 * i) for i in range(9))
    await database.run()
    explainer = Explainer()
    assert (await explainer.explain(database.connection, "s", "boiler", T0)).reproduced
    await correct(database, wish(GAS, 1800, 1801, Action.SET, "volume_nm3", 2100.0))
    await database.run()
    await database.connection.commit()
    assert (await explainer.explain(database.connection, "s", "boiler", T0)).reproduced
    assert await database.fetch("SELECT revision FROM api.emissions_hourly WHERE hour = %s", T0) == [(2,)]


async def test_a_reading_without_worth_is_given_one(database: Database) -> None:
    await database.apply({"s": PLANT})
    rows = [reading(LEFT, 900 * i, energy_import_kwh=250.0 * i) for i in range(5)]
    rows[4] = reading(LEFT, 3600, Status.FAULT, energy_import_kwh=1.0)
    await database.receive(rows)
    await database.run()
    await correct(database, wish(LEFT, 3600, 3601, Action.SET, ENERGY, 1100.0))
    await database.run()
    assert await database.fetch(
        "SELECT activity, estimated FROM api.emissions_hourly WHERE hour = %s AND basis = 'location'", T0
    ) == [(approx(1100.0), True)]


async def test_what_is_corrected_already_is_refused(database: Database) -> None:
    await database.apply({"s": PLANT})
    await correct(database, wish(LEFT, 0, 3600, Action.ADD, "power_kw", 1.0))
    with pytest.raises(CorrectionRefusedError, match="Correction 1 corrects power_kw of that time already"):
        await correct(database, wish(LEFT, 1800, 7200, Action.SCALE, "power_kw", 2.0))
    with pytest.raises(CorrectionRefusedError, match="multiplier"):
        await correct(database, wish(LEFT, 0, 60, Action.SCALE, ENERGY, 2.0))
    await correct(database, wish(LEFT, 0, 60))
    assert await database.fetch("SELECT count(*) FROM core.correction") == [(2,)]


async def test_each_change_is_told_with_its_own_reason(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(reading(GAS, 900 * i, volume_nm3=100.0 * i) for i in range(20) if i != 16)
    await database.receive(reading(LEFT, 900 * i, energy_import_kwh=10.0 * i) for i in range(20))
    await database.run()
    # Two corrections, and late data, wait for one worker.
    await correct(database, wish(GAS, 0, 1, Action.ADD, "volume_nm3", 50.0))
    await correct(database, wish(LEFT, 0, 1, Action.SET, ENERGY, 5.0))
    await database.receive([reading(GAS, 900 * 16, volume_nm3=1650.0)])
    await database.run()
    told = await database.fetch(
        "SELECT source, hour, reason, detail FROM api.emission_revisions"
        " WHERE basis IS DISTINCT FROM 'market' ORDER BY source, hour"
    )
    assert [(source, hour, reason) for source, hour, reason, _ in told] == [
        ("boiler", T0, "correction"),
        ("boiler", T0 + 3 * H, "late data"),
        ("boiler", T0 + 4 * H, "late data"),
        ("grid", T0, "correction"),
    ]
    assert ["volume_nm3" in told[0][3], ENERGY in told[3][3]] == [True, True]


def some_wishes(chance: random.Random) -> list[Wish]:
    """Corrections of the plant of `some_readings`, of which none clash."""
    found = []
    for device, register in ((METER, ENERGY), (FLOW, "mass_t"), (CEMS, None)):
        begin = chance.uniform(0, 15_000)
        found.append(wish(device, begin, begin + chance.uniform(60, 6000)))
        if register is not None:
            begin = chance.uniform(0, 15_000)
            found.append(wish(device, begin, begin + 900, Action.SET, register, chance.uniform(0, 900)))
            begin = chance.uniform(0, 15_000)
            found.append(wish(device, begin, begin + 5000, Action.VOID, register))
    begin = chance.uniform(0, 15_000)
    found.append(wish(CEMS, begin, begin + 4000, Action.SCALE, "velocity_m_s", 1.1))
    found.append(wish(CEMS, begin, begin + 4000, Action.ADD, "temperature_c", -3.0))
    return found


@pytest.mark.parametrize("seed", [2, 11, 29])
async def test_any_order_of_corrections_and_readings_gives_the_same_hours(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    rows, wishes = some_readings(seed), some_wishes(chance)
    await database.apply({"s": site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)})
    await database.receive(rows)
    for each in wishes:
        await correct(database, each)
    await database.run()
    at_once = await database.ledger()
    for table in ("device_hour", "energy_hour", "emission_hour", "correction CASCADE", *READINGS):
        await database.connection.execute(f"TRUNCATE core.{table}".encode())
    await database.connection.commit()
    # One more that is withdrawn in the end, like any other thing in between.
    extra = await correct(database, wish(METER, 3000, 9000))
    chance.shuffle(rows)
    things: list[Any] = [*wishes, *(rows[i : i + 12] for i in range(0, len(rows), 12)), extra.correction]
    chance.shuffle(things)
    database.at_most(200)
    for each in things:
        if isinstance(each, Wish):
            await correct(database, each)
        elif isinstance(each, int):
            await withdraw(database, each)
        else:
            await database.receive(each)
        if chance.random() < 0.6:
            await database.run()
    await database.run()
    assert await database.ledger() == at_once


READINGS = ("reading_meter", "reading_flowmeter", "reading_cems")
