"""Stretches of time that a registry or factor change re-opened, in portions: from the earliest day on, all
devices of a day together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from services.analytics.ledger import Pace, Touched, touched_days
from services.domain.ledger.hours import DAY_US
from services.domain.ledger.plan import Plan
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey

_FEW_READINGS: Final = 1.0


class Open(NamedTuple):
    """A stretch of a device's time that is to be computed, no longer than there are readings."""

    device: DeviceKey
    window: Window


def portion_end_us(pace: Pace, stretches: Sequence[Open], max_readings: float) -> int | None:
    """Up to when about `max_readings` are to be computed, a whole number of days and one at least; None: all
    of it."""
    days = sorted({day for each in stretches for day in _days(each.window)})
    expected = 0.0
    for number, day in enumerate(days):
        expected += sum(_within(pace, each, day) for each in stretches)
        if expected >= max_readings and number + 1 < len(days):
            return (day + 1) * DAY_US
    return None


def touched_until(plan: Plan, stretches: Sequence[Open], end_us: int | None) -> list[Touched]:
    """What the stretches touch, up to an instant."""
    touched: list[Touched] = []
    for device, window in stretches:
        last_us = window.end_us if end_us is None else min(window.end_us, end_us)
        if window.begin_us < last_us:
            touched += touched_days(plan, device, window.begin_us, last_us)
    return touched


def first_day(pace: Pace, stretch: Open) -> float:
    """About how many readings the first day of a stretch has: what it takes at least."""
    return max(_FEW_READINGS, _within(pace, stretch, stretch.window.begin_us // DAY_US))


def _days(window: Window) -> Iterator[int]:
    yield from range(window.begin_us // DAY_US, (window.end_us - 1) // DAY_US + 1)


def _within(pace: Pace, stretch: Open, day: int) -> float:
    begin_us = max(stretch.window.begin_us, day * DAY_US)
    end_us = min(stretch.window.end_us, (day + 1) * DAY_US)
    return pace.of(stretch.device, Window(begin_us, end_us)) if begin_us < end_us else 0.0
