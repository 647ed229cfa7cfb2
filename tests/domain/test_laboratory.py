"""Laboratory values on the basis of what is metered, and the factor they make."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.emission_factor import EmissionFactor
from services.domain.factors import Factor, FactorBook, Found
from services.domain.gwp import GWP_SETS
from services.domain.laboratory import Sample, as_received, lacking, measured, ncv_as_received
from services.domain.methods.fuel_factor import emission_factor
from services.domain.registry.model import BaseState, FuelProperties, LabBasis
from services.domain.units import FACTOR_UNITS, T_PER_SHORT_TON
from tests.domain.conftest import one, registry_of

_SAMPLE = Sample(moisture_pct=12.5, moisture_air_dried_pct=2.1, ash_dry_pct=20.0)
_LAB = "lab 7, 2026-03-01"


def _of(book: FactorBook, name: str, gwp_set: str | None = None, **properties: Any) -> EmissionFactor:
    [factor] = [factor for factor in book.factors if factor.name == name]
    base_state = properties.pop("factor_base_state", None)
    fuel = FuelProperties.model_validate({**properties, "source": _LAB})
    return emission_factor(Found(factor, provisional=False), fuel, gwp_set, base_state)


@pytest.mark.parametrize(
    ("basis", "carbon_pct"),
    [
        (LabBasis.AS_RECEIVED, 58.2),
        (LabBasis.AIR_DRIED, 52.0174),  # 58.2 x 87.5/97.9
        (LabBasis.DRY, 50.925),  # 58.2 x 0.875
        (LabBasis.DRY_ASH_FREE, 40.74),  # 58.2 x 0.875 x 0.8
    ],
)
def test_carbon_of_each_basis(basis: LabBasis, carbon_pct: float) -> None:
    assert round(as_received(58.2, basis, _SAMPLE), 4) == carbon_pct


@pytest.mark.parametrize(
    ("basis", "ncv_kj_per_kg"),
    [
        (LabBasis.AS_RECEIVED, 22500.0),
        (LabBasis.AIR_DRIED, 19865.475),  # (22500 + 23 x 2.1) x 87.5/97.9 - 23 x 12.5
        (LabBasis.DRY, 19400.0),  # 22500 x 0.875 - 23 x 12.5
        (LabBasis.DRY_ASH_FREE, 15462.5),  # 22500 x 0.875 x 0.8 - 23 x 12.5
    ],
)
def test_ncv_of_each_basis(basis: LabBasis, ncv_kj_per_kg: float) -> None:
    assert round(ncv_as_received(22500.0, basis, _SAMPLE), 3) == ncv_kj_per_kg


@given(
    ncv=st.floats(5e3, 4e4),
    total=st.floats(0.0, 60.0),
    air_dried=st.floats(0.0, 30.0),
    ash=st.floats(0.0, 50.0),
)
def test_every_way_to_as_received_ends_the_same(
    ncv: float, total: float, air_dried: float, ash: float
) -> None:
    """The air-dried sample brought to dry and to dry ash-free by hand, and from there."""
    sample = Sample(total, air_dried, ash)
    dry = (ncv + 23.0 * air_dried) * 100.0 / (100.0 - air_dried)
    ash_free = dry * 100.0 / (100.0 - ash)
    found = ncv_as_received(ncv, LabBasis.AIR_DRIED, sample)
    assert ncv_as_received(dry, LabBasis.DRY, sample) == pytest.approx(found, rel=1e-9, abs=1e-6)
    assert ncv_as_received(ash_free, LabBasis.DRY_ASH_FREE, sample) == pytest.approx(
        found, rel=1e-9, abs=1e-6
    )
    assert ncv_as_received(ncv, LabBasis.AIR_DRIED, Sample(air_dried, air_dried)) == pytest.approx(ncv)


@pytest.mark.parametrize("basis", LabBasis)
def test_a_basis_that_cannot_be_left_is_no_number(basis: LabBasis) -> None:
    fuel = FuelProperties.model_validate({"carbon_pct": 58.2, "carbon_basis": basis, "source": _LAB})
    found = measured(fuel, FACTOR_UNITS["t"], None)
    assert isinstance(found, str) == (basis is not LabBasis.AS_RECEIVED)
    assert lacking(basis, _SAMPLE) == ()


def test_carbon_by_itself_needs_no_ncv(book: FactorBook) -> None:
    """1.88823 tCO2/t: C_ad 58.2 %, M_ad 2.1, M_ar 12.5, oxidation 0.99."""
    coal = _of(
        book,
        "CN_NDRC_2.1/bituminous_coal",
        carbon_pct=58.2,
        carbon_basis="ad",
        moisture_pct=12.5,
        moisture_air_dried_pct=2.1,
        oxidation_rate=0.99,
    )
    assert round(coal.co2_kg_per_unit / 1000.0, 5) == 1.88823
    assert coal.name == f"CN_NDRC_2.1/bituminous_coal with measured carbon, oxidation ({_LAB})"
    assert coal.energy_kwh_per_unit == pytest.approx(23.204 / 0.0036)


def test_carbon_by_itself_replaces_that_of_a_set_by_hhv_too(book: FactorBook) -> None:
    coal = _of(book, "US_EPA_40CFR98_C1_C2/bituminous_coal", carbon_pct=60.0)
    assert coal.co2_kg_per_unit == pytest.approx(0.6 * 44 / 12 * 1000)
    plain = _of(book, "US_EPA_40CFR98_C1_C2/bituminous_coal", biogenic_fraction=0.0)
    assert coal.ch4_kg_per_unit == plain.ch4_kg_per_unit


def test_a_measured_hhv_scales_a_set_by_hhv(book: FactorBook) -> None:
    """EPA's tier 2: CO2 and CH4 by the measured heating value and the set's kg per mmBtu."""
    name = "US_EPA_40CFR98_C1_C2/bituminous_coal"
    plain = _of(book, name, biogenic_fraction=0.0)
    [factor] = [factor for factor in book.factors if factor.name == name]
    assert factor.ncv_gj_per_unit is not None
    per_t = factor.ncv_gj_per_unit / T_PER_SHORT_TON
    more = _of(book, name, hhv_gj_per_t=1.1 * per_t)
    assert more.co2_kg_per_unit == pytest.approx(1.1 * plain.co2_kg_per_unit, rel=1e-12)
    assert more.ch4_kg_per_unit == pytest.approx(1.1 * plain.ch4_kg_per_unit, rel=1e-12)
    assert math.isnan(more.energy_kwh_per_unit)
    assert more.name == f"{name} with measured HHV ({_LAB})"
    drier: dict[str, Any] = {"hhv_basis": "d", "moisture_pct": 10.0}
    assert _of(book, name, hhv_gj_per_t=per_t, **drier).co2_kg_per_unit == pytest.approx(
        0.9 * plain.co2_kg_per_unit, rel=1e-12
    )
    gas = _of(book, "US_EPA_40CFR98_C1_C2/natural_gas", hhv_mj_per_m3=38.0)
    assert gas.co2_kg_per_unit == pytest.approx(0.038 / 1.05505585262 * 53.06, rel=1e-4)
    assert "a measured HHV has no part in it" in str(
        _of(book, "CN_NDRC_2.1/bituminous_coal", hhv_gj_per_t=25.0).missing_reason
    )


def test_an_ncv_by_mass_is_the_same_for_any_unit_of_the_factor(book: FactorBook) -> None:
    name = "CN_NDRC_2.1/bituminous_coal"
    by_mass, by_unit = _of(book, name, ncv_gj_per_t=21.0), _of(book, name, ncv_gj_per_unit=21.0)
    assert by_mass.co2_kg_per_unit == by_unit.co2_kg_per_unit
    assert by_mass.energy_kwh_per_unit == by_unit.energy_kwh_per_unit
    whole: dict[str, Any] = {"carbon_content_t_per_gj": 0.026, "oxidation_rate": 0.98}
    short = _of(book, "US_EPA_40CFR98_C1_C2/bituminous_coal", ncv_gj_per_t=21.0, **whole)
    assert short.co2_kg_per_unit == pytest.approx(21.0 * 0.026 * 0.98 * 44 / 12 * 1000)
    per_unit = _of(
        book, "US_EPA_40CFR98_C1_C2/bituminous_coal", ncv_gj_per_unit=21.0 * T_PER_SHORT_TON, **whole
    )
    assert per_unit.co2_kg_per_unit == pytest.approx(short.co2_kg_per_unit)


def test_a_gas_is_brought_from_the_laboratorys_base_state_to_the_factors(book: FactorBook) -> None:
    """36 MJ/m3 at 20 degC is 38.636 MJ per Nm3 at 0 degC."""
    name = "CN_NDRC_2.1/natural_gas"
    same = _of(book, name, ncv_mj_per_m3=36.0, base_state="20C", factor_base_state=BaseState.C20)
    colder = _of(book, name, ncv_mj_per_m3=36.0, base_state="20C", factor_base_state=BaseState.C0)
    assert same.energy_kwh_per_unit == pytest.approx(0.036 / 0.0036)
    assert round(colder.energy_kwh_per_unit * 3.6, 3) == 38.636
    carbon = _of(book, name, carbon_kg_per_m3=0.5, base_state="0C", factor_base_state=BaseState.C0)
    assert carbon.co2_kg_per_unit == pytest.approx(0.5 * 0.99 * 44 / 12)


@pytest.mark.parametrize(
    ("name", "properties", "reason"),
    [
        ("CN_NDRC_2.1/natural_gas", {"ncv_gj_per_t": 48.0}, "per mass, and the factor is per volume"),
        ("CN_NDRC_2.1/natural_gas", {"carbon_pct": 75.0}, "per mass, and the factor is per volume"),
        ("CN_NDRC_2.1/diesel", {"ncv_mj_per_m3": 36e3}, "per m3, and the factor is per mass"),
        (
            "CN_NDRC_2.1/natural_gas",
            {"ncv_mj_per_m3": 36.0, "factor_base_state": BaseState.C0},
            "base state is not named",
        ),
        ("GBT2589_2020/raw_coal", {"carbon_pct": 60.0}, "lacks what"),
        ("GBT2589_2020/raw_coal", {"biogenic_fraction": 0.5}, "carries no CO2 factor"),
    ],
)
def test_what_does_not_fit_the_factor_leaves_co2_unknown(
    book: FactorBook, name: str, properties: dict[str, Any], reason: str
) -> None:
    found = _of(book, name, **properties)
    assert reason in str(found.missing_reason)
    assert math.isnan(found.co2_kg_per_unit)


def test_a_co_fired_share_counts_0_and_is_a_memo_item(book: FactorBook) -> None:
    name = "IPCC_2006/anthracite"
    mixed = _of(book, name, "AR6", biogenic_fraction=0.25)
    whole = _of(book, name, "AR6", biogenic_fraction=0.0)
    assert mixed.co2_kg_per_unit == 0.75 * 2624.61
    assert mixed.biogenic_co2_kg_per_unit == 0.25 * 2624.61
    assert whole.biogenic_co2_kg_per_unit == 0.0
    gwp = GWP_SETS["AR6"]
    ch4 = 0.25 * gwp.ch4_biogenic + 0.75 * gwp.ch4_fossil
    assert mixed.co2e_kg_per_unit == pytest.approx(
        0.75 * 2624.61 + mixed.ch4_kg_per_unit * ch4 + mixed.n2o_kg_per_unit * gwp.n2o
    )


def _printed_0(book: FactorBook, fuel: str) -> Factor:
    [factor] = [factor for factor in book.factors if factor.name == f"CN_POWER_MEE/{fuel}"]
    return factor


def test_biomass_printed_as_0_leaves_its_memo_unknown_until_its_carbon_is_measured(book: FactorBook) -> None:
    pellets = emission_factor(Found(_printed_0(book, "biomass_pellet"), provisional=True), None, None)
    assert pellets.co2_kg_per_unit == 0.0
    assert math.isnan(pellets.biogenic_co2_kg_per_unit)
    analysed = _of(book, "CN_POWER_MEE/biomass_pellet", carbon_pct=48.0, oxidation_rate=1.0)
    assert analysed.co2_kg_per_unit == 0.0
    assert analysed.biogenic_co2_kg_per_unit == pytest.approx(480.0 * 44 / 12)


def test_hydrogen_has_no_carbon_of_either_sort(book: FactorBook) -> None:
    hydrogen = emission_factor(Found(_printed_0(book, "hydrogen"), provisional=True), None, None)
    assert (hydrogen.co2_kg_per_unit, hydrogen.biogenic_co2_kg_per_unit) == (0.0, 0.0)


def test_everything_measured_needs_no_set(book: FactorBook) -> None:
    fuel = {"carbon_pct": 48.0, "oxidation_rate": 1.0, "biogenic_fraction": 1.0, "source": "lab 7"}
    wood = one(registry_of("beltscale", carrier="wood", quantity="mass_t", fuel=fuel), book)
    assert wood.factor.biogenic_co2_kg_per_unit == pytest.approx(1760.0)
    assert wood.factor.co2_kg_per_unit == 0.0
    assert wood.factor.name == "measured (lab 7)"
    gas = {"carbon_kg_per_m3": 0.5, "base_state": "0C", "oxidation_rate": 1.0, "source": "chromatograph 2"}
    facts: dict[str, Any] = {"quantity": "volume_nm3", "factor_base_state": "20C", "fuel": gas}
    burned = one(registry_of(device={"base_state": "20C"}, **facts), book)
    assert burned.activity_unit == "Nm3@20C"
    assert burned.factor.co2_kg_per_unit == pytest.approx(0.5 * 273.15 / 293.15 * 44 / 12)


@given(
    ncv=st.floats(5.0, 50.0),
    carbon=st.floats(0.01, 0.05),
    oxidation=st.floats(0.0, 1.0),
    biogenic=st.floats(0.0, 1.0),
)
def test_the_memo_and_what_counts_are_the_whole(
    book: FactorBook, ncv: float, carbon: float, oxidation: float, biogenic: float
) -> None:
    parts: dict[str, Any] = {
        "ncv_gj_per_t": ncv,
        "carbon_content_t_per_gj": carbon,
        "oxidation_rate": oxidation,
    }
    mixed = _of(book, "CN_NDRC_2.1/bituminous_coal", biogenic_fraction=biogenic, **parts)
    whole = ncv * carbon * oxidation * 44 / 12 * 1000
    if whole > 0.0 or biogenic == 0.0:
        assert mixed.co2_kg_per_unit + mixed.biogenic_co2_kg_per_unit == pytest.approx(whole)
    assert mixed.co2_kg_per_unit <= whole * (1 + 1e-12)
