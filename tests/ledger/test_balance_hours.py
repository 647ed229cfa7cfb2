"""Mass balances through the ledger: stock, laboratory results that come late, deliveries, and the alarm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import SINCE, T0, Database, MakeWorld, approx, reading, site_of
from tests.ledger.test_emission_hours import H

COAL, STEEL = DeviceKey("s", Kind.BELTSCALE, "coal"), DeviceKey("s", Kind.BELTSCALE, "steel")
KG = 44 / 12 * 1000
DEVICES: dict[str, Any] = {"beltscale/coal": {"interval_s": 900}, "beltscale/steel": {"interval_s": 900}}
HEAD: dict[str, Any] = {"scope": 1, "method": "mass_balance", "carrier": "carbon"}


def streams(coal: float = 0.80, steel: float = 0.04) -> list[dict[str, Any]]:
    return [
        {"device": "beltscale/coal", "quantity": "mass_t", "carbon_fraction": coal},
        {"device": "beltscale/steel", "quantity": "mass_t", "role": "output", "carbon_fraction": steel},
    ]


def works(*facts: dict[str, Any], stocks: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    entries = [{"from": SINCE, "in_total": True, "streams": streams()}, *facts]
    return {**HEAD, "facts": entries, "stocks": stocks or []}


def moving(device: DeviceKey, t_per_h: float, hours: int = 3) -> list[Reading]:
    return [reading(device, 900 * i, mass_t=t_per_h / 4 * i) for i in range(4 * hours + 1)]


def pile(at: float, mass_t: float, carbon: float = 0.8) -> dict[str, Any]:
    when = (T0 + timedelta(hours=at)).isoformat()
    return {"material": "coal", "at": when, "mass_t": mass_t, "carbon_fraction": carbon, "document": "survey"}


def test_what_went_into_stock_was_not_used(world: MakeWorld) -> None:
    rows = moving(COAL, 100.0) + moving(STEEL, 60.0)
    flows = world(DEVICES, {"works": works()}).emissions(rows, "works")[T0]
    assert flows.co2_kg == approx((100 * 0.80 - 60 * 0.04) * KG)
    assert (flows.estimated, flows.factor_provisional) == (False, False)
    counted = world(DEVICES, {"works": works(stocks=[pile(0, 20.0), pile(2, 30.0)])}).emissions(rows, "works")
    # Half of 10 t in each of two hours: (80 - 2.4 - 4) t of carbon, of which 269.867 t CO2.
    assert counted[T0].co2_kg == approx(269_866.667, abs=1e-3)
    assert (counted[T0].estimated, counted[T0].factor_provisional) == (True, False)
    assert counted[T0 + H].co2_kg == counted[T0].co2_kg
    # Nobody looked at the pile since.
    assert counted[T0 + 2 * H].co2_kg == approx(flows.co2_kg)
    assert (counted[T0 + 2 * H].estimated, counted[T0 + 2 * H].factor_provisional) == (False, True)
    assert counted[T0].uncertainty_pct is None


def test_more_carbon_out_than_in_is_an_alarm(world: MakeWorld) -> None:
    rows = moving(COAL, 1.0) + moving(STEEL, 60.0)
    hour = world(DEVICES, {"works": works()}).emissions(rows, "works")[T0]
    assert (hour.co2_kg, hour.co2e_kg, hour.uncertainty_pct) == (None, None, None)
    assert hour.missing_reason is not None
    assert hour.missing_reason.startswith("more carbon leaves than enters: 2.93333 t CO2 in, 8.8 t out")
    # The steel came out of stock.
    stocks = [pile(0, 100.0, 0.04), pile(1, 40.0, 0.04)]
    counted = world(DEVICES, {"works": works(stocks=stocks)}).emissions(rows, "works")[T0]
    assert counted.co2_kg == approx(0.8 * KG)
    assert counted.missing_reason is None


def test_an_unknown_stream_is_no_alarm_and_no_number(world: MakeWorld) -> None:
    hour = world(DEVICES, {"works": works()}).emissions(moving(STEEL, 60.0), "works")[T0]
    assert (hour.co2_kg, hour.missing_reason) == (None, "beltscale/coal: no readings")


def test_deliveries_by_truck_are_spread_over_the_time_since_the_last(world: MakeWorld) -> None:
    """A truck scale sends its total after each delivery: what came is of the time it had to last for."""
    tickets = [(0.0, 0.0), (5.5, 24.0), (9.0, 52.5), (12.0, 80.0)]
    rows = [reading(COAL, T0 + timedelta(hours=at), mass_t=total) for at, total in tickets]
    source = {**HEAD, "facts": [{"from": SINCE, "streams": streams()[:1], "in_total": True}]}
    hours = world(DEVICES, {"works": source}).emissions(rows, "works")
    assert sum(hour.activity or 0.0 for hour in hours.values()) == approx(80.0)
    assert hours[T0].activity == approx(24.0 / 5.5)
    assert all(hour.estimated for hour in hours.values() if hour.activity)


def test_streams_by_the_volume_of_a_liquid_and_of_a_gas(world: MakeWorld) -> None:
    tar, gas = (DeviceKey("s", Kind.FLOWMETER, name) for name in ("tar", "gas"))
    named = [
        {"device": "flowmeter/gas", "quantity": "volume_nm3", "carbon_fraction": 0.75,
         "density_t_per_m3": 0.000717, "density_base_state": "0C"},
        {"device": "flowmeter/tar", "quantity": "volume_m3", "role": "output", "carbon_fraction": 0.9,
         "density_t_per_m3": 1.15},
    ]  # fmt: skip
    devices = {
        "flowmeter/gas": {"interval_s": 900, "base_state": "20C"},
        "flowmeter/tar": {"interval_s": 900},
    }
    source = {**HEAD, "facts": [{"from": SINCE, "streams": named, "in_total": True}]}
    rows = [reading(gas, 900 * i, volume_nm3=1000.0 * i) for i in range(5)]
    rows += [reading(tar, 900 * i, volume_m3=0.1 * i) for i in range(5)]
    hour = world(devices, {"works": source}).emissions(rows, "works")[T0]
    carbon_t = 4000 * 273.15 / 293.15 * 0.000717 * 0.75 - 0.4 * 1.15 * 0.9
    assert hour.co2_kg == approx(carbon_t * KG, rel=1e-9)


CO2 = "SELECT hour, co2_kg, status, revision FROM api.emissions_hourly ORDER BY hour LIMIT 3"


@pytest.mark.anyio
async def test_laboratory_results_that_come_late_restate_their_hours(database: Database) -> None:
    await database.apply({"s": site_of(DEVICES, {"works": works()})})
    await database.receive(moving(COAL, 100.0, 4) + moving(STEEL, 60.0, 4))
    await database.run()
    before = await database.fetch(CO2)
    # What the laboratory found of the coal of the second hour on; and from the third on again as ever.
    results = [
        {"from": (T0 + H).isoformat(), "streams": streams(coal=0.782)},
        {"from": (T0 + 2 * H).isoformat(), "streams": streams()},
    ]
    await database.apply({"s": site_of(DEVICES, {"works": works(*results)})})
    assert await database.fetch("SELECT count(*), min(from_time) FROM core.dirty_range") == [(2, T0 + H)]
    await database.run()
    after = await database.fetch(CO2)
    assert [after[0], after[2]] == [before[0], before[2]], "not restated"
    assert after[1][1] == approx((100 * 0.782 - 60 * 0.04) * KG)
    # An inventory of the past comes later still.
    stocks = [pile(0, 20.0), pile(1, 30.0)]
    await database.apply({"s": site_of(DEVICES, {"works": works(*results, stocks=stocks)})})
    await database.run()
    counted = await database.fetch(CO2)
    assert counted[0][1] == approx((80 - 2.4 - 8) * KG)
    assert [kg for _, kg, *_ in counted[1:]] == [kg for _, kg, *_ in after[1:]]


@pytest.mark.anyio
async def test_live_more_carbon_out_than_in_is_unknown(database: Database) -> None:
    await database.apply({"s": site_of(DEVICES, {"works": works()})})
    insert = (
        "INSERT INTO core.live_emission (source_id, device_id, time, co2_kg_per_h)"
        " SELECT s.source_id, d.device_id, now() - make_interval(secs => %s),"
        " CASE d.device WHEN 'coal' THEN %s ELSE -100 END"
        " FROM core.source s CROSS JOIN core.device d"
    )
    live = "SELECT co2_kg_per_h, age_s IS NULL FROM api.emissions_live"
    await database.connection.execute(insert, [20, 300.0])
    assert await database.fetch(live) == [(200.0, False)]
    await database.connection.execute(insert, [10, 30.0])
    assert await database.fetch(live) == [(None, False)]
