"""Findings in a real database: written with the ledger, gone when late data explain them, told in a view."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.domain.ledger.hours import QUARTER_US, to_us
from services.domain.quality.rows import FindingKind
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.store.finding_list import NAMES, list_findings
from services.store.readings import mark_dirty
from tests.ledger.conftest import T0, Database, database, reading, site_of
from tests.quality.test_findings import CHANGES, strange_readings

__all__ = ["database"]
pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
H = timedelta(hours=1)
FACTS: dict[str, Any] = {
    "interval_s": 60,
    "rated_power_kw": 1000,
    "registers": {"energy_import_kwh": {"resolution": 0.01}},
}
FINDINGS = """
SELECT finding, quantity, from_time, to_time, readings, low, high FROM api.findings
WHERE finding <> 'stale' ORDER BY from_time, finding
"""
ALL = """
SELECT device_id, kind, quantity, hour, begins, ends, continues, events, readings, low, high, bound
FROM core.finding_hour ORDER BY device_id, kind, quantity, hour, begins
"""
CONTINUES = 6


def minutes(numbers: range) -> list[Reading]:
    return [reading(METER, 60 * i, energy_import_kwh=100.0 + 2.5 * i) for i in numbers]


def at(minute: float) -> Any:
    return T0 + timedelta(minutes=minute)


async def test_a_gap_over_hours_is_one_finding_and_closes(database: Database) -> None:
    await database.apply({"s": site_of({"meter/m": FACTS})})
    await database.receive([*minutes(range(11)), *minutes(range(200, 211))])
    await database.run()
    assert await database.fetch(FINDINGS) == [("gap", None, at(10), at(200), 189, None, None)]
    assert await database.fetch("SELECT continues FROM core.finding_hour ORDER BY hour") == [
        (False,),
        (True,),
        (True,),
        (True,),
    ]
    # What the device kept comes late: the gap is two, then none.
    await database.receive(minutes(range(100, 106)))
    await database.run()
    assert [row[:5] for row in await database.fetch(FINDINGS)] == [
        ("gap", None, at(10), at(100), 89),
        ("gap", None, at(105), at(200), 94),
    ]
    await database.receive([*minutes(range(11, 100)), *minutes(range(106, 200))])
    await database.run()
    assert await database.fetch(FINDINGS) == []


async def test_a_finding_of_every_kind_is_told_in_a_sentence(database: Database) -> None:
    kinds = await database.fetch("SELECT finding, advice FROM api.finding_kinds ORDER BY finding")
    assert [name for name, _ in kinds] == sorted(NAMES)
    await database.apply({"s": site_of({"meter/m": FACTS})})
    await database.receive(minutes(range(3)))
    await database.run()
    [(device_id,)] = await database.fetch("SELECT device_id FROM core.device")
    for kind in FindingKind:
        await database.connection.execute(
            "INSERT INTO core.finding_hour (device_id, kind, quantity, hour, begins, ends, continues, events,"
            " readings, low, high, bound) VALUES (%s, %s, 5, %s, %s, %s, false, 1, 7, 1.5, 2.5, 3)",
            [device_id, str(kind), T0, T0, at(9)],
        )
    told = await database.fetch("SELECT finding, detail, unit FROM api.findings ORDER BY finding")
    assert {name for name, _, _ in told} >= {*FindingKind, "stale"}
    assert all(detail for _, detail, _ in told)
    assert ("stuck", "1.5 V in each of 7 readings over 00:09:00.", "V") in told
    assert ("gap", "No reading for 00:09:00: 7 are missing.", "s") in told


async def test_what_began_before_is_listed_while_it_goes_on(database: Database) -> None:
    await database.apply({"s": site_of({"meter/m": FACTS})})
    await database.receive([*minutes(range(11)), *minutes(range(200, 211)), *minutes(range(240, 246))])
    await database.run()

    async def listed(since: float, **only: Any) -> list[tuple[str, Any]]:
        rows = await list_findings(database.connection, at(since), 10, **only)
        return [(row.finding, row.from_time) for row in rows]

    silent = ("stale", at(245))
    assert await listed(-60) == [silent, ("gap", at(210)), ("gap", at(10))]
    assert await listed(150, with_now=False) == [("gap", at(210)), ("gap", at(10))]
    assert await listed(201, finding="gap") == [("gap", at(210))]
    assert await listed(241) == [silent]
    assert await listed(0, site="elsewhere") == []


async def test_however_readings_arrive_the_findings_are_the_same(database: Database) -> None:
    rows = strange_readings(37)
    database.at_most(150)
    await database.apply({"s": site_of({"meter/m": CHANGES}, timezone="Asia/Kolkata")})
    shuffled = random.Random(5).sample(rows, len(rows))
    for first in range(0, len(rows), 60):
        await database.receive(shuffled[first : first + 60])
        await database.run()
    bit_by_bit = await database.fetch(ALL)
    found = {row[1] for row in bit_by_bit}
    assert found >= {"gap", "stuck", "register_back", "above_rating", "negative_flow", "seq_hole"}
    assert any(row[CONTINUES] for row in bit_by_bit)
    # All of it once more, by itself.
    await database.connection.execute("DELETE FROM core.finding_hour")
    await database.connection.execute("DELETE FROM core.device_hour")
    quarters = sorted({to_us(row.time) // QUARTER_US for row in rows})
    [(device_id,)] = await database.fetch("SELECT device_id FROM core.device")
    await mark_dirty(database.connection, np.full(len(quarters), device_id), np.array(quarters))
    database.at_most(100_000)
    await database.run()
    assert await database.fetch(ALL) == bit_by_bit


async def test_a_quantity_that_has_stopped_is_stale_alone(database: Database) -> None:
    await database.apply({"s": site_of({"meter/m": FACTS})})
    [(now,)] = await database.fetch("SELECT date_trunc('minute', now())")
    rows = []
    for back in range(300, -1, -1):
        values: dict[str, float] = {"power_kw": 400.0 + back % 7}
        # The voltage has gone, the current is out for maintenance.
        if back > 150:
            values["voltage_v"] = 230.0 + back % 5
        status: Any = Status.VALID if back > 150 else {"current_a": "maintenance"}
        rows.append(
            reading(METER, now - timedelta(minutes=back), status, current_a=600.0 + back % 7, **values)
        )
    await database.receive(rows)
    await database.run()
    stale = "SELECT quantity, from_time, to_time, detail FROM api.findings WHERE finding = 'stale'"
    [found] = await database.fetch(stale)
    assert found[:3] == ("voltage_v", now - timedelta(minutes=151), None)
    assert found[3].startswith("Nothing for 02:3")
