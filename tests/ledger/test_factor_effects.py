"""What a table of factors would change, in kg by source and month, and what loading it does change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.domain.factors import Factor
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.store.factor_effects import MonthEffect
from services.store.factor_loading import load_table
from tests.ledger.conftest import Database, approx, reading, site_of
from tests.ledger.test_emission_hours import GRID

pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
YEAR = datetime(2023, 12, 31, 16, tzinfo=UTC)
"""Midnight of 2024 in Shanghai."""
COAL = {
    "scope": 1,
    "method": "fuel",
    "carrier": "bituminous_coal",
    "devices": ["beltscale/b"],
    "quantity": "mass_t",
    "factor_set": "CN_NDRC_2.1",
}
NOWHERE = {**GRID, "region": "CN-XZ", "in_total": False}
"""Tibet, for which nothing is published."""


def site(**sources: Any) -> dict[str, Any]:
    devices = {"meter/m": {"interval_s": 900}, "beltscale/b": {"interval_s": 900}}
    return site_of(devices, {"grid": GRID, "coal": COAL, **sources})


def some_hours() -> list[Reading]:
    """Three hours of the old year and four of the new one, 100 kWh and 10 t in each."""
    return [
        each
        for i in range(-12, 17)
        for each in (
            reading(METER, YEAR + timedelta(minutes=15 * i), energy_import_kwh=1000.0 + 25 * i),
            reading(BELT, YEAR + timedelta(minutes=15 * i), mass_t=1000.0 + 2.5 * i),
        )
    ]


def of_grid(factors: Sequence[Factor], region: str = "CN-SH", **changed: Any) -> Factor:
    [found] = [
        each for each in factors if each.factor_set == "CN_MEE_PROVINCE_2023" and each.region == "CN-SH"
    ]
    year: dict[str, Any] = {"valid_from": date(2024, 1, 1), "valid_to": date(2024, 12, 31)}
    return replace(found, **{"factor_set": "CN_MEE_PROVINCE_2024", "region": region, **year, **changed})


async def tried(database: Database, *new: Factor) -> tuple[MonthEffect, ...]:
    loaded = await load_table(database.connection, new, keep=False)
    await database.connection.commit()
    return loaded.effects


async def load(database: Database, *new: Factor) -> None:
    await load_table(database.connection, new)
    await database.connection.commit()
    await database.run()


async def hours(database: Database) -> dict[tuple[str, datetime], tuple[Any, ...]]:
    rows = await database.fetch(
        "SELECT source, hour, co2_kg, computed_at, missing_reason, activity FROM api.emissions_hourly "
        "ORDER BY source, hour"
    )
    return {(source, hour): tuple(rest) for source, hour, *rest in rows}


async def test_a_try_tells_in_kg_what_loading_then_does_and_only_those_hours_are_computed_anew(
    database: Database, factors: tuple[Factor, ...]
) -> None:
    await database.apply({"s": site()})
    await database.receive(some_hours())
    await database.run()
    before = await hours(database)
    new = of_grid(factors, co2_kg_per_unit=0.55)
    [effect] = await tried(database, new)
    assert await hours(database) == before
    assert await database.fetch("SELECT count(*) FROM core.factor WHERE factor_set = %s", new.factor_set) == [
        (0,)
    ]
    assert (effect.site, effect.source, effect.basis, effect.month) == (
        "s",
        "grid",
        "location",
        date(2024, 1, 1),
    )
    assert (effect.hours, effect.unknown_hours, effect.reason) == (5, 1, None)
    assert effect.co2_kg == approx(4 * 57.37)
    assert effect.new_co2_kg == approx(4 * 55.0)
    assert effect.difference_kg == approx(4 * (55.0 - 57.37))

    await load(database, new)
    after = await hours(database)
    restated = {key for key in after if after[key][1] != before[key][1]}
    assert {key for key in before if before[key][0] is not None and key[1] >= YEAR and key[0] == "grid"} == {
        key for key in restated if after[key][0] is not None
    }
    assert all(source == "grid" and hour >= YEAR for source, hour in restated)
    assert sum(after[key][0] for key in restated if after[key][0] is not None) == approx(effect.new_co2_kg)
    assert await tried(database, new) == ()


async def test_what_was_unknown_becomes_known(database: Database, factors: tuple[Factor, ...]) -> None:
    await database.apply({"s": site(nowhere=NOWHERE)})
    await database.receive(some_hours())
    await database.run()
    [stored] = await database.fetch(
        "SELECT co2_kg, activity FROM api.emissions_hourly WHERE source = 'nowhere' AND hour = %s", YEAR
    )
    assert stored == (None, approx(100.0)), "the activity is kept"
    [missing] = await database.fetch(
        "SELECT source, carrier, region, hours, activity, activity_unit, from_hour, to_hour, missing_reason "
        "FROM api.missing_factors"
    )
    assert missing == (
        "nowhere", "electricity", "CN-XZ", 7, approx(700.0), "kWh", YEAR - timedelta(hours=3),
        YEAR + timedelta(hours=3), "Set CN_MEE_PROVINCE has no factor for electricity in CN-XZ.",
    )  # fmt: skip
    new = of_grid(factors, "CN-XZ", fuel="electricity_CN-XZ", co2_kg_per_unit=0.2)
    [effect] = await tried(database, new)  # not of the year before, which stays without
    assert (effect.source, effect.month, effect.hours) == ("nowhere", date(2024, 1, 1), 5)
    assert (effect.co2_kg, effect.difference_kg) == (None, None)
    assert (effect.unknown_hours, effect.new_unknown_hours) == (5, 1)
    assert effect.new_co2_kg == approx(80.0)
    await load(database, new)
    assert [tuple(row) for row in await database.fetch("SELECT hours, to_hour FROM api.missing_factors")] == [
        (3, YEAR - timedelta(hours=1))
    ]


async def test_the_residual_factor_of_the_market_basis_changes_that_basis_alone(
    database: Database, factors: tuple[Factor, ...]
) -> None:
    market = {
        "factor_set": "CN_MEE_NATIONAL",
        "factor_fuel": "electricity_national_excl_market_nonfossil",
        "region": "CN",
    }
    await database.apply({"s": site(grid={**GRID, "market": market})})
    await database.receive(some_hours())
    await database.run()
    [found] = [
        each
        for each in factors
        if each.factor_set == "CN_MEE_NATIONAL_2023" and each.fuel == market["factor_fuel"]
    ]
    year: dict[str, Any] = {"valid_from": date(2024, 1, 1), "valid_to": date(2024, 12, 31)}
    new = replace(found, factor_set="CN_MEE_NATIONAL_2024", co2_kg_per_unit=0.6, **year)
    [effect] = await tried(database, new)
    assert (effect.basis, effect.new_co2_kg) == ("market", approx(4 * 60.0))
    await load(database, new)
    rows = await database.fetch(
        "SELECT basis, sum(co2_kg) FROM api.emissions_hourly WHERE source = 'grid' AND hour >= %s "
        "GROUP BY basis ORDER BY basis",
        YEAR,
    )
    assert rows == [("location", approx(4 * 57.37)), ("market", approx(4 * 60.0))]


async def test_a_corrected_heating_value_is_told_by_the_activity_as_it_is_stored(
    database: Database, factors: tuple[Factor, ...]
) -> None:
    await database.apply({"s": site()})
    await database.receive(some_hours())
    await database.run()
    [found] = [each for each in factors if each.name == "CN_NDRC_2.1/bituminous_coal"]
    per_t = 22.0 * 0.02618 * 0.93 * 44 / 12 * 1000
    effects = await tried(database, replace(found, ncv=22.0, co2_kg_per_unit=per_t))
    assert [(each.month.month, each.new_co2_kg) for each in effects] == [
        (12, approx(30 * per_t)),
        (1, approx(40 * per_t)),
    ]
