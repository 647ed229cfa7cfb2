"""Which readings hours rest on: from the one at or before an hour to the one at or after it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.ledger.readings import Readings, State
from services.domain.quantities import quantity as quantity_of

_LATEST: Final = np.iinfo(np.int64).max


class Hours(NamedTuple):
    """Hours of devices, of one quantity, microseconds since 1970; `device` indexes those of the readings."""

    device: IntArray
    begin_us: IntArray
    end_us: IntArray
    before_us: IntArray
    after_us: IntArray
    """How far before the hour, and after it, a gauge's reading may lie that reaches into it; -1: never."""


class Used(NamedTuple):
    """Of each hour the first and the last reading, and how many; nothing where `readings` is 0."""

    first_us: IntArray
    last_us: IntArray
    readings: IntArray


def used(readings: Readings, quantity: str, hours: Hours) -> Used:
    """The readings that count of `quantity` and that `hours` rest on, repeated frames among them.

    A register's hour rests on the readings around it, however far: on nothing where there is none within it
    and none on one of its sides. A gauge's rests on those within the hour, and on the one before it whose
    value is held into it, or on the one after it whose mean reaches back.
    """
    register = quantity_of(readings.kind, quantity).register
    counts = _counting(readings, quantity, register)
    device, time = readings.device, readings.time
    if not counts.all():
        device, time = device[counts], time[counts]
    low = int(min(hours.begin_us.min(), time.min(initial=_LATEST)))
    span = int(max(hours.end_us.max(), time.max(initial=low))) - low + 1
    # All devices on one ascending axis. A hundred thousand of them have room for years.
    position = device * span + (time - low)
    base = hours.device * span - low
    inside = np.searchsorted(position, base + hours.begin_us, "left")
    beyond = np.searchsorted(position, base + hours.end_us, "left")
    # A reading at the very beginning is both within the hour and at its edge.
    before = np.searchsorted(position, base + hours.begin_us, "right") - 1
    reach_before_us = np.where(register, span, hours.before_us)
    reach_after_us = np.where(register, span, hours.after_us)
    has_before = _near(device, time, before, hours.device, hours.begin_us, reach_before_us)
    has_after = _near(device, time, beyond, hours.device, hours.end_us, reach_after_us)
    first = np.where(has_before, before, inside)
    last = np.where(has_after, beyond, beyond - 1)
    some = last >= first
    if register:
        some &= (beyond > inside) | (has_before & has_after)
    return Used(
        _at(time, np.where(some, first, -1)),
        _at(time, np.where(some, last, -1)),
        np.where(some, last - first + 1, 0),
    )


def _counting(readings: Readings, quantity: str, register: bool) -> BoolArray:
    state = readings.columns[quantity].state
    valid = np.asarray(state == State.VALID, np.bool_)
    return valid | (state == State.MANUAL) if register else valid


def _near(
    device: IntArray, time: IntArray, index: IntArray, of: IntArray, at_us: IntArray, reach_us: IntArray
) -> BoolArray:
    """Whether the reading of that index exists, is of that device and no further than the reach."""
    exists = (index >= 0) & (index < len(device))
    if not len(device):
        return exists
    kept = np.clip(index, 0, len(device) - 1)
    result: BoolArray = exists & (device[kept] == of) & (np.abs(time[kept] - at_us) <= reach_us)
    return result


def _at(time: IntArray, index: IntArray) -> IntArray:
    return time[index] if len(time) else np.zeros(len(index), np.int64)
