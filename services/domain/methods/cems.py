"""Measured CO2 of a stack.

HJ 75-2017 annex C: Qsn = 3600 F Vs 273/(273 + ts) (Ba + Ps)/101325 (1 - Xsw) [Nm3/h, dry, 0 degC]; the
standard's 273 is kept as printed. CO2 = Qsn CO2dry/100 (44/22.4)/1000 [t/h]. Never with a concentration
folded to a reference oxygen.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from services.domain.arrays import FloatArray

KG_CO2_PER_NM3: Final = 44.0 / 22.4
_HJ75_ZERO_C_K = 273.0
_STANDARD_PRESSURE_PA = 101_325.0


def dry_share(moisture_fraction: FloatArray) -> FloatArray:
    """1 - Xsw; NaN where there is no dry gas (or the fraction is none)."""
    return np.where((moisture_fraction >= 0.0) & (moisture_fraction < 1.0), 1.0 - moisture_fraction, np.nan)


def dry_flow_nm3_h(
    velocity_m_s: FloatArray,
    duct_area_m2: FloatArray,
    temperature_c: FloatArray,
    barometric_pressure_pa: FloatArray,
    static_pressure_pa: FloatArray,
    moisture_fraction: FloatArray,
) -> FloatArray:
    """Dry stack gas flow at 0 degC and 101.325 kPa [Nm3/h]; `static_pressure_pa` is gauge, usually
    negative."""
    kelvin = np.where(temperature_c > -_HJ75_ZERO_C_K, _HJ75_ZERO_C_K + temperature_c, np.nan)
    wet = (
        3600.0
        * duct_area_m2
        * velocity_m_s
        * (_HJ75_ZERO_C_K / kelvin)
        * ((barometric_pressure_pa + static_pressure_pa) / _STANDARD_PRESSURE_PA)
    )
    result: FloatArray = wet * dry_share(moisture_fraction)
    return result


def dry_concentration(wet: FloatArray, moisture_fraction: FloatArray) -> FloatArray:
    """C_dry = C_wet/(1 - Xsw), in the unit of `wet`."""
    return wet / dry_share(moisture_fraction)


def co2_t_h(flow_nm3_h: FloatArray, co2_pct: FloatArray) -> FloatArray:
    """CO2 [t/h] from flow and concentration on the same basis, wet or dry. `co2_pct` is % by volume."""
    return flow_nm3_h * (co2_pct / 100.0) * (KG_CO2_PER_NM3 / 1000.0)
