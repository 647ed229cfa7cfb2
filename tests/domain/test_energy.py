from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.domain.energy import EnergyUse, compile_energy_uses
from services.domain.factors import FactorBook
from services.domain.registry.checks import check
from services.domain.registry.model import Registry

NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
SINCE = "2020-01-01T00:00:00+08:00"


def _uses(registry: Registry, book: FactorBook, at: datetime = NOW) -> dict[str, EnergyUse]:
    found = compile_energy_uses(registry, book, at)
    return {f"{key.kind}/{key.device}": use for key, use in found.items()}


def _registry(devices: dict[str, dict[str, Any]], sources: dict[str, dict[str, Any]]) -> Registry:
    site = {
        "timezone": "Asia/Shanghai",
        "devices": {ref: {"facts": [{"from": SINCE, **facts}]} for ref, facts in devices.items()},
        "sources": {
            name: {
                "scope": facts.pop("scope", 1),
                "method": facts.pop("method", "fuel"),
                "carrier": facts.pop("carrier"),
                "facts": [{"from": SINCE, **facts}],
            }
            for name, facts in sources.items()
        },
    }
    return Registry.model_validate({"version": 1, "sites": {"s": site}})


GAS: dict[str, Any] = {"carrier": "natural_gas", "energy_quantity": "volume_nm3"}
BOILER: dict[str, Any] = {
    "carrier": "natural_gas",
    "devices": ["flowmeter/main"],
    "quantity": "volume_nm3",
    "factor_set": "CN_NDRC_2.1",
    "factor_base_state": "0C",
    "in_total": True,
}


def test_the_demo(demo: Registry, book: FactorBook) -> None:
    uses = _uses(demo, book)
    expected = {
        "meter/main": ("electricity", "kWh", 1.0, True),
        "meter/floor-1": ("electricity", "kWh", 1.0, False),
        "meter/floor-2": ("electricity", "kWh", 1.0, False),
        "meter/floor-3": ("electricity", "kWh", 1.0, False),
        "flowmeter/boiler-gas": ("natural_gas", "Nm3@0C", 389.31e-4 / 0.0036, True),
        "flowmeter/district-heat": ("heat", "GJ", 1 / 0.0036, True),
        "beltscale/coal": ("bituminous_coal", "t", 23.204 / 0.0036, True),
        "flowmeter/steam-sold": ("steam", "GJ", 1 / 0.0036, False),
        "meter/grid": ("electricity", "kWh", 1.0, True),
    }
    assert uses.keys() == expected.keys()
    for ref, (carrier, unit, kwh, in_total) in expected.items():
        use = uses[ref]
        assert (use.carrier, use.unit, use.in_total) == (carrier, unit, in_total), ref
        assert use.energy_kwh_per_unit == pytest.approx(kwh), ref
        assert use.inputs == use.formula.inputs
    assert uses["flowmeter/district-heat"].formula.name == "hot_water_closed"
    assert uses["meter/main"].area == "tower"


def test_a_sub_meter_of_gas_takes_the_heating_value_of_its_mains_source(book: FactorBook) -> None:
    devices: dict[str, dict[str, Any]] = {
        "flowmeter/main": {**GAS, "base_state": "20C"},
        "flowmeter/sub": {**GAS, "base_state": "0C", "submeter_of": "flowmeter/main"},
        "flowmeter/subsub": {**GAS, "base_state": "15C", "submeter_of": "flowmeter/sub"},
    }
    uses = _uses(_registry(devices, {"boiler": dict(BOILER)}), book)
    assert [use.unit for use in uses.values()] == ["Nm3@0C"] * 3
    assert [use.in_total for use in uses.values()] == [True, False, False]
    assert {round(use.energy_kwh_per_unit, 6) for use in uses.values()} == {10.814167}
    scales = [use.params[0] for use in uses.values()]
    assert scales == pytest.approx([273.15 / 293.15, 1.0, 273.15 / 288.15])


def test_without_a_source_the_amount_is_known_and_the_energy_of_a_fuel_is_not(book: FactorBook) -> None:
    devices: dict[str, dict[str, Any]] = {
        "flowmeter/gas": {**GAS, "base_state": "20C"},
        "flowmeter/some-gas": GAS,
        "flowmeter/oil": {"carrier": "diesel", "energy_quantity": "volume_m3"},
        "flowmeter/heat": {"carrier": "heat", "energy_quantity": "energy_gj"},
        "flowmeter/steam": {"carrier": "steam", "energy_quantity": "mass_t"},
        "meter/pv": {"carrier": "electricity", "energy_quantity": "power_kw", "multiplier": 80.0},
    }
    uses = _uses(_registry(devices, {}), book)
    units = {ref: use.unit for ref, use in uses.items()}
    assert units == {
        "flowmeter/gas": "Nm3@20C",
        "flowmeter/some-gas": "Nm3",
        "flowmeter/oil": "m3",
        "flowmeter/heat": "GJ",
        "flowmeter/steam": "t",
        "meter/pv": "kWh",
    }
    unknown = {ref for ref, use in uses.items() if math.isnan(use.energy_kwh_per_unit)}
    assert unknown == {"flowmeter/gas", "flowmeter/some-gas", "flowmeter/oil", "flowmeter/steam"}
    assert uses["flowmeter/heat"].energy_kwh_per_unit == pytest.approx(277.7778, abs=1e-4)
    assert uses["meter/pv"].params == (80.0,)
    assert all(use.in_total for use in uses.values())


