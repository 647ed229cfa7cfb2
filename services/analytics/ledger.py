"""Which hours follow from what was touched, and which readings those hours follow from: the ledger's
arithmetic of time, without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.domain.conversion import SourceKey
from services.domain.ledger.hours import HOUR_US, QUARTER_US, SECOND_US, HourGrid, to_us
from services.domain.ledger.plan import Plan
from services.domain.ledger.rules import DeviceHistory
from services.domain.ledger.track import Window
from services.domain.quantities import BY_CODE
from services.domain.reading import DeviceKey
from services.store.ledger import Neighbours

MAX_READINGS: Final = 200_000
"""About so many readings are computed at once: some 50 MB, and a second."""
REPEAT_READINGS: Final = 2
"""Whether a reading repeats the one before it, so many before it tell."""
_DAY_US: Final = 24 * HOUR_US
_ASSUMED_INTERVAL_US: Final = 30 * SECOND_US

Windows = dict[DeviceKey, Window]


class Pace:
    """How many readings a device sends in some time: as was counted, else by its expected interval."""

    def __init__(
        self, plan: Plan, counted: Mapping[DeviceKey, tuple[int, int]] = MappingProxyType({})
    ) -> None:
        """`counted`: readings, and the microseconds they were sent in."""
        self._plan = plan
        self._counted = counted

    def of(self, device: DeviceKey, window: Window) -> float:
        """About how many are in the window."""
        length_us = window.end_us - window.begin_us
        if device in self._counted:
            readings, within_us = self._counted[device]
            return length_us * readings / within_us
        intervals = [rules.interval_us for rules in self._plan.history(device).periods if rules.interval_us]
        return length_us / min(intervals, default=_ASSUMED_INTERVAL_US)

    def of_all(self, windows: Mapping[DeviceKey, Window]) -> float:
        """About how many are in the windows."""
        return sum(self.of(device, window) for device, window in windows.items())


class Touched(NamedTuple):
    """Hours of a device that something happened in, within one UTC day (by its number since 1970)."""

    day: int
    device: DeviceKey
    window: Window


def hull(*windows: Window) -> Window:
    """The shortest window around all of them."""
    return Window(min(each.begin_us for each in windows), max(each.end_us for each in windows))


def touched_hours(plan: Plan, device: DeviceKey, quarters: npt.NDArray[np.int64]) -> Iterator[Touched]:
    """The hours that quarter hours (number of 900 s since 1970) are in, day by day."""
    grid = plan.history(device).grid
    of_day: dict[int, tuple[int, int]] = {}
    for quarter in quarters.tolist():
        day = quarter * QUARTER_US // _DAY_US
        first, last = of_day.get(day, (quarter, quarter))
        of_day[day] = min(first, quarter), max(last, quarter)
    for day, (first, last) in sorted(of_day.items()):
        yield Touched(day, device, Window(grid.floor(first * QUARTER_US), grid.ceil(last * QUARTER_US + 1)))


def touched_days(plan: Plan, device: DeviceKey, begin_us: int, end_us: int) -> Iterator[Touched]:
    """A stretch of time, day by day, with an hour and the longest hold around it: hours may have begun
    elsewhere."""
    history = plan.history(device)
    begin_us -= HOUR_US + history.hold_us
    end_us += HOUR_US + history.hold_us
    for day in range(begin_us // _DAY_US, (end_us - 1) // _DAY_US + 1):
        first, last = max(begin_us, day * _DAY_US), min(end_us, (day + 1) * _DAY_US)
        yield Touched(day, device, Window(history.grid.floor(first), history.grid.ceil(last)))


def chunks(pace: Pace, touched: Iterable[Touched], max_readings: float) -> Iterator[Windows]:
    """What was touched in portions of about `max_readings`, in order of time; in each one window for a
    device."""
    windows: Windows = {}
    expected, last_day = 0.0, 0
    for each in sorted(touched):
        before = windows.get(each.device)
        window = each.window if before is None else hull(before, each.window)
        more = pace.of(each.device, window) - (pace.of(each.device, before) if before else 0.0)
        # Days far apart are no stretch: what lies between them was not touched.
        if windows and (expected + more > max_readings or each.day > last_day + 1):
            yield windows
            windows, expected = {}, 0.0
            window, more = each.window, pace.of(each.device, each.window)
        windows[each.device] = window
        expected, last_day = expected + more, each.day
    if windows:
        yield windows


def portions(
    plan: Plan, pace: Pace, windows: Mapping[DeviceKey, Window], max_readings: float
) -> Iterator[Windows]:
    """Long windows in portions, each hour once."""
    days = [
        Touched(day, device, Window(begin_us, end_us))
        for device, each in windows.items()
        for day, begin_us, end_us in _days(plan.history(device).grid, each)
    ]
    yield from chunks(pace, days, max_readings)


def _days(grid: HourGrid, window: Window) -> Iterator[tuple[int, int, int]]:
    """The UTC days of a window, each from hour to hour."""
    for day in range(window.begin_us // _DAY_US, (window.end_us - 1) // _DAY_US + 1):
        begin_us = max(window.begin_us, grid.ceil(day * _DAY_US))
        end_us = min(window.end_us, grid.ceil((day + 1) * _DAY_US))
        if day == window.begin_us // _DAY_US:
            begin_us = window.begin_us
        if begin_us < end_us:
            yield day, begin_us, end_us


def reached(history: DeviceHistory, window: Window) -> Window:
    """The hours that values within the window may be held into, or in which their high marks may count."""
    grid, hold_us = history.grid, history.hold_us
    return Window(
        grid.floor(window.begin_us - hold_us), grid.ceil(window.end_us + max(hold_us, history.memory_us))
    )


def with_members(plan: Plan, windows: Mapping[DeviceKey, Window]) -> tuple[Windows, dict[SourceKey, Window]]:
    """The windows, widened and joined by those of the other devices of the sources they touch; and these
    sources."""
    sources: dict[SourceKey, Window] = {}
    for device, window in windows.items():
        for source in plan.sources_of(device):
            sources[source] = hull(window, sources.get(source, window))
    everything = dict(windows)
    for source, window in sources.items():
        for member in plan.members(source):
            everything[member] = hull(window, everything.get(member, window))
    return everything, sources


class Near(NamedTuple):
    """The neighbours of one device's window: the nearest hours with readings that count, by code of the
    register; and the nearest reading of any status."""

    before: Mapping[int, int] = MappingProxyType({})
    after: Mapping[int, int] = MappingProxyType({})
    inside: frozenset[int] = frozenset()
    heard_before: int | None = None
    heard_after: int | None = None

    @property
    def earlier(self) -> int | None:
        """The nearest of all before the window; None: there is no reading."""
        return self.heard_before

    @property
    def later(self) -> int | None:
        """The nearest of all after the window; None: there is no reading."""
        return self.heard_after


NOTHING_NEAR: Final = Near()


def by_device(found: Iterable[Neighbours]) -> dict[int, Near]:
    """Neighbours by device id, in microseconds."""
    rows: defaultdict[int, list[Neighbours]] = defaultdict(list)
    for each in found:
        rows[each.device_id].append(each)
    return {
        device_id: Near(
            {each.quantity: to_us(each.before) for each in of_device if each.before is not None},
            {each.quantity: to_us(each.after) for each in of_device if each.after is not None},
            frozenset(each.quantity for each in of_device if each.inside),
        )
        for device_id, of_device in rows.items()
    }


def in_question(near: Near) -> list[int]:
    """The registers that have neighbours, but no hour of the ledger within the window itself yet: whether
    any reading of the window has them must be looked up."""
    around = {code for code in (*near.before, *near.after) if BY_CODE[code].register}
    return sorted(around - near.inside)


def widened(
    grid: HourGrid, window: Window, near: Near, sent: Collection[int], of_members: Sequence[Near]
) -> Window:
    """The hours that change when something does within the window: as far as its registers' steps reach, and
    the rows of an outage, to the nearest reading of the device, or of a source's other devices where it has
    none."""
    moved = near.inside.union(sent)
    begins = [hour for code, hour in near.before.items() if code in moved and BY_CODE[code].register]
    ends = [hour for code, hour in near.after.items() if code in moved and BY_CODE[code].register]
    begins += _nearest(max, near.earlier, [each.earlier for each in of_members])
    ends += _nearest(min, near.later, [each.later for each in of_members])
    return Window(
        min([window.begin_us, *(grid.floor(time) for time in begins)]),
        max([window.end_us, *(grid.ceil(time + HOUR_US) for time in ends)]),
    )


def _nearest(
    choose: Callable[[list[int]], int], own: int | None, of_members: Iterable[int | None]
) -> list[int]:
    if own is not None:
        return [own]
    times = [time for time in of_members if time is not None]
    return [choose(times)] if times else []


def needed(history: DeviceHistory, window: Window, near: Near) -> list[Window]:
    """The stretches of time whose readings the hours of a window follow from (`kernel.compute`), disjoint."""
    hold_us = history.hold_us
    back_us = max(hold_us, history.memory_us)
    hours = {hour for code, hour in (*near.before.items(), *near.after.items()) if BY_CODE[code].register}
    heard = [time for time in (near.heard_before, near.heard_after) if time is not None]
    return disjoint(
        [
            Window(window.begin_us - back_us, window.end_us + hold_us),
            *(Window(hour - back_us, hour + HOUR_US + hold_us) for hour in hours),
            *(Window(time, time + 1) for time in heard),
        ]
    )


def disjoint(windows: Iterable[Window]) -> list[Window]:
    """The same time in windows that do not overlap, ascending."""
    result: list[Window] = []
    for each in sorted(windows):
        if result and each.begin_us <= result[-1].end_us:
            result[-1] = hull(result[-1], each)
        else:
            result.append(each)
    return result
