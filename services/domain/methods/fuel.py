"""Burned fuel: CO2 = AD x factor (`fuel_factor`).

AD is brought to the unit of the factor: mass, gas at the base state the source names, liquid by volume or
density.
"""

from __future__ import annotations

from typing import Final

from services.domain import activity
from services.domain.activity import Activity, Measure, Use
from services.domain.conditions import BASE_TEMPERATURE_K, base_state_ratio
from services.domain.emission_factor import EmissionFactor, missing
from services.domain.factors import Found
from services.domain.formulas import GAS_LINE
from services.domain.methods import liquid
from services.domain.methods.fuel_factor import all_measured, emission_factor, is_complete
from services.domain.units import FACTOR_UNITS, Dimension

_NO_BASE_STATE: Final = (
    "The factor is per gas volume, and the source does not name its base state (factor_base_state)."
)
_NO_DEVICE_STATE: Final = "The device does not name the base state of its volume (base_state)."
_NO_DENSITY: Final = "The factor asks for mass, the device counts volume, and the source names no density."


def convert(use: Use) -> tuple[Activity, EmissionFactor]:
    """Activity in t, m3 or Nm3 at the factor's base state, and the factor per that unit."""
    found = _measured_only(use) if use.facts.factor_set is None else use.found
    if isinstance(found, str):
        return activity.plain(use.kind, use.device, use.quantity), missing(found)
    counted = _activity(use, FACTOR_UNITS[found.factor.unit].dimension)
    if counted.missing_reason is not None:
        return counted, missing(counted.missing_reason)
    facts = use.facts
    return counted, emission_factor(found, facts.fuel, use.site.gwp_set, facts.factor_base_state)


def _measured_only(use: Use) -> Found | str:
    """A fuel of which everything was measured needs no set."""
    properties = use.facts.fuel
    if properties is None or not is_complete(properties):
        return (
            "The source names no factor set, and not all of NCV, carbon content and oxidation are measured."
        )
    gas = use.facts.factor_base_state is not None or _measure(use) is Measure.BASE_VOLUME
    return all_measured(properties, use.source.carrier, gas=gas)


def _measure(use: Use) -> Measure | None:
    return activity.measure_of(use.kind, use.quantity)


def _activity(use: Use, dimension: Dimension) -> Activity:
    """The quantity in what the factor counts. A cubic metre is gas where the source names the factor's base
    state."""
    if dimension is Dimension.VOLUME:
        dimension = Dimension.LIQUID if use.facts.factor_base_state is None else Dimension.GAS
    match dimension:
        case Dimension.MASS:
            return mass(use)
        case Dimension.GAS:
            return _gas(use)
        case Dimension.LIQUID:
            return _liquid(use)
        case _:
            return _no_way(use, "t", "a factor per unit of energy")


def mass(use: Use) -> Activity:
    """t, of a volume by the density the source's facts name."""
    density = use.facts.density_t_per_m3
    match _measure(use):
        case Measure.MASS:
            return activity.linear(use, "t")
        case Measure.LINE_VOLUME | Measure.BASE_VOLUME if liquid.is_liquid(use.facts):
            return liquid.mass(use)
        case Measure.LINE_VOLUME | Measure.BASE_VOLUME if density is None:
            return activity.unknown(use.kind, use.quantity, "t", _NO_DENSITY)
        case Measure.LINE_VOLUME if use.facts.factor_base_state is None and density is not None:
            return activity.linear(use, "t", density)
        case Measure.LINE_VOLUME | Measure.BASE_VOLUME if density is not None:
            # A gas by mass: its density is that at the base state the source names.
            return _gas(use, density, "t")
        case _:
            return _no_way(use, "t", "mass")


def _gas(use: Use, scale: float = 1.0, unit: str | None = None) -> Activity:
    base = use.facts.factor_base_state
    if base is None:
        return activity.unknown(use.kind, use.quantity, unit or "Nm3", _NO_BASE_STATE)
    unit = unit or f"Nm3@{base}"
    density = use.facts.density_t_per_m3
    match _measure(use):
        case Measure.BASE_VOLUME if use.device.base_state is None:
            return activity.unknown(use.kind, use.quantity, unit, _NO_DEVICE_STATE)
        case Measure.BASE_VOLUME if use.device.base_state is not None:
            return activity.linear(use, unit, scale * base_state_ratio(use.device.base_state, base))
        case Measure.LINE_VOLUME:
            offset = activity.pressure_offset_kpa(use.device)
            if isinstance(offset, str):
                return activity.unknown(use.kind, use.quantity, unit, offset)
            ratio = use.device.compressibility_ratio or 1.0
            return activity.scaled(
                use.kind,
                use.device,
                use.quantity,
                scale,
                GAS_LINE,
                unit,
                offset,
                BASE_TEMPERATURE_K[base],
                ratio,
            )
        case Measure.MASS if density is not None:
            return activity.linear(use, unit, 1.0 / density)
        case Measure.MASS:
            reason = "The factor is per volume, the device counts mass, and the source names no density."
            return activity.unknown(use.kind, use.quantity, unit, reason)
        case _:
            return _no_way(use, unit, "a gas volume")


def _liquid(use: Use) -> Activity:
    density = use.facts.density_t_per_m3
    match _measure(use):
        case Measure.LINE_VOLUME:
            return activity.linear(use, "m3")
        case Measure.MASS if density is not None:
            return activity.linear(use, "m3", 1.0 / density)
        case Measure.MASS:
            reason = "The factor is per volume, the device counts mass, and the source names no density."
            return activity.unknown(use.kind, use.quantity, "m3", reason)
        case _:
            return _no_way(use, "m3", "a liquid volume")


def _no_way(use: Use, unit: str, wanted: str) -> Activity:
    reason = f"From {use.quantity or 'no quantity'} of a {use.kind} there is no way to {wanted}."
    return activity.unknown(use.kind, use.quantity, unit, reason)
