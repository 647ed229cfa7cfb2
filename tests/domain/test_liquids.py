"""Liquids by volume: ISO 91-1, constant coefficients, and what the registry makes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.arrays import column
from services.domain.factors import FactorBook
from services.domain.liquids import by_coefficient, by_table, density_at, volume_correction
from services.domain.registry.model import PetroleumGroup
from tests.domain.conftest import one, rate_of, registry_of

# API MPMS 11.1 (2004), table of coefficients: per degF, at 60 degF.
_PER_DEGF = {
    (PetroleumGroup.CRUDE, 850.0): (341.0957, 0.0, 0.0),
    (PetroleumGroup.PRODUCTS, 900.0): (103.8720, 0.2701, 0.0),
    (PetroleumGroup.PRODUCTS, 800.0): (330.3010, 0.0, 0.0),
    (PetroleumGroup.PRODUCTS, 780.0): (1489.0670, 0.0, -0.00186840),
    (PetroleumGroup.PRODUCTS, 720.0): (192.4571, 0.2438, 0.0),
    (PetroleumGroup.LUBRICANTS, 880.0): (0.0, 0.34878, 0.0),
}


@pytest.mark.parametrize(("case", "printed"), _PER_DEGF.items())
def test_coefficients_are_those_of_the_newer_edition_times_1_8(
    case: tuple[PetroleumGroup, float], printed: tuple[float, float, float]
) -> None:
    group, density = case
    k0, k1, k2 = printed
    found = by_table(group, density / 1000.0, 15.0)
    assert found is not None
    assert found.per_k == pytest.approx(1.8 * (k0 / density**2 + k1 / density + k2), rel=5e-5)


def test_diesel_by_hand() -> None:
    """840 kg/m3 at 15 degC, 25 degC: a = 186.9696/840^2 + 0.4862/840 = 8.437891e-4, VCF 0.991541."""
    found = by_table(PetroleumGroup.PRODUCTS, 0.840, 15.0)
    assert found is not None
    assert round(found.per_k, 10) == 0.0008437891
    assert round(density_at(found, 25.0), 6) == 0.832895
    u = 0.0008437891156 * 10.0
    assert density_at(found, 25.0) == pytest.approx(0.840 * math.exp(-u * (1.0 + 0.8 * u)), rel=1e-12)


@given(
    group=st.sampled_from(PetroleumGroup),
    density=st.floats(0.81, 1.0),
    at_c=st.floats(-40.0, 140.0),
    temperature_c=st.floats(-50.0, 150.0),
)
def test_a_density_is_itself_at_its_own_temperature_and_falls_with_heat(
    group: PetroleumGroup, density: float, at_c: float, temperature_c: float
) -> None:
    found = by_table(group, density, at_c)
    if found is None:
        return
    assert density_at(found, at_c) == pytest.approx(density, rel=1e-9)
    warmer = density_at(found, min(temperature_c + 5.0, 150.0))
    assert warmer <= density_at(found, temperature_c)


def test_between_two_rows_of_a_table_a_density_is_itself_too() -> None:
    found = by_table(PetroleumGroup.PRODUCTS, 0.81, -14.5)
    assert found is not None
    assert density_at(found, -14.5) == pytest.approx(0.81, rel=1e-12)


@given(per_k=st.floats(0.0, 0.003), at_c=st.floats(-50.0, 150.0), temperature_c=st.floats(-50.0, 150.0))
def test_a_constant_coefficient_is_the_exponential(per_k: float, at_c: float, temperature_c: float) -> None:
    found = density_at(by_coefficient(1.0, at_c, per_k), temperature_c)
    assert found == pytest.approx(math.exp(-per_k * (temperature_c - at_c)), rel=1e-15)


@pytest.mark.parametrize("density", [0.6, 1.2, 840.0])
def test_no_expansion_outside_the_table(density: float) -> None:
    assert by_table(PetroleumGroup.PRODUCTS, density, 15.0) is None


def test_no_volume_outside_the_range_or_of_an_unknown_temperature() -> None:
    found = volume_correction(column([-50.1, 150.1, np.nan, 15.0]), column(15.0), column(8e-4), column(0.8))
    assert np.isnan(found[:3]).all()
    assert found[3] == 1.0


_DIESEL: Mapping[str, Any] = {"factor_set": "CN_NDRC_2.1", "density_t_per_m3": 0.840}


def test_line_volume_by_the_density_at_its_temperature(book: FactorBook) -> None:
    facts: dict[str, Any] = {**_DIESEL, "density_at_c": 15.0, "petroleum_group": "petroleum_products"}
    conversion = one(registry_of(carrier="diesel", quantity="volume_m3", **facts), book)
    assert (conversion.activity_unit, conversion.inputs) == ("t", ("temperature_c",))
    assert round(rate_of(conversion, 1000.0, temperature_c=25.0), 3) == 832.895
    assert rate_of(conversion, 1000.0, live=False, temperature_c=15.0) == pytest.approx(840.0)
    assert math.isnan(rate_of(conversion, 1000.0))
    assert conversion.factor.co2_kg_per_unit == pytest.approx(3145.1225, rel=1e-6)


def test_a_density_as_metered_needs_no_temperature(book: FactorBook) -> None:
    conversion = one(registry_of(carrier="diesel", quantity="volume_m3", **_DIESEL), book)
    assert rate_of(conversion, 1000.0) == 840.0


def test_a_corrected_totaliser_takes_the_density_at_its_base(book: FactorBook) -> None:
    facts: dict[str, Any] = {**_DIESEL, "density_at_c": 20.0, "quantity": "volume_nm3"}
    same = one(registry_of(carrier="diesel", device={"base_state": "20C"}, **facts), book)
    assert rate_of(same, 1000.0) == 840.0
    facts["petroleum_group"] = "petroleum_products"
    other = one(registry_of(carrier="diesel", device={"base_state": "15C"}, **facts), book)
    assert round(rate_of(other, 1000.0), 3) == 843.544


@pytest.mark.parametrize(
    ("device", "facts", "reason"),
    [
        ({}, {"quantity": "volume_m3"}, "how the liquid expands from there is not"),
        ({}, {"quantity": "volume_nm3"}, "does not name the base state"),
        ({"base_state": "15C"}, {"quantity": "volume_nm3"}, "how the liquid expands from there is not"),
        (
            {},
            {"quantity": "volume_m3", "petroleum_group": "lubricating_oil", "density_t_per_m3": 0.7},
            "no table",
        ),
    ],
)
def test_what_is_not_said_leaves_the_mass_unknown(
    book: FactorBook, device: dict[str, Any], facts: dict[str, Any], reason: str
) -> None:
    wanted = {**_DIESEL, "density_at_c": 20.0, **facts}
    conversion = one(registry_of(carrier="diesel", device=device, **wanted), book)
    assert reason in str(conversion.factor.missing_reason)
    assert math.isnan(rate_of(conversion, 1.0, temperature_c=20.0))
