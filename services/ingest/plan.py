"""What a batch does to the hypertables: which readings are new, which meet others. Pure.

The outcome of a reading does not hang on how the stream is cut into batches: it is what it would be if
readings came one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.outcome import Outcome, Reason
from services.domain.quantities import Kind
from services.domain.reading import Measured, Reading
from services.ingest.merge import gained, merge
from services.ingest.message import Received, Rejection
from services.store.reading_columns import ReadingColumns, columns_of
from services.store.readings import Stored
from services.store.unboxed import times_us

# So many rows are made ready while the server takes those before.
_PIECE: Final = 2_000

Key = tuple[int, datetime]
"""Device id and time."""

_HOW_TO_CORRECT: Final = "the first stays; void or correct it with `carbonflow readings` where it is wrong"


class Suspect(NamedTuple):
    """A reading that is not in order: what is stored for its device and time must be seen."""

    device_id: int
    unit: Received

    @property
    def key(self) -> Key:
        """Device id and time."""
        return self.device_id, self.unit.time


@dataclass(slots=True)
class OfKind:
    """The readings of one kind of a batch, as they came, and which of them are in order."""

    kind: Kind
    units: list[Received]
    completed: dict[int, Reading]
    """What those that other parts of the same reading joined became, by position."""
    device_ids: IntArray
    times_us: IntArray
    in_order: IntArray
    """Positions of those newer than all that is stored of their devices, and all before them in the batch; by
    device, then time: so they are next to each other in the indexes, too.
    """
    suspects: list[Suspect]
    """The others, as they came."""

    def pieces(self) -> Iterator[ReadingColumns]:
        """Those in order."""
        for start in range(0, self.in_order.size, _PIECE):
            yield self._columns(self.in_order[start : start + _PIECE])

    def _columns(self, chosen: IntArray) -> ReadingColumns:
        units = [self.units[row] for row in chosen.tolist()]
        readings: Sequence[Measured] = units
        if self.completed:
            readings = [self.completed.get(row, self.units[row]) for row in chosen.tolist()]
        received_us = times_us([unit.message.received_at for unit in units])
        return columns_of(self.kind, self.device_ids[chosen], self.times_us[chosen], received_us, readings)

    def reading(self, row: int) -> Reading:
        """The reading at a position."""
        return self.completed.get(row) or self.units[row].reading

    def newest(self) -> tuple[IntArray, IntArray]:
        """The devices of those in order, and the newest time of each."""
        ids = self.device_ids[self.in_order]
        last = np.r_[ids[1:] != ids[:-1], True][: ids.size]
        return ids[last], self.times_us[self.in_order][last]


def part(kind: Kind, units: list[Received], device_ids: IntArray, newest_us: IntArray) -> OfKind:
    """Part the readings of one kind.

    `newest_us` has, for each, the last stored time of its device, or an earlier instant after which nothing
    of it is stored.
    """
    times = times_us([unit.time for unit in units])
    by_device = np.argsort(device_ids, kind="stable")
    in_order = _newer(device_ids[by_device], times[by_device], newest_us[by_device])
    suspects = np.sort(by_device[~in_order]).tolist()
    return OfKind(
        kind,
        units,
        {},
        device_ids,
        times,
        by_device[in_order],
        [Suspect(int(device_ids[row]), units[row]) for row in suspects],
    )


def _newer(device_ids: IntArray, times: IntArray, newest_us: IntArray) -> BoolArray:
    """Where a time is later than `newest_us` and all before it of the same device, which are together."""
    first = np.r_[True, device_ids[1:] != device_ids[:-1]][: device_ids.size]
    newer: BoolArray = times > np.where(first, newest_us, np.r_[0, times[:-1]][: times.size])
    if newer.all():
        return newer
    # The latest before each of the same device: ranks of times, lifted for each device above all before it.
    different, ranks = np.unique(times, return_inverse=True)
    lift = np.cumsum(first) * len(different)
    latest = np.maximum.accumulate(lift + ranks)
    before = different[(np.r_[0, latest[:-1]] - lift).clip(0)]
    return times > np.where(first, newest_us, np.maximum(newest_us, before))


@dataclass(slots=True)
class Met:
    """What became of the suspects of one kind."""

    late: list[tuple[int, Reading, datetime]] = field(default_factory=list)
    """New rows: device id, reading, when it was received."""
    updates: list[tuple[int, Reading]] = field(default_factory=list)
    """What stored rows become, by device id."""
    gained: list[tuple[int, Reading]] = field(default_factory=list)
    """What they lacked before, by device id."""
    merged: int = 0
    """Readings merged into another one."""
    duplicates: list[Received] = field(default_factory=list)
    conflicts: list[tuple[Received, Rejection]] = field(default_factory=list)

    def late_columns(self, kind: Kind) -> ReadingColumns | None:
        """The new rows; None where there are none."""
        columns = columns_by_device(kind, [(device_id, reading) for device_id, reading, _ in self.late])
        if columns is None:
            return None
        return columns._replace(received_us=times_us([received_at for _, _, received_at in self.late]))


class Meeting:
    """The suspects of one kind meet what is in the batch and what is stored, one after the other."""

    def __init__(self, part: OfKind) -> None:
        self._part = part
        devices = np.unique([suspect.device_id for suspect in part.suspects])
        rows = part.in_order[np.isin(part.device_ids[part.in_order], devices)]
        keys = zip(part.device_ids[rows].tolist(), rows.tolist(), strict=True)
        self._rows = {(device_id, part.units[row].time): row for device_id, row in keys}
        self._asked = [suspect for suspect in part.suspects if suspect.key not in self._rows]

    def questions(self) -> ReadingColumns | None:
        """The readings for which the database must say what it has."""
        asked = [(each.device_id, each.unit) for each in self._asked]
        return columns_by_device(self._part.kind, asked)

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
                self._part.completed[row] = self._meet(met, self._part.reading(row), suspect)
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
        met.updates = [(key[0], reading) for key, reading in updated.items()]
        met.gained = [(key[0], gained(in_database[key], reading)) for key, reading in updated.items()]
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


def columns_by_device(kind: Kind, readings: Sequence[tuple[int, Measured]]) -> ReadingColumns | None:
    """The columns of readings by device id, where it does not matter when they were received."""
    if not readings:
        return None
    device_ids = np.array([device_id for device_id, _ in readings], np.int64)
    times = times_us([reading.time for _, reading in readings])
    return columns_of(kind, device_ids, times, times, [reading for _, reading in readings])
