"""What a run of the fleet has done, and what was true meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulators.device import Device
from simulators.journal import Journal, Tally
from simulators.spec import DeviceId, Reading, SourceSpec


@dataclass(frozen=True, slots=True)
class Span:
    """First and last instant of which a device's reading was wholly published in this run."""

    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Truth:
    """The true CO2 of a source over an interval, and what one step of its register's last digit is worth."""

    co2_kg: float
    begin: datetime
    end: datetime
    resolution_kg: float | None
    """None where the emission is no multiple of a register."""


class Report:
    """Counts and truth of one run; alive while the run goes on."""

    def __init__(
        self,
        tally: Tally,
        journal: Journal,
        devices: Mapping[DeviceId, Device],
        sources: Sequence[SourceSpec],
        missing: Callable[[], int],
        unacknowledged: Callable[[], int],
    ) -> None:
        self.tally = tally
        self._journal, self._devices = journal, devices
        self._sources = {(source.site, source.source): source for source in sources}
        self._missing, self._unacknowledged = missing, unacknowledged
        self._spans: dict[DeviceId, tuple[int, int]] = {}

    @property
    def published(self) -> int:
        """Units that the broker acknowledged: readings, parts, duplicates and bad ones."""
        return self.tally.published

    @property
    def injected_bad(self) -> int:
        """Acknowledged units that are to be rejected."""
        return self.tally.bad.total()

    @property
    def missing(self) -> int:
        """Readings left out on purpose."""
        return self._missing()

    @property
    def unacknowledged(self) -> int:
        """Units sent of which it is unknown whether the broker has them."""
        return self._unacknowledged()

    def readings(self) -> Iterator[Reading]:
        """Every good reading that was wholly published, once."""
        return self._journal.readings()

    def sources(self) -> Sequence[SourceSpec]:
        """The emission sources of the fleet."""
        return tuple(self._sources.values())

    def spans(self) -> dict[DeviceId, Span]:
        """Of each device that published in this run: first and last reading."""
        return {device: Span(_utc(first), _utc(last)) for device, (first, last) in self._spans.items()}

    def events(self) -> list[dict[str, Any]]:
        """Replacements of meters of this and earlier runs, as `site` and the registry's event entry."""
        return [
            {"site": device.site, **swap}
            for device, running in self._devices.items()
            for swap in running.state.swaps
        ]

    def truth_co2_kg(self, site: str, source: str, begin: datetime, end: datetime) -> float:
        """True CO2 [kg] of a source from `begin` to `end` (aware), also for instants of earlier runs with the
        same kept state. While its device was switched off, nothing is emitted. Raises KeyError for a source
        that the fleet has not."""
        spec = self._sources[site, source]
        ran = self._devices[spec.device].state.ran(begin.timestamp(), end.timestamp())
        return sum(spec.process.integral(spec.series, left, right) for left, right in ran)

    def truth_of_run(self, site: str, source: str) -> Truth | None:
        """The truth between the first and the last reading of the source's device in this run; None where it
        published none."""
        spec = self._sources[site, source]
        span = self.spans().get(spec.device)
        if span is None:
            return None
        co2_kg = self.truth_co2_kg(site, source, span.first, span.last)
        return Truth(co2_kg, span.first, span.last, self._resolution_kg(spec, span, co2_kg))

    def published_reading(self, reading: Reading) -> None:
        """Note a reading that was wholly published."""
        first, last = self._spans.get(reading.device, (reading.ts, reading.ts))
        self._spans[reading.device] = (min(first, reading.ts), max(last, reading.ts))

    def _resolution_kg(self, spec: SourceSpec, span: Span, co2_kg: float) -> float | None:
        device = self._devices[spec.device]
        if not spec.linear:
            return None
        register = device.spec.registers[0]
        ran = device.state.ran(span.first.timestamp(), span.last.timestamp())
        moved = sum(spec.process.integral(register.series, left, right) for left, right in ran)
        return 10.0**-register.digits * co2_kg / moved if moved else None

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        truths = {key: self.truth_of_run(*key) for key in self._sources}
        return {
            "published": self.published,
            "readings": self.tally.readings,
            "parts": self.tally.parts,
            "duplicates": self.tally.duplicates,
            "injected_bad": self.injected_bad,
            "bad_by_reason": dict(sorted(self.tally.bad.items())),
            "left_out": self.missing,
            "unacknowledged": self.unacknowledged,
            "sources": {
                f"{site}/{source}": {
                    "truth_co2_kg": truth.co2_kg,
                    "from": truth.begin.isoformat(),
                    "to": truth.end.isoformat(),
                }
                for (site, source), truth in truths.items()
                if truth is not None
            },
            "events": self.events(),
        }


def _utc(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
