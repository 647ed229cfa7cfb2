"""Electricity on two bases through registry, ledger and views; evidence that comes late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.store.registry import device_ids, source_ids
from tests.ledger.conftest import T0, Database, MakeWorld, approx, reading, site_of
from tests.ledger.test_emission_hours import GRID, H, energy

pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
MARKET = {**GRID, "market": {"supplier_co2_kg_per_kwh": 0.4, "document": "letter"}}
GREEN: dict[str, Any] = {
    "contract": "PPA",
    "from": T0.isoformat(),
    "until": (T0 + 24 * H).isoformat(),
    "share": 0.25,
    "co2_kg_per_kwh": 0,
    "document": "binder",
}
SHOWN = {**GREEN, "certificate": "GEC-1"}
HOURS = "SELECT hour, basis, co2_kg, in_total, activity FROM api.emissions_hourly ORDER BY hour, basis"


def site(*contracts: dict[str, Any], **facts: Any) -> dict[str, Any]:
    source = {**MARKET, **facts, "contracts": list(contracts)}
    return site_of({"meter/m": {"interval_s": 900}}, {"grid": source})


def test_an_hour_that_a_contract_begins_in(world: MakeWorld) -> None:
    half = {**SHOWN, "from": (T0 + timedelta(minutes=30)).isoformat(), "share": 1.0}
    here = world({"meter/m": {"interval_s": 900}}, {"grid": {**MARKET, "contracts": [half]}})
    rows = [row for row in here.ledger(energy(METER, 25.0, range(5))).emission_hours if row.hour == T0]
    location, market = sorted(rows, key=lambda row: row.source.basis)
    assert (location.source.basis, market.source.basis) == ("location", "market")
    assert location.activity == market.activity == approx(100.0)
    assert (location.co2_kg, location.in_total) == (approx(57.37), True)
    assert (market.co2_kg, market.in_total) == (approx(50 * 0.4), False)
    assert market.factor == "supplier (letter), contract PPA 1, GEC-1"
    assert (market.missing_reason, market.coverage) == (None, 1.0)


async def test_both_bases_are_in_the_ledger_and_one_in_the_total(database: Database) -> None:
    await database.apply({"s": site(SHOWN)})
    await database.receive(energy(METER, 25.0, range(5)))
    await database.run()
    assert await database.fetch(f"{HOURS} LIMIT 2") == [
        (T0, "location", approx(57.37), True, approx(100.0)),
        (T0, "market", approx(100 * 0.75 * 0.4), False, approx(100.0)),
    ]
    total = "SELECT sum(co2_kg) FROM api.emissions_hourly WHERE in_total"
    assert await database.fetch(total) == [(approx(57.37),)]
    # The other basis counts from a day on.
    later = {"from": "2026-02-01T00:00:00Z", "total_basis": "market"}
    facts = {name: value for name, value in MARKET.items() if name not in ("scope", "method", "carrier")}
    source = {
        **{name: MARKET[name] for name in ("scope", "method", "carrier")},
        "contracts": [SHOWN],
        "facts": [{"from": "2020-01-01T00:00:00Z", **facts}, later],
    }
    await database.apply({"s": site_of({"meter/m": {"interval_s": 900}}, {"grid": source})})
    await database.run()
    assert await database.fetch(total) == [(approx(30.0),)]


async def test_evidence_that_comes_late_restates_the_hours_of_its_contract(database: Database) -> None:
    await database.apply({"s": site(GREEN)})
    before = [
        reading(METER, T0 - 2 * H + timedelta(seconds=900 * i), energy_import_kwh=25.0 * i) for i in range(13)
    ]
    await database.receive(before)
    await database.run()
    market = (
        "SELECT hour, co2_kg, factor, revision FROM api.emissions_hourly WHERE basis = 'market' ORDER BY hour"
    )
    unshown = "supplier (letter)"
    hours = await database.fetch(market)
    assert [(hour, kg) for hour, kg, *_ in hours[:3]] == [(T0 + (i - 2) * H, approx(40.0)) for i in range(3)]
    assert [factor for *_, factor, _ in hours[:3]] == [
        unshown, unshown, f"{unshown}; without evidence: PPA",
    ]  # fmt: skip
    await database.apply({"s": site(SHOWN)})
    [done] = [round_ for round_ in await database.run() if round_.computed.changed]
    assert done.computed.changed == 2, "the hour under contract and the one in which the register ends"
    hours = await database.fetch(market)
    assert [kg for _, kg, *_ in hours[:3]] == [approx(40.0), approx(40.0), approx(30.0)]
    # It is taken back.
    await database.apply({"s": site()})
    await database.run()
    assert [kg for _, kg, *_ in (await database.fetch(market))[:3]] == [approx(40.0)] * 3


async def test_live_has_a_row_for_each_basis(database: Database) -> None:
    await database.apply({"s": site(SHOWN)})
    devices, sources = await device_ids(database.connection), await source_ids(database.connection)
    now = datetime.now(UTC)
    for basis, kg_per_h in (("location", 57.37), ("market", 30.0)):
        await database.connection.execute(
            "INSERT INTO core.live_emission (source_id, device_id, time, basis, co2_kg_per_h)"
            " VALUES (%s, %s, %s, %s, %s)",
            [next(iter(sources.values())), devices[METER], now, basis, kg_per_h],
        )
    live = "SELECT basis, co2_kg_per_h, in_total, factor FROM api.emissions_live ORDER BY basis"
    assert await database.fetch(live) == [("location", 57.37, True, None), ("market", 30.0, False, None)]
