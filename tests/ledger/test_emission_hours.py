"""Hours of emission sources and of the energy view, against published figures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import T0, MakeWorld, World, approx, reading

METER = DeviceKey("s", Kind.METER, "m")
OTHER = DeviceKey("s", Kind.METER, "n")
CEMS = DeviceKey("s", Kind.CEMS, "c")
FLOW = DeviceKey("s", Kind.FLOWMETER, "f")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
H = timedelta(hours=1)

GRID: dict[str, Any] = {
    "scope": 2,
    "method": "electricity",
    "carrier": "electricity",
    "area": "a",
    "devices": ["meter/m"],
    "quantity": "energy_import_kwh",
    "factor_set": "CN_MEE_PROVINCE",
    "in_total": True,
}
POWER = {**GRID, "devices": ["meter/n"], "quantity": "power_kw"}
HJ75: dict[str, Any] = {
    "velocity_m_s": 12.35,
    "temperature_c": 52.0,
    "barometric_pressure_pa": 101_200.0,
    "static_pressure_pa": -150.0,
    "moisture_pct": 11.5,
    "co2_pct": 11.8,
}
STACK = {"scope": 1, "method": "cems", "carrier": "flue_gas", "devices": ["cems/c"], "in_total": True}
ANALYSER = {"interval_s": 900, "analyser": "dry", "duct_area_m2": 50.24}


def energy(device: DeviceKey, per_quarter: float, quarters: range) -> list[Reading]:
    return [reading(device, 900 * i, energy_import_kwh=per_quarter * i) for i in quarters]


def test_electricity_by_the_factor_of_the_province(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 900}}, {"grid": GRID})
    hour = site.emissions(energy(METER, 25.0, range(6)), "grid")[T0]
    # Shanghai 2023, 0.5737 kg/kWh: the newest published, standing in for 2026
    assert (hour.activity, hour.activity_unit) == (approx(100.0), "kWh")
    assert hour.co2_kg == approx(57.37)
    assert hour.factor == "CN_MEE_PROVINCE_2023/electricity_CN-SH"
    assert hour.factor_provisional is True
    assert (hour.source.basis, hour.area, hour.in_total) == ("location", "a", True)
    assert (hour.coverage, hour.estimated, hour.missing_reason) == (1.0, False, None)
    assert (hour.ch4_kg, hour.co2e_kg, hour.gwp_set) == (None, None, None)  # the table has CO2 only


def test_the_ratio_of_the_transformers_counts_from_its_day_on(world: MakeWorld) -> None:
    facts = [
        {"from": "2020-01-01T00:00:00Z", "interval_s": 900, "multiplier": 10},
        {"from": (T0 + timedelta(minutes=30)).isoformat(), "multiplier": 20},
    ]
    site = world({"meter/m": {"facts": facts}}, {"grid": GRID})
    rows = energy(METER, 1.0, range(6))
    assert site.emissions(rows, "grid")[T0].activity == approx(2 * 10 + 2 * 20)
    # The register itself is shown as the device sends it.
    assert site.hours(rows, "energy_import_kwh")[T0].consumption == approx(4.0)


def test_a_place_without_a_published_factor_has_no_number(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 900}}, {"grid": {**GRID, "region": "CN-XZ"}})
    hour = site.emissions(energy(METER, 25.0, range(6)), "grid")[T0]
    assert (hour.co2_kg, hour.activity) == (None, approx(100.0))
    assert hour.missing_reason is not None
    assert "CN-XZ" in hour.missing_reason


def test_gas_metered_at_20_degrees_by_a_factor_at_0(world: MakeWorld) -> None:
    source = {
        "scope": 1,
        "method": "fuel",
        "carrier": "natural_gas",
        "devices": ["flowmeter/f"],
        "quantity": "volume_nm3",
        "factor_set": "CN_NDRC_2.1",
        "factor_base_state": "0C",
    }
    site = world({"flowmeter/f": {"interval_s": 900, "base_state": "20C"}}, {"boiler": source})
    rows = [reading(FLOW, 900 * i, volume_nm3=250.0 * i) for i in range(6)]
    hour = site.emissions(rows, "boiler")[T0]
    assert hour.activity == approx(1000 * 273.15 / 293.15)
    assert hour.co2_kg == approx(1000 * 273.15 / 293.15 * 2.1621888, rel=1e-6)


def test_saturated_steam_by_its_register(world: MakeWorld) -> None:
    source = {
        "scope": 2,
        "method": "heat",
        "carrier": "steam",
        "devices": ["flowmeter/f"],
        "quantity": "mass_t",
        "medium": "saturated_steam_by_pressure",
        "factor_set": "CN_GBT32150_2025",
        "factor_fuel": "heat_purchased",
    }
    site = world({"flowmeter/f": {"interval_s": 900, "pressure_reference": "absolute"}}, {"steam": source})
    rows = [reading(FLOW, 900 * i, mass_t=120.5 / 4 * i, pressure_kpa=800.0) for i in range(6)]
    hour = site.emissions(rows, "steam")[T0]
    assert (hour.activity, hour.activity_unit) == (approx(323.4898, abs=2e-3), "GJ")
    assert hour.co2_kg == approx(35_583.9, abs=0.3)

    # Where the pressure of one reading is no good, the two steps beside it are unknown; the rest is told.
    rows[2] = reading(FLOW, 1800, {"pressure_kpa": "fault"}, mass_t=120.5 / 4 * 2, pressure_kpa=1.0)
    hour = site.emissions(rows, "steam")[T0]
    assert (hour.coverage, hour.activity) == (0.5, approx(323.4898 / 2, abs=1e-3))
    rows = [reading(FLOW, 900 * i, mass_t=30.0 * i) for i in range(6)]
    hour = site.emissions(rows, "steam")[T0]
    assert (hour.co2_kg, hour.activity, hour.coverage) == (None, None, 0.0)
    assert hour.missing_reason == "input pressure_kpa missing"


def test_what_makes_heat_unknown_is_named(world: MakeWorld) -> None:
    source: dict[str, Any] = {
        "scope": 2,
        "method": "heat",
        "carrier": "steam",
        "devices": ["flowmeter/f"],
        "quantity": "mass_t",
        "factor_set": "CN_GBT32150_2025",
        "factor_fuel": "heat_purchased",
    }

    def reason(medium: str, **inputs: float) -> str | None:
        devices = {"flowmeter/f": {"interval_s": 900, "pressure_reference": "absolute"}}
        site = world(devices, {"steam": {**source, "medium": medium}})
        rows = [reading(FLOW, 900 * i, Status.VALID, mass_t=30.0 * i, **inputs) for i in range(5)]
        return site.emissions(rows, "steam")[T0].missing_reason

    # Tsat(1 MPa) is 179.9 degC.
    assert reason("superheated_steam", pressure_kpa=1000.0, temperature_c=178.0) is None
    wet = "steam colder than saturation at its pressure: water, or a sensor at fault"
    assert reason("superheated_steam", pressure_kpa=1000.0, temperature_c=177.0) == wet
    assert reason("superheated_steam", temperature_c=177.0) == "input pressure_kpa missing"
    hot = {"pressure_kpa": 1000.0, "temperature_c": 900.0}
    assert reason("superheated_steam", **hot) == "inputs outside the range of the formula"
    boiling = "water hotter than saturation at its pressure: it would boil, or a sensor is at fault"
    circuit = {"temperature_c": 230.0, "return_temperature_c": 60.0}
    assert reason("hot_water_closed", **circuit) == boiling  # Tsat(1.6 MPa) is 201.4 degC
    assert reason("hot_water_closed", temperature_c=90.0) == "input return_temperature_c missing"
    swapped = "return warmer than the supply: sensors swapped, or a circuit that cools"
    assert reason("hot_water_closed", temperature_c=50.0, return_temperature_c=60.0) == swapped
    assert reason("hot_water_closed", temperature_c=59.0, return_temperature_c=60.0) is None


def test_one_value_alone_is_not_called_invalid(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 900}, "meter/n": {}}, {"grid": GRID, "power": POWER})
    hours = site.emissions(energy(METER, 25.0, range(5)), "grid")
    assert hours[T0 + H].missing_reason == "only one valid energy_import_kwh, and none after it"
    hours = site.emissions([reading(METER, 60, voltage_v=230.0)], "grid")
    assert hours[T0].missing_reason == "no valid energy_import_kwh"
    hours = site.emissions([reading(OTHER, 60, power_kw=4.0)], "power")
    assert hours[T0].missing_reason == "power_kw cannot be held: no interval_s, or a mean of the time before"


def test_coal_over_a_belt(world: MakeWorld) -> None:
    source = {
        "scope": 1,
        "method": "fuel",
        "carrier": "bituminous_coal",
        "devices": ["beltscale/b"],
        "quantity": "mass_t",
        "factor_set": "CN_NDRC_2.1",
    }
    site = world({"beltscale/b": {"interval_s": 900}}, {"coal": source})
    rows = [reading(BELT, 900 * i, mass_t=25.0 * i, rate_t_h=1e6) for i in range(6)]
    assert site.emissions(rows, "coal")[T0].co2_kg == approx(207_150.9, abs=0.1)


def test_a_stack_held_for_an_hour(world: MakeWorld) -> None:
    site = world({"cems/c": ANALYSER}, {"stack": STACK})
    rows = [reading(CEMS, 900 * i, **HJ75) for i in range(4)]
    hour = site.emissions(rows, "stack")[T0]
    # HJ 75: 1,656,003.885 Nm3/h dry, 383.838 t/h
    assert (hour.activity, hour.activity_unit) == (approx(383.838, abs=5e-4), "t CO2")
    assert hour.co2_kg == approx(383_838, abs=0.5)
    assert hour.coverage == 1.0


def test_a_stack_without_one_of_its_inputs(world: MakeWorld) -> None:
    site = world({"cems/c": ANALYSER}, {"stack": STACK})
    rows = [reading(CEMS, 900 * i, **HJ75) for i in range(4)]
    rows[1] = reading(CEMS, 900, {"co2_pct": "calibration"}, **HJ75)
    hour = site.emissions(rows, "stack")[T0]
    assert (hour.coverage, hour.co2_kg) == (0.75, approx(0.75 * 383_838, abs=0.5))
    dry: dict[str, Any] = {name: value for name, value in HJ75.items() if name != "moisture_pct"}
    hour = site.emissions([reading(CEMS, 900 * i, **dry) for i in range(4)], "stack")[T0]
    assert (hour.co2_kg, hour.missing_reason) == (None, "input moisture_pct missing")
    rows = [reading(CEMS, 0, **HJ75), reading(CEMS, 900, Status.FAULT, **HJ75)]
    rows += [reading(CEMS, 5000 + i, Status.FAULT, **HJ75) for i in range(3)]
    rows += [reading(CEMS, 9000, **HJ75)]
    hours = site.emissions(rows, "stack")
    assert (hours[T0].coverage, hours[T0 + H].missing_reason) == (0.25, "no valid velocity_m_s")


def test_hours_in_which_nothing_counts_have_rows(world: MakeWorld) -> None:
    site = world(
        {"cems/c": ANALYSER, "meter/m": {"interval_s": 900, "carrier": "electricity"}},
        {"stack": STACK, "grid": GRID},
    )
    rows = [reading(CEMS, 3600 * i, Status.STOPPED, **HJ75) for i in (0, 2, 8)]
    rows += [reading(CEMS, 3600 * 4, **HJ75)]
    hours = site.emissions(rows, "stack")
    assert list(hours) == [T0 + i * H for i in range(9)]
    assert {(row.co2_kg, row.coverage) for hour, row in hours.items() if hour != T0 + 4 * H} == {(None, 0.0)}
    assert hours[T0].missing_reason == hours[T0 + 8 * H].missing_reason == "no valid velocity_m_s"
    assert hours[T0 + H].missing_reason == hours[T0 + 7 * H].missing_reason == "no readings"
    stopped = [reading(METER, 900 * i, Status.STOPPED, energy_import_kwh=1.0) for i in range(5)]
    assert [row.coverage for row in site.emissions(stopped, "grid").values()] == [0.0, 0.0]


def test_inputs_that_come_in_frames_of_their_own(world: MakeWorld) -> None:
    site = world({"cems/c": ANALYSER}, {"stack": STACK})
    rows = [reading(CEMS, 900 * i, velocity_m_s=12.35) for i in range(4)]
    others: dict[str, Any] = {name: value for name, value in HJ75.items() if name != "velocity_m_s"}
    rows += [reading(CEMS, 300 + 900 * i, **others) for i in range(4)]
    hour = site.emissions(rows, "stack")[T0]
    assert hour.coverage == approx(3300 / 3600)
    assert hour.co2_kg == approx(383_838 * 3300 / 3600, abs=0.5)


def test_an_optional_input_that_is_no_longer_sent(world: MakeWorld) -> None:
    site = world({"cems/c": {**ANALYSER, "interval_s": 300}}, {"stack": STACK})
    rows = [reading(CEMS, 0, operating_fraction=0.5, **HJ75)]
    rows += [reading(CEMS, 300 * i, **HJ75) for i in range(1, 12)]
    hour = site.emissions(rows, "stack")[T0]
    assert hour.coverage == 1.0
    assert hour.co2_kg == approx(383_838 * (0.5 * 900 + 2700) / 3600, abs=0.5)


def test_carbon_streams_of_one_plant(world: MakeWorld) -> None:
    streams = [
        {"device": "beltscale/b", "quantity": "mass_t", "carbonate": "CaCO3", "purity": 0.9},
        {"device": "flowmeter/f", "quantity": "mass_t", "role": "output", "carbon_fraction": 0.01},
    ]
    source = {"scope": 1, "method": "mass_balance", "carrier": "limestone", "streams": streams}
    devices = {"beltscale/b": {"interval_s": 900}, "flowmeter/f": {"interval_s": 900}}
    site = world(devices, {"kiln": source})
    rows = [reading(BELT, 900 * i, mass_t=250.0 * i) for i in range(5)]
    rows += [reading(FLOW, 900 * i, mass_t=10.0 * i) for i in range(5)]
    hour = site.emissions(rows, "kiln")[T0]
    assert hour.co2_kg == approx(1000 * 0.9 * 439.71 - 40 * 0.01 * 44 / 12 * 1000, rel=1e-4)


def test_a_source_of_two_meters(world: MakeWorld) -> None:
    devices = {"meter/m": {"interval_s": 900}, "meter/n": {"interval_s": 900}}
    site = world(devices, {"grid": {**GRID, "devices": ["meter/m", "meter/n"]}})
    rows = energy(METER, 25.0, range(13)) + energy(OTHER, 50.0, range(5))
    rows += [reading(OTHER, 900 * i, Status.FAULT, energy_import_kwh=1.0) for i in range(5, 8)]
    hours = site.emissions(rows, "grid")
    assert hours[T0].activity == approx(300.0)
    assert hours[T0].coverage == 1.0
    assert (hours[T0 + H].co2_kg, hours[T0 + H].coverage) == (None, 0.5)
    assert hours[T0 + H].missing_reason == "meter/n: only one valid energy_import_kwh, and none after it"
    assert hours[T0 + 2 * H].missing_reason == "meter/n: no readings"


def test_rows_reach_from_the_first_reading_to_the_last(world: MakeWorld) -> None:
    site = world({"cems/c": ANALYSER, "meter/m": {"interval_s": 900}}, {"stack": STACK, "grid": GRID})
    rows = [reading(CEMS, 900 * i, **HJ75) for i in (0, 1, 25, 26)]
    hours = site.emissions(rows, "stack")
    assert list(hours) == [T0 + i * H for i in range(8)]  # the last reading holds into the eighth hour
    assert [hours[T0 + i * H].co2_kg for i in range(1, 6)] == [None] * 5
    assert {hours[T0 + i * H].missing_reason for i in range(1, 6)} == {"no readings"}
    assert {hours[T0 + i * H].coverage for i in range(1, 6)} == {0.0}
    # A register's outage is estimated, not unknown.
    rows = [reading(METER, 900 * i, energy_import_kwh=float(i)) for i in (0, 1, 25, 26)]
    hours = site.emissions(rows, "grid")
    assert list(hours) == [T0 + i * H for i in range(7)]
    assert [hours[T0 + i * H].activity for i in range(1, 6)] == approx([4.0] * 5)
    assert all(hours[T0 + i * H].estimated for i in range(1, 6))


def test_an_unexplained_step_leaves_the_hour_unknown(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 900, "rated_power_kw": 100}}, {"grid": GRID})
    rows = [reading(METER, 0, energy_import_kwh=500.0), reading(METER, 900, energy_import_kwh=1.0)]
    assert site.emissions(rows, "grid")[T0].missing_reason == "unexplained register step"
    rows = [reading(METER, 0, energy_import_kwh=0.0), reading(METER, 900, energy_import_kwh=5e4)]
    assert site.emissions(rows, "grid")[T0].missing_reason == "register step above the device's rating"


def test_a_source_counts_while_it_is_in_force(world: MakeWorld) -> None:
    begins = T0 + timedelta(minutes=90)
    facts = {name: value for name, value in GRID.items() if name not in ("scope", "method", "carrier")}
    source = {
        **{name: GRID[name] for name in ("scope", "method", "carrier")},
        "facts": [{"from": begins.isoformat(), **facts}],
        "ended": (T0 + 3 * H).isoformat(),
    }
    site = world({"meter/m": {"interval_s": 900}}, {"grid": source})
    hours = site.emissions(energy(METER, 1.0, range(20)), "grid")
    assert {hour: row.activity for hour, row in hours.items()} == {T0 + H: 2.0, T0 + 2 * H: 4.0}
    assert hours[T0 + H].coverage == 1.0


def test_the_energy_view(world: MakeWorld) -> None:
    devices = {
        "meter/m": {
            "interval_s": 900,
            "area": "a",
            "carrier": "electricity",
            "energy_quantity": "energy_import_kwh",
        },
        "meter/n": {
            "interval_s": 900,
            "carrier": "electricity",
            "energy_quantity": "power_kw",
            "submeter_of": "meter/m",
        },
    }
    site = world(devices)
    rows = energy(METER, 25.0, range(5)) + [reading(OTHER, 900 * i, power_kw=40.0) for i in range(4)]
    main, sub = site.energy(rows, METER)[T0], site.energy(rows, OTHER)[T0]
    assert (main.amount, main.energy_kwh, main.unit, main.in_total) == (approx(100.0),) * 2 + (
        "kWh",
        True,
    )
    assert (sub.amount, sub.in_total, sub.coverage) == (approx(40.0), False, 1.0)
    assert (main.area, sub.area, main.carrier) == ("a", None, "electricity")


def test_the_sums_of_sites_do_not_mix(factors: Any) -> None:
    sites = {
        name: {
            "timezone": zone,
            "region": "CN-SH",
            "devices": {"meter/m": {"facts": [{"from": "2020-01-01T00:00:00Z", "interval_s": 900}]}},
            "sources": {
                "grid": {
                    **{key: GRID[key] for key in ("scope", "method", "carrier")},
                    "facts": [
                        {
                            "from": "2020-01-01T00:00:00Z",
                            "devices": ["meter/m"],
                            "factor_set": "CN_MEE_PROVINCE",
                            "quantity": "energy_import_kwh",
                        }
                    ],
                }
            },
        }
        for name, zone in (("x", "Asia/Shanghai"), ("y", "Asia/Kolkata"))
    }
    both = World(factors, sites)
    x, y = (DeviceKey(name, Kind.METER, "m") for name in ("x", "y"))
    rows = energy(x, 1.0, range(9)) + energy(y, 10.0, range(9))
    found = {(row.source.site, row.hour): row.activity for row in both.ledger(rows).emission_hours}
    assert found[("x", T0)] == approx(4.0)
    assert found[("y", T0 + timedelta(minutes=30))] == approx(40.0)
