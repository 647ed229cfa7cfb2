"""The hours of a device's quantities: what it sent, its mean, its consumption, and how much of the hour is
known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.device_hour_columns import Columns, DeviceHours
from services.domain.ledger.gauges import StepFunction, overlay
from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.ledger.readings import State
from services.domain.ledger.shapes import Moved, Shapes
from services.domain.ledger.steps import Steps
from services.domain.ledger.track import Track, cut
from services.domain.quantities import QUANTITIES, Quantity


class _Sent(NamedTuple):
    """What was sent in each slot, and counts."""

    readings: IntArray
    min: FloatArray
    max: FloatArray
    first: FloatArray
    last: FloatArray


class _Amount(NamedTuple):
    """Mean of a gauge or consumption of a register in each slot."""

    value: FloatArray
    covered_us: IntArray
    estimated: BoolArray


def device_hours(shapes: Shapes) -> DeviceHours:
    """The rows of all device-hours of the track in which something is known of a quantity."""
    track = shapes.track
    parts = [
        DeviceHours(track.devices, _columns(shapes, quantity))
        for quantity in QUANTITIES[track.kind]
        if (track.readings.columns[quantity.name].state != State.ABSENT).any()
    ]
    return DeviceHours.joined(parts)


def _columns(shapes: Shapes, quantity: Quantity) -> Columns:
    track = shapes.track
    sent = _sent(track, quantity)
    if quantity.register:
        amount = _consumption(shapes.steps(quantity.name), shapes.moved(quantity.name), track)
    else:
        amount = _mean(shapes.gauge(quantity.name), track)
    some = np.flatnonzero((sent.readings > 0) | (amount.covered_us > 0) | ~np.isnan(amount.value))
    value, nothing = amount.value[some], np.full(len(some), np.nan)
    return Columns(
        device=track.slots.device[some],
        hour_us=track.slots.hour_us[some],
        quantity=np.full(len(some), quantity.code),
        readings=sent.readings[some],
        min=sent.min[some],
        max=sent.max[some],
        mean=nothing if quantity.register else value,
        first=sent.first[some],
        last=sent.last[some],
        consumption=value if quantity.register else nothing,
        coverage=amount.covered_us[some] / track.slots.length_us[some],
        estimated=amount.estimated[some],
    )


def _sent(track: Track, quantity: Quantity) -> _Sent:
    column = track.readings.columns[quantity.name]
    index = np.flatnonzero(counting(track, quantity) & (track.slot >= 0))
    slot = track.slot[index]
    value = column.value[index]
    size = len(track.slots)
    result = _Sent(np.bincount(slot, minlength=size), *(np.full(size, np.nan) for _ in range(4)))
    begins = np.flatnonzero(np.diff(slot, prepend=-1))  # slots ascend with device and time
    if len(begins):
        at = slot[begins]
        result.min[at] = np.minimum.reduceat(value, begins)
        result.max[at] = np.maximum.reduceat(value, begins)
        result.first[at] = value[begins]
        result.last[at] = value[np.append(begins[1:], len(value)) - 1]
    return result


def counting(track: Track, quantity: Quantity) -> BoolArray:
    """The readings in which the quantity counts: those read off by a person only of a register."""
    state = track.readings.columns[quantity.name].state
    valid = np.asarray(state == State.VALID, np.bool_)
    return valid | (state == State.MANUAL) if quantity.register else valid


def _consumption(steps: Steps, moved: Moved, track: Track) -> _Amount:
    pieces, amount = moved
    slot = track.cells.slot[pieces.cell]
    known = ~np.isnan(amount)
    size = len(track.slots)
    covered = known & steps.covered[pieces.segment]
    return _Amount(
        sum_known(slot, amount, known, size)[0],
        total_us(slot, np.where(covered, pieces.length_us, 0), size),
        marked(slot, known & steps.estimated[pieces.segment], size),
    )


def _mean(function: StepFunction, track: Track) -> _Amount:
    segments = overlay([function])
    pieces = cut(segments.start, segments.end, track.cells)
    slot = track.cells.slot[pieces.cell]
    size = len(track.slots)
    covered_us = total_us(slot, pieces.length_us, size)
    weighted = np.bincount(
        slot, weights=segments.values[0][pieces.segment] * pieces.length_us, minlength=size
    )
    return _Amount(
        np.divide(weighted, covered_us, out=np.full(size, np.nan), where=covered_us > 0),
        covered_us,
        np.zeros(size, np.bool_),
    )


def sum_known(
    place: IntArray, amount: FloatArray, known: BoolArray, size: int
) -> tuple[FloatArray, BoolArray]:
    """Sums of the known amounts by place, added up one after the other in the order given, and where there is
    any; NaN where there is nothing to add."""
    if not known.all():
        place, amount = place[known], amount[known]
    some = np.bincount(place, minlength=size) > 0
    return np.where(some, np.bincount(place, weights=amount, minlength=size), np.nan), some


def marked(place: IntArray, marks: BoolArray, size: int) -> BoolArray:
    """The places in which anything is marked."""
    result = np.zeros(size, np.bool_)
    result[place[marks]] = True
    return result


def total_us(place: IntArray, length_us: IntArray, size: int) -> IntArray:
    """Sums of times by place; exact, as no sum takes more than the 53 bits of a double (285 years)."""
    return np.bincount(place, weights=length_us, minlength=size).astype(np.int64)
