"""Figures of a stack's hour as 40 CFR 75 has them reported: in its units, rounded half away from zero.

This is the edge: nothing is summed from a rounded figure.
"""

from __future__ import annotations

from typing import Final

from services.domain.arrays import column
from services.domain.conversion import Conversion
from services.domain.ledger.histories import CO2_ITEM
from services.domain.methods import part75
from services.domain.units import T_PER_SHORT_TON

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
    if item == conversion.quantity:
        # The formula's scale brings the flow to scf/h, adjusted for bias, and short tons to t.
        scf_h = value * conversion.params[0] / T_PER_SHORT_TON
        return _rounded(scf_h, part75.FLOW_STEP_SCF_H), "scf/h"
    return _rounded(value, part75.CONCENTRATION_STEP_PCT), "%"


def _rounded(value: float, step: float) -> float:
    return float(part75.rounded(column(value), step)[0])
