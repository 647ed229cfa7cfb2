from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import steam
from services.domain.arrays import column

K = 273.15


@pytest.mark.parametrize(
    ("kelvin", "mpa", "enthalpy"),
    [(300.0, 3.0, 115.331273), (300.0, 80.0, 184.142828), (500.0, 3.0, 975.542239)],
)
def test_if97_region_1(kelvin: float, mpa: float, enthalpy: float) -> None:
    assert steam.water_enthalpy(column(mpa), column(kelvin - K))[0] == pytest.approx(enthalpy, rel=1e-8)


@pytest.mark.parametrize(
    ("kelvin", "mpa", "enthalpy", "tolerance"),
    [
        (300.0, 0.0035, 2549.91145, 1e-8),
        (700.0, 0.0035, 3335.68375, 1e-8),
        (700.0, 30.0, 2631.49474, 1e-8),
        # The library inverts region 3 by iteration.
        (650.0, 25.5837018, 1863.43019, 2e-6),
    ],
)
def test_if97_regions_2_and_3(kelvin: float, mpa: float, enthalpy: float, tolerance: float) -> None:
    found = steam.superheated_enthalpy(column(mpa), column(kelvin - K))[0]
    assert found == pytest.approx(enthalpy, rel=tolerance)


@pytest.mark.parametrize(
    ("kelvin", "mpa", "volume"),
    [(300.0, 3.0, 0.00100215168), (300.0, 80.0, 0.000971180894), (500.0, 3.0, 0.00120241800)],
)
def test_if97_region_1_volume(kelvin: float, mpa: float, volume: float) -> None:
    """IAPWS-IF97, table 5."""
    assert 1.0 / steam.water_density(column(mpa), column(kelvin - K))[0] == pytest.approx(volume, rel=1e-8)


@pytest.mark.parametrize(
    ("kelvin", "mpa", "volume"), [(300.0, 0.0035, 39.4913866), (700.0, 30.0, 0.00542946619)]
)
def test_if97_region_2_volume(kelvin: float, mpa: float, volume: float) -> None:
    """IAPWS-IF97, table 15."""
    density = steam.superheated_density(column(mpa), column(kelvin - K))[0]
    assert 1.0 / density == pytest.approx(volume, rel=1e-8)


def test_if97_region_4() -> None:
    pressures = steam.saturation_pressure(column([300.0 - K, 500.0 - K, 600.0 - K]))
    assert pressures == pytest.approx([0.00353658941, 2.63889776, 12.3443146], rel=2e-9)
    temperatures = steam.saturation_temperature(column([0.1, 1.0, 10.0]))
    assert temperatures + K == pytest.approx([372.755919, 453.035632, 584.149488], rel=2e-9)


def test_saturated_and_superheated_examples() -> None:
    saturated = steam.saturated_vapour_enthalpy_by_pressure(column([0.5, 0.8, 1.0, 1.6]))
    assert [round(float(h), 2) for h in saturated] == [2748.11, 2768.30, 2777.12, 2792.88]
    assert round(float(steam.superheated_enthalpy(column(1.0), column(250.0))[0]), 2) == 2943.22


def test_saturated_enthalpy_has_its_maximum_at_3_08_mpa() -> None:
    pressures = np.linspace(0.5, 15.0, 1451)
    enthalpies = steam.saturated_vapour_enthalpy_by_pressure(pressures)
    assert pressures[enthalpies.argmax()] == pytest.approx(3.08, abs=0.006)
    assert round(float(enthalpies.max()), 2) == 2803.29


def test_gauge_read_as_absolute_loses_a_tenth_of_the_density() -> None:
    """1.0 MPa gauge and 250 degC: the true density is 10.6 % above the one at 1.0 MPa absolute."""
    true = steam.superheated_density(column(1.101325), column(250.0))[0]
    read = steam.superheated_density(column(1.0), column(250.0))[0]
    assert round(100.0 * (true / read - 1.0), 1) == 10.6


def test_below_saturation_by_more_than_2_kelvin_is_a_fault_and_never_water() -> None:
    boiling = 179.886
    found = steam.superheated_enthalpy(
        column([1.0] * 4), column([boiling + 5, boiling - 1, boiling - 1.9, boiling - 2.1])
    )
    vapour = steam.saturated_vapour_enthalpy_by_pressure(column(1.0))[0]
    assert found[0] > vapour
    assert found[1] == found[2] == vapour
    assert np.isnan(found[3])
    density = steam.superheated_density(column([1.0, 1.0]), column([boiling - 1, boiling - 2.1]))
    assert density[0] == steam.saturated_vapour_density_by_pressure(column(1.0))[0]
    assert np.isnan(density[1])


def test_water_that_would_boil_is_unknown() -> None:
    found = steam.water_enthalpy(column([0.101325, 0.101325, 0.05, 0.6]), column([99.5, 101.0, 90.0, 150.0]))
    assert np.isnan(found).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("mpa", "celsius"),
    [
        (0.0, 200.0),
        (-0.1, 200.0),
        (101.0, 700.0),
        (1.0, 801.0),
        (25.0, 370.0),
        (1.0, -300.0),
        (np.inf, 200.0),
    ],
)
def test_outside_the_formulation_is_unknown(mpa: float, celsius: float) -> None:
    assert np.isnan(steam.superheated_enthalpy(column(mpa), column(celsius))[0])
    assert np.isnan(steam.superheated_density(column(mpa), column(celsius))[0])


@given(mpa=st.floats(0.05, 20.0), above=st.floats(0.0, 200.0), more=st.floats(0.01, 50.0))
@settings(max_examples=100)
def test_superheated_enthalpy_rises_with_temperature_from_the_vapour_on(
    mpa: float, above: float, more: float
) -> None:
    boiling = float(steam.saturation_temperature(column(mpa))[0])
    vapour = float(steam.saturated_vapour_enthalpy_by_pressure(column(mpa))[0])
    low, high = steam.superheated_enthalpy(
        column([mpa, mpa]), column([boiling + above, boiling + above + more])
    )
    # Region 2 and the vapour line of region 4 meet to the formulation's own consistency.
    assert vapour - 0.05 <= low < high


@given(mpa=st.floats(0.00062, 22.06))
@settings(max_examples=50)
def test_saturation_line_goes_both_ways(mpa: float) -> None:
    celsius = steam.saturation_temperature(column(mpa))
    assert steam.saturation_pressure(celsius)[0] == pytest.approx(mpa, rel=1e-6)


@pytest.mark.parametrize("mpa", [0.0, 0.0006, 22.1, -1.0, np.nan, np.inf])
def test_there_is_no_saturation_outside_the_two_phase_region(mpa: float) -> None:
    for of_pressure in (
        steam.saturation_temperature,
        steam.saturated_vapour_enthalpy_by_pressure,
        steam.saturated_vapour_density_by_pressure,
    ):
        assert np.isnan(of_pressure(column(mpa))[0])


@pytest.mark.parametrize("celsius", [-5.0, 0.0, 374.0, np.nan])
def test_nor_of_a_temperature(celsius: float) -> None:
    for of_temperature in (
        steam.saturation_pressure,
        steam.saturated_vapour_enthalpy_by_temperature,
        steam.saturated_vapour_density_by_temperature,
    ):
        assert np.isnan(of_temperature(column(celsius))[0])
