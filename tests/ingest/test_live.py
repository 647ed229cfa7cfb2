"""Live emissions: what each reading in order emits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.conversion import compile_conversions
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References, next_change
from tests.ingest.live import (
    COAL,
    FACTORS,
    FAULT,
    GAS,
    IDS,
    MANUAL,
    METER,
    SOURCES,
    convert,
    converter,
    factor,
    line_gas,
    rates,
    reading,
    registry,
)
from tests.ingest.test_write import NOW


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
