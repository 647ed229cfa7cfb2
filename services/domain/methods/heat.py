"""Purchased and sold heat: GJ from steam, hot water and heat meters.

Guideline for other industrial enterprises (NDRC) and GB/T 32151: steam Q = m (h - 83.74)/1000, open hot water
Q = m (T - 20) 4.1868/1000; 83.74 kJ/kg is water at 20 degC, the guideline's convention. Closed loops by
enthalpy difference, EN 1434: the density is that at the meter, in the supply or in the return. Masses are in
t, volumes in m3, pressures absolute in MPa, temperatures in degC, heat in GJ (GJ/h of a flow). Wet steam: the
enthalpy and density of its dryness fraction x (mass of vapour by mass), 1 where it is dry.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.domain import steam
from services.domain.arrays import FloatArray, column

STEAM_DATUM_KJ_PER_KG: Final = 83.74
COAL_EQUIVALENT_KG_PER_GJ: Final = 34.12
"""kgce per GJ: GB/T 2589-2020 annex B prints 0.03412 kgce/MJ (a kgce is 29.3076 MJ). By energy content, for
electricity too (0.1229 kgce/kWh), not by what a power station burns for it."""
HOT_WATER_DATUM_C: Final = 20.0
WATER_KJ_PER_KG_K: Final = 4.1868
HOT_WATER_PRESSURE_MPA: Final = 1.6
"""Taken where a circuit's pressure is not measured, as EN 1434-1 does: heat depends on it by 0.005 % per
MPa."""
RETURN_TOLERANCE_K: Final = 2.0
"""What a return may be measured warmer than the supply of a circuit from which next to nothing is taken; our
choice, as wide as that of steam at saturation."""
_DRY: Final = column(1.0)
_IN_SUPPLY: Final = column(0.0)


def steam_gj(mass_t: FloatArray, enthalpy_kj_per_kg: FloatArray) -> FloatArray:
    return mass_t * (enthalpy_kj_per_kg - STEAM_DATUM_KJ_PER_KG) / 1000.0


def superheated_steam_gj(
    mass_t: FloatArray, pressure_mpa: FloatArray, temperature_c: FloatArray
) -> FloatArray:
    gj = steam_gj(mass_t, steam.superheated_enthalpy(pressure_mpa, temperature_c))
    return nothing_of_a_cold_line(mass_t, pressure_mpa, temperature_c, gj)


def superheated_steam_volume_gj(
    volume_m3: FloatArray, pressure_mpa: FloatArray, temperature_c: FloatArray
) -> FloatArray:
    mass_t = volume_m3 * steam.superheated_density(pressure_mpa, temperature_c) / 1000.0
    gj = superheated_steam_gj(mass_t, pressure_mpa, temperature_c)
    return nothing_of_a_cold_line(volume_m3, pressure_mpa, temperature_c, gj)


def nothing_of_a_cold_line(
    amount: FloatArray, pressure_mpa: FloatArray, temperature_c: FloatArray, gj: FloatArray
) -> FloatArray:
    """A steam line that is shut off cools below saturation: what does not flow brings no heat, and that is
    known. Where anything flows, such steam is a fault."""
    idle = (amount == 0.0) & np.isnan(gj)
    if not idle.any():
        return gj
    return np.where(idle & steam.too_cold(pressure_mpa, temperature_c), 0.0, gj)


def saturated_steam_by_pressure_gj(
    mass_t: FloatArray, pressure_mpa: FloatArray, dryness_fraction: FloatArray = _DRY
) -> FloatArray:
    return steam_gj(mass_t, steam.wet_steam_enthalpy_by_pressure(pressure_mpa, dryness_fraction))


def saturated_steam_volume_by_pressure_gj(
    volume_m3: FloatArray, pressure_mpa: FloatArray, dryness_fraction: FloatArray = _DRY
) -> FloatArray:
    mass_t = volume_m3 * steam.wet_steam_density_by_pressure(pressure_mpa, dryness_fraction) / 1000.0
    return saturated_steam_by_pressure_gj(mass_t, pressure_mpa, dryness_fraction)


def saturated_steam_by_temperature_gj(
    mass_t: FloatArray, temperature_c: FloatArray, dryness_fraction: FloatArray = _DRY
) -> FloatArray:
    return steam_gj(mass_t, steam.wet_steam_enthalpy_by_temperature(temperature_c, dryness_fraction))


def saturated_steam_volume_by_temperature_gj(
    volume_m3: FloatArray, temperature_c: FloatArray, dryness_fraction: FloatArray = _DRY
) -> FloatArray:
    mass_t = volume_m3 * steam.wet_steam_density_by_temperature(temperature_c, dryness_fraction) / 1000.0
    return saturated_steam_by_temperature_gj(mass_t, temperature_c, dryness_fraction)


def hot_water_open_gj(mass_t: FloatArray, temperature_c: FloatArray) -> FloatArray:
    """Heat of water that is used up: against 20 degC, and so negative for water colder than that."""
    return mass_t * (temperature_c - HOT_WATER_DATUM_C) * WATER_KJ_PER_KG_K / 1000.0


def hot_water_open_volume_gj(
    volume_m3: FloatArray, pressure_mpa: FloatArray, temperature_c: FloatArray
) -> FloatArray:
    mass_t = volume_m3 * steam.water_density(circuit_pressure(pressure_mpa), temperature_c) / 1000.0
    return hot_water_open_gj(mass_t, temperature_c)


def hot_water_closed_gj(
    mass_t: FloatArray, pressure_mpa: FloatArray, supply_c: FloatArray, return_c: FloatArray
) -> FloatArray:
    """Heat taken from a closed loop; the return's enthalpy is taken at the pressure of the supply (the fall
    of pressure in between is worth about 0.1 kJ/kg per 0.1 MPa). NaN where water flows that comes back
    warmer than it went."""
    pressure = circuit_pressure(pressure_mpa)
    drop = steam.water_enthalpy(pressure, supply_c) - steam.water_enthalpy(pressure, return_c)
    impossible = swapped(pressure_mpa, supply_c, return_c) & (mass_t != 0.0)
    return np.where(impossible, np.nan, mass_t * drop / 1000.0)


def swapped(_pressure_mpa: FloatArray, supply_c: FloatArray, return_c: FloatArray) -> npt.NDArray[np.bool_]:
    """Where the return is warmer than the supply by more than sensors may err: no heat is bought so."""
    return return_c > supply_c + RETURN_TOLERANCE_K


def hot_water_closed_volume_gj(
    volume_m3: FloatArray,
    pressure_mpa: FloatArray,
    supply_c: FloatArray,
    return_c: FloatArray,
    meter_in_return: FloatArray = _IN_SUPPLY,
) -> FloatArray:
    """As `hot_water_closed_gj`, from the volume: with the density at the meter, which sits in the supply (0)
    or in the return (1)."""
    at_meter_c = np.where(meter_in_return != 0.0, return_c, supply_c)
    mass_t = volume_m3 * steam.water_density(circuit_pressure(pressure_mpa), at_meter_c) / 1000.0
    return hot_water_closed_gj(mass_t, pressure_mpa, supply_c, return_c)


def circuit_pressure(pressure_mpa: FloatArray) -> FloatArray:
    """The pressure of a circuit [MPa], as assumed where it is not measured."""
    return np.where(np.isnan(pressure_mpa), HOT_WATER_PRESSURE_MPA, pressure_mpa)
