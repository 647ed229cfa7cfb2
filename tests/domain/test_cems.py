from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.arrays import column
from services.domain.methods import cems, part75

AREA, VELOCITY, CELSIUS, BAROMETER, STATIC, MOISTURE, CO2 = 50.24, 12.35, 52.0, 101200.0, -150.0, 0.115, 11.8


def _flow(moisture: float = MOISTURE) -> float:
    found = cems.dry_flow_nm3_h(
        column(VELOCITY), column(AREA), column(CELSIUS), column(BAROMETER), column(STATIC), column(moisture)
    )
    return float(found[0])


def test_hj75_example() -> None:
    assert round(_flow(), 3) == 1_656_003.885
    assert round(float(cems.co2_t_h(column(_flow()), column(CO2))[0]), 3) == 383.838


def test_forgetting_moisture_overstates_by_13_percent() -> None:
    wrong = float(cems.co2_t_h(column(_flow(moisture=0.0)), column(CO2))[0])
    assert round(wrong, 3) == 433.715
    assert round(100.0 * (wrong / 383.838 - 1.0)) == 13


def test_wet_analyser_is_brought_to_dry() -> None:
    wet = CO2 * (1.0 - MOISTURE)
    assert cems.dry_concentration(column(wet), column(MOISTURE))[0] == pytest.approx(CO2)


@pytest.mark.parametrize("moisture", [1.0, 1.2, -0.1])
def test_no_dry_gas_no_number(moisture: float) -> None:
    assert np.isnan(cems.dry_share(column(moisture))[0])


def test_f11_of_a_wet_analyser() -> None:
    assert part75.rounded(part75.co2_of_wet_analyser(column(16.1), column(81_546_000.0)))[0] == 748.3


def test_f2_of_a_dry_analyser() -> None:
    assert part75.rounded(part75.co2_of_dry_analyser(column(13.2), column(25e6), column(8.4)))[0] == 172.3


def test_f14a_of_gas() -> None:
    gas = part75.UNCONFIRMED_F_FACTORS["natural_gas"]
    assert part75.rounded(part75.co2_dry_from_o2_dry(column(5.2), gas))[0] == 9.0


def test_f14b_agrees_with_f14a_and_is_never_negative() -> None:
    gas = part75.UNCONFIRMED_F_FACTORS["natural_gas"]
    dry, moisture = 5.2, 12.0
    wet = part75.co2_wet_from_o2_wet(column(dry * 0.88), column(moisture), gas)
    assert wet[0] == pytest.approx(0.88 * part75.co2_dry_from_o2_dry(column(dry), gas)[0])
    assert part75.co2_wet_from_o2_wet(column(20.5), column(moisture), gas)[0] == 0.0
    assert np.isnan(part75.co2_wet_from_o2_wet(column(np.nan), column(moisture), gas)[0])


def test_f15_heat_input() -> None:
    coal = part75.UNCONFIRMED_F_FACTORS["bituminous_coal"]
    assert part75.heat_input_mmbtu_h(column(1_800_000.0), column(10.0), coal)[0] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.05, 0.1), (-0.05, -0.1), (1.25, 1.3), (2.04, 2.0), (0.0, 0.0)]
)
def test_rounding_is_half_away_from_zero(value: float, expected: float) -> None:
    assert part75.rounded(column(value))[0] == expected


@given(velocity=st.floats(0.0, 40.0), drier=st.floats(0.0, 0.4), wetter=st.floats(0.001, 0.4))
@settings(max_examples=50)
def test_dry_flow_falls_with_moisture_and_is_linear_in_velocity(
    velocity: float, drier: float, wetter: float
) -> None:
    def at(v: float, moisture: float) -> float:
        rest = (column(AREA), column(CELSIUS), column(BAROMETER), column(STATIC), column(moisture))
        return float(cems.dry_flow_nm3_h(column(v), *rest)[0])

    assert at(velocity, drier + wetter) <= at(velocity, drier)
    assert at(2.0 * velocity, drier) == pytest.approx(2.0 * at(velocity, drier))
