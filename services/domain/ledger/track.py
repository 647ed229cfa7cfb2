"""Devices laid end to end on one axis, so that the steps, holds and hours of all are computed at once.

A position is a device's place on the axis plus its time: one sorted array of integers (microseconds). The
places are so far apart that nothing reaches from one device to the next, and differences of positions are
times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray, column
from services.domain.ledger.hours import BoolArray, IntArray, to_us
from services.domain.ledger.readings import Readings
from services.domain.ledger.rules import DeviceHistory, DeviceRules, RegisterRules
from services.domain.quantities import QUANTITIES, Kind
from services.domain.reading import DeviceKey

_PLACE_BITS: Final = 50
_PLACE_US: Final = 1 << _PLACE_BITS  # 35 years
MAX_DEVICES: Final = 1 << 11  # of a track: their places fill three quarters of a signed 64-bit axis at most
_MARGIN_US: Final = 1 << 44  # half a year between places
_LAST_US: Final = np.iinfo(np.int64).max


class Window(NamedTuple):
    """A stretch of a device's time to compute: from the beginning of an hour to that of another."""

    begin_us: int
    end_us: int


class RegisterLimits(NamedTuple):
    """The rules of one register, by row of the rules; NaN where unknown."""

    modulus: FloatArray
    resolution: FloatArray
    max_per_h: FloatArray


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of all devices of a track, each row from its position on."""

    start: IntArray
    interval_us: IntArray
    hold_us: IntArray
    memory_us: IntArray
    interval_mean: BoolArray
    repeats_frames: BoolArray
    registers: Mapping[str, RegisterLimits]

    def at(self, position: IntArray) -> IntArray:
        """The row in force at each position; these ascend."""
        return last_start(self.start, position)


@dataclass(frozen=True, slots=True)
class Cells:
    """The axis cut where an hour begins and where the facts of a device's site, or its factors, change."""

    start: IntArray
    """Ascending; a cell ends where the next begins. The first is before all devices."""
    slot: IntArray
    """The device-hour the cell is in, -1 outside the windows."""
    epoch: IntArray
    """Between which change points of its device the cell is: the number of those at or before it."""

    def lengths_us(self) -> IntArray:
        """How long each cell is; 0 outside the windows."""
        length = np.diff(self.start, append=self.start[-1])
        return np.where(self.slot >= 0, length, 0)


@dataclass(frozen=True, slots=True)
class Slots:
    """The device-hours to compute, in order of device and time."""

    device: IntArray
    hour_us: IntArray
    length_us: IntArray

    def __len__(self) -> int:
        return len(self.device)


@dataclass(frozen=True, slots=True)
class Track:
    """Devices of one kind: readings, rules and the cells to fill."""

    devices: tuple[DeviceKey, ...]
    readings: Readings
    """Without repeated frames."""
    position: IntArray
    """Of each reading."""
    rules: Rules
    rule: IntArray
    """Of each reading, the row of the rules."""
    replacements: Mapping[str, tuple[tuple[int, float, float], ...]]
    """By register: position, final and initial reading, ascending."""
    cells: Cells
    slots: Slots

    slot: IntArray
    """Of each reading; -1 outside the windows."""

    @property
    def kind(self) -> Kind:
        return self.readings.kind


def lay_out(
    readings: Readings,
    histories: Mapping[DeviceKey, DeviceHistory],
    windows: Mapping[DeviceKey, Window],
) -> Track:
    """The track of `readings.devices`, all of which have a history.

    Raises ValueError for more than MAX_DEVICES.
    """
    devices = readings.devices
    if len(devices) > MAX_DEVICES:
        raise ValueError(f"a track has room for {MAX_DEVICES} devices, not {len(devices)}")
    origin = _origin(readings, windows)
    place = {key: (index << _PLACE_BITS) - origin for index, key in enumerate(devices)}
    rules = _rules(readings.kind, [histories[key].periods for key in devices], list(place.values()), origin)
    position = readings.time + np.array([*place.values(), 0], np.int64)[readings.device]
    if rules.repeats_frames.any():
        kept = ~_repeated(readings, rules.repeats_frames[rules.at(position)])
        readings, position = readings.where(kept), position[kept]
    cells, slots = _cells(devices, histories, windows, place)
    return Track(
        devices=devices,
        readings=readings,
        position=position,
        rules=rules,
        rule=rules.at(position),
        replacements=_replacements(readings.kind, devices, histories, place, origin),
        cells=cells,
        slots=slots,
        slot=cells.slot[last_start(cells.start, position)],
    )


