"""Measured stacks: how a source's and its device's facts fill the formulas of `cems` and `part75`, and by
which rules its hours are judged."""

from __future__ import annotations

from typing import Final

from services.domain import activity, formulas, part75_formulas
from services.domain.activity import Activity, Use
from services.domain.conditions import base_state_ratio
from services.domain.emission_factor import EmissionFactor, co2_only, missing
from services.domain.formulas import Formula
from services.domain.quantities import Kind
from services.domain.registry.model import BaseState, Method
from services.domain.registry.stack import StackRules
from services.domain.stack import Evidence, StackPolicy, Validity

UNIT = "t CO2"
_FLOWS = ("velocity_m_s", "flow_nm3_h", "flow_wet_nm3_h")
_US_FLOW: Final = "flow_wet_nm3_h"
_HJ75: Final = StackRules.model_validate({})


def convert(use: Use) -> tuple[Activity, EmissionFactor]:
    """t CO2, as measured. Where the source names no quantity: by HJ 75 the velocity where the duct's area is
    known, else the dry flow; by 40 CFR 75 the wet flow."""
    counted = _part75(use) if _rules(use).form == "part75" else _hj75(use)
    if counted.missing_reason is not None:
        return counted, missing(counted.missing_reason)
    return counted, co2_only(None, 1000.0)


def policy(use: Use, counted: Activity) -> StackPolicy | None:
    """How the hours of the source are judged; None where it is no measured stack."""
    if use.source.method is not Method.CEMS:
        return None
    rules = _rules(use)
    worst = {"co2_pct": rules.maximum_potential_co2_pct, "o2_pct": rules.minimum_potential_o2_pct}
    return StackPolicy(
        validity=None if rules.hour_validity is None else Validity(rules.hour_validity),
        substitution=rules.substitution,
        judged=(counted.quantity, *_needed(counted)),
        maximum_potential=tuple((name, value) for name, value in worst.items() if value is not None),
        us_reporting=rules.form == "part75",
        f_factors=_f_factors(rules) if rules.form == "part75" else None,
    )


def evidence(use: Use) -> tuple[Evidence, ...]:
    """What shows that the process stands still, in order of the quantities."""
    if use.source.method is not Method.CEMS:
        return ()
    named = _rules(use).stopped_evidence or {}
    return tuple(Evidence(name, named[name].at_least, named[name].at_most) for name in sorted(named))


def _rules(use: Use) -> StackRules:
    return use.facts.stack or _HJ75


def _f_factors(rules: StackRules) -> tuple[float, float] | None:
    """Fc and Fd."""
    named = rules.f_factors
    return None if named is None else (named.fc_scf_per_mmbtu, named.fd_dscf_per_mmbtu)


def _needed(counted: Activity) -> tuple[str, ...]:
    """The inputs without which there is no activity: moisture only where flow and analyser differ by it."""
    needed = [name for name in counted.formula.inputs if name not in counted.formula.optional]
    if counted.formula is formulas.HJ75_FLOW and counted.params[1] != counted.params[2]:
        needed.append("moisture_pct")
    return tuple(needed)


def _hj75(use: Use) -> Activity:
    area = use.device.duct_area_m2
    quantity = use.quantity or ("flow_nm3_h" if area is None else "velocity_m_s")
    if use.kind is not Kind.CEMS or quantity not in _FLOWS:
        return activity.unknown(use.kind, quantity, UNIT, f"{quantity} of a {use.kind} is no stack gas flow.")
    if use.device.analyser is None:
        return activity.unknown(
            use.kind, quantity, UNIT, "The device's analyser is not said to be wet or dry."
        )
    if _rules(use).diluent == "o2":
        return activity.unknown(use.kind, quantity, UNIT, "CO2 from O2 is computed by form part75 only.")
    analyser_wet = float(use.device.analyser == "wet")
    bias = use.device.bias_adjustment_factor or 1.0
    if quantity != "velocity_m_s":
        flow_wet = float(quantity == "flow_wet_nm3_h")
        scale = bias * base_state_ratio(use.device.base_state or BaseState.C0, BaseState.C0)
        return _scaled(use, quantity, scale, formulas.HJ75_FLOW, flow_wet, analyser_wet)
    if area is None:
        return activity.unknown(use.kind, quantity, UNIT, "The device's duct_area_m2 is not given.")
    return _scaled(use, quantity, bias, formulas.HJ75, area, analyser_wet)


def _part75(use: Use) -> Activity:
    quantity, rules = use.quantity or _US_FLOW, _rules(use)
    if use.kind is not Kind.CEMS or quantity != _US_FLOW:
        reason = f"{quantity} of a {use.kind} is not the wet flow that 40 CFR 75 computes with."
        return activity.unknown(use.kind, quantity, UNIT, reason)
    scale = part75_formulas.scale_of(use.device.base_state, use.device.bias_adjustment_factor)
    match rules.diluent, use.device.analyser:
        case _, None:
            return activity.unknown(
                use.kind, quantity, UNIT, "The device's analyser is not said to be wet or dry."
            )
        case "co2", "wet":
            return _scaled(use, quantity, scale, part75_formulas.CO2_WET)
        case "co2", _:
            return _scaled(use, quantity, scale, part75_formulas.CO2_DRY)
    f_factors = _f_factors(rules)
    if f_factors is None:
        return activity.unknown(use.kind, quantity, UNIT, "CO2 from O2 needs the fuel's f_factors.")
    formula = part75_formulas.O2_WET if use.device.analyser == "wet" else part75_formulas.O2_DRY
    return _scaled(use, quantity, scale, formula, *f_factors)


def _scaled(use: Use, quantity: str, scale: float, formula: Formula, *params: float) -> Activity:
    return activity.scaled(use.kind, use.device, quantity, scale, formula, UNIT, *params)
