"""Water and steam in the ranges that the simulated networks run in.

From printed tables and an old formula, not from IAPWS-IF97, so that a mistake in the services' property
routines cannot hide: they are within 0.03 % of IF97 in their range, 0.02 % where the demo
runs (there is a test).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.hashing import FloatArray

# Enthalpy of saturated liquid [kJ/kg] from 40 to 130 degC, every 10 K (International Steam Tables, table 1).
_LIQUID_FROM_C: Final = 40.0
_LIQUID_KJ_PER_KG: Final = np.array(
    [167.54, 209.34, 251.15, 293.02, 334.95, 376.97, 419.10, 461.36, 503.78, 546.39]
)
# Enthalpy of superheated steam [kJ/kg], rows 0.8, 1.0, 1.2 MPa absolute, columns 200, 250, 300 degC
# (Cengel & Boles, table A-6).
_STEAM_FROM_MPA: Final = 0.8
_STEAM_FROM_C: Final = 200.0
_STEAM_KJ_PER_KG: Final = np.array(
    [[2839.8, 2950.4, 3056.9], [2828.3, 2943.1, 3051.6], [2816.1, 2935.6, 3046.3]]
)


def _lagrange_3(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights of the nodes 0, 1, 2 at `x`."""
    return 0.5 * (x - 1.0) * (x - 2.0), x * (2.0 - x), 0.5 * x * (x - 1.0)


def liquid_enthalpy_kj_per_kg(temperature_c: FloatArray, pressure_kpa_abs: FloatArray) -> FloatArray:
    """Enthalpy of liquid water, 40 to 130 degC: the saturated liquid's, and v (1 - T beta) per pressure above
    saturation (0.97 - 0.0022 t kJ/kg per MPa, from the tables of compressed liquid)."""
    x = (temperature_c - _LIQUID_FROM_C) / 10.0
    left = np.clip(np.floor(x).astype(np.int64), 0, _LIQUID_KJ_PER_KG.size - 3)
    w0, w1, w2 = _lagrange_3(x - left)
    table = _LIQUID_KJ_PER_KG
    saturated = w0 * table[left] + w1 * table[left + 1] + w2 * table[left + 2]
    above_mpa = pressure_kpa_abs / 1000.0 - saturation_pressure_pa(temperature_c) / 1e6
    return np.asarray(saturated + (0.97 - 0.0022 * temperature_c) * above_mpa)


def liquid_density_kg_per_m3(temperature_c: FloatArray, pressure_kpa_abs: FloatArray) -> FloatArray:
    """Density of liquid water, 0 to 150 degC: Kell, J. Chem. Eng. Data 20 (1975) 97, at 101.325 kPa; above
    it with the compressibility of 80 degC, 0.46 per GPa (good to 0.01 % up to 1 MPa)."""
    t = temperature_c
    numerator = 999.83952 + t * (
        16.945176 + t * (-7.9870401e-3 + t * (-46.170461e-6 + t * (105.56302e-9 - t * 280.54253e-12)))
    )
    at_atmosphere = numerator / (1.0 + 16.879850e-3 * t)
    return np.asarray(at_atmosphere * (1.0 + 0.46e-6 * (pressure_kpa_abs - 101.325)))


def superheated_enthalpy_kj_per_kg(temperature_c: FloatArray, pressure_mpa_abs: FloatArray) -> FloatArray:
    """Enthalpy of superheated steam, 200 to 300 degC and 0.8 to 1.2 MPa absolute."""
    by_temperature = _lagrange_3((temperature_c - _STEAM_FROM_C) / 50.0)
    by_pressure = _lagrange_3((pressure_mpa_abs - _STEAM_FROM_MPA) / 0.2)
    total = np.zeros_like(temperature_c)
    for i, p_weight in enumerate(by_pressure):
        for j, t_weight in enumerate(by_temperature):
            total = total + p_weight * t_weight * _STEAM_KJ_PER_KG[i, j]
    return np.asarray(total)


def saturation_pressure_pa(temperature_c: FloatArray) -> FloatArray:
    """Vapour pressure over water: Magnus formula with the coefficients of WMO No. 8; within 0.3 % up to 60
    degC, 3 % at 100."""
    return np.asarray(611.2 * np.exp(17.62 * temperature_c / (243.12 + temperature_c)))