def _origin(readings: Readings, windows: Mapping[DeviceKey, Window]) -> int:
    first = min((window.begin_us for window in windows.values()), default=0)
    if len(readings):
        first = min(first, int(readings.time.min()))
    return first - _MARGIN_US


def _repeated(readings: Readings, repeats_frames: BoolArray) -> BoolArray:
    """Readings that a device known to do so has sent twice. Of a run of equal readings only the second is
    one: a longer run is a device that stands still."""
    repeats = readings.repeats()
    before = np.zeros(len(readings), np.bool_)
    before[1:] = repeats[:-1]
    return repeats & ~before & repeats_frames


def _rules(kind: Kind, periods: Sequence[tuple[DeviceRules, ...]], places: list[int], origin: int) -> Rules:
    rows: list[DeviceRules | None] = []
    starts: list[int] = []
    for place, of_device in zip(places, periods, strict=True):
        rows.append(None)
        starts.append(place + origin)
        for rules in of_device:
            begins = to_us(rules.start)
            if begins <= origin:
                rows[-1] = rules
            elif begins < origin + _PLACE_US:
                rows.append(rules)
                starts.append(place + begins)
    registers = [quantity.name for quantity in QUANTITIES[kind] if quantity.register]
    return Rules(
        start=np.array(starts, np.int64),
        interval_us=np.array([row.interval_us if row else 0 for row in rows], np.int64),
        hold_us=np.array([row.hold_us if row else 0 for row in rows], np.int64),
        memory_us=np.array([row.memory_us if row else 0 for row in rows], np.int64),
        interval_mean=np.array([row is not None and row.interval_mean for row in rows], np.bool_),
        repeats_frames=np.array([row is not None and row.repeats_frames for row in rows], np.bool_),
        registers={name: _limits(name, rows) for name in registers},
    )


def _limits(register: str, rows: Sequence[DeviceRules | None]) -> RegisterLimits:
    unknown = RegisterRules()
    rules = [row.registers.get(register, unknown) if row else unknown for row in rows]
    return RegisterLimits(
        column([each.modulus for each in rules]),
        column([each.resolution for each in rules]),
        column([each.max_per_h for each in rules]),
    )


def _replacements(
    kind: Kind,
    devices: Sequence[DeviceKey],
    histories: Mapping[DeviceKey, DeviceHistory],
    place: Mapping[DeviceKey, int],
    origin: int,
) -> dict[str, tuple[tuple[int, float, float], ...]]:
    return {
        quantity.name: tuple(
            (place[key] + event.at_us, event.final, event.initial)
            for key in devices
            for event in histories[key].replacements.get(quantity.name, ())
            if origin < event.at_us < origin + _PLACE_US
        )
        for quantity in QUANTITIES[kind]
        if quantity.register
    }


