"""What is wrong with readings that ingest must take all the same: sensors that stick, registers that stand,
clocks that are off. Each fault is put into good readings, and those who look for it are told what was done.

Unlike `faults`, these change what the good readings say: no truth of a source is to be compared with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from simulators.hashing import stable_key, uniform_at
from simulators.spec import DeviceId, DeviceSpec, Reading, Value

_APART: Final = 150
"""Readings from one fault to the next of the same device."""
_MARGIN: Final = 90
"""Readings before the first, that show what was usual."""
_RATES: Final = ("power_kw", "flow_m3_h", "flow_nm3_h", "mass_flow_t_h", "rate_t_h")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A reading and when it comes [s since the epoch]."""

    reading: Reading
    received: float


@dataclass(frozen=True, slots=True)
class Episode:
    """A fault that was put in, from the first to the last reading that has it [s since the epoch]."""

    fault: str
    device: DeviceId
    quantity: str | None
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a fault is put in: the arrivals of a device, the first index, a random number in [0, 1)."""

    spec: DeviceSpec
    rows: list[Arrival]
    at: int
    draw: float

    def quantity(self, names: Sequence[str]) -> str | None:
        """One of the names that the readings have, by the draw."""
        known = [name for name in names if name in self.rows[self.at].reading.values]
        return known[int(self.draw * 997) % len(known)] if known else None

    def change(self, index: int, quantity: str, value: Value) -> None:
        """Let a reading say something else."""
        row = self.rows[index]
        self.rows[index] = replace(
            row, reading=row.reading._replace(values={**row.reading.values, quantity: value})
        )

    def value(self, index: int, quantity: str) -> float:
        return float(self.rows[index].reading.values[quantity])

    def told(self, fault: str, last: int, quantity: str | None = None) -> Episode:
        first = self.rows[self.at].reading.ts
        return Episode(fault, self.spec.id, quantity, first, self.rows[last].reading.ts)


Put = Callable[[_Site], Episode | None]
"""Puts a fault in; None where the device has nothing to put it into."""


def _drop(site: _Site, fault: str, count: int) -> Episode:
    told = Episode(
        fault,
        site.spec.id,
        None,
        site.rows[site.at - 1].reading.ts,
        site.rows[site.at + count].reading.ts,
    )
    del site.rows[site.at : site.at + count]
    return told


def _gap(site: _Site) -> Episode | None:
    return _drop(site, "gap", 4 + int(site.draw * 200))


def _lost(site: _Site) -> Episode | None:
    return _drop(site, "lost", 1 + int(site.draw * 2))


def _stuck(site: _Site) -> Episode | None:
    """A sensor goes on showing its last value for 40 minutes to 2 hours."""
    names = [gauge.quantity for gauge in site.spec.gauges]
    quantity = site.quantity(
        [name for name in names if name not in ("power_factor", "speed_m_s", "load_kg_m")]
    )
    if quantity is None or site.value(site.at, quantity) == 0.0:
        return None
    last = site.at + max(2400 // site.spec.interval_s, 75) + int(site.draw * 60)
    for index in range(site.at + 1, last + 1):
        site.change(index, quantity, site.rows[site.at].reading.values[quantity])
    return site.told("stuck", last, quantity)


def _standing(site: _Site) -> Episode | None:
    """A pulse input fails for over an hour, and what passed meanwhile is not counted."""
    rate = site.quantity(_RATES)
    if rate is None or not site.spec.registers:
        return None
    register = site.spec.registers[0]
    last = site.at + max(3600 // site.spec.interval_s, 90)
    low = min(site.value(index, rate) for index in range(site.at, last + 1))
    shown, lost = site.value(site.at, register.quantity), 0.0
    if low <= 0.0:
        return None
    for index in range(site.at + 1, len(site.rows)):
        value = site.value(index, register.quantity)
        if index <= last:
            lost = (value - shown) % register.modulus
        site.change(index, register.quantity, round((value - lost) % register.modulus, register.digits))
    return site.told("standing", last, register.quantity)


def _spike(site: _Site) -> Episode | None:
    """A sensor falls out for one reading."""
    names = ("voltage_v", "temperature_c", "return_temperature_c", "pressure_kpa", "co2_pct", "velocity_m_s")
    quantity = site.quantity(names)
    if quantity is None:
        return None
    factor = 0.2 if site.draw < 0.5 else 1.5
    site.change(site.at, quantity, round(factor * site.value(site.at, quantity), 2))
    return site.told("spike", site.at, quantity)


def _reversed(site: _Site) -> Episode | None:
    """A direction is turned round, after work on the wires."""
    quantity = site.quantity(_RATES)
    last = site.at + 20 + int(site.draw * 40)
    if quantity is None or min(site.value(index, quantity) for index in range(site.at, last + 1)) <= 0.0:
        return None
    for index in range(site.at, last + 1):
        site.change(index, quantity, -site.value(index, quantity))
    return site.told("reversed", last, quantity)


def _surge(site: _Site) -> Episode | None:
    """A register that jumps by far more than can have passed."""
    if not site.spec.registers:
        return None
    register = site.spec.registers[0]
    jump = register.modulus * (0.1 + 0.2 * site.draw)
    for index in range(site.at, len(site.rows)):
        value = site.value(index, register.quantity)
        site.change(index, register.quantity, round((value + jump) % register.modulus, register.digits))
    return site.told("surge", site.at, register.quantity)


def _reset(site: _Site) -> Episode | None:
    """A register begins at nothing again, and nobody wrote it down."""
    if not site.spec.registers:
        return None
    register = site.spec.registers[0]
    lost = site.value(site.at, register.quantity)
    for index in range(site.at, len(site.rows)):
        value = (site.value(index, register.quantity) - lost) % register.modulus
        site.change(index, register.quantity, round(value, register.digits))
    return site.told("reset", site.at, register.quantity)


def _repeat(site: _Site) -> Episode | None:
    """A gateway sends the last frame again, under a new time."""
    row = site.rows[site.at]
    values = site.rows[site.at - 1].reading.values
    site.rows[site.at] = replace(row, reading=row.reading._replace(values=values))
    return site.told("repeat", site.at)


def _clock(site: _Site, fault: str, off_s: float) -> Episode:
    last = site.at + 40 + int(site.draw * 60)
    for index in range(site.at, last + 1):
        row = site.rows[index]
        site.rows[index] = replace(row, received=row.received + off_s)
    return site.told(fault, last)


def _ahead(site: _Site) -> Episode | None:
    return _clock(site, "ahead", -20.0 - 200.0 * site.draw)


def _behind(site: _Site) -> Episode | None:
    return _clock(site, "behind", 300.0 + 3000.0 * site.draw)


STRANGE: Final[Mapping[str, Put]] = MappingProxyType(
    {
        "gap": _gap,
        "lost": _lost,
        "stuck": _stuck,
        "standing": _standing,
        "spike": _spike,
        "reversed": _reversed,
        "surge": _surge,
        "reset": _reset,
        "repeat": _repeat,
        "ahead": _ahead,
        "behind": _behind,
    }
)
"""Every fault, by name."""


def make_strange(
    spec: DeviceSpec, readings: Iterable[Reading], seed: int, faults: Sequence[str] = tuple(STRANGE)
) -> tuple[list[Arrival], list[Episode]]:
    """The readings of one device as they arrive, with faults one after the other, and what was put in.

    Readings come up to two seconds after their time. The same seed puts in the same faults.
    """
    key = stable_key(seed, spec.seed_name, "strange")
    rows = [Arrival(each, each.ts + 0.2 + 1.8 * uniform_at(key, each.seq)) for each in readings]
    told: list[Episode] = []
    at, number = _MARGIN, 0
    while faults and at + 2 * _APART + 200 < len(rows):
        draw = uniform_at(key, number)
        fault = faults[int(draw * len(faults))]
        episode = STRANGE[fault](_Site(spec, rows, at, uniform_at(key, -1 - number)))
        if episode is not None:
            told.append(episode)
            while at < len(rows) and rows[at].reading.ts <= episode.end:
                at += 1
            at += _APART
        else:
            at += 1
        number += 1
    return rows, told
