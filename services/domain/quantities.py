"""The quantities a device may send: the one definition from which the wire model, the hypertables, the
`api` views, the JSON Schemas and the docs follow.

A quantity's `code` is stored in the ledger and must never change or be used again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Kind(StrEnum):
    """What a device is; the third level of its topic."""

    METER = "meter"
    FLOWMETER = "flowmeter"
    CEMS = "cems"
    BELTSCALE = "beltscale"


class Status(StrEnum):
    """What a device says of a value. Only `valid` counts (and `manual` for registers, marked)."""

    VALID = "valid"
    STOPPED = "stopped"
    MAINTENANCE = "maintenance"
    CALIBRATION = "calibration"
    FAULT = "fault"
    OVER_RANGE = "over_range"
    MANUAL = "manual"
    COMMUNICATION = "communication"


STATUS_CODES: Final = MappingProxyType({status: code for code, status in enumerate(Status)})
"""Status word to the small integer stored in the hypertables; `valid` is 0."""

STATUS_WORDS: Final = tuple(Status)
"""The inverse of STATUS_CODES, by position."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One column of a kind's readings.

    `minimum` and `maximum` bound what is physically possible or storable: what is merely strange is inside.
    """

    code: int
    name: str
    unit: str
    description: str
    register: bool = False
    boolean: bool = False
    minimum: float | None = None
    maximum: float | None = None


# Below absolute zero nothing is measured; a vacuum is the lowest gauge pressure, a little more for a
# barometer above the standard atmosphere.
_ABSOLUTE_ZERO_C = -273.15
_VACUUM_GAUGE_KPA = -110.0
_VACUUM_GAUGE_PA = -110_000.0
# An analyser at zero drifts below it by up to a percent of its scale: strange, not impossible.
_ANALYSER_ZERO_PCT = -1.0
# Registers and gauges beyond this are a broken device, whatever the unit.
_ABSURD = 1e15


def _register(code: int, name: str, unit: str, description: str) -> Quantity:
    return Quantity(code, name, unit, description, register=True, minimum=0.0, maximum=_ABSURD)


def _gauge(
    code: int,
    name: str,
    unit: str,
    description: str,
    minimum: float | None = -_ABSURD,
    maximum: float | None = _ABSURD,
) -> Quantity:
    return Quantity(code, name, unit, description, minimum=minimum, maximum=maximum)


QUANTITIES: Final = MappingProxyType(
    {
        Kind.METER: (
            _register(1, "energy_import_kwh", "kWh", "active energy taken from the grid"),
            _register(2, "energy_export_kwh", "kWh", "active energy given to the grid"),
            _gauge(3, "power_kw", "kW", "active power, import positive"),
            _gauge(4, "reactive_power_kvar", "kvar", "reactive power, inductive positive"),
            _gauge(5, "voltage_v", "V", "line voltage", minimum=0.0),
            _gauge(6, "current_a", "A", "line current"),
            _gauge(7, "power_factor", "1", "power factor", minimum=-1.0, maximum=1.0),
            _gauge(8, "frequency_hz", "Hz", "grid frequency", minimum=0.0, maximum=1000.0),
        ),
        Kind.FLOWMETER: (
            _register(20, "volume_m3", "m3", "volume at line conditions"),
            _register(21, "volume_nm3", "Nm3", "volume at the device's base state (see the registry)"),
            _register(22, "mass_t", "t", "mass"),
            _register(23, "energy_gj", "GJ", "heat"),
            _gauge(24, "flow_m3_h", "m3/h", "volume flow at line conditions"),
            _gauge(25, "flow_nm3_h", "Nm3/h", "volume flow at the device's base state"),
            _gauge(26, "mass_flow_t_h", "t/h", "mass flow"),
            _gauge(
                27, "temperature_c", "degC", "fluid temperature (of the supply)", _ABSOLUTE_ZERO_C, 2000.0
            ),
            _gauge(28, "return_temperature_c", "degC", "temperature of the return", _ABSOLUTE_ZERO_C, 2000.0),
            _gauge(29, "pressure_kpa", "kPa", "fluid pressure, gauge or absolute", _VACUUM_GAUGE_KPA, 1e6),
        ),
        Kind.CEMS: (
            _gauge(40, "co2_pct", "%", "CO2 by volume, wet or dry", _ANALYSER_ZERO_PCT, 100.0),
            _gauge(41, "o2_pct", "%", "O2 by volume, wet or dry", _ANALYSER_ZERO_PCT, 100.0),
            _gauge(42, "moisture_pct", "%", "moisture of the stack gas by volume", 0.0, 100.0),
            _gauge(43, "velocity_m_s", "m/s", "stack gas velocity", -500.0, 500.0),
            _gauge(44, "temperature_c", "degC", "stack gas temperature", _ABSOLUTE_ZERO_C, 2000.0),
            _gauge(45, "static_pressure_pa", "Pa", "stack static pressure, gauge", _VACUUM_GAUGE_PA, 1e7),
            _gauge(46, "barometric_pressure_pa", "Pa", "atmospheric pressure, absolute", 10_000.0, 120_000.0),
            _gauge(47, "flow_nm3_h", "Nm3/h", "dry stack gas flow at 0 degC, 101.325 kPa"),
            _gauge(48, "flow_wet_nm3_h", "Nm3/h", "wet stack gas flow at 0 degC, 101.325 kPa"),
            _gauge(49, "operating_fraction", "1", "share of the interval the unit ran", 0.0, 1.0),
            _gauge(50, "so2_mg_m3", "mg/m3", "SO2 concentration"),
            _gauge(51, "nox_mg_m3", "mg/m3", "NOx concentration, as NO2"),
            _gauge(52, "dust_mg_m3", "mg/m3", "dust concentration"),
        ),
        Kind.BELTSCALE: (
            _register(60, "mass_t", "t", "mass carried over the belt"),
            _gauge(61, "rate_t_h", "t/h", "mass flow over the belt"),
            _gauge(62, "speed_m_s", "m/s", "belt speed", -100.0, 100.0),
            _gauge(63, "load_kg_m", "kg/m", "belt load"),
            Quantity(64, "running", "1", "whether the belt runs", boolean=True),
        ),
    }
)
"""Every quantity of each kind, in the order of the columns."""

NAMES: Final = MappingProxyType({kind: tuple(q.name for q in qs) for kind, qs in QUANTITIES.items()})
"""Quantity names of each kind, in the order of the columns."""

BY_CODE: Final = MappingProxyType({q.code: q for qs in QUANTITIES.values() for q in qs})


def quantity(kind: Kind, name: str) -> Quantity:
    """The quantity `name` of `kind`. Raises KeyError where the kind has none of that name."""
    for candidate in QUANTITIES[kind]:
        if candidate.name == name:
            return candidate
    raise KeyError(f"a {kind} has no quantity {name!r}; it has {', '.join(NAMES[kind])}")