def _cells(
    devices: Sequence[DeviceKey],
    histories: Mapping[DeviceKey, DeviceHistory],
    windows: Mapping[DeviceKey, Window],
    place: Mapping[DeviceKey, int],
) -> tuple[Cells, Slots]:
    starts = [np.array([np.iinfo(np.int64).min], np.int64)]
    slots = [np.array([-1], np.int64)]
    epochs = [np.array([0], np.int64)]
    hours: list[tuple[IntArray, IntArray, IntArray]] = []
    count = 0
    for index, key in enumerate(devices):
        if key not in windows:
            continue
        begin, end = windows[key]
        hour = histories[key].grid.starts(begin, end)
        change_points = histories[key].change_points
        inside = change_points[(change_points > begin) & (change_points < end)]
        edges = np.union1d(hour, inside)
        starts += [edges + place[key], np.array([end + place[key]], np.int64)]
        slots += [count + np.searchsorted(hour, edges, "right") - 1, np.array([-1], np.int64)]
        epochs += [np.searchsorted(change_points, edges, "right"), np.array([0], np.int64)]
        hours.append((np.full(len(hour), index, np.int64), hour, np.diff(np.append(hour, end))))
        count += len(hour)
    cells = Cells(np.concatenate(starts), np.concatenate(slots), np.concatenate(epochs))
    if not hours:
        nothing = np.empty(0, np.int64)
        return cells, Slots(nothing, nothing, nothing)
    device, hour_us, length_us = (np.concatenate(each) for each in zip(*hours, strict=True))
    return cells, Slots(device, hour_us, length_us)


def last_start(start: IntArray, position: IntArray) -> IntArray:
    """Of each position the index of the last start at or before it, -1 where there is none; both ascend.

    As few are looked for among many: looking for each position takes ten times as long.
    """
    if len(position) < len(start):
        return np.searchsorted(start, position, "right") - 1
    first = np.searchsorted(position, start, "left")
    return np.repeat(np.arange(-1, len(start)), np.diff(first, prepend=0, append=len(position)))


def _last_start_before(start: IntArray, position: IntArray) -> IntArray:
    """As `last_start`, of the starts that are before the position itself."""
    if len(position) < len(start):
        return np.searchsorted(start, position, "left") - 1
    first = np.searchsorted(position, start, "right")
    return np.repeat(np.arange(-1, len(start)), np.diff(first, prepend=0, append=len(position)))


class Pieces(NamedTuple):
    """Segments of the axis cut at the cells, without what is outside the windows; in order of the
    segments, so cells ascend."""

    segment: IntArray
    cell: IntArray
    length_us: IntArray
    partial: IntArray
    """The index of each piece that is not a whole segment; ascending. They are few."""

    def where(self, kept: BoolArray) -> Pieces:
        """Only the pieces that are `kept`."""
        if kept.all():
            return self
        number = np.cumsum(kept) - 1
        partial = number[self.partial[kept[self.partial]]]
        return Pieces(self.segment[kept], self.cell[kept], self.length_us[kept], partial)

    def shared(self, amount: FloatArray, length_us: IntArray) -> FloatArray:
        """What each piece has of its segment's `amount`: its share of the segment's length.

        The share hangs on the segment alone: an hour sums the same parts whatever is computed with it.
        """
        result = amount[self.segment]
        at = self.partial
        result[at] *= self.length_us[at] / length_us[self.segment[at]]
        return result


def cut(start: IntArray, end: IntArray, cells: Cells) -> Pieces:
    """The segments from `start` to `end` (positions, within one device each; both ascend), cut at the
    cells."""
    first = last_start(cells.start, start)
    last = np.maximum(_last_start_before(cells.start, end), first)
    count = last - first + 1
    across = np.flatnonzero(count > 1)
    length = end - start
    segment = np.arange(len(start))
    partial = across[:0]
    if len(across):
        times = count[across]
        begins = (np.cumsum(count) - count)[across]
        offset = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        partial = np.repeat(begins, times) + offset
        segment, first, length = (np.repeat(each, count) for each in (segment, first, length))
        first[partial] += offset
        of, cell = segment[partial], first[partial]
        begin = np.maximum(start[of], cells.start[cell])
        length[partial] = np.minimum(end[of], np.append(cells.start[1:], _LAST_US)[cell]) - begin
    pieces = Pieces(segment, first, length, partial)
    return pieces.where((cells.slot[first] >= 0) & (length > 0))