def test_a_source_that_cannot_be_computed_leaves_the_amount_in_the_meters_own_unit(book: FactorBook) -> None:
    boiler = {name: value for name, value in BOILER.items() if name != "factor_base_state"}
    uses = _uses(_registry({"flowmeter/main": {**GAS, "base_state": "20C"}}, {"boiler": boiler}), book)
    assert (uses["flowmeter/main"].unit, uses["flowmeter/main"].params) == ("Nm3@20C", (1.0,))
    assert math.isnan(uses["flowmeter/main"].energy_kwh_per_unit)


def test_each_kilowatt_hour_counts_once(book: FactorBook) -> None:
    power: dict[str, Any] = {"carrier": "electricity", "energy_quantity": "energy_import_kwh"}
    devices: dict[str, dict[str, Any]] = {
        "meter/unaccounted-main": {},
        "meter/sub": {**power, "submeter_of": "meter/unaccounted-main"},
        "meter/export": {**power, "energy_quantity": "energy_export_kwh"},
        "meter/in-and-out": power,
        "meter/out": power,
    }
    grid = {"scope": 2, "method": "electricity", "carrier": "electricity"}
    sources = {
        "a": {**grid, "devices": ["meter/in-and-out"], "in_total": True},
        "b": {**grid, "devices": ["meter/in-and-out", "meter/out"], "in_total": False},
    }
    uses = _uses(_registry(devices, sources), book)
    assert {ref: use.in_total for ref, use in uses.items()} == {
        "meter/sub": True,
        "meter/export": False,
        "meter/in-and-out": True,
        "meter/out": False,
    }


def test_nothing_that_has_not_begun(demo: Registry, book: FactorBook) -> None:
    assert _uses(demo, book, datetime.fromisoformat(SINCE) - timedelta(seconds=1)) == {}


def test_a_meter_and_a_belt_need_name_no_energy_quantity(book: FactorBook) -> None:
    devices: dict[str, dict[str, Any]] = {
        "meter/main": {"carrier": "electricity"},
        "meter/floor": {"carrier": "electricity", "submeter_of": "meter/main"},
        "beltscale/coal": {"carrier": "bituminous_coal"},
        "flowmeter/gas": {"carrier": "natural_gas"},  # of four registers nobody can say which
        "meter/lab": {},
    }
    registry = _registry(devices, {})
    found = {ref: (use.quantity, use.unit, use.in_total) for ref, use in _uses(registry, book).items()}
    assert found == {
        "meter/main": ("energy_import_kwh", "kWh", True),
        "meter/floor": ("energy_import_kwh", "kWh", False),
        "beltscale/coal": ("mass_t", "t", True),
    }
    warned = [problem.place[3] for problem in check(registry) if "no energy is accounted" in problem.message]
    assert warned == ["flowmeter/gas"]


def test_an_energy_quantity_that_is_no_amount_is_unknown(book: FactorBook) -> None:
    uses = _uses(_registry({"meter/x": {"carrier": "electricity", "energy_quantity": "voltage_v"}}, {}), book)
    assert math.isnan(uses["meter/x"].params[0])


def test_condensate_takes_its_heat_off_that_of_the_steam(book: FactorBook) -> None:
    devices: dict[str, dict[str, Any]] = {
        "flowmeter/steam": {
            "carrier": "steam",
            "energy_quantity": "mass_t",
            "pressure_reference": "absolute",
        },
        "flowmeter/return": {"carrier": "steam", "energy_quantity": "mass_t"},
    }
    bought: dict[str, Any] = {
        "scope": 2,
        "method": "heat",
        "carrier": "steam",
        "devices": ["flowmeter/steam"],
        "quantity": "mass_t",
        "medium": "superheated_steam",
        "condensate": [{"device": "flowmeter/return", "quantity": "mass_t"}],
        "factor_set": "CN_GBT32150_2025",
        "factor_fuel": "heat_purchased",
        "in_total": True,
    }
    uses = _uses(_registry(devices, {"steam": bought}), book)
    found = {ref: (use.unit, use.params[0], use.formula.name, use.in_total) for ref, use in uses.items()}
    assert found == {
        "flowmeter/steam": ("GJ", 1.0, "steam_superheated", True),
        "flowmeter/return": ("GJ", -1.0, "hot_water_open", True),
    }
    assert uses["flowmeter/return"].energy_kwh_per_unit == pytest.approx(1 / 0.0036)
