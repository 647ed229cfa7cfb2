"""What the registry says of a device that its hours hang on, by period, and its dated events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import numpy as np

from services.domain.conversion import kind_of
from services.domain.ledger.hours import HOUR_US, SECOND_US, HourGrid, IntArray, to_us
from services.domain.quality.natures import reach_us
from services.domain.quantities import QUANTITIES, Kind
from services.domain.registry.model import Device, DeviceFacts, Site, facts_at

HOLD_INTERVALS: Final = 3
"""A value is held, and two readings of a register are neighbours, for so many expected intervals at most."""
MEMORY_INTERVALS: Final = 96
"""For so many expected intervals a register that went down within its resolution must come up again before it
counts: a day of quarter hours."""
_MEMORY_WITHOUT_INTERVAL_US: Final = HOUR_US

_RATE_OF_REGISTER: Final = MappingProxyType(
    {
        (Kind.FLOWMETER, "volume_m3"): "flow_m3_h",
        (Kind.FLOWMETER, "volume_nm3"): "flow_nm3_h",
        (Kind.FLOWMETER, "mass_t"): "mass_flow_t_h",
        (Kind.BELTSCALE, "mass_t"): "rate_t_h",
    }
)


@dataclass(frozen=True, slots=True)
class RegisterRules:
    """Of one register, in its own unit; None where not known."""

    modulus: float | None = None
    resolution: float | None = None
    max_per_h: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """From `start` on, until the device's next rules."""

    start: datetime
    interval_s: float | None = None
    """None where the registry does not know the device, or no interval: then nothing is held nor covered."""
    interval_mean: bool = False
    repeats_frames: bool = False
    registers: Mapping[str, RegisterRules] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def interval_us(self) -> int:
        """Expected microseconds between readings; 0 where unknown."""
        return 0 if self.interval_s is None else round(self.interval_s * SECOND_US)

    @property
    def hold_us(self) -> int:
        """How long a value is held at most."""
        return HOLD_INTERVALS * self.interval_us

    @property
    def memory_us(self) -> int:
        """How long the high mark of a register is kept; 0 where no register has a resolution."""
        if all(rules.resolution is None for rules in self.registers.values()):
            return 0
        return MEMORY_INTERVALS * self.interval_us or _MEMORY_WITHOUT_INTERVAL_US


@dataclass(frozen=True, slots=True)
class Replacement:
    """At `at_us` the register that showed `final` was replaced by one that showed `initial`."""

    at_us: int
    final: float
    initial: float


@dataclass(frozen=True, slots=True)
class DeviceHistory:
    """All that the hours of one device hang on, but its readings."""

    grid: HourGrid
    periods: tuple[DeviceRules, ...] = ()
    """Ascending; before the first the registry does not know the device."""
    replacements: Mapping[str, tuple[Replacement, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By register, ascending."""
    change_points: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    """Instants, ascending, at which what the device contributes to a source may change."""

    @property
    def hold_us(self) -> int:
        """The longest hold of any period."""
        return max((rules.hold_us for rules in self.periods), default=0)

    @property
    def memory_us(self) -> int:
        """The longest memory of any period: for the high mark of a register, or for whether a reading is
        strange."""
        return max(
            (max(rules.memory_us, reach_us(rules.interval_us, rules.hold_us)) for rules in self.periods),
            default=0,
        )

    @property
    def repeats_frames(self) -> bool:
        return any(rules.repeats_frames for rules in self.periods)


def compile_history(
    site: Site, ref: str, device: Device, grid: HourGrid, change_points: IntArray
) -> DeviceHistory:
    """The history of a device of the site."""
    kind = kind_of(ref)
    starts = sorted({facts.from_.astimezone(UTC) for facts in device.facts})
    periods = [_rules(kind, facts, start) for start in starts if (facts := facts_at(device.facts, start))]
    ended = _earliest(device.ended, site.ended)
    if ended is not None:
        periods = [*(each for each in periods if each.start < ended), DeviceRules(ended)]
    return DeviceHistory(grid, tuple(periods), _replacements(site, ref), change_points)


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((each.astimezone(UTC) for each in instants if each is not None), default=None)


def _rules(kind: Kind, facts: DeviceFacts, start: datetime) -> DeviceRules:
    named = facts.registers or {}
    registers = {
        quantity.name: RegisterRules(
            modulus=named[quantity.name].modulus if quantity.name in named else None,
            resolution=named[quantity.name].resolution if quantity.name in named else None,
            max_per_h=_max_per_h(kind, quantity.name, facts),
        )
        for quantity in QUANTITIES[kind]
        if quantity.register
    }
    return DeviceRules(
        start=start,
        interval_s=facts.interval_s,
        interval_mean=facts.gauges == "interval_mean",
        repeats_frames=bool(facts.repeats_frames),
        registers=MappingProxyType(registers),
    )


def _max_per_h(kind: Kind, register: str, facts: DeviceFacts) -> float | None:
    """What the rating allows the register in an hour, before the ratio the device does not apply itself."""
    if kind is Kind.METER:
        rating = facts.rated_power_kw
    elif (kind, register) in _RATE_OF_REGISTER and register == _rated_register(kind, facts):
        rating = facts.rated_flow
    else:
        rating = None
    return None if rating is None else rating / (facts.multiplier or 1.0)


def _rated_register(kind: Kind, facts: DeviceFacts) -> str | None:
    """The register that `rated_flow` speaks of: that of the energy quantity, else the only one there is."""
    families = {register: rate for (of, register), rate in _RATE_OF_REGISTER.items() if of is kind}
    for register, rate in families.items():
        if facts.energy_quantity in (register, rate):
            return register
    if facts.energy_quantity is not None:
        return None
    candidates = [
        register for register in families if len(families) == 1 or register in (facts.registers or {})
    ]
    return candidates[0] if len(candidates) == 1 else None


def _replacements(site: Site, ref: str) -> Mapping[str, tuple[Replacement, ...]]:
    events = sorted((event for event in site.events if event.device == ref), key=lambda event: event.at)
    registers = {name for event in events for name in event.final if name in event.initial}
    return MappingProxyType(
        {
            name: tuple(
                Replacement(to_us(event.at), event.final[name], event.initial[name])
                for event in events
                if name in event.final and name in event.initial
            )
            for name in sorted(registers)
        }
    )
