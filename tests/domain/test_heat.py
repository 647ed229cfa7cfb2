from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.domain import steam
from services.domain.arrays import column
from services.domain.methods import heat

KG_CO2_PER_GJ = 110.0


def test_saturated_steam_at_half_a_megapascal() -> None:
    gj_per_t = float(heat.saturated_steam_by_pressure_gj(column(1.0), column(0.5))[0])
    assert round(gj_per_t, 5) == 2.66437
    assert round(gj_per_t * KG_CO2_PER_GJ / 1000.0, 5) == 0.29308


def test_saturated_steam_example() -> None:
    gj = float(heat.saturated_steam_by_pressure_gj(column(120.5), column(0.8))[0])
    assert round(gj, 4) == 323.4898
    assert round(gj * KG_CO2_PER_GJ / 1000.0, 4) == 35.5839


def test_by_temperature_is_by_pressure_on_the_saturation_line() -> None:
    celsius = steam.saturation_temperature(column(0.8))
    by_temperature = heat.saturated_steam_by_temperature_gj(column(120.5), celsius)
    assert by_temperature[0] == pytest.approx(323.4898, abs=1e-4)


def test_closed_loop_by_where_its_meter_sits() -> None:
    loop = column(100.0), column(0.6), column(95.0), column(70.0)
    in_supply = heat.hot_water_closed_volume_gj(*loop)
    in_return = heat.hot_water_closed_volume_gj(*loop, meter_in_return=column(1.0))
    assert round(float(in_supply[0]), 5) == 10.09544
    # 10.261991 by IF97, whose volumes the test of `steam` holds; the worked example prints 10.26200.
    assert float(in_return[0]) == pytest.approx(10.26200, abs=1e-5)
    by_mass = 100.0 * steam.water_density(column(0.6), column(70.0)) / 1000.0
    assert in_return == heat.hot_water_closed_gj(by_mass, *loop[1:])


@pytest.mark.parametrize("dryness", [1.0, 0.97, 0.5])
def test_wet_steam_is_water_and_vapour_by_mass(dryness: float) -> None:
    """h = h' + x (h'' - h'), v = v' + x (v'' - v'); at 1 MPa h' is 762.683 and h'' 2777.120 kJ/kg."""
    mpa, x = column(1.0), column(dryness)
    wet = float(steam.wet_steam_enthalpy_by_pressure(mpa, x)[0])
    assert wet == pytest.approx(762.683 + dryness * (2777.120 - 762.683), abs=2e-3)
    gj = float(heat.saturated_steam_by_pressure_gj(column(10.0), mpa, x)[0])
    assert gj == pytest.approx(10.0 * (wet - 83.74) / 1000.0, rel=1e-12)
    celsius = steam.saturation_temperature(mpa)
    assert heat.saturated_steam_by_temperature_gj(column(10.0), celsius, x)[0] == pytest.approx(gj, rel=1e-7)
    volume = 1.0 / steam.wet_steam_density_by_pressure(mpa, x)[0]
    dry = 1.0 / steam.saturated_vapour_density_by_pressure(mpa)[0]
    assert volume == pytest.approx(0.00112723 + dryness * (dry - 0.00112723), rel=1e-6)
    by_volume = heat.saturated_steam_volume_by_pressure_gj(column(10.0 * volume * 1000.0), mpa, x)
    assert by_volume[0] == pytest.approx(gj)


@pytest.mark.parametrize("dryness", [0.0, -0.1, 1.0001, np.nan])
def test_no_steam_is_no_wet_steam(dryness: float) -> None:
    assert np.isnan(heat.saturated_steam_by_pressure_gj(column(10.0), column(1.0), column(dryness))[0])


def test_coal_equivalent_is_that_of_a_kilogram_of_7000_kilocalories() -> None:
    assert round(1000.0 / (7000.0 * 4.1868e-3), 2) == heat.COAL_EQUIVALENT_KG_PER_GJ


def test_a_return_warmer_than_the_supply_is_a_fault_where_water_flows() -> None:
    mass_t, back = column([10.0, 10.0, 0.0, 10.0]), column([62.1, 61.9, 80.0, 59.0])
    found = heat.hot_water_closed_gj(mass_t, column([0.6] * 4), column([60.0] * 4), back)
    assert np.isnan(found).tolist() == [True, False, False, False]
    assert found[1] < 0.0 == found[2] < found[3]


def test_open_hot_water() -> None:
    assert heat.hot_water_open_gj(column(100.0), column(60.0))[0] == pytest.approx(100 * 40 * 4.1868 / 1000)


def test_volume_is_mass_by_density() -> None:
    mpa, celsius = column(1.0), column(250.0)
    mass_t = 1000.0 * steam.superheated_density(mpa, celsius) / 1000.0
    by_volume = heat.superheated_steam_volume_gj(column(1000.0), mpa, celsius)
    assert by_volume == heat.superheated_steam_gj(mass_t, mpa, celsius)
    dry = 1000.0 * steam.saturated_vapour_density_by_pressure(mpa) / 1000.0
    assert heat.saturated_steam_volume_by_pressure_gj(column(1000.0), mpa) == pytest.approx(
        heat.saturated_steam_by_pressure_gj(dry, mpa)
    )
    assert heat.saturated_steam_volume_by_temperature_gj(
        column(1000.0), steam.saturation_temperature(mpa)
    ) == pytest.approx(heat.saturated_steam_volume_by_pressure_gj(column(1000.0), mpa), rel=1e-6)
    water = heat.hot_water_open_volume_gj(column(1.0), column(0.4), column(60.0))
    assert water[0] == pytest.approx(0.98332 * 40 * 4.1868 / 1000, rel=1e-4)


@pytest.mark.parametrize("heat_of", [heat.superheated_steam_gj, heat.superheated_steam_volume_gj])
def test_a_cold_line_in_which_nothing_flows_brings_nothing(heat_of: Any) -> None:
    amount, mpa, celsius = (
        column([0.0, 1e-6, 0.0, 0.0, 0.0, np.nan]),
        column([0.101, 0.101, np.nan, 0.101, 1.0, 0.101]),
        column([20.0, 20.0, 20.0, np.nan, 900.0, 20.0]),
    )
    found = heat_of(amount, mpa, celsius)
    assert found[0] == 0.0
    assert np.isnan(found[1:]).all()


def test_wet_superheated_steam_gives_no_heat() -> None:
    assert np.isnan(heat.superheated_steam_gj(column(10.0), column(1.0), column(170.0))[0])
