"""What was reported on a day, and why it differs today."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.domain.ledger.overlay import Action
from services.store.as_of import Change, Moment, changes_of, moments, sums_of
from services.store.corrections import record_correction
from services.store.errors import StoreError
from services.store.factor_loading import load_table
from services.store.factors import load_factors
from tests.ledger.conftest import T0, Database, approx, reading
from tests.ledger.test_corrections import wish
from tests.ledger.test_emission_hours import H
from tests.ledger.test_revisions import GAS, METER, plant

pytestmark = pytest.mark.anyio

KG = 2.1621888
"""CO2 of a cubic metre."""


async def clock(database: Database) -> datetime:
    """An instant between what was done and what is done next."""
    [(now,)] = await database.fetch("SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


async def as_of(database: Database, instant: datetime) -> dict[tuple[str, Any], Any]:
    rows = await database.fetch(
        "SELECT source, hour, to_jsonb(h) - 'status' FROM api.emissions_as_of(%s) h"
        " WHERE basis IS DISTINCT FROM 'market'",
        instant,
    )
    return {(source, hour): figures for source, hour, figures in rows}


async def stands(database: Database) -> dict[tuple[str, Any], Any]:
    rows = await database.fetch(
        "SELECT source, hour, to_jsonb(h) - 'status' - 'computed_at' - 'factor_provisional'"
        " - 'activity_uncertainty_pct' - 'factor_uncertainty_pct' FROM api.emissions_hourly h"
        " WHERE basis IS DISTINCT FROM 'market'"
    )
    return {(source, hour): figures for source, hour, figures in rows}


def of(source: str, changes: list[Change]) -> list[tuple[Any, ...]]:
    mine = [each for each in changes if each.source == source and each.basis != "market"]
    return sorted((each.reason, each.hours, each.co2_kg, each.co2_kg_in_total) for each in mine)


async def test_the_past_is_told_as_it_was_and_why_it_is_another_now(database: Database) -> None:
    await database.apply(plant())
    gas = [reading(GAS, 900 * i, volume_nm3=1000.0 * i) for i in range(9)]
    await database.receive([*gas[:5], gas[8]])
    await database.receive(reading(METER, 900 * i, energy_import_kwh=250.0 * i) for i in range(5))
    await database.run()
    told: list[tuple[datetime, dict[tuple[str, Any], Any]]] = []

    async def note() -> None:
        told.append((await clock(database), await stands(database)))

    await note()
    await database.receive(gas[5:8])  # late: the same movement, but where in the hours is known now
    await database.receive([reading(GAS, 900 * 12, volume_nm3=13_000.0)])  # hours that were not there
    await database.run()
    await note()
    await record_correction(database.connection, wish(GAS, 900, 901, Action.SET, "volume_nm3", 1500.0))
    await record_correction(database.connection, wish(GAS, 0, 1, Action.SET, "volume_nm3", 400.0))
    await database.connection.commit()
    await database.run()
    await note()
    [newest] = [
        factor
        for factor in await load_factors(database.connection)
        if factor.factor_set == "CN_MEE_PROVINCE_2023" and factor.region == "CN-SH"
    ]
    later = replace(
        newest,
        factor_set="CN_MEE_PROVINCE_2026",
        co2_kg_per_unit=0.5,
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
    )
    await load_table(database.connection, [later])
    await database.connection.commit()
    await database.run()
    await note()
    facts = [{"from": "2020-01-01T00:00:00Z", "interval_s": 900}, {"from": T0.isoformat(), "multiplier": 3}]
    await database.apply(plant(facts=facts))
    await database.run()
    await note()

    for instant, then in told:
        assert await as_of(database, instant) == then
    assert await as_of(database, T0) == {}

    now = told[-1][1]
    for instant, then in told:
        moment = Moment("s", instant, None, None)
        changes = await changes_of(database.connection, moment)
        sums = await sums_of(database.connection, moment)
        for source in ("boiler", "grid"):
            before, after = (
                sum(row["co2_kg"] or 0.0 for (name, _), row in rows.items() if name == source)
                for rows in (then, now)
            )
            assert sum(co2_kg for _, _, co2_kg, _ in of(source, changes)) == approx(after - before, abs=1e-6)
            [row] = [each for each in sums if each.source == source and each.basis != "market"]
            assert [row.co2_kg_then or 0.0, row.co2_kg_now or 0.0] == [approx(before), approx(after)]
    first = of("boiler", await changes_of(database.connection, Moment("s", told[0][0], None, None)))
    assert {reason for reason, *_ in first} == {"added", "correction", "late data"}
    assert [row for row in first if row[0] == "correction"] == [
        ("correction", 1, approx(-400 * KG), approx(-400 * KG))
    ]
    grid = of("grid", await changes_of(database.connection, Moment("s", told[0][0], None, None)))
    # Of the last hour nothing is known but its beginning; it was restated all the same.
    assert grid == [
        ("factor", 2, approx(-73.7), approx(-73.7)),
        ("registry", 1, approx(1000.0), approx(1000.0)),
    ]


async def test_what_leaves_the_total_is_told_apart(database: Database) -> None:
    await database.apply(plant())
    await database.receive(reading(GAS, 900 * i, volume_nm3=1000.0 * i) for i in range(5))
    await database.run()
    then = await clock(database)
    await database.fetch("UPDATE core.emission_hour SET in_total = false RETURNING 1")
    [(reason, hours, co2_kg, counted)] = of(
        "boiler", await changes_of(database.connection, Moment("s", then, None, T0 + H))
    )
    assert (reason, hours, co2_kg, counted) == ("late data", 1, 0.0, approx(-4000 * KG))


async def test_the_end_of_a_day_is_the_sites_own(database: Database) -> None:
    await database.apply(plant())
    [moment] = await moments(database.connection, date(2026, 3, 1), "s", date(2026, 2, 1), date(2026, 2, 28))
    midnight = datetime(2026, 3, 1, 16, tzinfo=T0.tzinfo)  # of Shanghai
    assert moment.as_of == midnight + timedelta(minutes=15)
    assert (moment.from_hour, moment.to_hour) == (
        datetime(2026, 1, 31, 16, tzinfo=T0.tzinfo),
        midnight - timedelta(days=1),
    )
    [moment] = await moments(database.connection, T0, None, None, None)
    assert moment == Moment("s", T0, None, None)
    with pytest.raises(StoreError, match="no site x"):
        await moments(database.connection, T0, "x", None, None)
