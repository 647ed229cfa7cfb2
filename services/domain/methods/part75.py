"""Measured CO2 of a stack by the US rules, 40 CFR 75 appendix F.

Flows are wet, in scf/h; concentrations in % by volume; CO2 in short tons/h; heat input in mmBtu/h. An hour's
mass is such a rate times the operating fraction of the hour. Results are not rounded here: `rounded` is for
the reporting edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray

_SHORT_TONS_PER_SCF_PCT: Final = 5.7e-7
_O2_OF_AIR_PCT: Final = 20.9


@dataclass(frozen=True, slots=True)
class FFactors:
    """Dry gas (`fd`, dscf/mmBtu) and CO2 (`fc`, scf/mmBtu) of a fuel, table 1 of appendix F."""

    fd: float
    fc: float


UNCONFIRMED_F_FACTORS: Final = MappingProxyType(
    {"bituminous_coal": FFactors(9780.0, 1800.0), "natural_gas": FFactors(8710.0, 1040.0)}
)
"""From one weak source each: never a default, name your own where you have them."""


def co2_of_wet_analyser(co2_wet_pct: FloatArray, flow_scf_h: FloatArray) -> FloatArray:
    """Equation F-11."""
    return _SHORT_TONS_PER_SCF_PCT * co2_wet_pct * flow_scf_h


def co2_of_dry_analyser(
    co2_dry_pct: FloatArray, flow_scf_h: FloatArray, moisture_pct: FloatArray
) -> FloatArray:
    """Equation F-2 for CO2."""
    return co2_of_wet_analyser(co2_dry_pct, flow_scf_h) * ((100.0 - moisture_pct) / 100.0)


def co2_dry_from_o2_dry(o2_dry_pct: FloatArray, factors: FFactors) -> FloatArray:
    """Equation F-14A [% CO2, dry]."""
    return 100.0 * (factors.fc / factors.fd) * (_O2_OF_AIR_PCT - o2_dry_pct) / _O2_OF_AIR_PCT


def co2_wet_from_o2_wet(o2_wet_pct: FloatArray, moisture_pct: FloatArray, factors: FFactors) -> FloatArray:
    """Equation F-14B [% CO2, wet]; a negative result is 0, as the rule says."""
    o2_of_moist_air = _O2_OF_AIR_PCT * (100.0 - moisture_pct) / 100.0
    co2_pct = 100.0 * (factors.fc / factors.fd) / _O2_OF_AIR_PCT * (o2_of_moist_air - o2_wet_pct)
    return np.maximum(co2_pct, 0.0)


def heat_input_mmbtu_h(flow_scf_h: FloatArray, co2_wet_pct: FloatArray, factors: FFactors) -> FloatArray:
    """Equation F-15."""
    return flow_scf_h * co2_wet_pct / (100.0 * factors.fc)


def rounded(value: FloatArray) -> FloatArray:
    """To 0.1, half away from zero (appendix F and the reporting instructions)."""
    result: FloatArray = np.sign(value) * np.floor(np.abs(value) * 10.0 + 0.5) / 10.0
    return result
