"""What gauges showed last: a value holds until the next one, at most three expected intervals.

As in the ledger (services.domain.ledger.gauges), but one reading after the other, for whole groups at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray

UNKNOWN_US: Final = np.iinfo(np.int64).min
"""No time: nothing is remembered."""
ABSENT: Final = -1
"""Column of a quantity that the kind has not: the last of a matrix, in which nothing was ever sent."""


class Sent(NamedTuple):
    """What readings say, by row and column of the kind."""

    values: FloatArray
    """The valid values; NaN where there is none."""
    counting: FloatArray
    """The values that count in a register: the manual ones, too."""
    silenced: BoolArray | None
    """Where a status says that there is no valid value; None where no status says anything."""
    raw: FloatArray | None = None
    """The values as sent, whatever their status; None where no status says anything."""
    stopped: BoolArray | None = None
    """Where the status is `stopped`; None as `raw`."""


class Entries(NamedTuple):
    """Which rows of a batch go through which members of a group: parallel, ascending by member, then row."""

    rows: IntArray
    members: IntArray


class Runs(NamedTuple):
    """The entries of each member, one after the other."""

    members: IntArray
    times_us: IntArray
    first: BoolArray
    """Where the entries of a member begin."""
    last: BoolArray
    """Where they end."""


class Shown(NamedTuple):
    """What a quantity shows at each entry."""

    values: FloatArray
    """NaN where unknown."""
    now: BoolArray
    """Where a valid value is of the entry's own instant."""
    sent: BoolArray
    """Where the entry's reading said something of it, be it that it is not valid."""
    last: Last


class Last(NamedTuple):
    """What to remember of a quantity, once the readings are committed: parallel arrays."""

    members: IntArray
    times_us: IntArray
    values: FloatArray


Remembered = Mapping[tuple[int, int], tuple[int, float]]
"""By device id and column: when something was said last, and the value (NaN where it was not valid)."""


class Gauge:
    """One quantity of each member of a group: in which column it is, and what was said of it last."""

    def __init__(self, columns: IntArray, hold_us: IntArray) -> None:
        self._columns = columns
        self._hold_us = hold_us
        self._last_us = np.full(len(columns), UNKNOWN_US, np.int64)
        self._last_value = np.full(len(columns), np.nan)

    def show(self, entries: Entries, runs: Runs, sent: Sent) -> Shown:
        """The value at each entry: its own, or the one held from before where it says nothing."""
        column = self._columns[entries.members]
        values = sent.values[entries.rows, column]
        said = was_sent(entries, column, values, sent.silenced)
        if said.all():
            last = Last(runs.members[runs.last], runs.times_us[runs.last], values[runs.last])
            return Shown(values, ~np.isnan(values), said, last)
        position = np.arange(len(values))
        latest = np.maximum.accumulate(np.where(said, position, -1))
        here = latest >= np.maximum.accumulate(np.where(runs.first, position, 0))
        since_us = np.where(here, runs.times_us[latest], self._last_us[runs.members])
        held = np.where(here, values[latest], self._last_value[runs.members])
        fresh = since_us >= runs.times_us - self._hold_us[runs.members]
        shown = np.where(fresh, held, np.nan)
        chosen = np.flatnonzero(runs.last & here)
        last = Last(runs.members[chosen], since_us[chosen], held[chosen])
        return Shown(shown, (since_us == runs.times_us) & ~np.isnan(shown), said, last)

    def remember(self, last: Last) -> None:
        """The readings are committed."""
        self._last_us[last.members] = last.times_us
        self._last_value[last.members] = last.values

    def remembered(self, device_ids: IntArray) -> Iterator[tuple[tuple[int, int], tuple[int, float]]]:
        """What another group's gauge can take over."""
        for member in np.flatnonzero(self._last_us != UNKNOWN_US).tolist():
            key = int(device_ids[member]), int(self._columns[member])
            yield key, (int(self._last_us[member]), float(self._last_value[member]))

    def take_over(self, device_ids: IntArray, found: Remembered) -> None:
        """Remember what was remembered of the same devices and quantities."""
        for member, key in enumerate(zip(device_ids.tolist(), self._columns.tolist(), strict=True)):
            if key in found:
                self._last_us[member], self._last_value[member] = found[key]


def was_sent(entries: Entries, column: IntArray, values: FloatArray, silenced: BoolArray | None) -> BoolArray:
    """Where a reading has a value of its entry's column, or a word that there is none."""
    said = ~np.isnan(values)
    return said if silenced is None else said | silenced[entries.rows, column]


def runs_of(entries: Entries, times_us: IntArray) -> Runs:
    """Where the entries of each member begin and end."""
    members = entries.members
    change = members[1:] != members[:-1]
    return Runs(members, times_us[entries.rows], np.r_[True, change], np.r_[change, True])
