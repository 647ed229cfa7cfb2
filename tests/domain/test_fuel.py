from __future__ import annotations

import math
from dataclasses import replace

import pytest

from services.domain.emission_factor import EmissionFactor
from services.domain.factors import Factor, FactorBook, Found
from services.domain.gwp import GWP_SETS
from services.domain.laboratory import Sample, as_received
from services.domain.methods.fuel_factor import emission_factor
from services.domain.registry.model import FuelProperties, LabBasis
from services.domain.units import GJ_PER_MMBTU, M3_PER_GALLON, T_PER_SHORT_TON


def _factor(book: FactorBook, name: str) -> Factor:
    [factor] = [factor for factor in book.factors if factor.name == name]
    return factor


def _of(book: FactorBook, name: str, gwp_set: str | None = None, **measured: float) -> EmissionFactor:
    properties = (
        FuelProperties.model_validate({**measured, "source": "lab 7, 2026-03-01"}) if measured else None
    )
    return emission_factor(Found(_factor(book, name), provisional=False), properties, gwp_set)


@pytest.mark.parametrize(
    ("fuel", "units", "t_co2"),
    [
        ("anthracite", 1.0, 2.322768),
        ("bituminous_coal", 1.0, 2.071509),
        ("lignite", 1.0, 1.424093),
        ("coke", 1.0, 2.851825),
        ("diesel", 1.0, 3.145122),
        ("gasoline", 1.0, 3.042547),
        ("lpg", 1.0, 2.953847),
        ("natural_gas", 1e4, 21.621888),
        ("coke_oven_gas", 1e4, 8.582824),
        ("blast_furnace_gas", 1e4, 9.686481),
    ],
)
def test_ndrc_table_2_1(book: FactorBook, fuel: str, units: float, t_co2: float) -> None:
    """Per t, or per 1e4 Nm3: the factor itself is per Nm3."""
    kg = _of(book, f"CN_NDRC_2.1/{fuel}").co2_kg_per_unit * units
    assert round(kg / 1000.0, 6) == t_co2


def test_the_product_is_computed_with_exactly_44_12_and_not_taken_from_the_rounded_column(
    book: FactorBook,
) -> None:
    coal = _of(book, "CN_NDRC_2.1/bituminous_coal")
    assert coal.co2_kg_per_unit == pytest.approx(23.204 * 0.02618 * 0.93 * 44 / 12 * 1000, rel=1e-15)
    assert coal.co2_kg_per_unit != _factor(book, "CN_NDRC_2.1/bituminous_coal").co2_kg_per_unit


def test_default_sets_contradict_each_other(book: FactorBook) -> None:
    def ratio(fuel: str) -> float:
        return (
            _of(book, f"CN_INDUSTRY_ALT/{fuel}").co2_kg_per_unit
            / _of(book, f"CN_NDRC_2.1/{fuel}").co2_kg_per_unit
        )

    assert round(100 * (ratio("bituminous_coal") - 1)) == -6
    assert round(100 * (ratio("lng") - 1), 1) == 22.8


def test_a_set_per_energy_is_taken_as_printed_its_carbon_content_being_the_rounded_part(
    book: FactorBook,
) -> None:
    coal = _of(book, "IPCC_2006/anthracite", "AR5")
    assert coal.co2_kg_per_unit == 2624.61
    assert coal.ch4_kg_per_unit == pytest.approx(26.7 * 10 / 1000)
    assert coal.n2o_kg_per_unit == pytest.approx(26.7 * 1.5 / 1000)
    assert coal.co2e_kg_per_unit == pytest.approx(2624.61 + 0.267 * 28 + 0.04005 * 265)
    assert coal.gwp_set == "AR5"
    assert coal.biogenic_co2_kg_per_unit == 0.0


def test_without_a_gwp_set_there_is_no_co2e(book: FactorBook) -> None:
    coal = _of(book, "IPCC_2006/anthracite")
    assert coal.ch4_kg_per_unit > 0.0
    assert math.isnan(coal.co2e_kg_per_unit)
    assert coal.gwp_set is None


def test_a_set_of_co2_alone_leaves_the_other_gases_and_the_sum_unknown(book: FactorBook) -> None:
    coal = _of(book, "CN_NDRC_2.1/bituminous_coal", "AR6")
    unknown = (coal.ch4_kg_per_unit, coal.n2o_kg_per_unit, coal.co2e_kg_per_unit)
    assert all(math.isnan(value) for value in unknown)
    assert coal.gwp_set is None


def test_biomass_counts_0_and_is_a_memo_item_while_its_methane_counts(book: FactorBook) -> None:
    wood = _of(book, "IPCC_2006/wood", "AR6")
    assert wood.co2_kg_per_unit == 0.0
    assert wood.biogenic_co2_kg_per_unit == 1747.2
    gwp = GWP_SETS["AR6"]
    assert wood.co2e_kg_per_unit == pytest.approx(15.6 * (30 * gwp.ch4_biogenic + 4 * gwp.n2o) / 1000)


