"""The formulas of a stack by 40 CFR 75 appendix F: t CO2/h from the wet flow, for the live stream and the
ledger alike (`formulas` says what a formula is).

`x` is the wet flow [Nm3/h at the device's base state]; `scale` brings it to scf/h, with the bias adjustment
factor, and short tons to t: `scale_of`. `fc` and `fd` are F factors. Nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.conditions import base_state_ratio
from services.domain.formulas import Formula
from services.domain.methods import part75
from services.domain.registry.model import BaseState
from services.domain.units import T_PER_SHORT_TON


def scale_of(base_state: BaseState | None, bias_adjustment_factor: float | None) -> float:
    """Of a flow at `base_state` (None: 0 degC, as the quantity is defined)."""
    to_0c = base_state_ratio(base_state or BaseState.C0, BaseState.C0)
    return to_0c * part75.SCF_PER_NM3 * (bias_adjustment_factor or 1.0) * T_PER_SHORT_TON


def ran(operating_fraction: FloatArray) -> FloatArray:
    """The share of the time that the unit ran: all of it where nothing says otherwise."""
    return np.where(np.isnan(operating_fraction), 1.0, operating_fraction)


def _co2_wet(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    co2_pct, operating_fraction = inputs
    return part75.co2_of_wet_analyser(co2_pct, x * params[0]) * ran(operating_fraction)


def _co2_dry(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    moisture_pct, co2_pct, operating_fraction = inputs
    return part75.co2_of_dry_analyser(co2_pct, x * params[0], moisture_pct) * ran(operating_fraction)


def _o2_dry(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    moisture_pct, o2_pct, operating_fraction = inputs
    scale, fc, fd = params
    co2_pct = part75.co2_dry_from_o2_dry(o2_pct, part75.FFactors(fd, fc))
    return part75.co2_of_dry_analyser(co2_pct, x * scale, moisture_pct) * ran(operating_fraction)


def _o2_wet(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    moisture_pct, o2_pct, operating_fraction = inputs
    scale, fc, fd = params
    co2_pct = part75.co2_wet_from_o2_wet(o2_pct, moisture_pct, part75.FFactors(fd, fc))
    return part75.co2_of_wet_analyser(co2_pct, x * scale) * ran(operating_fraction)


_OPTIONAL: Final = frozenset({"operating_fraction"})
_CO2: Final = ("moisture_pct", "co2_pct", "operating_fraction")
_O2: Final = ("moisture_pct", "o2_pct", "operating_fraction")

CO2_WET: Final = Formula("part75_f11", ("co2_pct", "operating_fraction"), ("scale",), _co2_wet, _OPTIONAL)
"""F-11: a wet CO2 analyser."""

CO2_DRY: Final = Formula("part75_f2", _CO2, ("scale",), _co2_dry, _OPTIONAL)
"""F-2: a dry CO2 analyser."""

O2_DRY: Final = Formula("part75_f14a", _O2, ("scale", "fc", "fd"), _o2_dry, _OPTIONAL)
"""F-14A, then F-2: a dry O2 analyser."""

O2_WET: Final = Formula("part75_f14b", _O2, ("scale", "fc", "fd"), _o2_wet, _OPTIONAL)
"""F-14B, then F-11: a wet O2 analyser."""

PART75_FORMULAS: Final = (CO2_WET, CO2_DRY, O2_DRY, O2_WET)
