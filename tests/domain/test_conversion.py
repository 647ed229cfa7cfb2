"""The demo's conversions, and the cost of compiling many."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest

from services.domain.arrays import column
from services.domain.conversion import Conversion, SourceKey, change_points, compile_conversions
from services.domain.emission_factor import EmissionFactor
from services.domain.factors import FactorBook
from services.domain.methods import cems, heat
from services.domain.methods.mass_balance import STOICHIOMETRIC
from services.domain.quantities import NAMES, Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Method, Registry
from tests.domain.conftest import NOW, SINCE, by_source, one, rate_of, registry_of


@pytest.fixture(scope="module")
def compiled(demo: Registry, book: FactorBook) -> dict[SourceKey, Conversion]:
    return by_source(demo, book)


def test_every_source_of_the_demo_has_its_device(demo: Registry, book: FactorBook) -> None:
    found = compile_conversions(demo, book, NOW)
    assert {
        (key.site, f"{key.kind}/{key.device}", c.source.source) for key, cs in found.items() for c in cs
    } == {
        ("campus", "meter/main", "grid-electricity"),
        ("campus", "flowmeter/boiler-gas", "boilers"),
        ("campus", "flowmeter/district-heat", "district-heat"),
        ("plant", "beltscale/coal", "coal"),
        ("plant", "beltscale/limestone", "desulphurisation"),
        ("plant", "cems/stack-1", "stack"),
        ("plant", "flowmeter/steam-sold", "steam-sold"),
        ("plant", "meter/grid", "grid-electricity"),
    }
    assert all(c.device == key for key, cs in found.items() for c in cs)


def test_inputs_are_quantities_of_the_device_and_parameters_are_known(
    compiled: Mapping[SourceKey, Conversion],
) -> None:
    for conversion in compiled.values():
        names = NAMES[conversion.device.kind]
        assert {conversion.quantity, *conversion.inputs} <= set(names)
        assert conversion.rate_quantity is None or conversion.rate_quantity in names
        assert len(conversion.params) == len(conversion.rate_params) == len(conversion.formula.params)
        assert not any(math.isnan(value) for value in (*conversion.params, *conversion.rate_params))
        assert conversion.factor.missing_reason is None


@pytest.mark.parametrize(("site", "kg_per_kwh", "place"), [("campus", 0.5737, "SH"), ("plant", 0.6634, "SX")])
def test_electricity_of_2026_takes_the_factor_of_2023_for_now(
    compiled: Mapping[SourceKey, Conversion], site: str, kg_per_kwh: float, place: str
) -> None:
    grid = compiled[SourceKey(site, "grid-electricity")]
    assert (grid.method, grid.basis, grid.in_total) == (Method.ELECTRICITY, "location", True)
    assert (grid.quantity, grid.rate_quantity, grid.activity_unit) == ("energy_import_kwh", "power_kw", "kWh")
    assert rate_of(grid, 1200.0) * grid.factor.co2_kg_per_unit == pytest.approx(1200.0 * kg_per_kwh)
    assert grid.factor.name == f"CN_MEE_PROVINCE_2023/electricity_CN-{place}"
    assert grid.factor.provisional
    assert grid.factor.energy_kwh_per_unit == 1.0
    assert math.isnan(grid.factor.co2e_kg_per_unit)


def test_gas_at_20c_is_brought_to_the_base_state_of_the_factor(
    compiled: Mapping[SourceKey, Conversion],
) -> None:
    boilers = compiled[SourceKey("campus", "boilers")]
    assert boilers.activity_unit == "Nm3@0C"
    assert (boilers.quantity, boilers.rate_quantity) == ("volume_nm3", "flow_nm3_h")
    nm3 = rate_of(boilers, 1000.0, live=False)
    assert nm3 == pytest.approx(1000 * 273.15 / 293.15)
    assert nm3 * boilers.factor.co2_kg_per_unit == pytest.approx(931.7755 * 2.1621888, rel=1e-6)


def test_district_heat(compiled: Mapping[SourceKey, Conversion]) -> None:
    source = compiled[SourceKey("campus", "district-heat")]
    gj = rate_of(source, 100.0, temperature_c=95.0, return_temperature_c=70.0, pressure_kpa=600.0 - 101.325)
    assert round(gj, 5) == 10.09544
    assert source.activity_unit == "GJ"
    assert source.factor.co2_kg_per_unit == 110.0
    assert source.factor.energy_kwh_per_unit == pytest.approx(277.7778, abs=1e-4)


def test_coal_of_the_belt(compiled: Mapping[SourceKey, Conversion]) -> None:
    coal = compiled[SourceKey("plant", "coal")]
    assert (coal.quantity, coal.rate_quantity, coal.activity_unit) == ("mass_t", "rate_t_h", "t")
    assert rate_of(coal, 90.0, running=1.0) * coal.factor.co2_kg_per_unit == pytest.approx(90 * 2071.509255)
    assert rate_of(coal, 0.3, running=0.0) == 0.0
    assert rate_of(coal, 90.0) == 90.0
    assert rate_of(coal, 0.3, live=False, running=0.0) == 0.3


def test_limestone(compiled: Mapping[SourceKey, Conversion]) -> None:
    source = compiled[SourceKey("plant", "desulphurisation")]
    per_t = 1000.0 * 0.9 * STOICHIOMETRIC["CaCO3"]
    assert source.factor.co2_kg_per_unit == pytest.approx(per_t)
    assert math.isnan(source.factor.co2e_kg_per_unit)  # the demo's plant names no gwp_set
    assert source.factor.name == "stoichiometric/CaCO3"
    assert (source.factor.ch4_kg_per_unit, source.factor.biogenic_co2_kg_per_unit) == (0.0, 0.0)


def test_stack(compiled: Mapping[SourceKey, Conversion]) -> None:
    stack = compiled[SourceKey("plant", "stack")]
    assert (stack.quantity, stack.rate_quantity, stack.activity_unit) == ("velocity_m_s", None, "t CO2")
    flow = cems.dry_flow_nm3_h(*(column(v) for v in (12.35, 15.9, 52.0, 101200.0, -150.0, 0.115)))
    t_h = rate_of(
        stack,
        12.35,
        temperature_c=52.0,
        barometric_pressure_pa=101200.0,
        static_pressure_pa=-150.0,
        moisture_pct=11.5,
        co2_pct=11.8,
    )
    assert t_h == cems.co2_t_h(flow, column(11.8))[0]
    assert stack.factor.co2_kg_per_unit == 1000.0
    assert stack.factor.name is None
    assert not stack.in_total


def test_steam(compiled: Mapping[SourceKey, Conversion]) -> None:
    steam = compiled[SourceKey("plant", "steam-sold")]
    gj_h = rate_of(steam, 80.0, temperature_c=250.0, pressure_kpa=1000.0 - 92.0)
    assert gj_h == pytest.approx(80 * (2943.22 - 83.74) / 1000, rel=1e-5)
    assert gj_h == heat.superheated_steam_gj(column(80.0), column(1.0), column(250.0))[0]
    assert math.isnan(rate_of(steam, 80.0, temperature_c=150.0, pressure_kpa=908.0))


def test_ten_thousand_devices_compile_in_seconds(book: FactorBook) -> None:
    facts = {"from": SINCE, "carrier": "electricity", "energy_quantity": "energy_import_kwh"}
    refs = [f"meter/m{i}" for i in range(10_000)]
    source = {
        "scope": 2,
        "method": "electricity",
        "carrier": "electricity",
        "facts": [{"from": SINCE, "devices": refs, "factor_set": "CN_MEE_PROVINCE", "in_total": True}],
    }
    site = {
        "timezone": "Asia/Shanghai",
        "region": "CN-SH",
        "devices": {
            ref: {"facts": [facts, {"from": "2025-01-01T00:00:00Z", "multiplier": 2.0}]} for ref in refs
        },
        "sources": {"grid": source},
    }
    registry = Registry.model_validate({"version": 1, "sites": {"s": site}})
    began = time.process_time()
    found = compile_conversions(registry, book, NOW)
    points = change_points(registry, book, datetime(2019, 1, 1, tzinfo=UTC), NOW)
    took = time.process_time() - began
    assert len(found) == 10_000
    assert found[DeviceKey("s", Kind.METER, "m7")][0].params == (2.0,)
    assert len(points) == len(set(points)) == 8
    assert took < 5.0


def test_unknown_factors_are_nan_and_not_zero(book: FactorBook) -> None:
    found = one(registry_of("meter", "electricity", "electricity"), book).factor
    values = [getattr(found, name) for name in EmissionFactor.__slots__ if name.endswith("_kg_per_unit")]
    assert len(values) == 5
    assert np.isnan(values).all()
