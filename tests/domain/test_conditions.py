from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.arrays import column
from services.domain.conditions import BASE_TEMPERATURE_K, base_state_ratio, volume_at_base
from services.domain.registry.model import BaseState


@pytest.mark.parametrize(
    ("state", "volume_m3"),
    [(BaseState.C20, 4484.829), (BaseState.C15, 4408.335), (BaseState.C0, 4178.854)],
)
def test_worked_example(state: BaseState, volume_m3: float) -> None:
    """1000 m3 at 451.325 kPa absolute and 18 degC."""
    found = volume_at_base(column(1000.0), column(18.0), column(451.325), BASE_TEMPERATURE_K[state])
    assert round(float(found[0]), 3) == volume_m3


def test_a_20c_volume_booked_as_nm3_overstates_by_7_3_percent() -> None:
    assert round(base_state_ratio(BaseState.C0, BaseState.C20), 4) == 1.0732
    assert base_state_ratio(BaseState.C20, BaseState.C0) == 273.15 / 293.15


def test_60_fahrenheit_is_15_56_celsius() -> None:
    assert BASE_TEMPERATURE_K[BaseState.F60] - 273.15 == pytest.approx(15.5556, abs=1e-4)


@pytest.mark.parametrize("state", BaseState)
def test_every_base_state_has_a_temperature(state: BaseState) -> None:
    assert 273.0 < BASE_TEMPERATURE_K[state] < 294.0


@given(
    volume=st.floats(0.0, 1e6),
    temperature_c=st.floats(-40.0, 80.0),
    pressure_kpa=st.floats(1.0, 1e4),
    more=st.floats(1.001, 10.0),
)
@settings(max_examples=50)
def test_linear_in_volume_and_monotone_in_pressure_and_temperature(
    volume: float, temperature_c: float, pressure_kpa: float, more: float
) -> None:
    def at(v: float, t: float, p: float) -> float:
        return float(volume_at_base(column(v), column(t), column(p), 273.15)[0])

    one = at(volume, temperature_c, pressure_kpa)
    assert at(volume * 2.0, temperature_c, pressure_kpa) == pytest.approx(2.0 * one)
    assert at(volume, temperature_c, pressure_kpa * more) >= one
    assert at(volume, temperature_c + more, pressure_kpa) <= one


@pytest.mark.parametrize(("temperature_c", "pressure_kpa"), [(-273.15, 100.0), (18.0, 0.0), (18.0, -5.0)])
def test_no_volume_at_impossible_conditions(temperature_c: float, pressure_kpa: float) -> None:
    found = volume_at_base(column(1.0), column(temperature_c), column(pressure_kpa), 273.15)
    assert np.isnan(found).all()
