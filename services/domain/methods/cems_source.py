"""Measured stacks: how a source's device facts fill the formulas of `cems`."""

from __future__ import annotations

from services.domain import activity, formulas
from services.domain.activity import Activity, Use
from services.domain.emission_factor import EmissionFactor, co2_only, missing
from services.domain.quantities import Kind

UNIT = "t CO2"
_FLOWS = ("velocity_m_s", "flow_nm3_h", "flow_wet_nm3_h")


def convert(use: Use) -> tuple[Activity, EmissionFactor]:
    """t CO2, as measured. Where the source names no quantity: the velocity where the duct's area is known,
    else the dry flow."""
    counted = _activity(use)
    if counted.missing_reason is not None:
        return counted, missing(counted.missing_reason)
    return counted, co2_only(None, 1000.0)


def _activity(use: Use) -> Activity:
    area = use.device.duct_area_m2
    quantity = use.quantity or ("flow_nm3_h" if area is None else "velocity_m_s")
    if use.kind is not Kind.CEMS or quantity not in _FLOWS:
        return activity.unknown(use.kind, quantity, UNIT, f"{quantity} of a {use.kind} is no stack gas flow.")
    if use.device.analyser is None:
        return activity.unknown(
            use.kind, quantity, UNIT, "The device's analyser is not said to be wet or dry."
        )
    analyser_wet = float(use.device.analyser == "wet")
    if quantity != "velocity_m_s":
        flow_wet = float(quantity == "flow_wet_nm3_h")
        return activity.scaled(
            use.kind, use.device, quantity, 1.0, formulas.HJ75_FLOW, UNIT, flow_wet, analyser_wet
        )
    if area is None:
        return activity.unknown(use.kind, quantity, UNIT, "The device's duct_area_m2 is not given.")
    return activity.scaled(use.kind, use.device, quantity, 1.0, formulas.HJ75, UNIT, area, analyser_wet)
