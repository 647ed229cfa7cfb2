"""Values with their unit: what they are in another, and what is refused."""

from __future__ import annotations

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.measures import MeasureError, converted, read, unit_of
from services.domain.units import FACTOR_UNITS, GJ_PER_MMBTU, HEATING_VALUE_UNITS, Dimension


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("23.2 GJ/t", "GJ/t", 23.2),
        ("5544 kcal/kg", "GJ/t", 23.2116192),
        ("7000 kcal/kg", "GJ/t", 29.3076),
        ("11.9 mmBtu/short_ton", "GJ/t", 13.8397),
        ("389.31 GJ/1e4 Nm3", "MJ/m3", 38.931),
        ("389.31 GJ/万Nm3", "MJ/m3", 38.931),
        ("8500 kcal/Nm³", "MJ/m3", 35.5878),
        ("840 kg/m3", "t/m3", 0.84),
        ("68 °F", "C", 20.0),
        ("2.5 MW", "kW", 2500.0),
        ("15 min", "s", 900.0),
        ("1013.25 hPa", "kPa", 101.325),
        ("58.2 %", "%", 58.2),
        ("26.18 tC/TJ", "t/GJ", 0.02618),
        ("26.18 kgC/GJ", "t/GJ", 0.02618),
        ("8e-4 1/K", "1/K", 0.0008),
        ("8e-4/K", "1/K", 0.0008),
        ("570 gCO2/kWh", "kgCO2/kWh", 0.57),
        ("0.57 tCO2/MWh", "kgCO2/kWh", 0.57),
    ],
)
def test_values(text: str, unit: str, value: float) -> None:
    assert read(text, unit).value == pytest.approx(value, rel=1e-6)


def test_what_is_said_beside_the_value() -> None:
    assert read("5544 kcal/kg LHV ar", "GJ/t").words == ("LHV", "ar")
    found = read("36 MJ/m3 @20C LHV", "MJ/m3")
    assert (found.value, found.words, found.base_state) == (36.0, ("LHV",), "20C")
    assert read("1 d", "s") == (86400.0, (), None)


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        ("23.2 GJ/m3", "GJ/t", "no unit of what is counted in GJ/t"),
        ("95 tCO2/TJ", "t/GJ", "no unit of what is counted in t/GJ"),
        ("0.57 kg/kWh", "kgCO2/kWh", "no unit of what is counted in kgCO2/kWh"),
        ("5 ton", "t", "write t or short_ton"),
        ("5,5 GJ/t", "GJ/t", "write a number in GJ/t"),
        ("about 5 GJ/t", "GJ/t", "write a number in GJ/t"),
        ("50 sqm", "m2", "no unit that is known"),
        ("1 GJ//t", "GJ/t", "is no unit"),
        ("2 m**9**9**9", "m2", "is no unit"),
        ("5 " + "k" * 100, "kW", "write a number in kW"),
    ],
)
def test_refused(text: str, unit: str, words: str) -> None:
    with pytest.raises(MeasureError, match=words.replace("*", r"\*")):
        read(text, unit)


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("density_t_per_m3", "t/m3"),
        ("expansion_per_k", "1/K"),
        ("density_at_c", "C"),
        ("interval_s", "s"),
        ("carbon_content_t_per_gj", "t/GJ"),
        ("mass_flow_t_h", "t/hour"),
        ("accuracy_pct", "%"),
        ("supplier_co2_kg_per_kwh", "kgCO2/kWh"),
        ("maximum_potential_co2_pct", "%"),
        ("ncv_gj_per_unit", None),
        ("factor_set", None),
        ("t", None),
        ("per", None),
    ],
)
def test_the_unit_of_a_name(field: str, unit: str | None) -> None:
    assert unit_of(field) == unit


@given(
    value=st.floats(1e-6, 1e9),
    pair=st.sampled_from(
        [("kcal/kg", "GJ/t"), ("degF", "C"), ("hPa", "kPa"), ("kWh/m3", "MJ/m3"), ("kgC/GJ", "t/GJ")]
    ),
)
def test_there_and_back(value: float, pair: tuple[str, str]) -> None:
    there = converted(value, *pair)
    assert converted(there, pair[1], pair[0]) == pytest.approx(value, rel=1e-9, abs=1e-6)


_OURS = {Dimension.MASS: "t", Dimension.GAS: "m3", Dimension.LIQUID: "m3", Dimension.VOLUME: "m3"}


@pytest.mark.parametrize("unit", FACTOR_UNITS)
def test_every_unit_of_the_factor_table_has_the_size_it_has_for_pint(unit: str) -> None:
    counted = FACTOR_UNITS[unit]
    written = {"short ton": "short_ton", "1e4 Nm3": "1e4 m3", "gal": "gallon"}.get(unit, unit)
    wanted = _OURS.get(counted.dimension, "GJ")
    assert converted(1.0, written, wanted) == pytest.approx(counted.size, rel=1e-11)


@pytest.mark.parametrize("unit", HEATING_VALUE_UNITS)
def test_every_heating_value_is_energy_per_unit_of_its_factor(unit: str) -> None:
    per, size = HEATING_VALUE_UNITS[unit]
    written = unit.removesuffix(" (HHV)").replace("short ton", "short_ton").replace("gal", "gallon")
    wanted = "GJ/" + per.replace("short ton", "short_ton").replace("gal", "gallon")
    assert converted(1.0, written, wanted) == pytest.approx(size, rel=1e-11)


def test_the_btu_is_the_international_one_and_not_pints() -> None:
    assert converted(1.0, "mmBtu", "GJ") == pytest.approx(GJ_PER_MMBTU, rel=1e-11)
    assert pint.UnitRegistry().Quantity(1e6, "Btu").to("GJ").magnitude != pytest.approx(
        GJ_PER_MMBTU, rel=1e-8
    )
