"""Hours of stacks in the database: a changed hour re-opens the missing ones that follow from it, and only
those."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.domain.quantities import Status
from services.domain.reading import Reading
from tests.ledger.conftest import T0, Database, approx, reading, site_of
from tests.ledger.test_stack_hours import CEMS, CO2, FLOW, KG_PER_H, at, minutes, stack
from tests.ledger.test_stack_order_free import DEVICES, some_stack_readings, stacks

pytestmark = pytest.mark.anyio
H = timedelta(hours=1)


async def apply(database: Database, **rules: Any) -> None:
    given = stack(hour_validity="45min", **rules)
    await database.apply({"s": site_of(given["devices"], given["sources"], given["timezone"])})


async def stack_hours(database: Database) -> list[tuple[Any, ...]]:
    return await database.fetch("SELECT * FROM core.stack_hour ORDER BY source_id, device_id, item, hour")


async def everything(database: Database) -> list[list[tuple[Any, ...]]]:
    return [*await database.ledger(), await stack_hours(database)]


async def reported(database: Database) -> list[float | None]:
    rows = await database.fetch("SELECT co2_kg / %s FROM api.emissions_hourly ORDER BY hour", KG_PER_H)
    return [row[0] for row in rows]


def hour(number: int, co2_pct: float = CO2, status: Any = Status.VALID) -> list[Reading]:
    return [at(60 * number + minute, status, co2_pct=co2_pct) for minute in range(60)]


def failing(*numbers: int) -> list[Reading]:
    return [row for number in numbers for row in hour(number, status={"co2_pct": "fault"})]


async def test_the_hour_after_a_gap_closes_it(database: Database) -> None:
    await apply(database, substitution="hjt75_2007")
    await database.receive([*hour(0), *failing(1, 2), at(180, co2_pct=14.0)])
    await database.run()
    assert await reported(database) == [approx(1.0), None, None, approx(0.05 * 1.4)]
    await database.receive([*hour(3, 14.0)[1:], *minutes([240])])
    await database.run()
    found = await reported(database)
    assert found[:3] == [approx(1.0), approx(1.2), approx(1.2)]
    rows = await database.fetch(
        "SELECT quantity, measured, substituted, reported, unit, method, gap_h, missing_reason"
        " FROM api.cems_hourly WHERE hour = %s ORDER BY quantity",
        T0 + H,
    )
    method = "hjt75_2007: mean of the hours before and after"
    kg = approx(1.2 * KG_PER_H)
    assert rows == [
        ("co2_kg", None, kg, kg, "kg", method, 2, None),
        ("co2_pct", None, approx(12.0), approx(12.0), "%", method, 2, None),
        ("flow_nm3_h", FLOW, None, FLOW, "Nm3/h", None, None, None),
    ]
    rows = await database.fetch("SELECT estimated FROM api.emissions_hourly ORDER BY hour")
    assert rows == [(False,), (True,), (True,), (False,), (False,)]


async def test_a_late_hour_reopens_what_looks_back_on_it_and_nothing_else(database: Database) -> None:
    await apply(database, substitution="eu_art45")
    await database.receive([*hour(0, 9.0), *hour(2, 11.0), *failing(30), *hour(31), *minutes([1920])])
    await database.run()
    first = (await reported(database))[30]
    assert first == approx(0.1 * (10 + 2 * 2**0.5))
    before = dict(await database.fetch("SELECT hour, computed_at FROM api.emissions_hourly"))
    await database.receive(hour(1, 16.0))
    await database.run()
    # 9, 16, 11: mean 12, sigma sqrt(13).
    assert (await reported(database))[30] == approx(0.1 * (12 + 2 * 13**0.5))
    after = dict(await database.fetch("SELECT hour, computed_at FROM api.emissions_hourly"))
    changed = {(each - T0) // H for each, computed_at in after.items() if computed_at != before.get(each)}
    assert {1, 30} <= changed
    assert changed.isdisjoint({0, 2, 31})


async def test_without_substitution_nothing_is_reopened(database: Database) -> None:
    await apply(database)
    await database.receive([*hour(0), *failing(1), *hour(2), *minutes([180])])
    await database.run()
    assert (await reported(database))[:3] == [approx(1.0), None, approx(1.0)]
    await database.receive([at(60 * 2.5 + 0.2)])
    assert len(await database.run()) == 1


async def test_the_running_hour_reopens_nothing(database: Database) -> None:
    """A live round of a stack with a long open gap computes its two hours, not the gap."""
    await apply(database, substitution="us_part75", maximum_potential_co2_pct=15)
    await database.receive([*hour(0), *failing(*range(1, 30)), *minutes([1800])])
    await database.run()
    await database.receive(minutes([1801]))
    [done] = await database.run()
    # With the hour before, by which values would be stuck.
    assert done.computed.readings < 5 * 60
    assert done.computed.changed == 3  # the running hour: two quantities, and the emission


async def test_a_source_that_is_judged_later_has_rows_from_then_on(database: Database) -> None:
    given = stack()
    await database.apply({"s": site_of(given["devices"], given["sources"], "UTC")})
    await database.receive([row for number in range(4) for row in hour(number)])
    await database.run()
    assert await stack_hours(database) == []
    source = given["sources"]["stack"]
    facts = {name: source[name] for name in ("devices", "quantity", "in_total")}
    source["facts"] = [
        {"from": "2020-01-01T00:00:00Z", **facts, "stack": {}},
        {"from": (T0 + 2 * H).isoformat(), "stack": {"hour_validity": "45min"}},
    ]
    await database.apply({"s": site_of(given["devices"], given["sources"], "UTC")})
    await database.run()
    rows = await database.fetch("SELECT DISTINCT hour FROM core.stack_hour")
    assert rows == [(T0 + 2 * H,)]


async def deliver(database: Database, rows: Sequence[Reading], order: random.Random) -> None:
    left = list(rows)
    order.shuffle(left)
    while left:
        count = order.randint(5, 120)
        await database.receive(left[:count])
        left = left[count:]
        if order.random() < 0.7:
            await database.run()
    await database.run()


@pytest.mark.parametrize(("seed", "at_most"), [(5, 200_000), (8, 30)])
async def test_the_same_rows_whatever_the_order(database: Database, seed: int, at_most: int) -> None:
    rows = some_stack_readings(seed)
    await database.apply({"s": site_of(DEVICES, stacks(), "UTC")})
    await database.receive(rows)
    await database.run()
    at_once = await everything(database)
    filled = [row for row in at_once[-1] if row[6] is not None]
    assert len(filled) > 10
    for table in ("device_hour", "emission_hour", "stack_hour", "reading_cems"):
        await database.connection.execute(f"TRUNCATE core.{table}")
    await database.connection.commit()
    database.at_most(at_most)
    await deliver(database, rows, random.Random(seed))
    assert await everything(database) == at_once


async def test_what_a_reading_of_a_stack_says_of_another_hour_is_a_reading_too(database: Database) -> None:
    """Taking the valid hour after a gap away opens the gap again."""
    await apply(database, substitution="hjt75_2007")
    await database.receive([*hour(0), *failing(1), *hour(2), *failing(3), *minutes([240])])
    await database.run()
    assert (await reported(database))[1] == approx(1.0)
    await database.connection.execute(
        "UPDATE core.reading_cems SET status = 4 WHERE time >= %s", [T0 + 2 * H]
    )
    await database.receive([reading(CEMS, 2.5 * 3600 + 1, Status.FAULT, co2_pct=1.0)])
    await database.run()
    assert (await reported(database))[1] is None
