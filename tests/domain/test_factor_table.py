"""Tables of factors that people make: heating values in other units, and what is told of mistakes."""

from __future__ import annotations

import pytest

from services.domain.factor_table import read_table
from services.domain.factors import FactorTableError

HEADER = (
    "factor_set,fuel,region,unit,gas,basis,ncv,ncv_unit,carbon_content_tC_per_GJ,oxidation_rate,"
    "co2_kg_per_unit,source,verified\n"
)


def _row(unit: str = "t", basis: str = "LHV", ncv: str = "20", ncv_unit: str = "GJ/t") -> str:
    return f"OWN,coal,,{unit},CO2,{basis},{ncv},{ncv_unit},0.025,0.9,,lab 7,transcribed\n"


@pytest.mark.parametrize(
    ("unit", "basis", "ncv", "ncv_unit", "gj"),
    [
        ("t", "LHV", "20", "GJ/t", 20.0),
        ("t", "LHV", "5544", "kcal/kg", 23.2116192),
        ("t", "LHV", "20", "MJ/kg LHV", 20.0),
        ("1e4 Nm3", "LHV", "38.931", "MJ/Nm3", 389.31),
        ("m3", "energy only", "8500", "kcal/m3", 0.0355878),
        ("short ton", "HHV", "29", "GJ/t (HHV)", 29.0 * 0.90718474),
    ],
)
def test_heating_values(unit: str, basis: str, ncv: str, ncv_unit: str, gj: float) -> None:
    [factor] = read_table(HEADER + _row(unit, basis, ncv, ncv_unit))
    assert factor.ncv_gj_per_unit == pytest.approx(gj, rel=1e-9)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (_row(ncv_unit="MJ/m3"), "MJ/m3 is no unit of what is counted in GJ/t"),
        (_row(ncv_unit="MJ/kg HHV"), "it says HHV, and the basis is LHV"),
        (_row(ncv_unit="MJ/kg LHV", basis="HHV"), "there is none by HHV for a factor per t"),
        (_row(basis="as fired", ncv_unit="GJ/t"), "a heating value is by one of LHV, HHV, energy only"),
        (_row(unit="kg", ncv_unit="MJ/kg"), "no conversion for the unit 'kg'"),
        (_row(ncv_unit=""), "write a number in GJ/t"),
    ],
)
def test_a_mistake_is_told_with_its_line(row: str, words: str) -> None:
    with pytest.raises(FactorTableError, match="line 3: ") as caught:
        read_table(HEADER + _row() + row)
    assert words in str(caught.value)


def test_what_is_no_table() -> None:
    for text in ("", "hello\n1,2,3\n"):
        with pytest.raises(FactorTableError, match="is this a table of factors"):
            read_table(text)
