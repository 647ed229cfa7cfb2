"""What a batch does to the hypertables: which readings are new, which meet others. Pure.

The outcome of a reading does not hang on how the stream is cut into batches: it is what it would be if
readings came one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.outcome import Outcome, Reason
from services.domain.quantities import Kind
from services.domain.reading import Measured, Reading
from services.ingest.merge import gained, merge
from services.ingest.message import Received, Rejection
from services.store.reading_columns import ReadingColumns, columns_of
from services.store.readings import Stored
from services.store.unboxed import matrix, times_us

# So many rows are made ready while the server takes those before.
_PIECE: Final = 2_000

Key = tuple[int, datetime]
"""Device id and time."""

_HOW_TO_CORRECT: Final = "the first stays; void or correct it with `carbonflow readings` where it is wrong"


@dataclass(slots=True)
class OfKind:
    """The readings of one kind of a batch, as they came, and which of them are in order."""

    kind: Kind
    units: list[Received]
    completed: dict[int, Measured]
    """What those that other parts of the same reading joined became, by position."""
    rests: dict[int, Received]
    """The rest of those that were sent in two parts, by position of the first."""
    device_ids: IntArray
    times_us: IntArray
    in_order: IntArray
    """Positions of those newer than all that is stored of their devices, and all before them in the batch; by
    device, then time: so they are next to each other in the indexes, too.
    """
    suspects: IntArray
    """Positions of the others, as they came: what is stored for their devices and times must be seen."""

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
        columns = columns_of(self.kind, self.device_ids[chosen], self.times_us[chosen], received_us, readings)
        return self._with_rests(columns, chosen) if self.rests else columns

    def _with_rests(self, columns: ReadingColumns, chosen: IntArray) -> ReadingColumns:
        """The columns with what the rests of their readings add."""
        found = [(row, self.rests[at]) for row, at in enumerate(chosen.tolist()) if at in self.rests]
        if not found:
            return columns
        rows = np.array([row for row, _ in found])
        rest = matrix([unit.values for _, unit in found], columns.values.shape[1] - 1)
        first = columns.values[rows]
        columns.values[rows] = np.where(np.isnan(first), rest, first)
        seqs = list(columns.seqs)
        for row, unit in found:
            if seqs[row] is None:
                seqs[row] = unit.seq
        return columns._replace(seqs=seqs)

    def newest(self) -> tuple[IntArray, IntArray]:
        """The devices of those in order, and the newest time of each."""
        ids = self.device_ids[self.in_order]
        last = np.r_[ids[1:] != ids[:-1], True][: ids.size]
        return ids[last], self.times_us[self.in_order][last]


def part(
    kind: Kind, units: list[Received], device_ids: IntArray, times: IntArray, newest_us: IntArray
) -> OfKind:
    """Part the readings of one kind; `times` are theirs [us since 1970].

    `newest_us` has, for each, the last stored time of its device, or an earlier instant after which nothing
    of it is stored.
    """
    by_device = np.argsort(device_ids, kind="stable")
    in_order = _newer(device_ids[by_device], times[by_device], newest_us[by_device])
    suspects = np.sort(by_device[~in_order])
    return OfKind(kind, units, {}, {}, device_ids, times, by_device[in_order], suspects)


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

    late: list[tuple[int, Measured, datetime]] = field(default_factory=list)
    """New rows: device id, reading, when it was received."""
    updates: list[tuple[int, Measured]] = field(default_factory=list)
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

    def __init__(self, of_kind: OfKind) -> None:
        self._of_kind = of_kind
        self._targets = _same_instants(of_kind)
        asked = of_kind.suspects[self._targets < 0]
        # Next to each other in the index, as those in order.
        self._asked = asked[np.lexsort((of_kind.times_us[asked], of_kind.device_ids[asked]))]

    def questions(self) -> ReadingColumns | None:
        """The readings for which the database must say what it has."""
        if not self._asked.size:
            return None
        part, asked = self._of_kind, self._asked
        times = part.times_us[asked]
        units = [part.units[row] for row in asked.tolist()]
        return columns_of(part.kind, part.device_ids[asked], times, times, units)

    def hold(self, stored: Stored) -> Met:
        """Let them meet. Readings in order that gain something are replaced where they are."""
        met = Met()
        units, completed = self._of_kind.units, self._of_kind.completed
        others: list[int] = []
        same = {int(self._asked[position]) for position in stored.same}
        joined = self._join_rests(met)
        for place, (row, target) in enumerate(
            zip(self._of_kind.suspects.tolist(), self._targets.tolist(), strict=True)
        ):
            if joined[place]:
                continue
            if target >= 0:
                before = completed.get(target) or units[target]
                completed[target] = _meet(met, before, units[row])
            elif row in same:
                met.duplicates.append(units[row])
            else:
                others.append(row)
        in_database = {int(self._asked[position]): there for position, there in stored.different.items()}
        self._hold_others(met, others, in_database)
        return met

    def _join_rests(self, met: Met) -> list[bool]:
        """Join what was sent in two parts, for all at once. Which suspects were such rests.

        Both parts are plain: of one status, and without words of their own. All else is looked at one by one.
        """
        part = self._of_kind
        rests = np.zeros(part.suspects.size, np.bool_)
        targets, counts = np.unique(self._targets, return_counts=True)
        alone = np.flatnonzero(np.isin(self._targets, targets[(targets >= 0) & (counts == 1)]))
        pairs = [
            (place, part.units[target], part.units[row])
            for place, target, row in zip(
                alone.tolist(), self._targets[alone].tolist(), part.suspects[alone].tolist(), strict=True
            )
        ]
        pairs = [(place, first, rest) for place, first, rest in pairs if _is_plain(first, rest)]
        if not pairs:
            return rests.tolist()
        quantities = len(pairs[0][1].values)
        first = matrix([each.values for _, each, _ in pairs], quantities)
        rest = matrix([each.values for _, _, each in pairs], quantities)
        missing, there = np.isnan(first), ~np.isnan(rest)
        joins = (missing & there).any(axis=1) & ~(~missing & there & (first != rest)).any(axis=1)
        for (place, _, unit), does in zip(pairs, joins.tolist(), strict=True):
            if does:
                rests[place] = True
                part.rests[int(self._targets[place])] = unit
        met.merged += int(joins.sum())
        return rests.tolist()

    def _hold_others(self, met: Met, rows: Sequence[int], in_database: Mapping[int, Reading]) -> None:
        """Those that meet what is stored, or each other. `in_database` has what is stored, by position."""
        part = self._of_kind
        keys = [(int(part.device_ids[row]), part.units[row].time) for row in rows]
        stored = {key: in_database[row] for key, row in zip(keys, rows, strict=True) if row in in_database}
        new: dict[Key, tuple[Measured, datetime]] = {}
        updated: dict[Key, Measured] = {}
        for key, row in zip(keys, rows, strict=True):
            unit = part.units[row]
            if key in stored:
                before = updated.get(key, stored[key])
                after = _meet(met, before, unit)
                if after is not before:
                    updated[key] = after
            elif key in new:
                before, received_at = new[key]
                new[key] = _meet(met, before, unit), received_at
            else:
                new[key] = unit, unit.message.received_at
        met.late += [(key[0], reading, received_at) for key, (reading, received_at) in new.items()]
        met.updates += [(key[0], reading) for key, reading in updated.items()]
        met.gained += [(key[0], gained(stored[key], reading)) for key, reading in updated.items()]


def _is_plain(first: Received, rest: Received) -> bool:
    words = first.quantity_status or rest.quantity_status or first.extra or rest.extra
    return words is None and first.status == rest.status


def _same_instants(part: OfKind) -> IntArray:
    """For each suspect the position of the reading in order of its device and time; -1: none."""
    if not part.in_order.size:
        return np.full(part.suspects.size, -1)
    different, ranks = np.unique(part.times_us, return_inverse=True)
    keys = part.device_ids * len(different) + ranks
    in_order = keys[part.in_order]  # ascending, as these are by device, then time
    place = np.searchsorted(in_order, keys[part.suspects]).clip(max=part.in_order.size - 1)
    found = in_order[place] == keys[part.suspects]
    return np.where(found, part.in_order[place], -1)


def _meet(met: Met, before: Measured, unit: Received) -> Measured:
    """What a reading becomes by another of its device and time."""
    outcome, reading, contradicts = merge(before, unit)
    if outcome is Outcome.DUPLICATE:
        met.duplicates.append(unit)
    elif outcome is Outcome.STORED:
        met.merged += 1
    else:
        detail = f"{contradicts} contradicts what is stored for this ts: {_HOW_TO_CORRECT}."
        met.conflicts.append((unit, Rejection(Reason.CONFLICT, detail)))
    return reading


def columns_by_device(kind: Kind, readings: Sequence[tuple[int, Measured]]) -> ReadingColumns | None:
    """The columns of readings by device id, where it does not matter when they were received."""
    if not readings:
        return None
    device_ids = np.array([device_id for device_id, _ in readings], np.int64)
    times = times_us([reading.time for _, reading in readings])
    return columns_of(kind, device_ids, times, times, [reading for _, reading in readings])
