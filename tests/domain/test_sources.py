"""Each method with its facts varied: what they make of the numbers, and why there are none."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.domain.arrays import column
from services.domain.conditions import volume_at_base
from services.domain.conversion import Conversion, compile_conversions
from services.domain.factors import FactorBook
from services.domain.quantities import NAMES
from services.domain.registry.model import Registry
from tests.domain.conftest import NOW, SINCE, one, rate_of, registry_of


def _gas(
    book: FactorBook, quantity: str = "volume_m3", *, device: dict[str, Any], **facts: Any
) -> Conversion:
    facts = {"quantity": quantity, "factor_set": "CN_NDRC_2.1", "factor_base_state": "0C", **facts}
    return one(registry_of(device=device, **facts), book)


def test_gas_from_line_conditions(book: FactorBook) -> None:
    device = {
        "pressure_reference": "gauge",
        "atmospheric_pressure_kpa": 101.325,
        "compressibility_ratio": 1.0,
    }
    gas = _gas(book, device=device, factor_base_state="20C")
    assert (gas.rate_quantity, gas.activity_unit) == ("flow_m3_h", "Nm3@20C")
    assert round(rate_of(gas, 1000.0, temperature_c=18.0, pressure_kpa=350.0), 3) == 4484.829
    trap = _gas(book, device={"pressure_reference": "absolute"}, factor_base_state="20C")
    assert rate_of(trap, 1000.0, temperature_c=18.0, pressure_kpa=350.0) < 4484.0 * 0.8
    assert math.isnan(rate_of(gas, 1000.0, temperature_c=18.0))


def test_gas_by_mass_factor_needs_the_density_at_the_base_state(book: FactorBook) -> None:
    device = {"base_state": "20C"}
    facts: dict[str, Any] = {"factor_set": "IPCC_2006", "density_t_per_m3": 0.000717}
    gas = _gas(book, "volume_nm3", device=device, **facts)
    assert gas.activity_unit == "t"
    assert rate_of(gas, 1000.0) == pytest.approx(1000 * 273.15 / 293.15 * 0.000717)
    line = _gas(book, device={"pressure_reference": "absolute"}, **facts)
    expected = volume_at_base(column(1000.0), column(18.0), column(451.325), 273.15)[0] * 0.000717
    assert rate_of(line, 1000.0, temperature_c=18.0, pressure_kpa=451.325) == pytest.approx(expected)


def test_gas_counted_by_mass_for_a_factor_by_volume(book: FactorBook) -> None:
    gas = _gas(book, "mass_t", device={}, density_t_per_m3=0.0008)
    assert gas.activity_unit == "Nm3@0C"
    assert rate_of(gas, 4.0) == pytest.approx(5000.0)


def test_scf(book: FactorBook) -> None:
    facts = {"factor_set": "US_EPA_40CFR98_C1_C2", "factor_base_state": "60F"}
    gas = _gas(book, "volume_nm3", device={"base_state": "60F"}, **facts)
    assert gas.activity_unit == "Nm3@60F"
    assert rate_of(gas, 0.3048**3) * gas.factor.co2_kg_per_unit == pytest.approx(0.05444)


@pytest.mark.parametrize(
    ("factor_set", "facts", "unit", "kg_per_m3"),
    [
        ("CN_NDRC_2.1", {"density_t_per_m3": 0.84}, "t", 0.84 * 3145.1225),
        ("US_EPA_40CFR98_C1_C2", {}, "m3", 10.20648 / 0.003785411784),
    ],
)
def test_liquids(
    book: FactorBook, factor_set: str, facts: dict[str, Any], unit: str, kg_per_m3: float
) -> None:
    diesel = one(registry_of(carrier="diesel", quantity="volume_m3", factor_set=factor_set, **facts), book)
    assert diesel.activity_unit == unit
    assert rate_of(diesel, 2.0) * diesel.factor.co2_kg_per_unit == pytest.approx(2 * kg_per_m3, rel=1e-6)


def test_a_liquid_counted_by_mass_for_a_factor_by_volume(book: FactorBook) -> None:
    facts: dict[str, Any] = {**EPA, "density_t_per_m3": 0.84, "quantity": "mass_t"}
    diesel = one(registry_of(carrier="diesel", **facts), book)
    assert diesel.activity_unit == "m3"
    assert rate_of(diesel, 0.84) == pytest.approx(1.0)


def test_energy_per_cubic_metre_of_gas_or_of_nothing(book: FactorBook) -> None:
    facts: dict[str, Any] = {"factor_set": "GBT2589_2020", "quantity": "volume_nm3"}
    gas = one(
        registry_of(
            carrier="blast_furnace_gas", device={"base_state": "0C"}, factor_base_state="0C", **facts
        ),
        book,
    )
    assert gas.factor.energy_kwh_per_unit == pytest.approx(0.003768 / 0.0036)
    assert "carries no CO2 factor" in str(gas.factor.missing_reason)


def test_a_fuel_of_which_all_was_measured_needs_no_set(book: FactorBook) -> None:
    fuel = {
        "ncv_gj_per_unit": 21.0,
        "carbon_content_t_per_gj": 0.027,
        "oxidation_rate": 0.98,
        "source": "lab 7",
    }
    coal = one(registry_of("beltscale", carrier="coal", quantity="mass_t", fuel=fuel), book)
    assert coal.factor.co2_kg_per_unit == pytest.approx(21 * 0.027 * 0.98 * 44 / 12 * 1000)
    assert (coal.factor.name, coal.factor.factor_id) == ("measured (lab 7)", None)
    gas = one(
        registry_of(device={"base_state": "0C"}, quantity="volume_nm3", fuel=fuel, factor_base_state="0C"),
        book,
    )
    assert gas.factor.co2_kg_per_unit == pytest.approx(21 * 0.027 * 0.98 * 44 / 12 / 10)


NDRC: dict[str, Any] = {"factor_set": "CN_NDRC_2.1"}
AT_0C: dict[str, Any] = {**NDRC, "factor_base_state": "0C"}
EPA: dict[str, Any] = {"factor_set": "US_EPA_40CFR98_C1_C2"}
IPCC: dict[str, Any] = {"factor_set": "IPCC_2006"}
GAUGE = {"pressure_reference": "gauge"}
ABSOLUTE = {"pressure_reference": "absolute"}
DRY = {"analyser": "dry"}


def _steam(kind: str, quantity: str, **more: Any) -> Registry:
    return registry_of(kind, "heat", "heat", quantity=quantity, medium="superheated_steam", **more)


def _power(**more: Any) -> Registry:
    return registry_of("meter", "electricity", "electricity", **more)


def _stack(**more: Any) -> Registry:
    return registry_of("cems", "cems", "flue_gas", **more)


def _stream(kind: str, quantity: str, **carbon: Any) -> Registry:
    stream = {"device": f"{kind}/d", "quantity": quantity, **carbon}
    return registry_of(kind, "mass_balance", "limestone", streams=[stream])


@pytest.mark.parametrize(
    ("registry", "reason"),
    [
        (registry_of(quantity="volume_nm3", device={"base_state": "20C"}, **NDRC), "factor_base_state"),
        (registry_of(quantity="volume_nm3", **AT_0C), "of its volume (base_state)"),
        (registry_of(quantity="volume_m3", **AT_0C), "gauge or absolute"),
        (registry_of(quantity="volume_m3", device=GAUGE, **AT_0C), "atmospheric_pressure_kpa"),
        (registry_of(quantity="volume_m3", **IPCC), "density"),
        (registry_of(quantity="mass_t", **AT_0C), "density"),
        (registry_of(carrier="diesel", quantity="mass_t", **EPA), "density"),
        (registry_of(carrier="diesel", quantity="volume_nm3", **EPA), "no way to a liquid volume"),
        (registry_of(quantity="energy_gj", **IPCC), "no way to mass"),
        (registry_of(quantity="energy_gj", **AT_0C), "no way to a gas volume"),
        (registry_of(quantity="temperature_c", **IPCC), "no way to mass"),
        (registry_of(**IPCC), "From no quantity"),
        (registry_of(quantity="volume_nm3", factor_set="NOWHERE"), "no factor set NOWHERE"),
        (registry_of(quantity="volume_nm3"), "names no factor set"),
        (_power(site={"region": "CN-XZ"}, factor_set="CN_MEE_PROVINCE"), "electricity in CN-XZ"),
        (_power(), "names no factor set"),
        (_power(quantity="voltage_v"), "not electric energy"),
        (registry_of("flowmeter", "heat", "heat", quantity="mass_t"), "names no medium"),
        (registry_of("flowmeter", "heat", "heat", quantity="mass_t", medium="heat_meter"), "heat_meter"),
        (_steam("flowmeter", "volume_nm3"), "volume_nm3"),
        (_steam("flowmeter", "mass_t"), "gauge or absolute"),
        (_steam("beltscale", "mass_t", device=ABSOLUTE), "sends no pressure_kpa and no temperature_c"),
        (_stack(), "wet or dry"),
        (_stack(quantity="velocity_m_s", device=DRY), "duct_area_m2"),
        (_stack(quantity="co2_pct", device=DRY), "no stack gas flow"),
        (_stream("beltscale", "mass_t"), "either a carbonate or a carbon fraction"),
        (_stream("beltscale", "speed_m_s", carbonate="CaCO3"), "is no mass"),
        (_stream("flowmeter", "volume_m3", carbonate="Na2CO3"), "is no mass"),
    ],
)
def test_what_is_not_known_is_a_source_with_a_reason_and_no_number(
    book: FactorBook, registry: Registry, reason: str
) -> None:
    conversion = one(registry, book)
    assert reason in str(conversion.factor.missing_reason)
    assert str(conversion.factor.missing_reason).endswith(".")
    assert math.isnan(conversion.factor.co2_kg_per_unit)
    assert conversion.quantity in NAMES[conversion.device.kind]


def test_a_source_without_a_named_quantity_takes_the_devices(book: FactorBook) -> None:
    assert one(registry_of("meter", "electricity", "electricity"), book).quantity == "energy_import_kwh"
    assert one(registry_of("beltscale", carrier="coke", factor_set="CN_NDRC_2.1"), book).quantity == "mass_t"
    device = {"energy_quantity": "energy_gj", "carrier": "heat"}
    assert one(registry_of("flowmeter", "heat", "heat", device=device), book).quantity == "energy_gj"


def test_a_heat_meter_is_taken_at_its_word(book: FactorBook) -> None:
    facts: dict[str, Any] = {
        "medium": "heat_meter",
        "factor_set": "US_EPA_HUB_2018",
        "factor_fuel": "heat_purchased_steam",
    }
    site = {"gwp_set": "AR4"}
    heat_meter = one(registry_of("flowmeter", "heat", "heat", quantity="energy_gj", site=site, **facts), book)
    assert (heat_meter.activity_unit, heat_meter.rate_quantity) == ("GJ", None)
    assert rate_of(heat_meter, 7.5) == 7.5
    factor = heat_meter.factor
    assert factor.co2_kg_per_unit == pytest.approx(66.33 / 1.05505585262)
    assert factor.ch4_kg_per_unit == pytest.approx(1.184771e-3)
    assert factor.co2e_kg_per_unit == pytest.approx(
        66.33 / 1.05505585262 + 1.184771e-3 * 25 + 0.118477e-3 * 298
    )
    assert factor.gwp_set == "AR4"
    assert math.isnan(factor.biogenic_co2_kg_per_unit)


@pytest.mark.parametrize(
    ("medium", "quantity", "formula"),
    [
        ("superheated_steam", "volume_m3", "steam_superheated_volume"),
        ("saturated_steam_by_pressure", "mass_t", "steam_saturated_p"),
        ("saturated_steam_by_pressure", "volume_m3", "steam_saturated_p_volume"),
        ("saturated_steam_by_temperature", "mass_t", "steam_saturated_t"),
        ("saturated_steam_by_temperature", "volume_m3", "steam_saturated_t_volume"),
        ("hot_water_open", "mass_t", "hot_water_open"),
        ("hot_water_open", "volume_m3", "hot_water_open_volume"),
        ("hot_water_closed", "mass_t", "hot_water_closed_mass"),
    ],
)
def test_media(book: FactorBook, medium: str, quantity: str, formula: str) -> None:
    device = {"pressure_reference": "absolute"}
    source = one(
        registry_of("flowmeter", "heat", "heat", device=device, quantity=quantity, medium=medium), book
    )
    assert source.formula.name == formula
    assert source.rate_quantity == {"mass_t": "mass_flow_t_h", "volume_m3": "flow_m3_h"}[quantity]


@pytest.mark.parametrize(
    ("medium", "quantity"),
    [
        ("saturated_steam_by_temperature", "mass_t"),
        ("hot_water_open", "mass_t"),
        ("hot_water_open", "volume_m3"),
        ("hot_water_closed", "mass_t"),
        ("hot_water_closed", "volume_m3"),
    ],
)
def test_media_that_do_without_pressure(book: FactorBook, medium: str, quantity: str) -> None:
    source = one(registry_of("flowmeter", "heat", "heat", quantity=quantity, medium=medium), book)
    assert not any(math.isnan(value) for value in source.params)
    without = rate_of(source, 100.0, temperature_c=95.0, return_temperature_c=70.0)
    # At 0.6 MPa instead of 1.6.
    with_gauge = rate_of(source, 100.0, temperature_c=95.0, return_temperature_c=70.0, pressure_kpa=498.675)
    assert without == pytest.approx(with_gauge, rel=6e-4)


def _steam_facts(**facts: Any) -> dict[str, Any]:
    medium = {"medium": "saturated_steam_by_pressure", "quantity": "mass_t", **facts}
    return {"factor_set": "CN_GBT32150_2025", "factor_fuel": "heat_purchased", **medium}


def test_the_dryness_of_steam_is_the_sources(book: FactorBook) -> None:
    device = {"pressure_reference": "absolute"}
    dry = one(registry_of("flowmeter", "heat", "steam", device=device, **_steam_facts()), book)
    wet = one(
        registry_of("flowmeter", "heat", "steam", device=device, **_steam_facts(dryness_fraction=0.95)), book
    )
    assert rate_of(dry, 1.0, pressure_kpa=1000.0) == pytest.approx((2777.120 - 83.74) / 1000)
    assert rate_of(wet, 1.0, pressure_kpa=1000.0) == pytest.approx(
        (2777.120 - 0.05 * (2777.120 - 762.683) - 83.74) / 1000
    )


@pytest.mark.parametrize(("position", "gj"), [(None, 10.09544), ("supply", 10.09544), ("return", 10.26199)])
def test_where_the_meter_of_a_loop_sits_is_the_devices(
    book: FactorBook, position: str | None, gj: float
) -> None:
    device = {"pressure_reference": "absolute", "meter_position": position}
    facts: dict[str, Any] = {"medium": "hot_water_closed", "quantity": "volume_m3"}
    loop = one(registry_of("flowmeter", "heat", "heat", device=device, **facts), book)
    found = rate_of(loop, 100.0, pressure_kpa=600.0, temperature_c=95.0, return_temperature_c=70.0)
    assert round(found, 5) == gj


def _with_condensate(quantity: str, **device: Any) -> Registry:
    condensate = [{"device": "flowmeter/c", "quantity": quantity}]
    registry = registry_of(
        "flowmeter",
        "heat",
        "steam",
        device={"pressure_reference": "absolute"},
        **_steam_facts(condensate=condensate),
    )
    document = registry.model_dump(by_alias=True, exclude_unset=True)
    document["sites"]["s"]["devices"]["flowmeter/c"] = {"facts": [{"from": SINCE, **device}]}
    return Registry.model_validate(document)


@pytest.mark.parametrize(
    ("quantity", "amount"), [("mass_t", 10.0), ("mass_flow_t_h", 10.0), ("volume_m3", 10.0 / 0.9718)]
)
def test_the_heat_of_condensate_goes_back(book: FactorBook, quantity: str, amount: float) -> None:
    compiled = compile_conversions(_with_condensate(quantity), book, NOW)
    (bought,), (returned,) = (compiled[key] for key in sorted(compiled, key=lambda key: key.device != "d"))
    assert bought.source == returned.source
    assert bought.factor == returned.factor
    # Water of 80 degC: 10 t x 60 K x 4.1868; its density is 971.8 kg/m3.
    measured = rate_of(returned, amount, live=False, temperature_c=80.0)
    assert measured == pytest.approx(-10 * 60 * 4.1868 / 1000, rel=2e-3 if quantity == "volume_m3" else 1e-12)
    assert math.isnan(rate_of(returned, amount))


def test_condensate_by_a_quantity_that_is_no_water(book: FactorBook) -> None:
    compiled = compile_conversions(_with_condensate("energy_gj"), book, NOW)
    [found] = [of[0].factor for key, of in compiled.items() if key.device == "c"]
    assert found.missing_reason == "Condensate cannot be found from energy_gj of a flowmeter."


def test_cems_by_its_own_flow(book: FactorBook) -> None:
    dry = one(registry_of("cems", "cems", "flue_gas", device={"analyser": "dry"}), book)
    assert (dry.quantity, dry.formula.name, dry.params) == ("flow_nm3_h", "hj75_flow", (1.0, 0.0, 0.0))
    wet = one(
        registry_of("cems", "cems", "flue_gas", quantity="flow_wet_nm3_h", device={"analyser": "wet"}), book
    )
    assert wet.params == (1.0, 1.0, 1.0)


def test_ct_and_pt_ratio_multiplies_register_and_power(book: FactorBook) -> None:
    meter = one(registry_of("meter", "electricity", "electricity", device={"multiplier": 2000.0}), book)
    assert rate_of(meter, 1.5) == rate_of(meter, 1.5, live=False) == 3000.0


def test_power_fed_back_counts_for_the_export_only(book: FactorBook) -> None:
    bought = one(registry_of("meter", "electricity", "electricity", quantity="energy_import_kwh"), book)
    sold = one(registry_of("meter", "electricity", "electricity", quantity="energy_export_kwh"), book)
    assert (rate_of(bought, -50.0), rate_of(sold, -50.0)) == (0.0, 50.0)
    assert (rate_of(bought, 50.0), rate_of(sold, 50.0)) == (50.0, 0.0)
    assert rate_of(sold, 7.0, live=False) == 7.0


def test_a_unit_that_sends_a_sum_of_gases_has_co2e_and_no_co2(book: FactorBook) -> None:
    site = {"timezone": "Europe/London", "region": "GB", "gwp_set": "AR5"}
    grid = one(registry_of("meter", "electricity", "electricity", site=site, factor_set="UK_DESNZ"), book)
    assert math.isnan(grid.factor.co2_kg_per_unit)
    assert grid.factor.co2e_kg_per_unit == 0.177
    assert grid.factor.gwp_set is None
    assert "CO2e only" in str(grid.factor.missing_reason)


def test_the_source_may_name_another_region(book: FactorBook) -> None:
    facts: dict[str, Any] = {"factor_set": "CN_MEE_REGION", "region": "East"}
    assert (
        one(registry_of("meter", "electricity", "electricity", **facts), book).factor.co2_kg_per_unit == 0.55
    )


def test_a_factor_of_heat_is_not_one_of_fuel(book: FactorBook) -> None:
    facts: dict[str, Any] = {"medium": "heat_meter", "factor_fuel": "natural_gas", **NDRC}
    found = one(registry_of("flowmeter", "heat", "heat", quantity="energy_gj", **facts), book).factor
    assert found.missing_reason == "CN_NDRC_2.1/natural_gas is per 1e4 Nm3, not per unit of energy."
    assert found.energy_kwh_per_unit == pytest.approx(277.7778, abs=1e-4)


def _streams(*streams: dict[str, Any], **facts: Any) -> Registry:
    named = [{"device": "beltscale/d", "quantity": "mass_t", **stream} for stream in streams]
    return registry_of("beltscale", "mass_balance", "limestone", streams=named, **facts)


def test_two_carbonates_on_one_belt_are_one_activity_with_the_sum_of_their_factors(book: FactorBook) -> None:
    kiln = one(
        _streams(
            {"carbonate": "CaCO3", "purity": 0.95, "conversion": 0.96},
            {"carbonate": "MgCO3", "purity": 0.012, "conversion": 0.96},
        ),
        book,
    )
    assert round(rate_of(kiln, 1000.0, live=False) * kiln.factor.co2_kg_per_unit / 1000.0, 3) == 407.031
    assert kiln.factor.name == "stoichiometric/CaCO3+MgCO3"


def test_printed_carbonate_factors_by_name(book: FactorBook) -> None:
    stone = {"carbonate": "CaCO3", "purity": 0.9}
    printed = one(_streams(stone, factor_set="CN_GUIDELINE_CARBONATE"), book)
    assert printed.factor.co2_kg_per_unit == pytest.approx(396.0)
    assert printed.factor.name == "CN_GUIDELINE_CARBONATE/CaCO3"


def test_the_co2e_of_a_carbonate_is_its_co2_by_the_gwp_set_of_the_site(book: FactorBook) -> None:
    factor = one(_streams({"carbonate": "CaCO3"}, site={"gwp_set": "AR6"}), book).factor
    assert (factor.co2e_kg_per_unit, factor.gwp_set) == (factor.co2_kg_per_unit, "AR6")
    factor = one(_streams({"carbonate": "CaCO3"}), book).factor
    assert (math.isnan(factor.co2e_kg_per_unit), factor.gwp_set, factor.ch4_kg_per_unit) == (True, None, 0.0)


def test_carbon_in_a_product_is_negative_and_its_other_gases_are_unknown(book: FactorBook) -> None:
    output = one(_streams({"carbon_fraction": 0.04, "role": "output"}), book)
    assert output.factor.co2_kg_per_unit == pytest.approx(-0.04 * 44 / 12 * 1000)
    assert math.isnan(output.factor.co2e_kg_per_unit)
    assert rate_of(output, 10.0, live=False) == 10.0
