"""Hours of registers and gauges: consumption, means, coverage, what is estimated."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.domain.ledger.hours import from_us
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey
from tests.ledger.conftest import T0, MakeWorld, World, approx, reading

METER = DeviceKey("s", Kind.METER, "m")
CEMS = DeviceKey("s", Kind.CEMS, "c")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
H = timedelta(hours=1)


@pytest.fixture
def meter(world: MakeWorld) -> World:
    register = {"modulus": 1e6, "resolution": 0.01}
    return world({"meter/m": {"interval_s": 900, "registers": {"energy_import_kwh": register}}})


def test_a_register_counts_what_it_moved_by(meter: World) -> None:
    rows = [reading(METER, 900 * i, energy_import_kwh=100.0 + 2.5 * i) for i in range(9)]
    hours = meter.hours(rows, "energy_import_kwh")
    first = hours[T0]
    assert (first.readings, first.min, first.max, first.first, first.last) == (4, 100.0, 107.5, 100.0, 107.5)
    assert first.consumption == approx(10.0)
    assert first.mean is None
    assert (first.coverage, first.estimated) == (1.0, False)
    assert hours[T0 + H].consumption == approx(10.0)
    # The last reading is at the very beginning of the third hour: it is in it, but covers nothing of it.
    assert (hours[T0 + 2 * H].readings, hours[T0 + 2 * H].consumption) == (1, None)
    assert hours[T0 + 2 * H].coverage == 0.0


def test_a_step_over_the_hour_is_divided_by_time(meter: World) -> None:
    rows = [reading(METER, 3000, energy_import_kwh=0.0), reading(METER, 3900, energy_import_kwh=9.0)]
    hours = meter.hours(rows, "energy_import_kwh")
    assert hours[T0].consumption == approx(6.0)
    assert hours[T0 + H].consumption == approx(3.0)
    assert hours[T0].coverage == approx(600 / 3600)


def test_a_register_rolls_over(meter: World) -> None:
    rows = [
        reading(METER, 0, energy_import_kwh=999_998.75),
        reading(METER, 900, energy_import_kwh=12.5),
    ]
    assert meter.hours(rows, "energy_import_kwh")[T0].consumption == approx(13.75)


def test_an_outage_is_spread_over_its_hours(meter: World) -> None:
    rows = [
        reading(METER, 0, energy_import_kwh=0.0),
        reading(METER, 900, energy_import_kwh=1.0),
        reading(METER, 900 + 5 * 3600, energy_import_kwh=51.0),
        reading(METER, 1800 + 5 * 3600, energy_import_kwh=52.0),
    ]
    hours = meter.hours(rows, "energy_import_kwh")
    assert [hours[T0 + i * H].consumption for i in range(6)] == approx([8.5, 10, 10, 10, 10, 3.5])
    assert [hours[T0 + i * H].estimated for i in range(6)] == [True] * 6
    assert [hours[T0 + i * H].coverage for i in range(6)] == [0.25, 0, 0, 0, 0, 0.25]
    assert [hours[T0 + i * H].readings for i in range(6)] == [2, 0, 0, 0, 0, 2]


def test_three_intervals_are_no_outage_yet(meter: World) -> None:
    rows = [reading(METER, 0, energy_import_kwh=0.0), reading(METER, 2700, energy_import_kwh=3.0)]
    assert meter.hours(rows, "energy_import_kwh")[T0].estimated is False
    rows[1] = reading(METER, 2701, energy_import_kwh=3.0)
    assert meter.hours(rows, "energy_import_kwh")[T0].estimated is True


def test_an_unexplained_step_back_is_a_gap(meter: World) -> None:
    values = [100.0, 101.0, 5.0, 6.0, 7.0]
    rows = [reading(METER, 900 * i, energy_import_kwh=value) for i, value in enumerate(values)]
    hour = meter.hours(rows, "energy_import_kwh")[T0]
    assert hour.consumption == approx(3.0)
    assert hour.coverage == 0.75


def test_more_than_the_rating_is_not_booked(world: MakeWorld) -> None:
    rated = world({"meter/m": {"interval_s": 900, "rated_power_kw": 100}})
    values = [0.0, 20.0, 53_700.0, 53_720.0, 53_740.0]
    rows = [reading(METER, 900 * i, energy_import_kwh=value) for i, value in enumerate(values)]
    hour = rated.hours(rows, "energy_import_kwh")[T0]
    assert (hour.consumption, hour.coverage) == (approx(60.0), 0.75)


def test_the_rating_is_of_what_flows_behind_the_transformer(world: MakeWorld) -> None:
    rated = world({"meter/m": {"interval_s": 900, "rated_power_kw": 100, "multiplier": 10}})
    rows = [reading(METER, 0, energy_import_kwh=0.0), reading(METER, 900, energy_import_kwh=20.0)]
    hour = rated.hours(rows, "energy_import_kwh")[T0]
    assert (hour.readings, hour.consumption) == (2, None)  # 200 kWh in a quarter of an hour


def test_the_rated_flow_is_of_the_energy_quantity(world: MakeWorld) -> None:
    gas = DeviceKey("s", Kind.FLOWMETER, "g")
    rated = world(
        {"flowmeter/g": {"interval_s": 900, "rated_flow": 10, "energy_quantity": "volume_m3", "carrier": "x"}}
    )
    rows = [
        reading(gas, 0, volume_m3=0.0, volume_nm3=0.0),
        reading(gas, 900, volume_m3=9.0, volume_nm3=45.0),
        reading(gas, 1800, volume_m3=11.0, volume_nm3=55.0),
    ]
    assert rated.hours(rows, "volume_m3")[T0].consumption == approx(2.0)
    assert rated.hours(rows, "volume_nm3")[T0].consumption == approx(55.0)


def test_a_replaced_meter_goes_on_where_the_old_one_ended(world: MakeWorld) -> None:
    event = {
        "type": "meter_replaced",
        "device": "meter/m",
        "at": T0 + timedelta(seconds=1200),
        "final": {"energy_import_kwh": 5004.0},
        "initial": {"energy_import_kwh": 0.5},
    }
    swapped = world({"meter/m": {"interval_s": 900}}, events=[event])
    rows = [
        reading(METER, 0, energy_import_kwh=5000.0),
        reading(METER, 900, energy_import_kwh=5003.0),
        reading(METER, 1800, energy_import_kwh=2.5),
        reading(METER, 2700, energy_import_kwh=5.5),
        reading(METER, 3600, energy_import_kwh=8.5),
    ]
    hour = swapped.hours(rows, "energy_import_kwh")[T0]
    assert hour.consumption == approx(3.0 + 1.0 + 2.0 + 3.0 + 3.0)
    assert (hour.coverage, hour.estimated) == (1.0, False)


@pytest.mark.parametrize("shown", [5004.0, 0.5], ids=["by the old meter", "by the new one"])
def test_a_reading_at_the_very_moment_of_the_swap_loses_nothing(world: MakeWorld, shown: float) -> None:
    event = {
        "type": "meter_replaced",
        "device": "meter/m",
        "at": T0 + timedelta(seconds=900),
        "final": {"energy_import_kwh": 5004.0},
        "initial": {"energy_import_kwh": 0.5},
    }
    swapped = world({"meter/m": {"interval_s": 900}}, events=[event])
    rows = [
        reading(METER, 0, energy_import_kwh=5000.0),
        reading(METER, 900, energy_import_kwh=shown),
        reading(METER, 1800, energy_import_kwh=2.5),
    ]
    assert swapped.hours(rows, "energy_import_kwh")[T0].consumption == approx(6.0)


def test_an_event_outside_the_readings_moves_nothing(world: MakeWorld) -> None:
    events = [
        {
            "type": "meter_replaced",
            "device": "meter/m",
            "at": T0 + timedelta(days=days),
            "final": {"energy_import_kwh": 9e5},
            "initial": {"energy_import_kwh": 0.0},
        }
        for days in (-3, 3)
    ]
    swapped = world({"meter/m": {"interval_s": 900}}, events=events)
    rows = [reading(METER, 0, energy_import_kwh=10.0), reading(METER, 900, energy_import_kwh=11.0)]
    ledger = swapped.ledger(rows)
    assert [(row.hour, row.consumption) for row in ledger.device_hours] == [(T0, 1.0)]


def test_manual_readings_of_a_register_count_and_are_marked(meter: World) -> None:
    rows = [
        reading(METER, 0, energy_import_kwh=0.0, power_kw=5.0),
        reading(METER, 900, Status.MANUAL, energy_import_kwh=2.0, power_kw=7.0),
        reading(METER, 1800, energy_import_kwh=3.0, power_kw=5.0),
    ]
    register = meter.hours(rows, "energy_import_kwh")[T0]
    assert (register.consumption, register.readings, register.estimated) == (approx(3.0), 3, True)
    gauge = meter.hours(rows, "power_kw")[T0]
    assert (gauge.readings, gauge.mean) == (2, 5.0)


def test_values_with_another_status_never_count(meter: World) -> None:
    rows = [
        reading(METER, 0, energy_import_kwh=0.0),
        reading(METER, 900, Status.FAULT, energy_import_kwh=777.0),
        reading(METER, 1800, {"energy_import_kwh": "calibration"}, energy_import_kwh=888.0, power_kw=1.0),
        reading(METER, 2700, energy_import_kwh=3.0),
    ]
    hour = meter.hours(rows, "energy_import_kwh")[T0]
    assert (hour.readings, hour.max, hour.consumption, hour.coverage) == (2, 3.0, approx(3.0), 0.75)
    assert meter.hours(rows, "power_kw")[T0].readings == 1


def test_a_repeated_frame_is_no_idle_quarter_hour(world: MakeWorld) -> None:
    values = [0.0, 4.0, 4.0, 12.0, 12.0, 12.0, 13.0]
    rows = [reading(METER, 1800 * i, energy_import_kwh=value) for i, value in enumerate(values)]
    repeating = world({"meter/m": {"interval_s": 1800, "repeats_frames": True}})
    plain = world({"meter/m": {"interval_s": 1800}})
    hour = repeating.hours(rows, "energy_import_kwh")
    # What follows the repeated frame is spread over both intervals. Of the longer run only the second is a
    # repetition: the device stands still.
    assert [hour[T0 + i * H].consumption for i in range(3)] == approx([8.0, 4.0, 1.0])
    hour = plain.hours(rows, "energy_import_kwh")
    assert [hour[T0 + i * H].consumption for i in range(3)] == approx([4.0, 8.0, 1.0])


def test_a_gauge_holds_until_the_next_reading(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 600}})
    rows = [reading(METER, 0, power_kw=10.0), reading(METER, 900, power_kw=40.0)]
    hour = site.hours(rows, "power_kw")[T0]
    # 10 kW for 900 s, then 40 kW for three intervals
    assert hour.coverage == approx((900 + 1800) / 3600)
    assert hour.mean == approx((10 * 900 + 40 * 1800) / 2700)
    assert (hour.min, hour.max, hour.first, hour.last, hour.consumption) == (10.0, 40.0, 10.0, 40.0, None)


def test_a_gauge_holds_into_the_next_hour(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 600}})
    hours = site.hours([reading(METER, 3000, power_kw=10.0)], "power_kw")
    assert (hours[T0].coverage, hours[T0].readings) == (approx(600 / 3600), 1)
    assert (hours[T0 + H].coverage, hours[T0 + H].readings) == (approx(1200 / 3600), 0)
    assert (hours[T0 + H].mean, hours[T0 + H].first) == (10.0, None)


def test_a_status_that_does_not_count_ends_the_hold(world: MakeWorld) -> None:
    site = world({"cems/c": {"interval_s": 600}})
    rows = [
        reading(CEMS, 0, co2_pct=10.0, o2_pct=5.0),
        reading(CEMS, 300, {"co2_pct": "calibration"}, co2_pct=99.0, o2_pct=6.0),
        reading(CEMS, 600, {"co2_pct": "fault"}, o2_pct=6.0),
        reading(CEMS, 900, o2_pct=7.0),
    ]
    co2 = site.hours(rows, "co2_pct")[T0]
    assert (co2.readings, co2.mean, co2.max) == (1, 10.0, 10.0)
    assert co2.coverage == approx(300 / 3600)
    assert site.hours(rows, "o2_pct")[T0].coverage == approx((900 + 1800) / 3600)


def test_a_quantity_that_is_not_in_a_reading_holds_on(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 600}})
    rows = [reading(METER, 0, power_kw=10.0), reading(METER, 600, Status.FAULT, voltage_v=230.0)]
    assert site.hours(rows, "power_kw")[T0].coverage == approx(1800 / 3600)


def test_means_are_of_the_interval_that_ends(world: MakeWorld) -> None:
    site = world({"cems/c": {"interval_s": 900, "gauges": "interval_mean"}})
    rows = [
        reading(CEMS, 900, co2_pct=10.0),
        reading(CEMS, 1800, co2_pct=12.0),
        reading(CEMS, 2700, Status.FAULT, co2_pct=99.0),
        reading(CEMS, 3600, co2_pct=14.0),
        reading(CEMS, 3600 + 4500, co2_pct=20.0),
    ]
    hours = site.hours(rows, "co2_pct")
    assert hours[T0].mean == approx(12.0)  # (10 + 12 + 14) / 3: the interval of the fault is unknown
    assert hours[T0].coverage == 0.75
    # The value at 02:15 comes after five silent intervals and is of its own; the one on the full hour belongs
    # to the hour before.
    assert (hours[T0 + H].mean, hours[T0 + H].coverage) == (None, 0.0)
    assert (hours[T0 + 2 * H].mean, hours[T0 + 2 * H].coverage) == (20.0, 0.25)


def test_a_mean_reaches_back_to_the_reading_before_it(world: MakeWorld) -> None:
    site = world({"cems/c": {"interval_s": 600, "gauges": "interval_mean"}})
    rows = [reading(CEMS, 1800, co2_pct=10.0), reading(CEMS, 3600, co2_pct=13.0)]
    hour = site.hours(rows, "co2_pct")[T0]
    # The first is of one interval; the second, two readings later than expected, of all three.
    assert hour.coverage == approx((600 + 1800) / 3600)
    assert hour.mean == approx((10.0 * 600 + 13.0 * 1800) / 2400)
    rows[1] = reading(CEMS, 3601, co2_pct=13.0)
    assert site.hours(rows, "co2_pct")[T0].coverage == approx((600 + 599) / 3600)


def test_the_belt_ran_for_a_part_of_the_hour(world: MakeWorld) -> None:
    site = world({"beltscale/b": {"interval_s": 1200}})
    rows = [reading(BELT, 1200 * i, running=i != 1) for i in range(3)]
    hour = site.hours(rows, "running")[T0]
    assert (hour.mean, hour.min, hour.max) == (approx(2 / 3), 0.0, 1.0)


def test_of_a_device_nobody_registered_only_what_needs_no_interval_is_known(world: MakeWorld) -> None:
    site = world({})
    rows = [reading(METER, 900 * i, energy_import_kwh=float(i), power_kw=4.0) for i in range(5)]
    register = site.hours(rows, "energy_import_kwh")[T0]
    assert (register.readings, register.consumption, register.coverage) == (4, approx(4.0), 0.0)
    assert register.estimated is False
    gauge = site.hours(rows, "power_kw")[T0]
    assert (gauge.readings, gauge.mean, gauge.max, gauge.coverage) == (4, None, 4.0, 0.0)


def test_unregistered_sites_use_utc_and_registered_ones_their_clock(world: MakeWorld) -> None:
    site = world({}, timezone="Asia/Kolkata")
    stranger = DeviceKey("elsewhere", Kind.METER, "m")
    hours = {row.device: row.hour for row in site.ledger([reading(METER, 0, power_kw=1.0)]).device_hours}
    hours |= {row.device: row.hour for row in site.ledger([reading(stranger, 0, power_kw=1.0)]).device_hours}
    assert hours == {METER: T0 - timedelta(minutes=30), stranger: T0}


def test_facts_hold_from_their_day_on(world: MakeWorld) -> None:
    facts = [
        {"from": "2020-01-01T00:00:00Z", "interval_s": 300},
        {"from": (T0 + H).isoformat(), "interval_s": 1200},
    ]
    site = world({"meter/m": {"facts": facts}})
    hours = site.hours([reading(METER, 0, power_kw=1.0), reading(METER, 3600, power_kw=1.0)], "power_kw")
    assert hours[T0].coverage == approx(900 / 3600)
    assert hours[T0 + H].coverage == 1.0


def test_what_ended_is_no_longer_known(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 900}}, ended=T0 + timedelta(minutes=30))
    rows = [reading(METER, 900 * i, power_kw=1.0) for i in range(4)]
    assert site.hours(rows, "power_kw")[T0].coverage == 0.5


def test_a_register_that_is_not_in_every_reading(meter: World) -> None:
    rows = [reading(METER, 300 * i, power_kw=1.0) for i in range(12)]
    rows += [
        reading(METER, 60, energy_import_kwh=1.0),
        reading(METER, 60 + 1800, energy_import_kwh=2.0),
        reading(METER, 60 + 3600, energy_import_kwh=4.0),
    ]
    hour = meter.hours(rows, "energy_import_kwh")[T0]
    assert hour.consumption == approx(1.0 + 2.0 * (1800 - 60) / 1800)


def test_readings_may_be_at_any_instant_of_the_time_there_is(meter: World) -> None:
    old = datetime(2003, 1, 1, tzinfo=T0.tzinfo)
    rows = [reading(METER, old, energy_import_kwh=1.0), reading(METER, T0, energy_import_kwh=4.0)]
    window = meter.hull(METER, [T0 - H])
    ledger = meter.ledger(rows, {METER: window}, {})
    part = (T0 - from_us(window.begin_us)) / (T0 - old)
    assert sum(row.consumption or 0.0 for row in ledger.device_hours) == approx(3.0 * part)
