"""From what a device sends to the activity of a source: which quantity, by which formula, in which unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import nan
from types import MappingProxyType
from typing import Final, NamedTuple

from services.domain.conditions import STANDARD_PRESSURE_KPA
from services.domain.factors import Found
from services.domain.formulas import BELT, LINEAR, ONE_WAY, Formula
from services.domain.quantities import NAMES, Kind
from services.domain.registry.model import DeviceFacts, Site, Source, SourceFacts


class Measure(StrEnum):
    """What a quantity counts, whether as a register or as a rate."""

    ELECTRICITY = "electricity"
    MASS = "mass"
    LINE_VOLUME = "volume at line conditions"
    BASE_VOLUME = "volume at the device's base state"
    HEAT = "heat"
    STACK = "stack gas"


class _Counted(NamedTuple):
    measure: Measure
    rate: str | None = None
    rate_sign: float = 1.0


# A register, and the rate that is its movement per hour. Power is import positive: what is exported is its
# negative.
_QUANTITIES: Final = MappingProxyType(
    {
        Kind.METER: {
            "energy_import_kwh": _Counted(Measure.ELECTRICITY, "power_kw"),
            "energy_export_kwh": _Counted(Measure.ELECTRICITY, "power_kw", -1.0),
            "power_kw": _Counted(Measure.ELECTRICITY),
        },
        Kind.FLOWMETER: {
            "volume_m3": _Counted(Measure.LINE_VOLUME, "flow_m3_h"),
            "volume_nm3": _Counted(Measure.BASE_VOLUME, "flow_nm3_h"),
            "mass_t": _Counted(Measure.MASS, "mass_flow_t_h"),
            "energy_gj": _Counted(Measure.HEAT),
            "flow_m3_h": _Counted(Measure.LINE_VOLUME),
            "flow_nm3_h": _Counted(Measure.BASE_VOLUME),
            "mass_flow_t_h": _Counted(Measure.MASS),
        },
        Kind.CEMS: {
            "velocity_m_s": _Counted(Measure.STACK),
            "flow_nm3_h": _Counted(Measure.STACK),
            "flow_wet_nm3_h": _Counted(Measure.STACK),
        },
        Kind.BELTSCALE: {
            "mass_t": _Counted(Measure.MASS, "rate_t_h"),
            "rate_t_h": _Counted(Measure.MASS),
        },
    }
)

# What a device is asked for where the registry names no quantity: only where there is one answer.
_DEFAULT_QUANTITY: Final = MappingProxyType({Kind.METER: "energy_import_kwh", Kind.BELTSCALE: "mass_t"})
_ANY_QUANTITY: Final = MappingProxyType(
    {
        Kind.METER: "energy_import_kwh",
        Kind.FLOWMETER: "volume_m3",
        Kind.CEMS: "velocity_m_s",
        Kind.BELTSCALE: "mass_t",
    }
)


@dataclass(frozen=True, slots=True)
class Use:
    """One device in one source, with the facts of both in force at an instant."""

    site: Site
    kind: Kind
    device: DeviceFacts
    source: Source
    facts: SourceFacts
    quantity: str
    """The quantity asked for; see `quantity_of`."""
    found: Found | str
    """The published factor, or the reason why there is none."""
    returned: bool = False
    """Whether what the device counts goes back to the supplier of the heat."""


@dataclass(frozen=True, slots=True)
class Activity:
    """How a quantity becomes an activity in `unit`; where `missing_reason` says why not, its value is NaN."""

    quantity: str
    rate_quantity: str | None
    formula: Formula
    params: tuple[float, ...]
    rate_params: tuple[float, ...]
    unit: str
    missing_reason: str | None = None


def quantity_of(kind: Kind, device: DeviceFacts, named: str | None) -> str:
    """The quantity that counts: the one `named` by the source, else the device's energy quantity, else the
    only one that makes sense for the kind; an empty string where it cannot be said."""
    return named or device.energy_quantity or _DEFAULT_QUANTITY.get(kind, "")


def measure_of(kind: Kind, quantity: str) -> Measure | None:
    """What `quantity` counts; None where it is no amount (a temperature) or not of the kind."""
    counted = _QUANTITIES[kind].get(quantity)
    return None if counted is None else counted.measure


def of(use: Use, formula: Formula, unit: str, *params: float) -> Activity:
    """The activity by `formula` with `params` after the scale, which starts from the device's multiplier."""
    return scaled(use.kind, use.device, use.quantity, 1.0, formula, unit, *params)


def scaled(
    kind: Kind, device: DeviceFacts, quantity: str, scale: float, formula: Formula, unit: str, *params: float
) -> Activity:
    """As `of`, with a further constant factor `scale`."""
    counted = _QUANTITIES[kind][quantity]
    whole = scale * (device.multiplier or 1.0)
    absent = [name for name in formula.inputs if name not in NAMES[kind] and name not in formula.optional]
    if absent:
        return unknown(kind, quantity, unit, f"A {kind} sends no {' and no '.join(absent)}.")
    return Activity(
        quantity, counted.rate, formula, (whole, *params), (whole * counted.rate_sign, *params), unit
    )


def linear(use: Use, unit: str, scale: float = 1.0) -> Activity:
    """The quantity times a constant. A belt's rate counts only while the belt runs; power only while it is
    drawn."""
    return _straight(use.kind, use.device, use.quantity, unit, scale)


def plain(kind: Kind, device: DeviceFacts, quantity: str) -> Activity:
    """The quantity as it is metered, in its own unit: what is known where no factor asks for another."""
    measure = measure_of(kind, quantity)
    match measure:
        case Measure.ELECTRICITY:
            unit = "kWh"
        case Measure.MASS:
            unit = "t"
        case Measure.LINE_VOLUME:
            unit = "m3"
        case Measure.HEAT:
            unit = "GJ"
        case Measure.BASE_VOLUME if device.base_state is not None:
            unit = f"Nm3@{device.base_state}"
        case Measure.BASE_VOLUME:
            unit = "Nm3"
        case _:
            return unknown(kind, quantity, "", f"{quantity or 'No quantity'} of a {kind} is no amount.")
    return _straight(kind, device, quantity, unit, 1.0)


def _straight(kind: Kind, device: DeviceFacts, quantity: str, unit: str, scale: float) -> Activity:
    if kind is Kind.METER:
        return scaled(kind, device, quantity, scale, ONE_WAY, unit)
    if kind is not Kind.BELTSCALE:
        return scaled(kind, device, quantity, scale, LINEAR, unit)
    register = scaled(kind, device, quantity, scale, BELT, unit, 0.0)
    running = (register.params[0], 1.0)
    if register.rate_quantity is None:
        return replace(register, params=running, rate_params=running)
    return replace(register, rate_params=running)


def unknown(kind: Kind, quantity: str, unit: str, reason: str) -> Activity:
    """No activity can be found, for `reason`: every value is NaN."""
    named = quantity if quantity in NAMES[kind] else _ANY_QUANTITY[kind]
    return Activity(named, None, LINEAR, (nan,), (nan,), unit, reason)


def pressure_offset_kpa(device: DeviceFacts) -> float | str:
    """What makes the device's pressure absolute [kPa], or the reason why that is unknown."""
    if device.pressure_reference == "absolute":
        return 0.0
    if device.pressure_reference is None:
        return "The device's pressure is not said to be gauge or absolute."
    if device.atmospheric_pressure_kpa is None:
        return (
            "The device's pressure is gauge, and its atmospheric_pressure_kpa is not given "
            f"(at sea level it is {STANDARD_PRESSURE_KPA})."
        )
    return device.atmospheric_pressure_kpa