def test_ncv_gives_the_energy_and_an_hhv_does_not(book: FactorBook) -> None:
    assert _of(book, "CN_NDRC_2.1/natural_gas").energy_kwh_per_unit == pytest.approx(389.31e-4 / 0.0036)
    assert _of(book, "CN_NDRC_2.1/bituminous_coal").energy_kwh_per_unit == pytest.approx(23.204 / 0.0036)
    assert math.isnan(_of(book, "US_EPA_40CFR98_C1_C2/natural_gas").energy_kwh_per_unit)


def test_us_units(book: FactorBook) -> None:
    coal = _of(book, "US_EPA_40CFR98_C1_C2/bituminous_coal")
    assert coal.co2_kg_per_unit == pytest.approx(2325.4704 / T_PER_SHORT_TON)
    diesel = _of(book, "US_EPA_40CFR98_C1_C2/diesel")
    assert diesel.co2_kg_per_unit == pytest.approx(10.20648 / M3_PER_GALLON)
    # 3 g CH4/mmBtu (table C-2), printed per TJ of higher heating value.
    assert diesel.ch4_kg_per_unit * M3_PER_GALLON == pytest.approx(0.138 * 0.003, rel=1e-4)
    assert pytest.approx(1.055056, abs=1e-6) == GJ_PER_MMBTU


def test_energy_only_tables_give_energy_and_a_reason(book: FactorBook) -> None:
    coal = _of(book, "GBT2589_2020/raw_coal")
    assert coal.energy_kwh_per_unit == pytest.approx(20.934 / 0.0036)
    assert math.isnan(coal.co2_kg_per_unit)
    assert coal.missing_reason == "GBT2589_2020/raw_coal carries no CO2 factor."
    gas = _of(book, "GBT2589_2020/natural_gas_oilfield")
    assert gas.energy_kwh_per_unit == pytest.approx(0.038979 / 0.0036)
    assert math.isnan(_of(book, "GBT2589_2020/natural_gas_range").energy_kwh_per_unit)


def test_carbon_from_air_dried_to_as_received() -> None:
    carbon = as_received(58.2, LabBasis.AIR_DRIED, Sample(moisture_pct=12.5, moisture_air_dried_pct=2.1))
    assert round(carbon, 4) == 52.0174
    assert round(carbon / 100 * 0.99 * 44 / 12, 5) == 1.88823


def test_measured_values_override_each_property_alone(book: FactorBook) -> None:
    name = "CN_NDRC_2.1/bituminous_coal"
    ncv = _of(book, name, ncv_gj_per_unit=21.0)
    assert ncv.co2_kg_per_unit == pytest.approx(21.0 * 0.02618 * 0.93 * 44 / 12 * 1000)
    assert ncv.energy_kwh_per_unit == pytest.approx(21.0 / 0.0036)
    assert ncv.name == "CN_NDRC_2.1/bituminous_coal with measured NCV (lab 7, 2026-03-01)"
    carbon = _of(book, name, carbon_content_t_per_gj=0.027)
    assert carbon.co2_kg_per_unit == pytest.approx(23.204 * 0.027 * 0.93 * 44 / 12 * 1000)
    oxidation = _of(book, name, oxidation_rate=0.99)
    assert oxidation.co2_kg_per_unit == pytest.approx(23.204 * 0.02618 * 0.99 * 44 / 12 * 1000)


def test_a_measured_oxidation_of_0_is_a_value(book: FactorBook) -> None:
    assert _of(book, "CN_NDRC_2.1/bituminous_coal", oxidation_rate=0.0).co2_kg_per_unit == 0.0


def test_a_measured_ncv_scales_a_set_per_energy(book: FactorBook) -> None:
    coal = _of(book, "IPCC_2006/anthracite", "AR5", ncv_gj_per_unit=30.0)
    assert coal.co2_kg_per_unit == pytest.approx(30.0 * 98.3)
    assert coal.ch4_kg_per_unit == pytest.approx(30.0 * 10 / 1000)


def test_a_lower_heating_value_is_not_mixed_with_carbon_per_higher_one(book: FactorBook) -> None:
    name = "US_EPA_40CFR98_C1_C2/bituminous_coal"
    assert "by HHV" in str(_of(book, name, ncv_gj_per_unit=21.0).missing_reason)
    assert "by HHV" in str(_of(book, name, carbon_content_t_per_gj=0.026).missing_reason)
    whole = _of(book, name, ncv_gj_per_unit=21.0, carbon_content_t_per_gj=0.026, oxidation_rate=0.98)
    per_short_ton = 21.0 * 0.026 * 0.98 * 44 / 12 * 1000
    assert whole.co2_kg_per_unit * T_PER_SHORT_TON == pytest.approx(per_short_ton)
    # CH4 is per TJ of the set's own, higher, heating value.
    assert whole.ch4_kg_per_unit == _of(book, name).ch4_kg_per_unit


def test_what_is_neither_measured_nor_published_is_missing(book: FactorBook) -> None:
    assert "lacks what" in str(_of(book, "UK_DESNZ_2025/lpg", ncv_gj_per_unit=46.0).missing_reason)


def test_a_sum_of_gases_is_no_co2(book: FactorBook) -> None:
    grid = _factor(book, "UK_DESNZ_2025/electricity_UK")
    found = emission_factor(Found(replace(grid, unit="t"), provisional=False), None, "AR5")
    assert math.isnan(found.co2_kg_per_unit)
    assert found.co2e_kg_per_unit == 0.177
    assert found.gwp_set is None
