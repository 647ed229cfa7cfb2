"""Purchased or sold heat: the formula (of `heat`) a source's medium and quantity ask for."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from services.domain import activity, formulas
from services.domain.activity import Activity, Measure, Use
from services.domain.conditions import STANDARD_PRESSURE_KPA
from services.domain.emission_factor import EmissionFactor, missing, of_energy
from services.domain.registry.model import Medium
from services.domain.units import KWH_PER_GJ

_FORMULAS: Final = MappingProxyType(
    {
        (Medium.SUPERHEATED_STEAM, Measure.MASS): formulas.STEAM_SUPERHEATED,
        (Medium.SUPERHEATED_STEAM, Measure.LINE_VOLUME): formulas.STEAM_SUPERHEATED_VOLUME,
        (Medium.SATURATED_STEAM_BY_PRESSURE, Measure.MASS): formulas.STEAM_SATURATED_P,
        (Medium.SATURATED_STEAM_BY_PRESSURE, Measure.LINE_VOLUME): formulas.STEAM_SATURATED_P_VOLUME,
        (Medium.SATURATED_STEAM_BY_TEMPERATURE, Measure.MASS): formulas.STEAM_SATURATED_T,
        (Medium.SATURATED_STEAM_BY_TEMPERATURE, Measure.LINE_VOLUME): formulas.STEAM_SATURATED_T_VOLUME,
        (Medium.HOT_WATER_OPEN, Measure.MASS): formulas.HOT_WATER_OPEN,
        (Medium.HOT_WATER_OPEN, Measure.LINE_VOLUME): formulas.HOT_WATER_OPEN_VOLUME,
        (Medium.HOT_WATER_CLOSED, Measure.MASS): formulas.HOT_WATER_CLOSED_MASS,
        (Medium.HOT_WATER_CLOSED, Measure.LINE_VOLUME): formulas.HOT_WATER_CLOSED,
    }
)


def _dryness(use: Use) -> float:
    """Steam of which nobody says otherwise is dry."""
    return use.facts.dryness_fraction or 1.0


def _in_return(use: Use) -> float:
    """A meter of which nobody says otherwise sits in the supply."""
    return float(use.device.meter_position == "return")


_FURTHER: Final = MappingProxyType({"dryness_fraction": _dryness, "meter_in_return": _in_return})
"""Parameters of heat formulas beyond scale and pressure, by name."""


def convert(use: Use) -> tuple[Activity, EmissionFactor]:
    """GJ by the source's medium, less what goes back as condensate. A heat meter's energy is taken as it
    is."""
    counted = _activity(use)
    if counted.missing_reason is not None:
        return counted, missing(counted.missing_reason, energy_kwh_per_unit=KWH_PER_GJ)
    if isinstance(use.found, str):
        return counted, missing(use.found, energy_kwh_per_unit=KWH_PER_GJ)
    return counted, of_energy(use.found, use.site.gwp_set, 1.0, KWH_PER_GJ)


def _activity(use: Use) -> Activity:
    if use.returned:
        return _condensate(use)
    measure = activity.measure_of(use.kind, use.quantity)
    medium = use.facts.medium
    if measure is Measure.HEAT:
        return activity.linear(use, "GJ")
    if medium is None:
        return activity.unknown(use.kind, use.quantity, "GJ", "The source names no medium.")
    formula = None if measure is None else _FORMULAS.get((medium, measure))
    if formula is None:
        reason = f"Heat of {medium} cannot be found from {use.quantity or 'no quantity'} of a {use.kind}."
        return activity.unknown(use.kind, use.quantity, "GJ", reason)
    offset = activity.pressure_offset_kpa(use.device)
    if isinstance(offset, str) and "pressure_kpa" in {*formula.inputs} - formula.optional:
        return activity.unknown(use.kind, use.quantity, "GJ", offset)
    # Water hardly minds its pressure: where it is not said which, it is taken as gauge.
    further = tuple(_FURTHER[name](use) for name in formula.params[2:])
    return activity.of(
        use, formula, "GJ", STANDARD_PRESSURE_KPA if isinstance(offset, str) else offset, *further
    )


def _condensate(use: Use) -> Activity:
    """Heat that goes back with the condensate, negative: water against 20 degC, as open hot water is
    counted (steam's own datum, 83.74 kJ/kg, is the same water)."""
    measure = activity.measure_of(use.kind, use.quantity)
    if measure is Measure.MASS:
        formula = formulas.HOT_WATER_OPEN
    elif measure is Measure.LINE_VOLUME:
        formula = formulas.HOT_WATER_OPEN_VOLUME
    else:
        reason = f"Condensate cannot be found from {use.quantity or 'no quantity'} of a {use.kind}."
        return activity.unknown(use.kind, use.quantity, "GJ", reason)
    offset = activity.pressure_offset_kpa(use.device)
    offset_kpa = STANDARD_PRESSURE_KPA if isinstance(offset, str) else offset
    return activity.scaled(use.kind, use.device, use.quantity, -1.0, formula, "GJ", offset_kpa)
