"""The uncertainty of an hour, from the registry to the row."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from services.domain.ledger.rows import EmissionHour
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from tests.ledger.conftest import SINCE, T0, Database, MakeWorld, approx, reading, site_of

MAIN = DeviceKey("s", Kind.METER, "main")
SIDE = DeviceKey("s", Kind.METER, "side")
BELT = DeviceKey("s", Kind.BELTSCALE, "stone")
GRID: dict[str, Any] = {
    "scope": 2,
    "method": "electricity",
    "carrier": "electricity",
    "devices": ["meter/main", "meter/side"],
    "quantity": "energy_import_kwh",
    "factor_set": "CN_MEE_PROVINCE",
    "in_total": True,
}
FIVE = {"uncertainty": {"factor_pct": 5.0, "source": "test"}}
METER = {"interval_s": 900, "accuracy_pct": 0.5}


def energy(device: DeviceKey, per_quarter: float) -> list[Any]:
    return [reading(device, 900 * i, energy_import_kwh=per_quarter * i) for i in range(6)]


def uncertainty(hour: EmissionHour) -> tuple[float | None, float | None, float | None]:
    return hour.uncertainty_pct, hour.activity_uncertainty_pct, hour.factor_uncertainty_pct


def test_one_meter(world: MakeWorld) -> None:
    grid = {**GRID, "devices": ["meter/main"]}
    site = world({"meter/main": METER}, {"grid": {**grid, **FIVE}})
    hour = site.emissions(energy(MAIN, 25.0), "grid")[T0]
    assert uncertainty(hour) == (approx(math.hypot(0.5, 5.0)), 0.5, 5.0)
    # Without the factor's nothing is said of the whole; nothing stands in.
    silent = world({"meter/main": METER}, {"grid": grid})
    assert uncertainty(silent.emissions(energy(MAIN, 25.0), "grid")[T0]) == (None, 0.5, None)
    # Where the CO2 is unknown, so is its uncertainty.
    nowhere = world({"meter/main": METER}, {"grid": {**grid, **FIVE, "region": "CN-XZ"}})
    assert uncertainty(nowhere.emissions(energy(MAIN, 25.0), "grid")[T0]) == (None, None, None)


def test_two_meters_of_one_grid_share_the_factor_and_nothing_else(world: MakeWorld) -> None:
    site = world(
        {"meter/main": METER, "meter/side": {**METER, "accuracy_pct": 1.0}}, {"grid": {**GRID, **FIVE}}
    )
    hour = site.emissions([*energy(MAIN, 30.0), *energy(SIDE, 10.0)], "grid")[T0]
    activity = math.hypot(120 * 0.5, 40 * 1.0) / 160
    assert uncertainty(hour) == (approx(math.hypot(activity, 5.0)), approx(activity), approx(5.0))
    unknown = {"meter/main": METER, "meter/side": {"interval_s": 900}}
    half = world(unknown, {"grid": {**GRID, **FIVE}})
    assert uncertainty(half.emissions([*energy(MAIN, 30.0), *energy(SIDE, 10.0)], "grid")[T0]) == (
        None,
        None,
        approx(5.0),
    )
    # A meter that stood still adds nothing, known or not.
    hour = half.emissions([*energy(MAIN, 30.0), *energy(SIDE, 0.0)], "grid")[T0]
    assert hour.uncertainty_pct == approx(math.hypot(0.5, 5.0))


def test_one_meter_in_two_parts_of_an_hour_errs_the_same_way(world: MakeWorld) -> None:
    facts = [
        {"from": SINCE, "interval_s": 900, "uncertainty_pct": 1.0},
        {"from": (T0 + timedelta(minutes=30)).isoformat(), "uncertainty_pct": 3.0},
    ]
    site = world({"meter/main": {"facts": facts}}, {"grid": {**GRID, **FIVE, "devices": ["meter/main"]}})
    hour = site.emissions(energy(MAIN, 25.0), "grid")[T0]
    assert uncertainty(hour) == (approx(math.hypot(2.0, 5.0)), approx(2.0), approx(5.0))


def test_carbon_in_and_out(world: MakeWorld) -> None:
    balance = {
        "scope": 1,
        "method": "mass_balance",
        "carrier": "carbon",
        "streams": [
            {"device": "beltscale/in", "quantity": "mass_t", "carbon_fraction": 0.8, "uncertainty_pct": 2.0},
            {
                "device": "beltscale/out",
                "quantity": "mass_t",
                "carbon_fraction": 0.5,
                "role": "output",
                "uncertainty_pct": 3.0,
            },
        ],
    }
    belt = {"interval_s": 900, "accuracy_pct": 0.5}
    site = world({"beltscale/in": belt, "beltscale/out": belt}, {"balance": balance})
    readings = [
        reading(DeviceKey("s", Kind.BELTSCALE, name), 900 * i, mass_t=per_quarter * i)
        for name, per_quarter in (("in", 25.0), ("out", 10.0))
        for i in range(6)
    ]
    hour = site.emissions(readings, "balance")[T0]
    carbon = (80.0, -20.0)
    assert hour.factor_uncertainty_pct == approx(math.hypot(80 * 2, 20 * 3) / sum(carbon))
    assert hour.activity_uncertainty_pct == approx(math.hypot(80 * 0.5, 20 * 0.5) / sum(carbon))


@pytest.mark.anyio
async def test_what_is_stated_later_restates_the_hours(database: Database) -> None:
    await database.apply({"s": site_of({"meter/main": METER}, {"grid": {**GRID, "devices": ["meter/main"]}})})
    await database.receive(energy(MAIN, 25.0))
    await database.run()
    select = "SELECT max(uncertainty_pct), max(activity_uncertainty_pct) FROM api.emissions_hourly"
    assert await (await database.connection.execute(select)).fetchone() == (None, 0.5)
    facts = {name: value for name, value in GRID.items() if name not in ("scope", "method", "carrier")}
    dated = [
        {"from": SINCE, **facts, "devices": ["meter/main"]},
        {"from": T0.isoformat(), **FIVE},
    ]
    head = {name: GRID[name] for name in ("scope", "method", "carrier")}
    await database.apply({"s": site_of({"meter/main": METER}, {"grid": {**head, "facts": dated}})})
    await database.run()
    cursor = await database.connection.execute(
        "SELECT uncertainty_pct FROM api.emissions_hourly WHERE hour = %s", [T0]
    )
    assert await cursor.fetchone() == (approx(math.hypot(0.5, 5.0)),)
