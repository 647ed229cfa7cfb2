"""Gas and pressure conditions: from the state at the meter to a base state.

Vb = Vm (p/pb) (Tb/T) (Zb/Z), EN 12405-1 and ISO 13443, with p and T absolute and at the meter. Base states
lie at 101.325 kPa. That is a choice for 60 degF: 40 CFR 98.6 says 14.7 psia (101.353 kPa, 0.03 % more), the
American gas trade often 14.73 psia (101.560 kPa, 0.23 % more); a meter that is set to another base pressure
needs its volume corrected before it is called 60F.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.registry.model import BaseState

ZERO_C_K: Final = 273.15
STANDARD_PRESSURE_KPA: Final = 101.325

BASE_TEMPERATURE_K: Final = MappingProxyType(
    {
        BaseState.C0: ZERO_C_K,
        BaseState.C15: ZERO_C_K + 15.0,
        BaseState.C20: ZERO_C_K + 20.0,
        BaseState.F60: (60.0 + 459.67) / 1.8,
    }
)


def base_state_ratio(from_state: BaseState, to_state: BaseState) -> float:
    """Factor that turns an ideal gas volume at `from_state` into the one at `to_state`: 20C to 0C is
    0.93178."""
    return BASE_TEMPERATURE_K[to_state] / BASE_TEMPERATURE_K[from_state]


def volume_at_base(
    volume_m3: FloatArray,
    temperature_c: FloatArray,
    pressure_kpa_abs: FloatArray,
    base_temperature_k: FloatArray | float,
    compressibility_ratio: FloatArray | float = 1.0,
) -> FloatArray:
    """Volume (or volume flow) at a base state [m3] from the one at line conditions.

    `compressibility_ratio` is Zb/Z. NaN where a value is unknown, a pressure not above vacuum or a
    temperature not above absolute zero.
    """
    temperature_k = np.where(temperature_c > -ZERO_C_K, temperature_c + ZERO_C_K, np.nan)
    pressure = np.where(pressure_kpa_abs > 0.0, pressure_kpa_abs, np.nan)
    result: FloatArray = (
        volume_m3
        * (pressure / STANDARD_PRESSURE_KPA)
        * (base_temperature_k / temperature_k)
        * compressibility_ratio
    )
    return result
