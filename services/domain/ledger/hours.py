"""Hours of a site's local clock, as instants: microseconds since 1970-01-01 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
QUARTER_US: Final = 900 * SECOND_US
DAY_US: Final = 24 * HOUR_US
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The instant, UTC, of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


class HourGrid:
    """The hours of one time zone's clock.

    An hour begins where the clock shows a full hour, and where the clock is put forward or back: an hour is
    then shorter in the few zones whose clock moves by half an hour. All begin on a quarter of a UTC hour.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._days: dict[int, IntArray] = {}
        self._floors: dict[int, int] = {}
        self._ceils: dict[int, int] = {}

    def starts(self, begin: int, end: int) -> IntArray:
        """The beginnings of hours at or after `begin` and before `end`, ascending."""
        if end <= begin:
            return np.empty(0, np.int64)
        days = [self._day(day) for day in range(begin // DAY_US, (end - 1) // DAY_US + 1)]
        all_starts = np.concatenate(days)
        return all_starts[(all_starts >= begin) & (all_starts < end)]

    def floor(self, time: int) -> int:
        """The beginning of the hour that `time` is in."""
        # Hours begin on quarters: all times of one have the same.
        quarter = time // QUARTER_US
        if quarter not in self._floors:
            at = quarter * QUARTER_US
            self._floors[quarter] = int(self.starts(at - HOUR_US + 1, at + 1)[-1])
        return self._floors[quarter]

    def ceil(self, time: int) -> int:
        """The first beginning of an hour at or after `time`."""
        quarter = -(-time // QUARTER_US)
        if quarter not in self._ceils:
            at = quarter * QUARTER_US
            self._ceils[quarter] = int(self.starts(at, at + HOUR_US)[0])
        return self._ceils[quarter]

    def _day(self, day: int) -> IntArray:
        """The beginnings of hours within a UTC day, by its number since 1970."""
        if day not in self._days:
            quarters = range(day * DAY_US, (day + 1) * DAY_US, QUARTER_US)
            self._days[day] = np.array([each for each in quarters if self._begins_hour(each)], np.int64)
        return self._days[day]

    def _begins_hour(self, quarter: int) -> bool:
        local = from_us(quarter).astimezone(self._zone)
        before = from_us(quarter - QUARTER_US).astimezone(self._zone)
        return local.minute == 0 or local.utcoffset() != before.utcoffset()
