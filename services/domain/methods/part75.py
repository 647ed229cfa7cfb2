"""Measured CO2 of a stack by the US rules, 40 CFR 75 appendix F.

Flows are wet, in scf/h at 68 degF and 29.92 inHg (taken as 101.325 kPa: 0.004 % more); concentrations in % by
volume; CO2 in short tons/h; heat input in mmBtu/h. An hour's mass is such a rate times the operating fraction
of the hour. Results are not rounded here: `rounded` is for the reporting edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.conditions import base_state_ratio
from services.domain.registry.model import BaseState
from services.domain.units import M3_PER_SCF

_SHORT_TONS_PER_SCF_PCT: Final = 5.7e-7
_O2_OF_AIR_PCT: Final = 20.9
_NEAR: Final = 1e-12
SCF_PER_NM3: Final = base_state_ratio(BaseState.C0, BaseState.C20) / M3_PER_SCF
"""Cubic feet at 68 degF, which is 20 degC, in a cubic metre at 0 degC."""
CONCENTRATION_STEP_PCT: Final = 0.1
MASS_STEP_SHORT_TONS_H: Final = 0.1
FLOW_STEP_SCF_H: Final = 1000.0
HEAT_INPUT_STEP_MMBTU_H: Final = 0.1
"""To what a figure is rounded where it is reported."""


@dataclass(frozen=True, slots=True)
class FFactors:
    """Dry gas (`fd`, dscf/mmBtu) and CO2 (`fc`, scf/mmBtu) of a fuel, table 1 of appendix F; one, or one a
    value."""

    fd: float | FloatArray
    fc: float | FloatArray


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
    """Equation F-15: from CO2, wet."""
    return flow_scf_h * co2_wet_pct / (100.0 * factors.fc)


def heat_input_of_co2_dry(
    flow_scf_h: FloatArray, co2_dry_pct: FloatArray, moisture_pct: FloatArray, factors: FFactors
) -> FloatArray:
    """Equation F-16: from CO2, dry [mmBtu/h]."""
    return flow_scf_h * ((100.0 - moisture_pct) / (100.0 * factors.fc)) * (co2_dry_pct / 100.0)


def heat_input_of_o2_wet(
    flow_scf_h: FloatArray, o2_wet_pct: FloatArray, moisture_pct: FloatArray, factors: FFactors
) -> FloatArray:
    """Equation F-17: from O2, wet [mmBtu/h]."""
    excess = (_O2_OF_AIR_PCT / 100.0) * (100.0 - moisture_pct) - o2_wet_pct
    return flow_scf_h / factors.fd * (excess / _O2_OF_AIR_PCT)


def heat_input_of_o2_dry(
    flow_scf_h: FloatArray, o2_dry_pct: FloatArray, moisture_pct: FloatArray, factors: FFactors
) -> FloatArray:
    """Equation F-18: from O2, dry [mmBtu/h]."""
    dry_share = (100.0 - moisture_pct) / (100.0 * factors.fd)
    return flow_scf_h * dry_share * ((_O2_OF_AIR_PCT - o2_dry_pct) / _O2_OF_AIR_PCT)


def bias_adjusted(flow_scf_h: FloatArray, bias_adjustment_factor: float) -> FloatArray:
    """Appendix A, 7.6.5: the monitor's flow times its factor, which is 1 where the test finds no bias."""
    return flow_scf_h * bias_adjustment_factor


def rounded(value: FloatArray, step: float = 0.1) -> FloatArray:
    """To a multiple of `step`, half away from zero (appendix F and the reporting instructions).

    A binary number that stands for a decimal half may lie just below it: a relative 1e-12 decides for it.
    """
    per_unit = 1.0 / step
    result: FloatArray = np.sign(value) * np.floor(np.abs(value) * per_unit * (1.0 + _NEAR) + 0.5) / per_unit
    return result
