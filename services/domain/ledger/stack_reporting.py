"""Figures of a stack's hour as 40 CFR 75 has them reported: in its units, rounded half away from zero.

This is the edge: nothing is summed from a rounded figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.domain.arrays import column
from services.domain.conversion import Conversion
from services.domain.ledger.histories import CO2_ITEM
from services.domain.methods import part75
from services.domain.part75_formulas import CO2_DRY, CO2_WET, O2_DRY
from services.domain.units import T_PER_SHORT_TON

HEAT_ITEM: Final = "heat_input_mmbtu"
"""The item of a stack's hour that is its heat input."""
Reported = tuple[float | None, str | None]
_NOTHING: Final[Reported] = (None, None)
_KG_PER_T: Final = 1000.0


def reported(conversion: Conversion, item: str, value: float | None, ran_h: float) -> Reported:
    """The figure and its unit; nothing where no rule says how. The emission [kg] becomes the hour's rate."""
    if value is None or conversion.stack is None or not conversion.stack.us_reporting:
        return _NOTHING
    if item == CO2_ITEM:
        rate = value / (_KG_PER_T * T_PER_SHORT_TON) / ran_h if ran_h > 0.0 else 0.0
        return _rounded(rate, part75.MASS_STEP_SHORT_TONS_H), "short tons/h"
    if item == HEAT_ITEM:
        rate = value / ran_h if ran_h > 0.0 else 0.0
        return _rounded(rate, part75.HEAT_INPUT_STEP_MMBTU_H), "mmBtu/h"
    if item == conversion.quantity:
        return _rounded(value * _scf_per_unit(conversion), part75.FLOW_STEP_SCF_H), "scf/h"
    return _rounded(value, part75.CONCENTRATION_STEP_PCT), "%"


def heat_input_mmbtu_h(conversion: Conversion, values: Mapping[str, float]) -> float:
    """By F-15 to F-18, from the wet flow and what the analyser measures. Raises ValueError where the source
    names no F factors."""
    if conversion.stack is None or conversion.stack.f_factors is None:
        raise ValueError("heat input needs the fuel's F factors")
    fc, fd = conversion.stack.f_factors
    factors = part75.FFactors(fd, fc)
    flow = column(values[conversion.quantity] * _scf_per_unit(conversion))
    if conversion.formula is CO2_WET:
        return float(part75.heat_input_mmbtu_h(flow, column(values["co2_pct"]), factors)[0])
    moisture_pct = column(values["moisture_pct"])
    if conversion.formula is CO2_DRY:
        return float(part75.heat_input_of_co2_dry(flow, column(values["co2_pct"]), moisture_pct, factors)[0])
    by_oxygen = part75.heat_input_of_o2_dry if conversion.formula is O2_DRY else part75.heat_input_of_o2_wet
    return float(by_oxygen(flow, column(values["o2_pct"]), moisture_pct, factors)[0])


def _scf_per_unit(conversion: Conversion) -> float:
    """The formula's scale brings the flow to scf/h, adjusted for bias, and short tons to t."""
    return conversion.params[0] / T_PER_SHORT_TON


def _rounded(value: float, step: float) -> float:
    return float(part75.rounded(column(value), step)[0])
