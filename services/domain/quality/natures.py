"""What can be expected of a quantity, by its nature.

The figures are choices, each with its reason; docs/quality.md says what real and simulated readings make of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.domain.ledger.hours import SECOND_US
from services.domain.quantities import Kind

STUCK_INTERVALS: Final = 60
"""A live value that is the same for longer is stuck. One-minute currents of a household, shown to 0.2 A,
stood for 26 readings at most."""
STUCK_AT_LEAST_US: Final = 1800 * SECOND_US
"""... and for no less than half an hour: devices of a second would show what a tank or a boiler does in a
minute."""


@dataclass(frozen=True, slots=True)
class Nature:
    """How a gauge behaves where nothing is wrong."""

    digits: int | None = None
    """A value of so many significant digits moves with its own noise: if it does not, it is stuck. One with
    fewer may be shown too coarsely to tell. None: it may stand still for good (a power factor, a belt's
    speed, a barometer)."""
    jump: tuple[float, float] | None = None
    """How far it may jump and come back at once: a share of its level, and no less than so much. None: it may
    do so by any amount (a kettle is one reading of power)."""
    drift: float | None = None
    """It is a flow: it does not go below zero but for the drift of an idle instrument, by this share of its
    rating. None: it may be negative."""
    register: str | None = None
    """The register that counts it, whose rating is also its own."""


_ANALYSER: Final = (0.2, 1.0)
"""% by volume: gas in a stack is mixed, and sampled through metres of line."""
_METER_STARTS: Final = 0.005
"""IEC 62053-21 and -22 have a meter start at 0.1 to 0.5 % of its rated current, by class and connection."""
_IDLE: Final = 0.02
"""A belt scale's or flow meter's zero wanders by a percent of its rating or so between zero settings."""

NATURES: Final[Mapping[Kind, Mapping[str, Nature]]] = MappingProxyType(
    {
        Kind.METER: MappingProxyType(
            {
                "power_kw": Nature(digits=4, drift=_METER_STARTS, register="energy_import_kwh"),
                "reactive_power_kvar": Nature(digits=4),
                # Half of the dip that EN 50160 calls one; a line does not come back from less in an instant.
                "voltage_v": Nature(digits=4, jump=(0.05, 0.0)),
                "current_a": Nature(digits=4),
                "power_factor": Nature(),
                # Frequency containment acts on deviations of 0.2 Hz; half a hertz there and back is no grid.
                "frequency_hz": Nature(digits=4, jump=(0.0, 0.5)),
            }
        ),
        Kind.FLOWMETER: MappingProxyType(
            {
                "flow_m3_h": Nature(digits=4, drift=_IDLE, register="volume_m3"),
                "flow_nm3_h": Nature(digits=4, drift=_IDLE, register="volume_nm3"),
                "mass_flow_t_h": Nature(digits=4, drift=_IDLE, register="mass_t"),
                # A thermometer in a pocket takes a minute to follow.
                "temperature_c": Nature(digits=4, jump=(0.05, 5.0)),
                "return_temperature_c": Nature(digits=4, jump=(0.05, 5.0)),
                "pressure_kpa": Nature(digits=4, jump=(0.2, 10.0)),
            }
        ),
        Kind.CEMS: MappingProxyType(
            {
                "co2_pct": Nature(digits=3, jump=_ANALYSER),
                "o2_pct": Nature(digits=3, jump=_ANALYSER),
                "moisture_pct": Nature(digits=3, jump=_ANALYSER),
                "velocity_m_s": Nature(digits=3, jump=(0.3, 1.0), drift=_IDLE),
                "temperature_c": Nature(digits=4, jump=(0.05, 5.0)),
                "static_pressure_pa": Nature(digits=4),
                "barometric_pressure_pa": Nature(jump=(0.01, 0.0)),
                "flow_nm3_h": Nature(digits=4, drift=_IDLE),
                "flow_wet_nm3_h": Nature(digits=4, drift=_IDLE),
                "operating_fraction": Nature(),
                "so2_mg_m3": Nature(digits=3),
                "nox_mg_m3": Nature(digits=3),
                "dust_mg_m3": Nature(digits=3),
            }
        ),
        Kind.BELTSCALE: MappingProxyType(
            {
                "rate_t_h": Nature(digits=3, drift=_IDLE, register="mass_t"),
                "speed_m_s": Nature(),
                # What lies on a belt that stands, stays there.
                "load_kg_m": Nature(),
                "running": Nature(),
            }
        ),
    }
)
"""Of every gauge."""


def standing_us(interval_us: int) -> int:
    """How long a value may stand [us], by the expected interval; 0 where that is not known: nothing is
    judged."""
    return max(STUCK_INTERVALS * interval_us, STUCK_AT_LEAST_US) if interval_us else 0


def reach_us(interval_us: int, hold_us: int) -> int:
    """How far before a reading others say whether it is strange [us]: the longest standing, one neighbour
    before that, and one between."""
    return standing_us(interval_us) + 3 * hold_us
