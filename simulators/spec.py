"""What a simulated device is: its process, registers and gauges, and the emission sources it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from simulators.process import Process

Value = float | bool


class DeviceId(NamedTuple):
    """What a device is known by: the ids of its topic."""

    site: str
    kind: str
    device: str

    @property
    def topic(self) -> str:
        """Where it publishes its readings."""
        return f"telemetry/v1/{self.site}/{self.kind}/{self.device}"

    def __str__(self) -> str:
        return f"{self.site}/{self.kind}/{self.device}"


class Reading(NamedTuple):
    """What one device shows at one instant. `ts` is whole seconds since the epoch."""

    device: DeviceId
    ts: int
    seq: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Register:
    """A cumulative register: the integral of `series` (per hour), shown with `digits` decimals, modulo
    `modulus`. A new device starts somewhere in `start` (unit of the quantity)."""

    quantity: str
    series: str
    digits: int
    modulus: int
    start: tuple[float, float]

    def shown(self, total: float) -> float:
        """What the display says at a total: whole last digits, cut off, not rounded."""
        ticks_per_unit: int = 10**self.digits
        return (int(total * ticks_per_unit) % (self.modulus * ticks_per_unit)) / ticks_per_unit


@dataclass(frozen=True, slots=True)
class Gauge:
    """An instant value of `series`, with instrument noise of at most `noise` (same unit), rounded. A gauge of
    a rate that the instrument cannot resolve at rest shows noise around zero there."""

    quantity: str
    series: str
    digits: int
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean: whether `series` is above one half."""

    quantity: str
    series: str


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device. `key_name` seeds it, and stays when the site is renamed. `bridges`: its registers alone
    carry the emission, so that readings may be missing without any effect on the total."""

    id: DeviceId
    interval_s: int
    process: Process
    registers: tuple[Register, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    flags: tuple[Flag, ...] = ()
    phase_s: int = 0
    bridges: bool = False
    key_name: str = ""

    def __post_init__(self) -> None:
        step = self.process.step_s
        if self.interval_s % step or self.phase_s % step:
            raise ValueError(f"{self.id}: interval and phase must be multiples of the {step} s step")

    @property
    def seed_name(self) -> str:
        return self.key_name or str(self.id)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """An emission source and its truth: `series` of `process`, in kg CO2 per hour, of what passes `device`.

    `linear`: the emission is proportional to one register's movement, so that a calculation from readings
    may differ from the truth by the register's resolution only.
    """

    site: str
    source: str
    device: DeviceId
    process: Process
    series: str = "co2_kg_h"
    linear: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet: devices and the sources they stand for."""

    devices: tuple[DeviceSpec, ...] = ()
    sources: tuple[SourceSpec, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.devices + other.devices, self.sources + other.sources)

    def with_site_prefix(self, prefix: str) -> Plan:
        """The same fleet, its sites renamed; every value stays the same."""
        if not prefix:
            return self

        def renamed(device: DeviceId) -> DeviceId:
            return device._replace(site=prefix + device.site)

        return Plan(
            tuple(replace(d, id=renamed(d.id), key_name=d.seed_name) for d in self.devices),
            tuple(replace(s, site=prefix + s.site, device=renamed(s.device)) for s in self.sources),
        )
