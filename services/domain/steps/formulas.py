"""The steps of every formula that has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from services.domain import formulas, part75_formulas
from services.domain.arrays import column
from services.domain.formulas import Formula
from services.domain.steps import stack, volumes, warmth
from services.domain.steps.step import Explain, Step

EXPLAINED: Final[Mapping[Formula, Explain]] = MappingProxyType(
    {
        formulas.GAS_LINE: volumes.gas_line,
        formulas.LIQUID_LINE: volumes.liquid_line,
        formulas.STEAM_SUPERHEATED: warmth.superheated,
        formulas.STEAM_SUPERHEATED_VOLUME: warmth.superheated_volume,
        formulas.STEAM_SATURATED_P: warmth.saturated_p,
        formulas.STEAM_SATURATED_P_VOLUME: warmth.saturated_p_volume,
        formulas.STEAM_SATURATED_T: warmth.saturated_t,
        formulas.STEAM_SATURATED_T_VOLUME: warmth.saturated_t_volume,
        formulas.HOT_WATER_OPEN: warmth.open_water,
        formulas.HOT_WATER_OPEN_VOLUME: warmth.open_water_volume,
        formulas.HOT_WATER_CLOSED: warmth.closed_water_volume,
        formulas.HOT_WATER_CLOSED_MASS: warmth.closed_water,
        formulas.HJ75: stack.hj75,
        formulas.HJ75_FLOW: stack.hj75_flow,
        part75_formulas.CO2_WET: stack.part75_f11,
        part75_formulas.CO2_DRY: stack.part75_f2,
        part75_formulas.O2_DRY: stack.part75_f14a,
        part75_formulas.O2_WET: stack.part75_f14b,
    }
)
"""The others multiply by `scale` and have nothing in between."""


_PLAIN: Final[Mapping[Formula, str]] = MappingProxyType(
    {
        formulas.LINEAR: "x scale",
        formulas.ONE_WAY: "max(x scale, 0): what is fed back is not a negative purchase",
        formulas.BELT: "x scale; 0 while the belt stands still",
    }
)


def described(formula: Formula, params: Sequence[float]) -> tuple[Step, ...]:
    """The steps of a formula without their values, the last of which is the activity; `params` may decide
    which way it goes."""
    if formula not in EXPLAINED:
        return (Step("activity", nan, "", _PLAIN[formula]),)
    names = dict.fromkeys(formula.inputs, nan) | dict(zip(formula.params, params, strict=True))
    with np.errstate(all="ignore"):
        steps = EXPLAINED[formula](column(nan), {name: column(value) for name, value in names.items()})
    return tuple(each._replace(value=nan) for each in steps)


class Evaluated(NamedTuple):
    """The activity by the formula itself, what came before it, and why it is unknown if it is."""

    activity: float
    steps: tuple[Step, ...]
    reason: str | None


def evaluate(formula: Formula, x: float, inputs: Mapping[str, float], params: Sequence[float]) -> Evaluated:
    """One value by `formula`. Inputs not given are unknown."""
    measured = [column(inputs.get(name, nan)) for name in formula.inputs]
    known = [column(value) for value in params]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        activity = float(formula.evaluate(column(x), measured, known)[0])
        explain = EXPLAINED.get(formula)
        values = dict(zip((*formula.inputs, *formula.params), (*measured, *known), strict=True))
        steps = () if explain is None else tuple(explain(column(x), values)[:-1])
    if np.isfinite(activity):
        return Evaluated(activity, steps, None)
    lacking = [name for name in formula.inputs if name not in inputs and name not in formula.optional]
    reason = f"{', '.join(lacking)} not given" if lacking else "inputs outside the range of the formula"
    for fault in formula.faults:
        if fault.holds(measured, known).any():
            reason = fault.reason
    return Evaluated(nan, steps, reason)
