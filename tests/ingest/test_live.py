"""Live emissions: what each reading in order emits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.conversion import SourceKey, compile_conversions
from services.domain.factors import FactorBook
from services.domain.ledger.hours import from_us, to_us
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References, keep, lookups, next_change, take
from services.store.factors import shipped_factors
from services.store.pool import connect
from services.store.reading_columns import columns_of
from services.store.registry import apply_registry, plan_registry
from tests.ingest.conftest import Database
from tests.ingest.test_write import NOW, Ingest, at, message

FACTORS = FactorBook(shipped_factors())
SINCE = "2020-01-01T00:00:00Z"
METER = DeviceKey("site", Kind.METER, "main")
GAS = DeviceKey("site", Kind.FLOWMETER, "gas")
COAL = DeviceKey("site", Kind.BELTSCALE, "coal")
IDS = {METER: 1, GAS: 2, COAL: 3}
SOURCES = {SourceKey("site", name): 10 + i for i, name in enumerate(["power", "gas", "coal", "unknown"])}
FAULT = STATUS_CODES[Status.FAULT]
MANUAL = STATUS_CODES[Status.MANUAL]


def registry(**meter_facts: Any) -> Registry:
    def fuel(carrier: str, device: str, quantity: str, **facts: Any) -> dict[str, Any]:
        named = {"from": SINCE, "devices": [device], "quantity": quantity, "factor_set": "CN_NDRC_2.1"}
        return {"scope": 1, "method": "fuel", "carrier": carrier, "facts": [named | facts]}

    meter = {"from": SINCE, "interval_s": 30, "registers": {"energy_import_kwh": {"modulus": 1000}}}
    gas = {
        "from": SINCE,
        "interval_s": 60,
        "base_state": "0C",
        "energy_quantity": "volume_nm3",
        "rated_flow": 100,
    }
    electricity = {"from": SINCE, "devices": ["meter/main"], "factor_set": "CN_MEE_PROVINCE"}
    return Registry.model_validate(
        {
            "version": 1,
            "sites": {
                "site": {
                    "timezone": "Asia/Shanghai",
                    "region": "CN-SH",
                    "devices": {
                        "meter/main": {"facts": [meter | meter_facts]},
                        "flowmeter/gas": {"facts": [gas]},
                        "beltscale/coal": {"facts": [{"from": SINCE, "interval_s": 30}]},
                    },
                    "sources": {
                        "power": {
                            "scope": 2,
                            "method": "electricity",
                            "carrier": "electricity",
                            "facts": [electricity],
                        },
                        "gas": fuel("natural_gas", "flowmeter/gas", "volume_nm3", factor_base_state="0C"),
                        "coal": fuel("bituminous_coal", "beltscale/coal", "mass_t"),
                        "unknown": fuel("moon_dust", "beltscale/coal", "mass_t"),
                    },
                }
            },
        }
    )


def line_gas(**facts: Any) -> Registry:
    """The gas meter measures at line conditions."""
    document = registry().model_dump(by_alias=True, exclude_unset=True)
    device = document["sites"]["site"]["devices"]["flowmeter/gas"]["facts"][0]
    device |= {"energy_quantity": "flow_m3_h", "pressure_reference": "absolute"} | facts
    source = document["sites"]["site"]["sources"]["gas"]["facts"][0]
    source["quantity"] = "flow_m3_h"
    return Registry.model_validate(document)


def converter(document: Registry | None = None) -> LiveConverter:
    return LiveConverter(References(document or registry(), FACTORS, IDS, SOURCES), NOW)


def factor(source: str, document: Registry | None = None) -> float:
    """kg CO2 per unit of the activity."""
    compiled = compile_conversions(document or registry(), FACTORS, NOW)
    found = [each for of in compiled.values() for each in of if each.source.source == source]
    return found[0].factor.co2_kg_per_unit


def reading(device: DeviceKey, second: float, status: int = 0, **values: float | None) -> Reading:
    measured = tuple(values.get(name) for name in NAMES[device.kind])
    return Reading(device, NOW + timedelta(seconds=second), None, measured, status)


class LiveRow(NamedTuple):
    source_id: int
    device_id: int
    time: datetime
    basis: str | None
    co2_kg_per_h: float | None
    factor_id: int | None


def convert(live: LiveConverter, *readings: Reading) -> list[LiveRow]:
    """As one batch of one kind, committed."""
    times = np.array([to_us(each.time) for each in readings], np.int64)
    ids = np.array([IDS.get(each.device, 99) for each in readings], np.int64)
    selection = live.select(columns_of(readings[0].device.kind, ids, times, times, readings))
    if selection is None:
        return []
    for lookup in lookups(selection):
        take(selection, lookup, {})
    converted = live.convert(selection)
    keep(converted)
    return [
        LiveRow(
            int(block.source_ids[row]),
            int(block.device_ids[row]),
            from_us(int(block.times_us[row])),
            block.basis,
            None if np.isnan(block.co2_kg_per_h[row]) else float(block.co2_kg_per_h[row]),
            None if np.isnan(block.factor_ids[row]) else int(block.factor_ids[row]),
        )
        for block in converted.blocks
        for row in range(len(block.times_us))
    ]


def rates(*readings: Reading, live: LiveConverter | None = None) -> list[float | None]:
    return [row.co2_kg_per_h for row in convert(live or converter(), *readings)]


def test_the_rate_quantity_is_taken_where_it_is_there() -> None:
    (row,) = convert(converter(), reading(METER, 0, power_kw=12.0, energy_import_kwh=5.0))
    assert row.co2_kg_per_h == pytest.approx(12.0 * factor("power"), rel=1e-12)
    assert (row.source_id, row.device_id, row.basis, row.time) == (10, 1, "location", NOW)
    assert row.factor_id == compile_conversions(registry(), FACTORS, NOW)[METER][0].factor.factor_id


def test_power_fed_back_is_no_purchase() -> None:
    assert rates(reading(METER, 0, power_kw=-5.0)) == [0.0]


def test_else_the_register_counts() -> None:
    found = rates(
        reading(METER, 0, energy_import_kwh=998.0),
        reading(METER, 30, energy_import_kwh=999.0),
        reading(METER, 60, energy_import_kwh=1.0),  # rolled over at 1000
        reading(METER, 90, energy_import_kwh=0.5),  # back, without an event
        reading(METER, 120, power_kw=6.0),
        reading(METER, 150, energy_import_kwh=1.0),  # since the value at 90
        reading(METER, 400, energy_import_kwh=2.0),  # after more than 3 intervals
    )
    per_h = factor("power") * 120
    assert found[0] is None
    assert found[1:3] == pytest.approx([1.0 * per_h, 2.0 * per_h])
    assert found[3] is None
    assert found[4] == pytest.approx(6.0 * factor("power"))
    assert found[5] == pytest.approx(0.5 * factor("power") * 60)
    assert found[6] is None


def test_only_what_counts_counts() -> None:
    found = rates(
        reading(METER, 0, power_kw=1.0, status=FAULT),
        reading(METER, 30, energy_import_kwh=10.0, status=MANUAL),
        reading(METER, 60, energy_import_kwh=11.0, power_kw=7.0, status=MANUAL),
        reading(METER, 90, energy_import_kwh=99.0, status=FAULT),
        reading(METER, 120, energy_import_kwh=12.0),
    )
    per_h = factor("power")
    assert found == [None, None, pytest.approx(120 * per_h), None, pytest.approx(60 * per_h)]


def test_what_is_not_named_holds_for_three_intervals() -> None:
    gas = line_gas()
    live = converter(gas)
    full = rates(reading(GAS, 0, flow_m3_h=10.0, temperature_c=20.0, pressure_kpa=100.0), live=live)
    parts = rates(
        reading(GAS, 60, flow_m3_h=20.0),
        reading(GAS, 120, temperature_c=20.0),
        reading(GAS, 120 + 1, return_temperature_c=20.0),  # nothing of it: no row
        reading(GAS, 180, pressure_kpa=100.0, temperature_c=20.0),
        reading(GAS, 240, temperature_c=20.0),  # the flow is of 180 s ago
        reading(GAS, 241, temperature_c=20.0),  # and now of more than 3 intervals: no row
        reading(GAS, 300, flow_m3_h=10.0),
        live=live,
    )
    (rate,) = full
    assert rate is not None
    twice = pytest.approx(2 * rate)
    assert parts == [twice, twice, twice, twice, pytest.approx(rate)]


def test_what_is_not_valid_holds_nothing() -> None:
    live = converter(line_gas())
    everything: dict[str, Any] = {"flow_m3_h": 10.0, "temperature_c": 20.0, "pressure_kpa": 100.0}
    word = reading(GAS, 60, flow_m3_h=10.0)._replace(quantity_status='{"pressure_kpa":"fault"}')
    found = rates(
        reading(GAS, 0, **everything), word, reading(GAS, 120, flow_m3_h=10.0), reading(GAS, 121), live=live
    )
    assert [rate is None for rate in found] == [False, True]
    assert [rate is None for rate in rates(reading(GAS, 130, pressure_kpa=100.0), live=live)] == [False]


def test_a_mean_over_an_interval_holds_for_its_own_instant_alone() -> None:
    live = converter(line_gas(gauges="interval_mean"))
    together = reading(GAS, 0, flow_m3_h=10.0, temperature_c=20.0, pressure_kpa=100.0)
    found = [
        *rates(together, live=live),
        *rates(reading(GAS, 60, flow_m3_h=10.0, temperature_c=20.0), live=live),
        *rates(reading(GAS, 60, pressure_kpa=100.0), live=live),
    ]
    assert [rate is None for rate in found] == [False, False]


def test_status_by_quantity() -> None:
    odd = reading(METER, 0, power_kw=1.0, voltage_v=230.0)._replace(quantity_status='{"voltage_v":"fault"}')
    bad = reading(METER, 30, power_kw=1.0, voltage_v=230.0)._replace(quantity_status='{"power_kw":"fault"}')
    assert rates(odd, bad) == [pytest.approx(factor("power")), None]


def test_more_than_the_rating_allows_is_unknown() -> None:
    found = rates(*(reading(GAS, 60 * i, volume_nm3=value) for i, value in enumerate([0, 1.0, 500.0, 501.0])))
    per_h = 60 * factor("gas")
    assert found == [None, pytest.approx(per_h), None, pytest.approx(per_h)]


def test_a_replaced_register_is_no_movement() -> None:
    document = registry().model_dump(by_alias=True)
    event = {"type": "meter_replaced", "device": "meter/main", "at": NOW + timedelta(seconds=45)}
    document["sites"]["site"]["events"] = [
        event | {"final": {"energy_import_kwh": 12.0}, "initial": {"energy_import_kwh": 12.5}}
    ]
    replaced = Registry.model_validate(document)
    assert next_change(replaced, FACTORS, NOW, NOW + timedelta(days=1)) == event["at"]
    live = LiveConverter(References(replaced, FACTORS, IDS, SOURCES), NOW + timedelta(seconds=50))
    found = rates(*(reading(METER, 30 * i, energy_import_kwh=12.0 + i) for i in range(4)), live=live)
    assert [rate is None for rate in found] == [True, False, True, False]


def test_unknown_is_null_and_unassigned_is_nothing() -> None:
    rows = convert(converter(), reading(COAL, 0, rate_t_h=10.0, running=True))
    by_source = {row.source_id: row.co2_kg_per_h for row in rows}
    assert by_source == {12: pytest.approx(10.0 * factor("coal")), 13: None}
    assert convert(converter(), reading(DeviceKey("site", Kind.METER, "stranger"), 0, power_kw=1.0)) == []


def test_a_new_registry_inherits_the_registers() -> None:
    before = converter()
    assert rates(reading(METER, 0, energy_import_kwh=10.0), live=before) == [None]
    document = registry(multiplier=100)
    after = converter(document)
    after.inherit(before)
    assert rates(reading(METER, 30, energy_import_kwh=10.5), live=after) == [
        pytest.approx(0.5 * 120 * 100 * factor("power"))
    ]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([METER, DeviceKey("site", Kind.METER, "stranger")]),
        st.sampled_from([10, 30, 95]),
        st.none() | st.floats(0, 999),
        st.none() | st.floats(0, 50),
        st.none() | st.just(230.0),
        st.sampled_from([0, 0, FAULT, MANUAL]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 5))
def test_batches_make_no_difference(steps: list[tuple[Any, ...]], size: int) -> None:
    readings, second = [], 0
    for device, wait, energy, power, voltage, status in steps:
        second += wait
        sent = {"energy_import_kwh": energy, "power_kw": power, "voltage_v": voltage}
        readings.append(reading(device, second, status, **sent))
    together = converter()
    in_batches = converter()
    cut = [
        row for at in range(0, len(readings), size) for row in convert(in_batches, *readings[at : at + size])
    ]
    assert convert(together, *readings) == cut


def apply(url: str, document: Registry) -> None:
    async def steps() -> None:
        async with await connect(url, name="test") as connection:
            await apply_registry(connection, await plan_registry(connection, document))

    asyncio.run(steps())


def live_rows(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT extract(epoch FROM %s - time)::integer, source, co2_kg_per_h "
        "FROM api.emissions_rate ORDER BY time",
        [NOW],
    )


def test_written_with_the_readings(database_url: str, database: Database) -> None:
    apply(database_url, registry())

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            await ingest.write(
                message("site", at(90, power_kw=1), "main"),
                message("site", at(60, energy_import_kwh=5), "main"),
            )
            await ingest.write(message("site", at(75, power_kw=2), "main"))  # late: no rate
            await ingest.write(message("site", at(90, voltage_v=3), "main"))  # merged, not the newest
            await ingest.write(message("site", at(60, voltage_v=3), "main"))  # merged, but nothing of power
        async with Ingest(database_url) as ingest:  # finds the register of the one before
            await ingest.write(
                message("site", at(30, energy_import_kwh=6), "main"),
                message("site", at(30, power_kw=6), "stranger"),
            )

    asyncio.run(steps())
    kg = factor("power")
    assert live_rows(database) == [
        (90, "power", pytest.approx(kg)),
        (60, "power", pytest.approx(kg)),  # what it showed before holds
        (30, "power", pytest.approx(120 * kg)),
    ]


def test_the_rest_of_the_newest_reading_completes_its_rate(
    role_url: Callable[[str], str], database_url: str, database: Database
) -> None:
    apply(database_url, registry())

    async def steps() -> None:
        async with Ingest(role_url("carbonflow_ingest")) as ingest:
            await ingest.write(message("site", at(90, power_kw=1), "main"))
            await ingest.write(message("site", at(60, energy_import_kwh=5), "main"))
            await ingest.write(message("site", at(60, power_kw=3), "main"))
            await ingest.write(message("site", at(60, power_kw=3, current_a=1), "main"))
            await ingest.write(message("site", at(30, power_kw=5), "main"))
            await ingest.write(message("site", at(30, energy_import_kwh=6), "main"))
            await ingest.write(message("site", at(60, frequency_hz=50), "main"))
        async with Ingest(database_url) as ingest:
            await ingest.write(message("site", at(30, power_factor=1), "main"))
            await ingest.write(message("site", at(15, energy_import_kwh=6.5), "main"))
            await ingest.write(
                message("site", at(15, power_kw=8), "main"), message("site", at(5, power_kw=9), "main")
            )

    asyncio.run(steps())
    kg = factor("power")
    assert live_rows(database) == [
        (90, "power", pytest.approx(kg)),
        (60, "power", pytest.approx(kg)),  # told already, from what was held
        (30, "power", pytest.approx(5 * kg)),
        (15, "power", pytest.approx(120 * kg)),  # a newer one was there already when the rest came
        (5, "power", pytest.approx(9 * kg)),
    ]


def test_a_device_that_always_sends_in_parts(database_url: str, database: Database) -> None:
    apply(database_url, line_gas())

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            for second, flow, pressure in ((120, 10, 100), (60, 20, 200)):
                first = at(second, flow_m3_h=flow, temperature_c=20)
                await ingest.write(message("site", first, "gas", "flowmeter"))
                rest = at(second, pressure_kpa=pressure)
                await ingest.write(message("site", rest, "gas", "flowmeter"))

    asyncio.run(steps())
    (rate,) = rates(
        reading(GAS, 0, flow_m3_h=10.0, temperature_c=20.0, pressure_kpa=100.0), live=converter(line_gas())
    )
    assert rate is not None
    assert live_rows(database) == [(120, "gas", pytest.approx(rate)), (60, "gas", pytest.approx(2 * rate))]


def test_a_registry_applied_meanwhile_is_loaded(database_url: str, database: Database) -> None:
    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            await ingest.write(message("site", at(90, power_kw=1), "main"))
            await asyncio.to_thread(apply, database_url, registry())
            await ingest.reference.refresh()
            await ingest.write(message("site", at(60, power_kw=2), "main"))

    asyncio.run(steps())
    assert live_rows(database) == [(60, "power", pytest.approx(2 * factor("power")))]


def test_a_conversion_that_begins_later_is_compiled_then(database_url: str, database: Database) -> None:
    begins = NOW + timedelta(hours=1)
    document = registry().model_dump(by_alias=True)
    document["sites"]["site"]["sources"]["power"]["facts"][0]["from"] = begins
    apply(database_url, Registry.model_validate(document))
    now = [NOW]

    async def steps() -> None:
        async with Ingest(database_url, clock=lambda: now[0]) as ingest:
            await ingest.write(message("site", at(90, power_kw=1), "main"))
            now[0] = begins
            await ingest.reference.refresh()
            await ingest.write(message("site", at(60, power_kw=2), "main"))

    asyncio.run(steps())
    assert [row[0] for row in live_rows(database)] == [60]
