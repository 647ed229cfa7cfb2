"""From readings that are strange to findings: runs of them, cut at the hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray, from_us
from services.domain.ledger.rows import known
from services.domain.ledger.track import Track
from services.domain.quality.rows import MOST_PER_HOUR, NO_QUANTITY, Finding, FindingKind

NOTHING: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Series:
    """The readings of a track in which one quantity is sent, or named."""

    track: Track
    position: IntArray
    rule: IntArray
    """The row of the rules."""
    value: FloatArray
    """NaN where it does not count."""
    follows: BoolArray
    """Whether no gap lies between the reading and the one before it."""

    def of(self, value: FloatArray, sent: BoolArray) -> Series:
        """The same readings with another value, those of them in which it was `sent`."""
        if sent.all():
            return Series(self.track, self.position, self.rule, value, self.follows)
        return series(self.track, value[sent], self.position[sent], self.rule[sent])


def series(track: Track, value: FloatArray, position: IntArray, rule: IntArray) -> Series:
    """Of some readings of a track."""
    follows = np.zeros(len(position), np.bool_)
    follows[1:] = np.diff(position) <= track.rules.hold_us[rule[:-1]]
    return Series(track, position, rule, value, follows)


def all_readings(track: Track) -> Series:
    """The times of all readings, as a series to make others of."""
    return series(track, np.empty(0), track.position, track.rule)


class Runs(NamedTuple):
    """Readings, by their index in a series, that are strange one after the other, within one hour each."""

    slot: IntArray
    begin: IntArray
    """Where it began, if that was in this hour or just before; else its first reading in the hour."""
    first: IntArray
    """The first reading that shows it, in the hour."""
    last: IntArray
    continues: BoolArray

    def where(self, kept: BoolArray) -> Runs:
        """Only the runs that are `kept`."""
        return Runs(
            self.slot[kept], self.begin[kept], self.first[kept], self.last[kept], self.continues[kept]
        )


def slots(track: Track, position: IntArray) -> IntArray:
    """The device-hour of each position, -1 outside the windows."""
    return track.cells.slot[np.searchsorted(track.cells.start, position, "right") - 1]


def runs(of: Series, strange: BoolArray, *, least: int = 1, least_us: IntArray | None = None) -> Runs:
    """Runs of strange readings from their `least`-th reading on, or from the first that is `least_us` (by row
    of the rules; 0: never) after the run's beginning.

    With `least_us`, what is strange is that a reading says the same as the one before it: a run begins with
    that one.
    """
    index = np.flatnonzero(strange)
    if len(index) == 0:
        return Runs(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING.astype(np.bool_))
    new = np.ones(len(index), np.bool_)
    new[1:] = (np.diff(index) > 1) | ~of.follows[index[1:]]
    number = np.cumsum(new) - 1
    begins = index[new] - (0 if least_us is None else 1)
    begin = begins[number]
    if least_us is None:
        long = index - begin + 1 >= least
    else:
        least_here = least_us[of.rule[index]]
        long = (least_here > 0) & (of.position[index] - of.position[begin] >= least_here)
    index, begin, number = index[long], begin[long], number[long]
    slot = slots(of.track, of.position[index])
    continues = np.zeros(len(index), np.bool_)
    continues[1:] = number[1:] == number[:-1]
    inside = slot >= 0
    index, begin, number = index[inside], begin[inside], number[inside]
    slot, continues = slot[inside], continues[inside]
    cut = np.ones(len(index), np.bool_)
    cut[1:] = (number[1:] != number[:-1]) | (slot[1:] != slot[:-1])
    heads = np.flatnonzero(cut)
    ends = np.append(heads[1:], len(index))[: len(heads)] - 1
    return Runs(
        slot=slot[heads],
        begin=np.where(continues[heads], index[heads], begin[heads]),
        first=index[heads],
        last=index[ends],
        continues=continues[heads],
    )


def extremes(value: FloatArray, begin: IntArray, last: IntArray) -> tuple[FloatArray, FloatArray]:
    """The least and the largest value from each `begin` to its `last`, both included."""
    if len(begin) == 0:
        return np.empty(0), np.empty(0)
    edges = np.column_stack([begin, last + 1]).ravel()
    padded = np.append(value, np.nan)
    return np.fmin.reduceat(padded, edges)[::2], np.fmax.reduceat(padded, edges)[::2]


@dataclass(frozen=True, slots=True)
class Columns:
    """Findings of one kind and quantity, in order of device and time."""

    slot: IntArray
    begin: IntArray
    end: IntArray
    """Positions."""
    continues: BoolArray
    readings: IntArray
    low: FloatArray
    high: FloatArray
    bound: FloatArray


def of_runs(of: Series, found: Runs, bound: FloatArray, value: FloatArray | None = None) -> Columns:
    """Columns of runs. `bound` by row of the rules; `value` where it is not the series' own."""
    low, high = extremes(of.value if value is None else value, found.begin, found.last)
    return Columns(
        slot=found.slot,
        begin=of.position[found.begin],
        end=of.position[found.last],
        continues=found.continues,
        readings=found.last - found.begin + 1,
        low=low,
        high=high,
        bound=bound[of.rule[found.last]],
    )


def findings(track: Track, kind: FindingKind, columns: Columns, quantity: int = NO_QUANTITY) -> list[Finding]:
    """The rows, hours with too many of them in one row each."""
    if len(columns.slot) == 0:
        return []
    columns, events = _merged(columns)
    device = track.slots.device[columns.slot]
    place = _places(track)
    return [
        Finding(
            track.devices[of],
            kind,
            quantity,
            from_us(hour),
            from_us(begin - place[of]),
            from_us(end - place[of]),
            continues,
            count,
            readings,
            known(low),
            known(high),
            known(bound),
        )
        for of, hour, begin, end, continues, count, readings, low, high, bound in zip(
            device.tolist(),
            track.slots.hour_us[columns.slot].tolist(),
            columns.begin.tolist(),
            columns.end.tolist(),
            columns.continues.tolist(),
            events.tolist(),
            columns.readings.tolist(),
            columns.low.tolist(),
            columns.high.tolist(),
            columns.bound.tolist(),
            strict=True,
        )
    ]


def _places(track: Track) -> dict[int, int]:
    """By device with hours: what its positions are ahead of its times."""
    slot, first = np.unique(track.cells.slot, return_index=True)
    return {
        int(track.slots.device[each]): int(track.cells.start[at]) - int(track.slots.hour_us[each])
        for each, at in zip(slot.tolist(), first.tolist(), strict=True)
        if each >= 0
    }


def _merged(columns: Columns) -> tuple[Columns, IntArray]:
    """Not more than MOST_PER_HOUR of a slot, and how many began in each."""
    new = np.ones(len(columns.slot), np.bool_)
    new[1:] = columns.slot[1:] != columns.slot[:-1]
    number = np.cumsum(new) - 1
    crowded = np.bincount(number)[number] > MOST_PER_HOUR
    heads = np.flatnonzero(new | ~crowded)
    began = np.add.reduceat((~columns.continues).astype(np.int64), heads)
    if len(heads) == len(columns.slot):
        return columns, began
    last = np.append(heads[1:], len(new)) - 1
    return (
        Columns(
            columns.slot[heads],
            columns.begin[heads],
            columns.end[last],
            columns.continues[heads],
            np.add.reduceat(columns.readings, heads),
            np.fmin.reduceat(columns.low, heads),
            np.fmax.reduceat(columns.high, heads),
            columns.bound[heads],
        ),
        began,
    )
