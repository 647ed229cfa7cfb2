"""What a batch does to the hypertables: which readings are new, which meet others. Pure.

The outcome of a reading does not hang on how the stream is cut into batches: it is what it would be if
readings came one at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.domain.outcome import Outcome, Reason
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.ingest.merge import gained, merge
from services.ingest.message import Received, Rejection
from services.store.readings import Staged, Stored

Key = tuple[int, datetime]
"""Device id and time."""

_HOW_TO_CORRECT: Final = "the first stays; void or correct it with `carbonflow readings` where it is wrong"


@dataclass(slots=True)
class Suspect:
    """A reading that is not in order: what is stored for its device and time must be seen."""

    device_id: int
    unit: Received

    @property
    def key(self) -> Key:
        """Device id and time."""
        return self.device_id, self.unit.reading.time


@dataclass(slots=True)
class OfKind:
    """The readings of one kind. Those in order, newer than all stored and all before them in the batch, are
    parallel lists; the others are suspects.
    """

    device_ids: list[int] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    received: list[datetime] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)


@dataclass(slots=True)
class Parted:
    """The readings of a batch, by kind, and the newest time of each device in order."""

    of_kind: defaultdict[Kind, OfKind] = field(default_factory=lambda: defaultdict(OfKind))
    newest: dict[int, datetime] = field(default_factory=dict)

    def add(
        self, units: Iterable[Received], ids: Mapping[DeviceKey, int], newest: Mapping[int, datetime]
    ) -> list[Received]:
        """Part readings. Returns those of devices whose id, or last stored time, is not known.

        `newest` has the last stored time of each device, or an earlier instant after which nothing of it is
        stored.
        """
        unknown: list[Received] = []
        of_kind, now_newest = self.of_kind, self.newest
        for unit in units:
            reading = unit.reading
            device, time = reading.device, reading.time
            device_id = ids.get(device, 0)
            last = now_newest.get(device_id) or newest.get(device_id)
            if last is None:
                unknown.append(unit)
                continue
            part = of_kind[device.kind]
            if time > last:
                now_newest[device_id] = time
                part.device_ids.append(device_id)
                part.readings.append(reading)
                part.received.append(unit.message.received_at)
            else:
                part.suspects.append(Suspect(device_id, unit))
        return unknown


@dataclass(slots=True)
class Met:
    """What became of the suspects of one kind."""

    late: list[tuple[int, Reading, datetime]] = field(default_factory=list)
    """New rows: device id, reading, when it was received."""
    updates: list[Staged] = field(default_factory=list)
    """What stored rows become."""
    gained: list[Staged] = field(default_factory=list)
    """What they lacked before."""
    merged: int = 0
    """Readings merged into another one."""
    duplicates: list[Received] = field(default_factory=list)
    conflicts: list[tuple[Received, Rejection]] = field(default_factory=list)


class Meeting:
    """The suspects of one kind meet what is in the batch and what is stored, one after the other."""

    def __init__(self, part: OfKind) -> None:
        self._part = part
        devices = {suspect.device_id for suspect in part.suspects}
        in_order = enumerate(zip(part.device_ids, part.readings, strict=True))
        self._rows = {
            (device_id, reading.time): row for row, (device_id, reading) in in_order if device_id in devices
        }
        self._asked = [suspect for suspect in part.suspects if suspect.key not in self._rows]

    def questions(self) -> list[Staged]:
        """The readings for which the database must say what it has."""
        return [Staged(suspect.device_id, suspect.unit.reading) for suspect in self._asked]

    def hold(self, stored: Stored) -> Met:
        """Let them meet. Readings in order that gain something are replaced where they are."""
        met = Met()
        in_database = {self._asked[position].key: reading for position, reading in stored.different.items()}
        same = {id(self._asked[position]) for position in stored.same}
        new: dict[Key, tuple[Reading, datetime]] = {}
        updated: dict[Key, Reading] = {}
        for suspect in self._part.suspects:
            key = suspect.key
            if id(suspect) in same:
                met.duplicates.append(suspect.unit)
            elif key in self._rows:
                row = self._rows[key]
                self._part.readings[row] = self._meet(met, self._part.readings[row], suspect)
            elif key in in_database:
                before = updated.get(key, in_database[key])
                after = self._meet(met, before, suspect)
                if after is not before:
                    updated[key] = after
            elif key in new:
                before, received_at = new[key]
                new[key] = self._meet(met, before, suspect), received_at
            else:
                new[key] = suspect.unit.reading, suspect.unit.message.received_at
        met.late = [(key[0], reading, received_at) for key, (reading, received_at) in new.items()]
        met.updates = [Staged(key[0], reading) for key, reading in updated.items()]
        met.gained = [Staged(key[0], gained(in_database[key], reading)) for key, reading in updated.items()]
        return met

    def _meet(self, met: Met, before: Reading, suspect: Suspect) -> Reading:
        outcome, reading, contradicts = merge(before, suspect.unit.reading)
        match outcome:
            case Outcome.DUPLICATE:
                met.duplicates.append(suspect.unit)
            case Outcome.STORED:
                met.merged += 1
            case Outcome.REJECTED:
                detail = f"{contradicts} contradicts what is stored for this ts: {_HOW_TO_CORRECT}."
                met.conflicts.append((suspect.unit, Rejection(Reason.CONFLICT, detail)))
        return reading
