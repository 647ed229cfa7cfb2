"""Appendix F of 40 CFR 75: its equations by golden values, its formulas against them, and real hours."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.arrays import FloatArray, column
from services.domain.formulas import Formula
from services.domain.methods import part75
from services.domain.part75_formulas import CO2_DRY, CO2_WET, O2_DRY, O2_WET, scale_of
from services.domain.registry.model import BaseState

COAL = part75.UNCONFIRMED_F_FACTORS["bituminous_coal"]
GAS = part75.UNCONFIRMED_F_FACTORS["natural_gas"]
T_PER_SHORT_TON = 0.90718474
EPA = Path(__file__).resolve().parents[3] / "shared" / "data" / "epa_orispl58054_stack_flow_2021q4.csv"
BIAS_ADJUSTMENT_FACTOR = 1.063


def short_tons_h(formula: Formula, scf_h: float, *rest: float, fraction: float = 1.0) -> float:
    """By the formula, from a flow in scf/h, inputs and F factors."""
    needed = len(formula.inputs) - 1
    inputs = [column(value) for value in (*rest[:needed], fraction)]
    params = [column(value) for value in (scale_of(None, None), *rest[needed:])]
    found = formula.evaluate(column(scf_h / part75.SCF_PER_NM3), inputs, params)
    return float(found[0]) / T_PER_SHORT_TON


def rounded(value: float, step: float = 0.1) -> float:
    return float(part75.rounded(column(value), step)[0])


def test_a_standard_cubic_foot_is_of_68_degrees_fahrenheit() -> None:
    assert pytest.approx(1 / 0.026384945, rel=1e-7) == part75.SCF_PER_NM3
    at_20c, at_0c = scale_of(BaseState.C20, None), scale_of(None, None)
    assert at_20c / at_0c == pytest.approx(273.15 / 293.15)
    assert scale_of(None, 1.063) == pytest.approx(1.063 * at_0c)


def test_the_formulas_give_the_figures_of_the_equations() -> None:
    assert rounded(short_tons_h(CO2_WET, 81_546_000.0, 16.1)) == 748.3
    assert rounded(short_tons_h(CO2_DRY, 25e6, 8.4, 13.2)) == 172.3
    # F-14A: 9.0 % of gas at 5.2 % O2, then F-2.
    by_oxygen = short_tons_h(O2_DRY, 25e6, 8.4, 5.2, float(GAS.fc), float(GAS.fd))
    by_co2 = short_tons_h(CO2_DRY, 25e6, 8.4, 100 * 1040 / 8710 * (20.9 - 5.2) / 20.9)
    assert by_oxygen == pytest.approx(by_co2, rel=1e-12)
    # F-14B sees the same gas wet.
    assert short_tons_h(O2_WET, 25e6, 8.4, 5.2 * 0.916, float(GAS.fc), float(GAS.fd)) == pytest.approx(
        by_oxygen, rel=1e-12
    )
    assert short_tons_h(O2_WET, 25e6, 8.4, 20.0, float(GAS.fc), float(GAS.fd)) == 0.0


def test_an_hour_of_which_the_unit_ran_a_quarter() -> None:
    whole = short_tons_h(CO2_WET, 81_546_000.0, 16.1)
    assert short_tons_h(CO2_WET, 81_546_000.0, 16.1, fraction=0.25) == pytest.approx(whole / 4)
    assert short_tons_h(CO2_WET, 81_546_000.0, 16.1, fraction=np.nan) == whole


@pytest.mark.parametrize(
    ("equation", "found", "expected"),
    [
        ("F-15", part75.heat_input_mmbtu_h(column(1_800_000.0), column(10.0), COAL), 100.0),
        ("F-16", part75.heat_input_of_co2_dry(column(2e6), column(10.0), column(10.0), COAL), 100.0),
        ("F-17", part75.heat_input_of_o2_wet(column(9.78e6), column(8.36), column(10.0), COAL), 500.0),
        ("F-18", part75.heat_input_of_o2_dry(column(9.78e6), column(10.45), column(10.0), COAL), 450.0),
    ],
)
def test_heat_input(equation: str, found: FloatArray, expected: float) -> None:
    # F-17: (18.81 - 8.36)/20.9 = 0.5; F-18: 0.9 of the gas is dry, at half the oxygen of air.
    assert found[0] == pytest.approx(expected, rel=1e-12), equation


@given(o2=st.floats(0.0, 20.9), moisture=st.floats(0.0, 40.0))
def test_wet_and_dry_oxygen_of_one_gas_give_one_heat_input(o2: float, moisture: float) -> None:
    flow = column(1e6)
    dry = part75.heat_input_of_o2_dry(flow, column(o2), column(moisture), COAL)
    wet = part75.heat_input_of_o2_wet(flow, column(o2 * (1 - moisture / 100)), column(moisture), COAL)
    assert wet[0] == pytest.approx(dry[0], abs=1e-9)


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        (0.05, 0.1, 0.1),
        (-0.05, 0.1, -0.1),
        (1.15, 0.1, 1.2),  # in binary 1.149999...
        (748.25, 0.1, 748.3),
        (748.2499, 0.1, 748.2),
        (11_813_499.0, 1000.0, 11_813_000.0),
        (11_813_500.0, 1000.0, 11_814_000.0),
        (0.0, 0.1, 0.0),
    ],
)
def test_rounding(value: float, step: float, expected: float) -> None:
    assert rounded(value, step) == expected


def test_bias_adjustment_and_rounding_of_a_real_stack() -> None:
    """EPA's own adjusted flow of 1,785 hours follows from the unadjusted one."""
    if not EPA.exists():
        pytest.skip(f"{EPA.name} is not beside the clone")
    with EPA.open() as file:
        rows = [(float(row["unadjusted_scfh"]), float(row["adjusted_scfh"])) for row in csv.DictReader(file)]
    unadjusted, adjusted = (np.array(each) for each in zip(*rows, strict=True))
    found = part75.rounded(part75.bias_adjusted(unadjusted, BIAS_ADJUSTMENT_FACTOR), part75.FLOW_STEP_SCF_H)
    assert len(rows) == 1785
    assert np.array_equal(found, adjusted)
    # The same by way of the unit devices send: Nm3 at 0 degC.
    flow_nm3_h = unadjusted / part75.SCF_PER_NM3
    again = part75.bias_adjusted(flow_nm3_h * part75.SCF_PER_NM3, BIAS_ADJUSTMENT_FACTOR)
    assert np.array_equal(part75.rounded(again, part75.FLOW_STEP_SCF_H), adjusted)
